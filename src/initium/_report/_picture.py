"""A Figure as a picture: SVG, PNG or PDF, by Kaleido, which draws it in a Chrome or Chromium of its own, unseen."""

import math
from os import PathLike
from typing import TYPE_CHECKING, Any

from .._errors import MissingExtraError, OutputError
from .._files import commit, destination, temporary
from .._require import require
from ._plotly import plotly_file

if TYPE_CHECKING:
    from ._sections import Figure

KINDS = ("svg", "png", "pdf")
_NONE = "no picture bears this"  # so none is written over that came while this one was drawn
_WIDE, _ALONE = 1000, 800  # pixels of a picture, and of one that holds a single chart
_BETWEEN = 90  # pixels between two rows of charts: of ticks, their title and the next one's
_BESIDE = 0.045  # of the width, on each side of what lies between two columns
_LEGEND = 40
_PLACES = {"x": ("x", "x0", "x1"), "y": ("y", "y0", "y1")}


def save(figure: "Figure", path: str | PathLike[str]) -> None:
    """Draw all charts of a figure into one picture, with one legend.

    Raises:
        OutputError: if it cannot be written there, a file is there already, or its name says no kind of picture.
        MissingExtraError: if Kaleido is missing, or no browser is there for it.
    """
    file = destination(path)
    kind = file.suffix.lower().lstrip(".")
    if kind not in KINDS:
        raise OutputError(f"'{file}' is no name of a picture, which ends in .svg, .png or .pdf.")
    if file.exists():  # no picture says who made it
        raise OutputError(f"'{file}' exists, and a picture is never written over; remove it, or name another file.")
    kaleido = require("kaleido", to="A picture", install="kaleido")
    pages = kaleido.PageGenerator(plotly=plotly_file().as_uri(), mathjax=False)
    try:
        drawn = kaleido.calc_fig_sync(together(figure), opts={"format": kind}, kopts={"page_generator": pages})
    except Exception as error:
        if "chrom" in f"{type(error).__name__} {error}".lower():
            raise MissingExtraError(
                "A picture is drawn by Chrome or Chromium, which was not found or does not start. Install one or run "
                "`kaleido_get_chrome`."
            ) from None
        raise
    with temporary(file, mark=_NONE) as hidden:
        hidden.write_bytes(drawn)
        commit(hidden, file)


def together(figure: "Figure") -> dict[str, Any]:
    """The charts of a figure as one, in rows of two, or of four if they are many; axes numbered as Plotly does."""
    plots, count = figure.plots, len(figure.plots)
    columns = 1 if count == 1 else 2 if count <= 4 else 4
    rows = math.ceil(count / columns)
    height = rows * max(plot["layout"].get("height", 450) for plot in plots) + (rows - 1) * _BETWEEN // 2
    data: list[dict[str, Any]] = []
    axes: dict[str, Any] = {}
    notes: list[dict[str, Any]] = []
    shapes: list[dict[str, Any]] = []
    named: set[str] = set()
    for index, plot in enumerate(plots):
        own, number = plot["layout"], "" if index == 0 else str(index + 1)
        column, row, gap = index % columns, index // columns, _BETWEEN / 2 / height
        x = [column / columns + _BESIDE * (column > 0), (column + 1) / columns - _BESIDE * (column < columns - 1)]
        y = [1 - (row + 1) / rows + gap * (row < rows - 1), 1 - row / rows - gap * (row > 0)]
        axes[f"xaxis{number}"] = {**own.get("xaxis", {}), "domain": x, "anchor": f"y{number}"}
        axes[f"yaxis{number}"] = {**own.get("yaxis", {}), "domain": y, "anchor": f"x{number}"}
        for trace in plot["data"]:
            name = trace.get("name", "") if own.get("showlegend", True) and trace.get("showlegend", True) else ""
            seen = {} if trace["type"] == "heatmap" else {"showlegend": bool(name) and name not in named}
            data.append({**trace, **seen, "xaxis": f"x{number}", "yaxis": f"y{number}"})
            named |= {name} - {""}
        if text := own.get("title", {}).get("text"):
            notes.append(_note(text, x[0], y[1], xanchor="left", yanchor="bottom"))
        notes += [_moved(one, number, x, y) for one in own.get("annotations", ())]
        shapes += [_moved(one, number, x, y) for one in own.get("shapes", ())]
    legend = _LEGEND if len(named) > 1 else 0
    layout = {name: value for name, value in plots[0]["layout"].items() if name not in ("title", "xaxis", "yaxis")}
    layout |= {
        **axes,
        "width": max(_WIDE if count > 1 else _ALONE, figure.narrowest),
        "height": height + legend,
        "margin": {"l": 70, "r": 20, "t": 40, "b": 60 + legend},
        "annotations": notes,
        "shapes": shapes,
        "showlegend": legend > 0,
        "legend": {"orientation": "h", "y": 0, "yref": "container", "yanchor": "bottom", "x": 0},
    }
    return {"data": data, "layout": layout}


def _note(text: str, x: float, y: float, **more: Any) -> dict[str, Any]:
    return {"text": text, "xref": "paper", "yref": "paper", "x": x, "y": y, "showarrow": False, **more}


def _moved(mark: dict[str, Any], number: str, x: list[float], y: list[float]) -> dict[str, Any]:
    """A note or a shape of one chart, where it belongs in the whole picture."""
    moved = dict(mark)
    for letter, ends in (("x", x), ("y", y)):
        ref = f"{letter}ref"
        if mark.get(ref, letter) == letter:
            moved[ref] = f"{letter}{number}"
        elif mark[ref] == "paper":
            moved |= {key: ends[0] + mark[key] * (ends[1] - ends[0]) for key in _PLACES[letter] if key in mark}
    return moved
