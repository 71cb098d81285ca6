"""Intervals and tests over paired runs. SciPy does the arithmetic."""

import itertools
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._require import require

Array = NDArray[Any]

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
        gap: mean of the paired differences, and its interval over runs.
        p_runs: of a paired permutation test over runs: would other seeds tell the same?
        p_both: of a t test over runs and test samples, or over runs and splits: would other seeds and other data?
            NaN where a run has one number for all its test samples and there are no splits: nothing tells.
        p: the larger of the two, corrected by Holm over all pairs.
    """

    first: str
    second: str
    gap: Interval
    p_runs: float
    p_both: float
    p: float

    @property
    def is_significant(self) -> bool:
        """Whether the corrected test carries a difference."""
        return self.p < LEVEL


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


def differences(merits: dict[str, Array], *, ratio: float | None = None) -> tuple[Difference, ...]:
    """All pairs of starts, from their merits `(run, test sample)`.

    Runs alone would not do: they share one test split, so with enough of them a start that happens
    to suit a few of its samples would win. The larger of the two p counts.

    Args:
        merits: of each start.
        ratio: of test to training samples, if runs have splits of their own, whose training sets overlap.
    """
    pairs = list(itertools.combinations(merits, 2))
    gaps = [merits[first] - merits[second] for first, second in pairs]
    p_runs = [sign_flip_p(gap.mean(axis=1)) for gap in gaps]
    if ratio is not None:
        p_both = [resampled_p(gap.mean(axis=1), ratio) for gap in gaps]
    else:
        p_both = [crossed_p(gap) if gap.shape[1] > 1 else math.nan for gap in gaps]
    corrected = holm(np.maximum(p_runs, p_both).tolist())
    return tuple(
        Difference(*pair, interval(gap.mean(axis=1)), *p)
        for pair, gap, *p in zip(pairs, gaps, p_runs, p_both, corrected, strict=True)
    )


def sign_flip_p(gap: Array) -> float:
    """Two-sided p that paired differences centre on 0: exact up to 16 of them, else 99,999 draws.

    If the two starts were alike, each difference could as well have had the other sign.
    """
    stats = require("scipy.stats", to="A permutation test")
    found = stats.permutation_test(
        (gap,), np.mean, permutation_type="samples", n_resamples=_NUM_FLIPS, vectorized=True, batch=10_000, rng=_SEED
    )
    return float(found.pvalue)


def crossed_p(gap: Array) -> float:
    """Two-sided p that the mean of `(run, test sample)` differences is 0, both being random draws.

    t = mean / sqrt(v_run / R + v_sample / N), with v the variances of the R run means and of the N
    sample means, and min(R, N) - 1 degrees of freedom. The sum counts the share of single cells
    twice, so it errs on the safe side.

    Reference: Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 2007, for the variance of
        a mean over two crossed random factors.
    """
    runs, samples = gap.mean(axis=1), gap.mean(axis=0)
    variance = runs.var(ddof=1) / len(runs) + samples.var(ddof=1) / len(samples)
    if variance == 0:
        return float(gap.mean() == 0)
    student = require("scipy.stats", to="A t test").t
    return float(2 * student.sf(abs(gap.mean()) / np.sqrt(variance), min(gap.shape) - 1))


def resampled_p(gap: Array, ratio: float) -> float:
    """Two-sided p that differences of runs on splits of their own centre on 0.

    t = mean / sqrt(v (1 / R + ratio)), with v the variance over R runs and `ratio` that of test to training samples,
    and R - 1 degrees of freedom: training sets overlap, so that runs are no independent draws.

    Reference: Nadeau and Bengio, "Inference for the generalization error", Machine Learning 2003.
    """
    variance = gap.var(ddof=1) * (1 / len(gap) + ratio)
    if variance == 0:
        return float(gap.mean() == 0)
    student = require("scipy.stats", to="A t test").t
    return float(2 * student.sf(abs(gap.mean()) / np.sqrt(variance), len(gap) - 1))


def holm(p_values: Sequence[float]) -> list[float]:
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
