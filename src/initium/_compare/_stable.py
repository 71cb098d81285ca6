"""The learning rates that a start bears: the largest stable one, and the range in which it does well."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ._by_run import by_run
from ._places import At, Place, is_number
from ._resample import draws, percentiles
from ._statistics import Array, Interval
from ._summary import Summary, has_failed

if TYPE_CHECKING:
    from ._comparison import Comparison

# A value is stable if no more than one run in ten fails there: with ten runs, one may.
SHARE = 0.1
FAILING = f"more than {SHARE:.0%} of the runs diverged or never left chance"


@dataclass(frozen=True)
class Stable:
    """What a start bears of one setting, a positive number such as the learning rate.

    Attributes:
        at: the place, with other settings that are tuned.
        start: the start.
        largest: the largest value at which at most `SHARE` of its runs fail, with its interval; 0 if there is none.
        is_largest_tried: whether nothing larger was tried.
        low: the lower end of the values around its best at which it does well.
        high: the upper end.
        decades: how wide that is, with its interval.
        is_cut: whether the range reaches an end of what was tried.
    """

    at: At
    start: str
    largest: Interval
    is_largest_tried: bool
    low: float
    high: float
    decades: Interval
    is_cut: bool


def is_range(values: tuple[Any, ...]) -> bool:
    """Whether values have decades."""
    return len(values) > 1 and all(is_number(value) and value > 0 for value in values)


def is_failing(cell: "Comparison", row: Summary) -> bool:
    """Whether more than that share of a start's runs diverged or never left chance."""
    return row.num_failed > SHARE * len(cell.runs[row.recipe]) + 1e-9


def stable(place: Place, axis: str) -> tuple[Stable, ...]:
    """Of each start at a place, for each way to set what else is tuned."""
    groups: dict[At, dict[float, Comparison]] = {}
    for at, cell in place.cells.items():
        rest = tuple(one for one in at if one[0] != axis)
        groups.setdefault(rest, {})[dict(at)[axis]] = cell
    found = (
        _of(place.at + rest, start, {value: cell for value, cell in sorted(cells.items()) if start in cell.runs})
        for rest, cells in groups.items()
        for start in place.starts
    )
    return tuple(one for one in found if one)


def _of(at: At, start: str, cells: "dict[float, Comparison]") -> Stable | None:
    """Runs are resampled as wholes: run r at every value is one draw of the seed. None if none is at several."""
    runs = [{run.index for run in cell.runs[start]} for cell in cells.values()]
    common = sorted(set.intersection(*runs)) if runs else []
    if len(cells) < 2 or len(common) < 2:
        return None
    values, cell = np.array([*cells], np.float64), next(iter(cells.values()))
    failed = _of_runs(common, [_failed(cell, start) for cell in cells.values()])
    scores = _of_runs(common, [by_run(cell, start, cell.scores[start]) for cell in cells.values()])
    weights = np.vstack([np.full(len(common), 1 / len(common)), draws(len(common))])
    largest = _largest(values, weights @ failed)
    low, high = _good(values, weights @ scores, cell.measured.margin)
    decades = np.log10(high / low)
    return Stable(
        at,
        start,
        percentiles(float(largest[0]), largest[1:]),
        bool(largest[0] == values[-1]),
        float(low[0]),
        float(high[0]),
        percentiles(float(decades[0]), decades[1:]),
        bool(low[0] == values[0] or high[0] == values[-1]),
    )


def _failed(cell: "Comparison", start: str) -> dict[int, bool]:
    return by_run(cell, start, (has_failed(run, cell.luck) for run in cell.runs[start]))


def _of_runs(common: list[int], values: Sequence[Mapping[int, float]]) -> Array:
    """`(run, value of the setting)`."""
    return np.array([[of[index] for of in values] for index in common], np.float64)


def _largest(values: Array, failed: Array) -> Array:
    """Of each row, shares that fail at each value."""
    return np.where(failed <= SHARE + 1e-9, values, 0.0).max(axis=1)


def _good(values: Array, means: Array, distance: float) -> tuple[Array, Array]:
    """Both ends of the unbroken run of values around the best whose mean is near the best's, of each row."""
    best = means.argmax(axis=1)
    is_good = means >= means.max(axis=1, keepdims=True) - distance - 1e-12
    places = np.arange(len(values))
    below = np.where(~is_good & (places < best[:, None]), places, -1).max(axis=1) + 1
    above = np.where(~is_good & (places > best[:, None]), places, len(values)).min(axis=1) - 1
    return values[below], values[above]
