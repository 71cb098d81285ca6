"""Intervals and tests over paired runs. SciPy does the arithmetic."""

import itertools
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _stream
from .._require import require
from .._study._enough import LEVEL, runs_needed
from ._estimate import Estimate, estimated

Array = NDArray[Any]

# Resampling is itself random; a fixed seed makes the same runs give the same interval.
_SEED = 0
_NUM_RESAMPLES = 9_999
# Enough for a p of 2e-5, so that Holm leaves room for hundreds of pairs.
_NUM_FLIPS = 99_999
_MOST_EXACT = 16  # runs, of which all 65,536 flips are looked at
_BATCH = 10_000


@dataclass(frozen=True)
class Interval:
    """A mean and the 95% interval around it."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """How much better `first` scored than `second`, over paired runs.

    Attributes:
        first: the one start's spec.
        second: the other's.
        gap: mean of the paired differences, and the interval over other seeds and other data that the test speaks of.
        floor: the half-width of that interval that no number of runs narrows.
        p_runs: of a paired permutation test over runs: would other seeds tell the same of these samples?
        p_both: of a t test over runs and test samples, or over runs and splits: would other seeds and other data?
            NaN where a run has one number for all its test samples and there are no splits: nothing tells.
        p: the second, and of runs that share one split the larger of the two, corrected by Holm over all pairs; 1 of
            too few runs.
        p_runs_alone: that of the first, corrected likewise.
        p_same: of two one-sided tests that they differ by the margin or more, corrected likewise.
        runs_needed: about how many would show a difference as large as seen, and more than there are if they did not;
            infinite if none would, or more than 10,000.
        samples_needed: how many times the samples would, likewise.
        num_won: runs in which the first scored above the second.
    """

    first: str
    second: str
    gap: Interval
    floor: float
    p_runs: float
    p_both: float
    p: float
    p_runs_alone: float
    p_same: float
    runs_needed: float
    samples_needed: float
    num_won: int

    @property
    def is_significant(self) -> bool:
        """Whether the corrected test carries a difference."""
        return self.p < LEVEL

    @property
    def is_seen(self) -> bool:
        """Whether the corrected test over runs carries it, of these samples."""
        return self.p_runs_alone < LEVEL

    @property
    def is_same(self) -> bool:
        """Whether the corrected tests carry that it is smaller than the margin."""
        return self.p_same < LEVEL


def interval(values: Array) -> Interval:
    """Mean and 95% BCa bootstrap interval (Efron, JASA 1987) of a sample; of one value there is none."""
    values = np.asarray(values, np.float64)
    mean = float(values.mean()) if len(values) else float("nan")
    if len(values) < 2:
        return Interval(mean, float("nan"), float("nan"))
    if np.ptp(values) <= 1e-12 * abs(mean):
        return Interval(mean, mean, mean)  # nothing varies, so resampling has nothing to show
    stats = require("scipy.stats", to="A bootstrap interval")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a nearly constant sample: handled below
        found = stats.bootstrap(
            (values,), np.mean, n_resamples=_NUM_RESAMPLES, confidence_level=1 - LEVEL, method="BCa", rng=_SEED
        ).confidence_interval
    low, high = float(found.low), float(found.high)
    # BCa is not defined when leaving out any one value hardly moves the mean.
    return Interval(mean, low, high) if np.isfinite([low, high]).all() else Interval(mean, *_range(values))


def differences(
    merits: Mapping[str, Sequence[Array]], *, margin: float, ratio: float | None = None, spent: float = 1.0
) -> tuple[Difference, ...]:
    """All pairs of starts, from the merits of each run, `(test sample,)`.

    Runs on one split would not do alone: with enough of them a start that happens to suit a few of its samples would
    win, so the larger of the two p counts. Runs on splits of their own have other data as well: one test is of both.

    Args:
        merits: of each run of each start.
        margin: the difference that is too small to matter.
        ratio: of test to training samples, if runs have splits of their own, whose training sets overlap.
        spent: of the error that may be made; less than 1 where the runs are looked at more than once.
    """
    pairs = list(itertools.combinations(merits, 2))
    gaps = [[one - other for one, other in zip(merits[a], merits[b], strict=True)] for a, b in pairs]
    found = [estimated(gap, ratio=ratio) for gap in gaps]
    by_run = np.array([[row.mean() for row in gap] for gap in gaps])  # (pair, run)
    has_splits = ratio is not None
    least = runs_needed(len(merits), has_splits=has_splits, spent=spent)
    is_known = has_splits or all(len(row) > 1 for gap in gaps for row in gap)
    p_runs = sign_flip_p(by_run)
    p_both = np.array([one.p() if is_known else math.nan for one in found])
    p_same = np.array([one.p_within(margin) if is_known else math.nan for one in found])
    tests = [p_both if has_splits else np.maximum(p_runs, p_both), p_runs, p_same]
    if by_run.shape[1] < least:
        tests = [np.maximum(test, 1.0) for test in tests]
    p, p_runs_alone, p_same = (holm(test, spent) for test in tests)
    level = LEVEL * spent / len(pairs)
    return tuple(
        Difference(
            first,
            second,
            gap=around(one, LEVEL * spent),
            floor=one.floor(LEVEL * spent),
            p_runs=float(p_runs[at]),
            p_both=float(p_both[at]),
            p=p[at],
            p_runs_alone=p_runs_alone[at],
            p_same=p_same[at],
            runs_needed=max(one.runs_needed(level), least, 0 if p[at] < LEVEL else by_run.shape[1] + 1),
            samples_needed=one.samples_needed(level),
            num_won=int((by_run[at] > 0).sum()),
        )
        for at, ((first, second), one) in enumerate(zip(pairs, found, strict=True))
    )


def around(found: Estimate, level: float) -> Interval:
    """The interval of an estimate."""
    width = found.half_width(level)
    return Interval(found.mean, found.mean - width, found.mean + width)


def sign_flip_p(gaps: Array) -> Array:
    """Two-sided p that paired differences `(..., run)` centre on 0: exact up to 16 of them, else of 99,999 draws.

    If the two starts were alike, each difference could as well have had the other sign.
    """
    num_runs = gaps.shape[-1]
    is_exact = num_runs <= _MOST_EXACT
    num_flips = 2**num_runs if is_exact else _NUM_FLIPS
    rounding = 1e-12 * np.abs(gaps).sum(axis=-1)  # by which sums of the same numbers may differ
    least = (np.abs(gaps.sum(axis=-1)) - rounding)[..., None]
    extreme = np.zeros(gaps.shape[:-1])
    for begin in range(0, num_flips, _BATCH):
        flips = np.arange(begin, min(begin + _BATCH, num_flips))
        bits = flips[:, None] >> np.arange(num_runs) if is_exact else _drawn(begin, len(flips), num_runs)
        extreme += (np.abs(gaps @ (1.0 - 2.0 * (bits & 1)).T) >= least).sum(axis=-1)
    return extreme / num_flips if is_exact else (extreme + 1) / (num_flips + 1)


def _drawn(begin: int, length: int, num_runs: int) -> Array:
    words = _stream.words(_stream.key(_SEED, "flips"), begin * num_runs, length * num_runs)
    return words.reshape(length, num_runs).astype(np.int64)


def holm(p_values: Sequence[float] | Array, spent: float = 1.0) -> list[float]:
    """Adjusted p-values that hold for all tests at once.

    Sorted, the k-th of m is multiplied by m - k + 1 and never falls below the one before it; and all are divided by
    the share of the error that may be made.
    Reference: Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 1979.
    """
    order = np.argsort(p_values, kind="stable")
    steps = np.asarray(p_values)[order] * np.arange(len(order), 0, -1) / spent
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted.tolist()


def _range(values: Array) -> tuple[float, float]:
    return float(values.min()), float(values.max())
