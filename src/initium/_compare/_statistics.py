"""Intervals and tests over paired runs. SciPy does the arithmetic."""

import itertools
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._require import require
from ._estimate import Estimate, estimated

Array = NDArray[Any]
Gaps = Sequence[Array] | Array

LEVEL = 0.05
# Resampling is itself random; a fixed seed makes the same runs give the same interval.
_SEED = 0
_NUM_RESAMPLES = 9_999
# Enough for a p of 2e-5, so that Holm leaves room for hundreds of pairs.
_NUM_FLIPS = 99_999


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
        p: the larger of the two, corrected by Holm over all pairs.
        p_runs_alone: that of the first, corrected likewise.
        p_same: of two one-sided tests that they differ by the margin or more, corrected likewise.
        runs_needed: about how many would show a difference as large as seen; infinite if none would.
        samples_needed: how many times the samples would, likewise.
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

    @property
    def is_significant(self) -> bool:
        """Whether the corrected test carries a difference."""
        return self.p < LEVEL

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


def gap_interval(gaps: Gaps, *, ratio: float | None = None, level: float = LEVEL) -> Interval:
    """The mean of paired differences and the interval that covers the true one all but `level` of the time.

    It leaves out 0 exactly where the t test rejects at that level. Arguments as in `estimated`.
    """
    return _around(estimated(gaps, ratio=ratio), level)


def floor(gaps: Gaps, *, ratio: float | None = None, level: float = LEVEL) -> float:
    """The half-width of such an interval that no number of runs narrows."""
    return estimated(gaps, ratio=ratio).floor(level)


def differences(
    merits: Mapping[str, Sequence[Array]], *, margin: float, ratio: float | None = None
) -> tuple[Difference, ...]:
    """All pairs of starts, from the merits of each run, `(test sample,)`.

    Runs alone would not do: they share their samples, so with enough of them a start that happens
    to suit a few of these would win. The larger of the two p counts.

    Args:
        merits: of each run of each start.
        margin: the difference that is too small to matter.
        ratio: of test to training samples, if runs have splits of their own, whose training sets overlap.
    """
    pairs = list(itertools.combinations(merits, 2))
    gaps = [[one - other for one, other in zip(merits[a], merits[b], strict=True)] for a, b in pairs]
    found = [estimated(gap, ratio=ratio) for gap in gaps]
    is_tested = ratio is not None or all(len(row) > 1 for gap in gaps for row in gap)
    p_runs = [sign_flip_p(np.array([row.mean() for row in gap])) for gap in gaps]
    p_both = [one.p() if is_tested else math.nan for one in found]
    p_same = [one.p_within(margin) if is_tested else math.nan for one in found]
    p, p_runs_alone, p_same = holm(np.maximum(p_runs, p_both)), holm(p_runs), holm(p_same)
    level, least = LEVEL / max(len(pairs), 1), runs_needed(len(pairs))
    return tuple(
        Difference(
            first,
            second,
            gap=_around(one, LEVEL),
            floor=one.floor(LEVEL),
            p_runs=p_runs[at],
            p_both=p_both[at],
            p=p[at],
            p_runs_alone=p_runs_alone[at],
            p_same=p_same[at],
            runs_needed=max(one.runs_needed(level), least),
            samples_needed=one.samples_needed(level),
        )
        for at, ((first, second), one) in enumerate(zip(pairs, found, strict=True))
    )


def _around(found: Estimate, level: float) -> Interval:
    width = found.half_width(level)
    return Interval(found.mean, found.mean - width, found.mean + width)


def sign_flip_p(gap: Array) -> float:
    """Two-sided p that paired differences centre on 0: exact up to 16 of them, else 99,999 draws.

    If the two starts were alike, each difference could as well have had the other sign.
    """
    stats = require("scipy.stats", to="A permutation test")
    found = stats.permutation_test(
        (gap,), np.mean, permutation_type="samples", n_resamples=_NUM_FLIPS, vectorized=True, batch=10_000, rng=_SEED
    )
    return float(found.pvalue)


def holm(p_values: Sequence[float] | Array) -> list[float]:
    """Adjusted p-values that hold for all tests at once.

    Sorted, the k-th of m is multiplied by m - k + 1 and never falls below the one before it.
    Reference: Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 1979.
    """
    order = np.argsort(p_values, kind="stable")
    steps = np.asarray(p_values)[order] * np.arange(len(order), 0, -1)
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted.tolist()


def runs_needed(num_pairs: int) -> int:
    """The fewest paired runs that can carry a difference: all of one sign has p = 2 / 2^runs, before Holm."""
    return next(runs for runs in itertools.count(2) if num_pairs * 2 / 2**runs < LEVEL)


def _range(values: Array) -> tuple[float, float]:
    return float(values.min()), float(values.max())
