"""The weights of a comparison's first run: a figure a layer, a chart a start, all of a layer on the same axes."""

from typing import TYPE_CHECKING

import numpy as np

from .._report import Figure
from .._report._plots import GREY, Plot, axis, faint, heading, label, layout, line_style, numbers
from .._study._weights import Weights

if TYPE_CHECKING:
    from ._comparison import Comparison

_MOST = 24  # charts: a page of more is slow, and nobody looks at them
_TALL = 3.0  # times the usual peak; what is taller is cut


def weight_figures(comparison: "Comparison", look: dict[str, int]) -> tuple[Figure, ...]:
    """One for each layer, or for some of many layers from the first to the last."""
    held = {
        row.recipe: {one.path: one for one in comparison.runs[row.recipe][0].weights} for row in comparison.summaries
    }
    paths = list(dict.fromkeys(path for own in held.values() for path in own))
    if not paths:
        return ()
    count = min(len(paths), max(_MOST // len(held), 1))
    chosen = [paths[round(place)] for place in np.linspace(0, len(paths) - 1, count)]
    left = f" {count} of {len(paths)} layers." if count < len(paths) else ""
    note = f"Density of the weights in run 1: dotted grey at step 0, solid at the end. Taller peaks are cut.{left}"
    return tuple(
        Figure(
            f"Weights: {path}",
            _charts({recipe: own[path] for recipe, own in held.items() if path in own}, comparison.failed, look),
            note if path == chosen[-1] else "",
        )
        for path in chosen
    )


def _charts(weights: dict[str, Weights], failed: tuple[str, ...], look: dict[str, int]) -> tuple[Plot, ...]:
    trained = [own for recipe, own in weights.items() if recipe not in failed] or [*weights.values()]
    both = [one for own in trained for one in (own.start.shown, own.end.shown)]
    ends = min(one.low for one in both), max(one.high for one in both)
    peaks = [one.density.max() for one in both]
    top = 1.08 * min(max(peaks), _TALL * float(np.median(peaks))) or 1.0
    return tuple(_chart(recipe, own, ends, top, look[recipe]) for recipe, own in weights.items())


def _chart(recipe: str, weights: Weights, ends: tuple[float, float], top: float, number: int) -> Plot:
    traces, colour = [], line_style(number)["color"]
    for one, name, line in ((weights.start.shown, "step 0", GREY), (weights.end.shown, "end", colour)):
        traces.append({"type": "scatter", "mode": "lines", "name": name, "x": numbers(one.middles, 4),
                       "y": numbers(one.density, 4), "fill": "tozeroy", "fillcolor": faint(line),
                       "line": {"color": line, "shape": "hvh", "dash": "dot" if name == "step 0" else "solid"},
                       })  # fmt: skip
    look = layout(
        190,
        title=heading(label(recipe, 40, lines=1)),
        xaxis=axis(nticks=5, range=[*ends]),
        yaxis=axis(nticks=4, range=[0, top]),
        showlegend=False,
        margin={"l": 40, "r": 10, "t": 30, "b": 30},
    )
    if weights.end.high < ends[0] or weights.end.low > ends[1]:
        told = f"beyond: {weights.end.low:.3g} to {weights.end.high:.3g}"
        look["annotations"] = [{"text": told, "xref": "paper", "yref": "paper", "x": 0.5, "y": 0.5, "showarrow": False}]
    return {"data": traces, "layout": look}
