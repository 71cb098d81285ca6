"""All pairs of starts as one chart: by how much a row is better than a column, and how sure that is."""

import math
from typing import TYPE_CHECKING, Any

from .._report import Figure
from .._report._plots import axis, label, layout
from ._scale import Scale, p_words

if TYPE_CHECKING:
    from ._comparison import Comparison

# The corrected p from which on a pair is drawn darker; white is noise. Black is read on each, also on paper.
_STEPS = (0.05, 0.01, 0.001)
_SHADES = ("#f4f4f4", "#cfe3f1", "#92c2e2", "#4f9bd0")
_CELL, _NAMES = 64, 230  # pixels of a column, and of the names and edges beside them


def matrix(comparison: "Comparison") -> Figure:
    """A row and a column a start, best first; each pair stands once, under the better one's row."""
    names = [row.recipe for row in comparison.summaries]
    first, second = names[:-1], names[1:]
    pairs = {(pair.first, pair.second): pair for pair in comparison.differences}
    scale = Scale.of(comparison.study)
    shade: list[list[int | None]] = []
    text: list[list[str]] = []
    for row in first:
        shade.append([])
        text.append([])
        for column in second:
            pair = pairs.get((row, column))
            if pair is None:
                shade[-1].append(None)
                text[-1].append("")
                continue
            shade[-1].append(0 if math.isnan(pair.p) else sum(pair.p < step for step in _STEPS))
            gap = scale.signed(pair.gap.mean)
            p = "" if math.isnan(pair.p) else f"<br>p {p_words(pair.p)}"
            text[-1].append(f"<b>{gap}</b>{p}" if pair.is_significant else f"{gap}{p}")
    count = len(_SHADES)
    steps = [[edge / count, shade] for index, shade in enumerate(_SHADES) for edge in (index, index + 1)]
    plot = {
        "data": [
            {"type": "heatmap", "x": [*range(len(second))], "y": [*range(len(first))], "z": shade, "text": text,
             "texttemplate": "%{text}", "textfont": {"size": 12, "color": "#1b1b1b"}, "hoverinfo": "skip",
             "zmin": -0.5, "zmax": count - 0.5, "colorscale": steps, "showscale": False, "xgap": 2, "ygap": 2}
        ],
        "layout": layout(
            90 + 44 * len(first),
            xaxis=_axis(second, side="top", tickangle=-35),
            yaxis=_axis(first, autorange="reversed"),
            margin={"l": 50, "r": 70, "t": 60, "b": 12},
        ),
    }  # fmt: skip
    return Figure(
        "Which is better than which",
        (plot,),
        f"By how much the start of a row is better than that of a column ({scale.gap_name}), and the p corrected for "
        f"all pairs; bold and blue if it is below {_STEPS[0]}, darker below {_STEPS[1]} and {_STEPS[2]}.",
        narrowest=_NAMES + _CELL * len(second),
    )


def _axis(names: list[str], **more: Any) -> dict[str, Any]:
    ticks = {"tickvals": [*range(len(names))], "ticktext": [label(name) for name in names]}
    return axis(showline=False, showgrid=False, ticks="", minor={}, **ticks, **more)
