"""A Comparison's charts, in Plotly's JSON schema: the one that shows the answer first."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .._report import Figure
from .._report._plots import Plot, axis, ends, faint, label, layout, line_style, log_axis, marker_style, numbers
from .._study._run import Run
from ._listed import listed
from ._scale import Scale
from ._summary import Summary, has_failed
from ._weight_figures import weight_figures

if TYPE_CHECKING:
    from ._comparison import Comparison

_NEAR = 0.8  # an accuracy from which on it is drawn as error, on a logarithmic axis: 97 and 98 % then lie apart
_MOST_DOTS = 60  # of a start
_MOST_EPOCHS = 150  # points of a curve
_JITTER = 0.3  # of what lies between two rows
_GOLDEN = 0.618034  # multiples of it, less their whole part, lie far from each other


def figures(comparison: "Comparison") -> tuple[Figure, ...]:
    """Final scores, learning curves and weights; a start looks alike in all of them."""
    look = {recipe: number for number, recipe in enumerate(comparison.runs)}  # by the order asked for
    scale = _drawn(comparison)
    return (_points(comparison, scale, look), _curves(comparison, scale, look), *weight_figures(comparison, look))


@dataclass(frozen=True)
class _Drawn:
    """How a score is drawn.

    Attributes:
        title: of its axis.
        place: from scores to what is drawn.
        is_error: whether less is better; the axis is logarithmic then.
        unit: of a number on it.
    """

    title: str
    place: Callable[[np.ndarray], np.ndarray]
    is_error: bool = False
    unit: str = ""

    def axis(self, edges: tuple[float, float]) -> Plot:
        return log_axis(*edges, self.title) if self.is_error else axis(self.title, range=[*edges])


def _drawn(comparison: "Comparison") -> _Drawn:
    study = comparison.study
    name = Scale.of(study).name
    if not study.is_share:
        return _Drawn(name, np.asarray)
    if comparison.summaries[0].score.mean < _NEAR:
        return _Drawn(name, lambda score: 100 * score, unit="%")
    least = 0.5 / study.num_test  # a logarithm knows no 0
    title = "test error, % (log scale)"
    return _Drawn(title, lambda score: 100 * np.maximum(1 - score, least), is_error=True, unit="%")


def _points(comparison: "Comparison", scale: _Drawn, look: dict[str, int]) -> Figure:
    """A row a start: its mean and interval, and its runs. The axis is that of the runs that did not fail."""
    rows, luck = comparison.summaries[::-1], comparison.luck
    whole = {recipe: np.array([not has_failed(run, luck) for run in runs]) for recipe, runs in comparison.runs.items()}
    shown = [scale.place(comparison.scores[row.recipe][whole[row.recipe]]) for row in rows if whole[row.recipe].any()]
    edges = ends(shown or [scale.place(scores) for scores in comparison.scores.values()], is_log=scale.is_error)
    traces = [
        trace
        for number, row in enumerate(rows)
        for trace in _row(number, row, scale.place(comparison.scores[row.recipe]), scale, edges, look[row.recipe])
    ]
    names = {"tickvals": [*range(len(rows))], "ticktext": [label(row.recipe) for row in rows], "minor": {}}
    y = axis(range=[-0.6, len(rows) - 0.4], ticks="", **names)
    many = comparison.num_runs
    dots = f"faint dots are {_MOST_DOTS} of the {many:,} runs, evenly by rank"
    return Figure(
        "Final scores",
        ({"data": traces, "layout": layout(114 + 34 * len(rows), xaxis=scale.axis(edges), yaxis=y)},),
        f"Mean and 95% interval; {dots if many > _MOST_DOTS else 'each faint dot is one run'}.{_failed(comparison)}",
    )


def _row(
    number: int, row: Summary, scores: np.ndarray, scale: _Drawn, edges: tuple[float, float], look: int
) -> list[Plot]:
    """The runs of a start, jittered, its mean and interval, and what lies beyond the edge."""
    style, dots = marker_style(look), _some(scores)
    mean, *interval = (float(scale.place(np.array(one))) for one in (row.score.mean, row.score.low, row.score.high))
    return [
        {"type": "scatter", "mode": "markers", "x": numbers(dots, 4), "hoverinfo": "x", "showlegend": False,
         "y": numbers(number + _JITTER * (2 * (_GOLDEN * (1 + np.arange(len(dots))) % 1) - 1), 4),
         "marker": {"color": style["color"], "opacity": 0.35, "size": 5}},
        {"type": "scatter", "mode": "markers", "x": [mean], "y": [number], "showlegend": False,
         "marker": {**style, "size": 12, "line": {"color": "white", "width": 1}},
         "error_x": {"type": "data", "symmetric": False, "array": numbers(np.array([max(interval) - mean])),
                     "arrayminus": numbers(np.array([mean - min(interval)])), "color": style["color"],
                     "thickness": 2.5, "width": 7},
         "name": row.recipe, "hovertemplate": "%{x:.4g}<extra>" + label(row.recipe) + "</extra>"},
        *_beyond(number, scores, mean, edges, scale),
    ]  # fmt: skip


def _some(scores: np.ndarray) -> np.ndarray:
    """All scores, or of many some that lie as they do."""
    if len(scores) <= _MOST_DOTS:
        return scores
    return np.quantile(scores, (np.arange(_MOST_DOTS) + 0.5) / _MOST_DOTS, method="nearest")


def _beyond(number: int, scores: np.ndarray, mean: float, edges: tuple[float, float], scale: _Drawn) -> list[Plot]:
    """At the edge of the chart, what of a start lies beyond it."""
    outside = int(((scores < edges[0]) | (scores > edges[1])).sum())
    if not outside:
        return []
    middle = f"mean {mean:.3g}{scale.unit}"
    told = f"{outside} of {len(scores)} runs" + ("" if edges[0] <= mean <= edges[1] else f", {middle}")
    if outside == len(scores):
        told = middle.replace("mean", "all at") if np.ptp(scores) == 0 else middle
    text, edge, side = (f"{told} ▸", edges[1], "left") if scale.is_error else (f"◂ {told}", edges[0], "right")
    return [
        {"type": "scatter", "mode": "text", "x": [edge], "y": [number], "text": [text], "hoverinfo": "skip",
         "textposition": f"middle {side}", "textfont": {"size": 12, "color": "#595959"}, "showlegend": False}
    ]  # fmt: skip


def _failed(comparison: "Comparison") -> str:
    failed = comparison.failed
    if not failed or len(failed) == len(comparison.runs):
        return ""
    return f" The scale leaves out what failed: {listed(failed)}."


def _curves(comparison: "Comparison", scale: _Drawn, look: dict[str, int]) -> Figure:
    def score(run: Run) -> np.ndarray:
        return scale.place(np.array(run.test_score))

    def loss(name: str) -> Callable[[Run], np.ndarray]:
        return lambda run: np.array(getattr(run, name))

    least, study = -np.inf, comparison.study
    if not study.is_share and study.chance is not None and len(comparison.failed) < len(comparison.runs):
        # An R^2 may begin anywhere below 0.
        least = study.chance - abs(comparison.summaries[0].score.mean - study.chance) / 2
    return Figure(
        "Learning curves",
        (
            _chart(comparison, score, scale.axis, look, is_loss=scale.is_error, is_log=scale.is_error, least=least),
            _chart(comparison, loss("train_loss"), lambda edges: log_axis(*edges, "training loss"), look),
            _chart(comparison, loss("test_loss"), lambda edges: log_axis(*edges, "test loss"), look),
        ),
        "Median run; the band holds the middle half of the runs. Click a name to hide it, twice to see it alone."
        + _failed(comparison),
    )


def _chart(
    comparison: "Comparison",
    value: Callable[[Run], np.ndarray],
    make_axis: Callable[[tuple[float, float]], Plot],
    look: dict[str, int],
    *,
    is_loss: bool = True,
    is_log: bool = True,
    least: float = -np.inf,
) -> Plot:
    worst = np.inf if is_loss else -np.inf  # what a diverged run counts as; drawn as a gap
    bands = {}
    for row in comparison.summaries:
        values = np.array([value(run) for run in comparison.runs[row.recipe]])  # (run, epoch)
        values = np.where(np.isfinite(values), values, worst)
        bands[row.recipe] = np.quantile(values, [0.25, 0.5, 0.75], axis=0, method="nearest")
    trained = [band for recipe, band in bands.items() if recipe not in comparison.failed] or [*bands.values()]
    shown = [*(np.maximum(band, least) for band in trained), *(band[:, -1] for band in trained)]
    edges = ends(shown, is_log=is_log, room=0.03)
    traces = [trace for recipe, band in bands.items() for trace in _curve(recipe, band, look[recipe])]
    return {"data": traces, "layout": layout(380, xaxis=axis("epoch", rangemode="tozero"), yaxis=make_axis(edges))}


def _curve(recipe: str, band: np.ndarray, number: int) -> list[Plot]:
    count = band.shape[1]
    shown = np.unique(np.linspace(0, count - 1, min(count, _MOST_EPOCHS)).round().astype(int))
    low, middle, high = (numbers(line[shown], 4) for line in band)
    style = line_style(number)
    edge = {"type": "scatter", "mode": "lines", "legendgroup": recipe, "showlegend": False, "hoverinfo": "skip",
            "line": {"width": 0}, "x": shown.tolist()}  # fmt: skip
    return [
        {**edge, "y": low},
        {**edge, "y": high, "fill": "tonexty", "fillcolor": faint(style["color"])},
        {"type": "scatter", "mode": "lines+markers", "name": recipe, "legendgroup": recipe, "x": shown.tolist(),
         "y": middle, "line": {**style, "width": 2}, "marker": {**marker_style(number), "size": 7, "maxdisplayed": 6}},
    ]  # fmt: skip
