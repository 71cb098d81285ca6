"""A grid's charts, in Plotly's JSON schema."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._report import Figure
from .._report._plots import (
    Plot,
    axis,
    ends,
    faint,
    heading,
    label,
    layout,
    line_style,
    log_axis,
    marker_style,
    numbers,
)
from ._places import Place, at_of, place_words, values_of
from ._profiles import profile, taus_of
from ._scale import Scale
from ._stable import FAILING, is_failing

if TYPE_CHECKING:
    from ._comparison import Comparison
    from ._grid import Grid

_MARK = "✕"
_COLOURS = "Cividis"  # alike to all eyes, and in grey
_FAILED = "#E0E0E0"  # paler than any grey of these
_SHADES = 10  # margins from end to end of the colours at least: what is too small to matter looks alike


def heat_maps(grid: "Grid", scale: Scale) -> Figure:
    """Scores over the grid."""
    return Figure(
        f"{scale.title} over the grid",
        _heat_maps(grid, scale),
        f"Mean over runs; one scale of colours for all, over {_SHADES} times the smallest difference that matters at "
        f"least. {_MARK} and pale grey: {FAILING}. A white cell has no runs yet.",
    )


def profiles(grid: "Grid", scale: Scale) -> Figure:
    """Performance profiles over the cells."""
    return Figure(
        "Performance profiles",
        (_profiles(grid, scale),),
        "The share of runs that score above each value, the mean over all cells of the grid, with 95% bands "
        "(Agarwal et al. 2021). A line above another is better at that score.",
    )


def signals(grid: "Grid") -> list[Figure]:
    """Signal and gradient by layer, where they were measured."""
    plots = tuple(plot for place in grid.places for plot in _signals(grid, place))
    figure = Figure(
        "Signal and gradient at step zero",
        plots,
        "Second moment of what each layer gives, and of the loss's gradient by it, on the first batch of run 0, "
        "before the first step; layers in the order of execution. What is 0 is not drawn.",
    )
    return [figure] if plots else []


def _signals(grid: "Grid", place: Place) -> list[Plot]:
    """A chart of the signal and one of the gradient, a line a start."""
    measured = next((one for cell in place.cells.values() if (one := grid.signals.get(cell.study.name))), {})
    lines = {start: layers for start in grid.starts if len(layers := measured.get(start, ())) > 1}
    if not lines:
        return []
    at = f", {place_words(place.at)}" if place.at else ""
    return [
        _by_layer(grid, f"{name}{at}", {start: [value(layer) for layer in layers] for start, layers in lines.items()})
        for name, value in (("signal", lambda layer: layer.signal), ("gradient", lambda layer: layer.gradient))
    ]


def _by_layer(grid: "Grid", title: str, lines: dict[str, list[float | None]]) -> Plot:
    traces = [
        {"type": "scatter", "mode": "lines+markers", "name": start, "x": list(range(1, len(values) + 1)),
         "y": numbers(np.array([value or np.nan for value in values], np.float64)),  # a logarithm knows no 0
         "line": {**line_style(number), "width": 2}, "marker": {**marker_style(number), "size": 5}}
        for start, values in lines.items()
        for number in [grid.starts.index(start)]
    ]  # fmt: skip
    longest = max(map(len, lines.values()))
    return {
        "data": traces,
        "layout": layout(
            380,
            title=heading(title),
            xaxis=axis("layer", tickformat="d", dtick=max(1, longest // 6), minor={}),
            yaxis=log_axis(*ends([size for trace in traces for size in trace["y"]], is_log=True)),
        ),
    }


def _heat_maps(grid: "Grid", scale: Scale) -> tuple[Plot, ...]:
    """A panel a start over two axes or more; over one axis all starts in one."""
    across, down = grid.across, [one for one in grid.axes if one != grid.across]
    values = values_of(grid.cells.values(), across)
    cells = {at_of(cell, [across, *down]): cell for cell in grid.cells.values()}
    span = _span(grid)
    if not down:
        rows = {start: [(start, cells.get(((across, value),))) for value in values] for start in reversed(grid.starts)}
        return (_heat_map("", across, values, rows, scale, span),)
    places = list(dict.fromkeys(at_of(cell, down) for cell in grid.cells.values()))[::-1]
    many = len(grid.starts) > 4
    return tuple(
        _heat_map(
            start,
            across,
            values,
            {place_words(at): [(start, cells.get(((across, value), *at))) for value in values] for at in places},
            scale,
            span,
            has_scale=not many,
        )
        for start in grid.starts
    )


def _heat_map(
    title: str,
    across: str,
    values: Sequence[Any],
    rows: "dict[str, list[tuple[str, Comparison | None]]]",
    scale: Scale,
    span: tuple[float, float],
    *,
    has_scale: bool = True,
) -> Plot:
    found = [[_score(start, cell) for start, cell in cells] for cells in rows.values()]

    def cells(*, failed: bool, **look: Any) -> Plot:
        own = [[score if is_bad == failed else math.nan for score, is_bad in row] for row in found]
        mark = f" {_MARK}" if failed else ""
        return {
            "type": "heatmap",
            "x": [str(value) for value in values],
            "y": [*rows],
            "z": [numbers(np.array(row) * scale.factor) for row in own],
            # A text where there is no number would lie over that of the other trace.
            "text": [["" if math.isnan(score) else f"{scale.number(score)}{mark}" for score in row] for row in own],
            "texttemplate": "%{text}",
            "hoverongaps": False,
            "xgap": 2,
            "ygap": 2,
            "hovertemplate": f"{across} %{{x}}<br>%{{y}}<br>%{{text}}<extra>{label(title)}</extra>",
            **look,
        }

    coloured = cells(
        failed=False,
        zmin=span[0] * scale.factor,
        zmax=span[1] * scale.factor,
        colorscale=_COLOURS,
        showscale=has_scale,
        colorbar={"thickness": 10, "outlinewidth": 0},
    )
    grey = cells(failed=True, colorscale=[[0, _FAILED], [1, _FAILED]], showscale=False)
    look = layout(
        110 + 40 * len(rows),
        title=heading(label(title, 40, lines=1)),
        xaxis=axis(across, type="category", showgrid=False, minor={}),
        yaxis=axis(type="category", showgrid=False, minor={}, tickvals=[*rows], ticktext=[*map(label, rows)]),
    )
    return {"data": [coloured, grey], "layout": look}


def _score(start: str, cell: "Comparison | None") -> tuple[float, bool]:
    row = next((row for row in cell.summaries if row.recipe == start), None) if cell else None
    return (row.score.mean, is_failing(cell, row)) if cell and row else (math.nan, False)


def _span(grid: "Grid") -> tuple[float, float]:
    """Of the colours: what failed does not squeeze the others together, and no trifle is stretched over them."""
    found = [(row.score.mean, is_failing(cell, row)) for cell in grid.cells.values() for row in cell.summaries]
    good = [score for score, is_bad in found if not is_bad] or [score for score, _ in found]
    least = _SHADES * min(cell.measured.margin for cell in grid.cells.values())
    return min(*good, max(good) - least), max(good)


def _profiles(grid: "Grid", scale: Scale) -> Plot:
    cells = [*grid.cells.values()]
    chance = cells[0].study.chance
    taus = taus_of([scores for cell in cells for scores in cell.scores.values()], chance)
    x = numbers(taus * scale.factor)
    traces: list[Plot] = []
    for number, start in enumerate(grid.starts):
        found = profile([cell.scores[start] for cell in cells if start in cell.scores], taus)
        style = line_style(number)
        band = {"type": "scatter", "mode": "lines", "legendgroup": start, "showlegend": False, "hoverinfo": "skip",
                "line": {"width": 0}, "x": x}  # fmt: skip
        traces += [
            {**band, "y": numbers(found.low)},
            {**band, "y": numbers(found.high), "fill": "tonexty", "fillcolor": faint(style["color"])},
            {"type": "scatter", "mode": "lines", "name": start, "legendgroup": start, "x": x,
             "y": numbers(found.share), "line": {**style, "width": 2}},
        ]  # fmt: skip
    look = layout(380, xaxis=axis(scale.name), yaxis=axis("share of runs above", tickformat=".0%"))
    return {"data": traces, "layout": look}
