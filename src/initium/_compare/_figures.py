"""A Comparison's charts, in Plotly's JSON schema."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._report import Figure
from .._report._plots import GREY, Plot, axis, faint, layout, line_style, numbers
from .._study._run import Run

if TYPE_CHECKING:
    from ._comparison import Comparison


def figures(comparison: "Comparison") -> tuple[Figure, ...]:
    """Final scores, learning curves and first-layer weights."""
    return (
        Figure("Final scores", (_points(comparison),), "Mean and 95% interval; each faint dot is one run."),
        Figure(
            "Learning curves",
            (
                _curves(comparison, "test_score", _score_name(comparison), log=False),
                _curves(comparison, "train_loss", "training loss", log=True),
                _curves(comparison, "test_loss", "test loss", log=True),
            ),
            "Median run; the band holds the middle half of the runs. Click a name to hide it, twice to see it alone.",
        ),
        Figure(
            "First-layer weights of run 1",
            _histograms(comparison),
            "Share of the weights in each bin: dotted grey at step 0, solid at the end.",
        ),
    )


def _score_name(comparison: "Comparison") -> str:
    return f"test {comparison.study.score}"


def _points(comparison: "Comparison") -> Plot:
    """A dot and a whisker a start. Accuracy as test error on a log axis, so that 2% and 3% lie apart."""
    as_error = comparison.study.is_share and max(s.max() for s in comparison.scores.values()) < 1
    place = (lambda s: 100 * (1 - s)) if as_error else (lambda s: s)
    rows = comparison.summaries[::-1]
    traces = []
    for row in rows:
        style, scores = _style(comparison, row.recipe), comparison.scores[row.recipe]
        middle, ends = place(row.score.mean), sorted((place(row.score.low), place(row.score.high)))
        traces += [
            {"type": "scatter", "mode": "markers", "x": numbers(place(scores)), "y": [row.recipe] * len(scores),
             "marker": {"color": style["color"], "opacity": 0.3, "size": 6}, "hoverinfo": "x", "showlegend": False},
            {"type": "scatter", "mode": "markers", "x": [middle], "y": [row.recipe], "showlegend": False,
             "marker": {"color": style["color"], "size": 11, "line": {"color": "white", "width": 1}},
             "error_x": {"type": "data", "symmetric": False, "array": [ends[1] - middle],
                         "arrayminus": [middle - ends[0]], "color": style["color"], "thickness": 2.5, "width": 6},
             "name": row.recipe, "hovertemplate": "%{x:.4g}<extra>%{y}</extra>"},
        ]  # fmt: skip
    title = "test error, % (log scale)" if as_error else _score_name(comparison)
    log = {"type": "log", "tickvals": [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100]} if as_error else {}
    return {
        "data": traces,
        "layout": layout(
            120 + 34 * len(rows),
            xaxis=axis(title, **log),
            yaxis=axis(type="category", range=[-0.7, len(rows) - 0.3]),
        ),
    }


def _curves(comparison: "Comparison", field: str, name: str, *, log: bool) -> Plot:
    traces = []
    for row in comparison.summaries:
        traces += _curve(row.recipe, comparison.runs[row.recipe], field, _style(comparison, row.recipe))
    kind: dict[str, Any] = {"type": "log", "tickformat": "~g", "dtick": "D2"} if log else {}
    if field == "test_score" and comparison.study.is_share:
        kind = {"tickformat": ".0%"}
    legend = {"orientation": "h", "y": -0.22, "yanchor": "top", "x": 0, "xanchor": "left"}
    return {"data": traces, "layout": layout(440, xaxis=axis("epoch"), yaxis=axis(name, **kind), legend=legend)}


def _curve(recipe: str, runs: Sequence[Run], field: str, style: dict[str, str]) -> list[Plot]:
    values = np.array([getattr(run, field) for run in runs])  # (run, epoch)
    worst = -np.inf if field == "test_score" else np.inf  # what a diverged run counts as; drawn as a gap
    values = np.where(np.isfinite(values), values, worst)
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75], axis=0, method="nearest")
    epochs = list(range(values.shape[1]))
    band = {"type": "scatter", "mode": "lines", "legendgroup": recipe, "showlegend": False, "hoverinfo": "skip",
            "line": {"width": 0}, "x": epochs}  # fmt: skip
    return [
        {**band, "y": numbers(low)},
        {**band, "y": numbers(high), "fill": "tonexty", "fillcolor": faint(style["color"])},
        {"type": "scatter", "mode": "lines", "name": recipe, "legendgroup": recipe, "x": epochs,
         "y": numbers(middle), "line": {**style, "width": 2}},
    ]  # fmt: skip


def _histograms(comparison: "Comparison") -> tuple[Plot, ...]:
    plots = []
    for row in comparison.summaries:
        weights = comparison.runs[row.recipe][0].first_weights
        if weights:
            plots.append(_histogram(row.recipe, *weights, colour=_style(comparison, row.recipe)["color"]))
    return tuple(plots)


def _histogram(recipe: str, start: np.ndarray, end: np.ndarray, *, colour: str) -> Plot:
    start, end = (weights[np.isfinite(weights)].astype(np.float64) for weights in (start, end))
    edges = _edges(np.concatenate([start, end]))
    middles = numbers((edges[1:] + edges[:-1]) / 2)
    traces = []
    for weights, name, line in ((start, "step 0", GREY), (end, "end", colour)):
        share = np.histogram(weights, edges)[0] / max(weights.size, 1)
        traces.append({"type": "scatter", "mode": "lines", "name": name, "x": middles, "y": numbers(share),
                       "line": {"color": line, "shape": "hvh", "dash": "dot" if name == "step 0" else "solid"},
                       "fill": "tozeroy", "fillcolor": faint(line)})  # fmt: skip
    look = layout(
        230,
        title={"text": recipe, "font": {"size": 13}, "x": 0.02, "y": 0.97},
        xaxis=axis(nticks=5),
        yaxis=axis(nticks=4, rangemode="tozero"),
        showlegend=False,
        margin={"l": 40, "r": 10, "t": 34, "b": 30},
    )
    return {"data": traces, "layout": look}


def _edges(values: np.ndarray) -> np.ndarray:
    """Bin edges for a few values or many, however close together."""
    low, high = (values.min(), values.max()) if len(values) else (0.0, 0.0)
    room = max(1e-3 * max(abs(low), abs(high)) - (high - low), 0.0) or float(high == low)
    return np.linspace(low - room / 2, high + room / 2, int(np.clip(np.sqrt(len(values)), 10, 60)) + 1)


def _style(comparison: "Comparison", recipe: str) -> dict[str, str]:
    # By the order asked for, so that a start looks alike in every chart.
    return line_style(list(comparison.runs).index(recipe))
