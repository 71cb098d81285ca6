"""A diagnosis's charts, in Plotly's JSON schema: signal, gradient, likeness and histograms against depth."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from .._report import Figure
from .._report._plots import GREY, Plot, axis, faint, heading, layout, line_style, log_axis, marker_style, numbers
from .._report._plots import ends as ends_of
from ._evidence import Layer
from ._lines import Band

if TYPE_CHECKING:
    from ._diagnosis import Diagnosis

_MOST = 24  # histograms: a page of more is slow, and nobody looks at them
_REACH = 4.0  # of a histogram, in root mean squares
_LABEL, _LABEL_BELOW = 28, 18  # letters of a path that fit over a small chart, and below an axis

Diagnoses = Mapping[str, "Diagnosis"]  # by what is diagnosed, as a reader calls it


def figures(diagnoses: Diagnoses) -> tuple[Figure, ...]:
    """What is drawn of one diagnosis, or of several beside each other: of one model, with other starts."""
    layers = next(iter(diagnoses.values())).layers
    if len(layers) < 2:
        return ()
    return (
        Figure(
            "Signal and gradient against depth",
            (
                _depth(diagnoses, "second moment of what a layer takes in", lambda x: x.fed, lambda band: band.signal),
                _depth(diagnoses, "energy of the gradient", lambda x: x.energy, lambda band: band.gradient),
            ),
            "Layers in the order of execution; both axes of size are logarithmic. Grey: where a net of this width and "
            "depth lies if every layer keeps the signal, by three standard deviations; it is drawn where layers read "
            "one another with no normalisation between. Crosses: layers at which something was found.",
        ),
        Figure(
            "Do two inputs still differ?",
            (_likeness(diagnoses),),
            "Mean cosine between what two different inputs have become at each layer. At 1 they are the same, and what "
            "follows cannot tell them apart.",
        ),
        _histograms(diagnoses, "What layers give", lambda x: (x.histogram, x.moment)),
        _histograms(diagnoses, "Gradients by what layers give", lambda x: (x.gradient_histogram, x.gradient)),
    )


def _depth(
    diagnoses: Diagnoses,
    title: str,
    value: Callable[[Layer], float | None],
    band: Callable[[Band], tuple[float, float] | None],
) -> Plot:
    """One line a diagnosis, over the band of the first."""
    first = next(iter(diagnoses.values()))
    ends = [band(first.bands[x.path]) if x.path in first.bands else None for x in first.layers]
    traces = _band(ends)
    for number, (name, diagnosis) in enumerate(diagnoses.items()):
        course = {x.path: value(x) or None for x in diagnosis.layers}  # a logarithm knows no 0
        traces.append(_line(name, number, course, is_only=len(diagnoses) == 1))
        traces.append(_found(diagnosis, course, number))
    y = log_axis(*ends_of([size for trace in traces for size in trace["y"]], is_log=True, room=0.1))
    return {"data": traces, "layout": _against_depth(first.layers, title, y)}


def _likeness(diagnoses: Diagnoses) -> Plot:
    first = next(iter(diagnoses.values()))
    traces = [
        _line(name, number, {x.path: x.similarity for x in diagnosis.layers}, is_only=len(diagnoses) == 1)
        for number, (name, diagnosis) in enumerate(diagnoses.items())
    ]
    return {
        "data": traces,
        "layout": _against_depth(first.layers, "mean cosine between two inputs", axis(range=[-0.1, 1.05])),
    }


def _against_depth(layers: Sequence[Layer], title: str, y: Plot) -> Plot:
    few = sorted({round(place) for place in np.linspace(0, len(layers) - 1, min(len(layers), 6))})
    names = [_cut(layers[place].path, _LABEL_BELOW) for place in few]
    return layout(
        380,
        title=heading(title),
        xaxis=axis(tickvals=few, ticktext=names, tickangle=-25, minor={}),
        yaxis=y,
        margin={"l": 56, "r": 12, "t": 34, "b": 50},
    )


def _line(name: str, number: int, course: Mapping[str, float | None], *, is_only: bool) -> Plot:
    values = numbers(np.array([math.nan if value is None else value for value in course.values()], float))
    return {
        "type": "scatter", "mode": "lines+markers", "name": name, "x": [*range(len(values))], "y": values,
        "text": [*course], "hovertemplate": "%{text}: %{y:.3g}", "showlegend": not is_only,
        "line": {**line_style(number), "width": 2}, "marker": {**marker_style(number), "size": 5},
    }  # fmt: skip


def _found(diagnosis: "Diagnosis", course: Mapping[str, float | None], number: int) -> Plot:
    """A cross at each layer at which a finding starts, with its id."""
    order = {path: place for place, path in enumerate(course)}
    told: dict[str, list[str]] = {}
    for finding in diagnosis.findings:
        if finding.path in order and course[finding.path] is not None:
            told.setdefault(finding.path, []).append(finding.id)
    return {
        "type": "scatter", "mode": "markers+text", "x": [order[path] for path in told],
        "y": [course[path] for path in told], "text": [", ".join(ids) for ids in told.values()],
        "textposition": "top center", "showlegend": False, "hoverinfo": "skip",
        "marker": {"symbol": "x", "size": 11, "color": line_style(number)["color"]},
    }  # fmt: skip


def _band(ends: Sequence[tuple[float, float] | None]) -> list[Plot]:
    """A grey area for each run of layers that have one."""
    traces: list[Plot] = []
    for known, run in groupby(enumerate(ends), key=lambda end: end[1] is not None):
        x, pairs = zip(*run, strict=True)
        if not known or len(x) < 2:
            continue
        low, high = map(list, zip(*pairs, strict=True))
        look = {"type": "scatter", "mode": "lines", "line": {"width": 0}, "x": x, "hoverinfo": "skip"}
        shown = not traces
        traces.append({**look, "y": low, "showlegend": False})
        fill = {"fill": "tonexty", "fillcolor": faint(GREY), "name": "keeps the signal", "showlegend": shown}
        traces.append({**look, "y": high, **fill})
    return traces


def _histograms(
    diagnoses: Diagnoses, title: str, taken: Callable[[Layer], tuple[tuple[float, ...], float | None]]
) -> Figure:
    first = next(iter(diagnoses.values()))
    known = [x.path for x in first.layers if any(taken(layer)[0] for layer in _of(diagnoses, x.path))]
    found = {finding.path for finding in first.findings}
    chosen = [path for path in known if path in found][: _MOST // 2]
    rest = [path for path in known if path not in chosen]
    few = min(_MOST - len(chosen), len(rest))
    chosen += [rest[round(place)] for place in np.linspace(0, len(rest) - 1, few)] if few else []
    shown = [path for path in known if path in chosen]
    left = f" {len(shown)} of {len(known)} layers." if len(shown) < len(known) else ""
    return Figure(
        title,
        tuple(_histogram(diagnoses, path, taken) for path in shown),
        f"Share of the numbers in each bin, out to four times their root mean square; mind the scale below.{left}",
    )


def _of(diagnoses: Diagnoses, path: str) -> list[Layer]:
    return [layer for diagnosis in diagnoses.values() for layer in diagnosis.layers if layer.path == path]


def _histogram(
    diagnoses: Diagnoses, path: str, taken: Callable[[Layer], tuple[tuple[float, ...], float | None]]
) -> Plot:
    traces = []
    for number, name in enumerate(diagnoses):
        for layer in _of({name: diagnoses[name]}, path):
            shares, moment = taken(layer)
            if not shares or not moment:
                continue
            middles = (np.arange(len(shares)) + 0.5) * (2 * _REACH / len(shares)) - _REACH
            style = line_style(number)
            traces.append({
                "type": "scatter", "mode": "lines", "name": name, "x": numbers(middles * math.sqrt(moment)),
                "y": numbers(np.array(shares)), "line": {"shape": "hvh", **style}, "fill": "tozeroy",
                "fillcolor": faint(style["color"]),
            })  # fmt: skip
    look = layout(
        200,
        title=heading(_cut(path, _LABEL)),
        xaxis=axis(nticks=4, exponentformat="power"),
        yaxis=axis(nticks=3, rangemode="tozero"),
        showlegend=False,
        margin={"l": 40, "r": 10, "t": 30, "b": 34},
    )
    return {"data": traces, "layout": look}


def _cut(path: str, most: int) -> str:
    """The end of a path, which tells layers apart."""
    return path if len(path) <= most else f"...{path[3 - most :]}"
