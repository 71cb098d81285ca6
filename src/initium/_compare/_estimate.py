"""The Estimate: a mean difference, and how sure it is of other seeds and other data."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._require import require

Array = NDArray[Any]

# Nobody trains more; beyond it no number of runs is named.
MOST_RUNS = 10_000


@dataclass(frozen=True)
class Estimate:
    """The mean of paired differences, and the variance of that mean under Student's t.

    Attributes:
        mean: of the differences.
        variance: of the mean, over other seeds and other data.
        fixed: the part of it that no number of runs narrows.
        sampled: the part that more samples narrow, in proportion to how many there are; NaN where nobody knows it.
        num_runs: R.
        most_df: degrees of freedom however many runs there are; R - 1 if that is fewer.
        num_samples: that are tested, each counted once; of one number a run, the runs.
        grain: the smallest difference that any of them showed; 1 if none did.
    """

    mean: float
    variance: float
    fixed: float
    sampled: float
    num_runs: int
    most_df: float = math.inf
    num_samples: float = math.inf
    grain: float = 1.0

    def p(self) -> float:
        """Two-sided, that the true difference is 0."""
        return min(2 * self._above(abs(self.mean), self.variance), 1.0)

    def p_within(self, margin: float) -> float:
        """That the true difference is `margin` or more, either way; small where it is closer to 0 than that.

        The larger of two one-sided tests. Differences of the samples that are 0 or a grain and more vary by
        margin (grain - margin) at least if the margin is their mean, however rarely these few showed one: where none of
        n differs, there is one in 3 / n at most.
        References: Schuirmann, "A comparison of the two one-sided tests procedure and the power approach for assessing
            the equivalence of average bioavailability", J. Pharmacokinetics and Biopharmaceutics 1987; Wilson,
            "Probable inference, the law of succession, and statistical inference", JASA 1927, for the variance of a
            share as it is at the bound.
        """
        return self._above(
            margin - abs(self.mean), max(self.variance, margin * (self.grain - margin) / self.num_samples)
        )

    def half_width(self, level: float) -> float:
        """Of the interval that covers the true difference all but `level` of the time."""
        return float(self._quantile(level, self._df(self.num_runs))) * math.sqrt(self.variance)

    def floor(self, level: float) -> float:
        """The half-width that no number of runs narrows: `t_inf sqrt(fixed)`."""
        return float(self._quantile(level, self._df(math.inf))) * math.sqrt(self.fixed)

    def runs_needed(self, level: float) -> float:
        """About how many runs would show a difference as large as this one; infinite if none would."""
        runs = np.arange(2, MOST_RUNS + 1)
        each = (self.variance - self.fixed) * self.num_runs
        widths = self._quantile(level, self._df(runs)) * np.sqrt(each / runs + self.fixed)
        shown = np.flatnonzero(abs(self.mean) > widths)
        return float(runs[shown[0]]) if len(shown) else math.inf

    def samples_needed(self, level: float) -> float:
        """How many times the samples would show it in as many runs; infinite if none would or nobody knows."""
        quantile = float(self._quantile(level, self._df(self.num_runs)))
        room = (self.mean / quantile) ** 2 - (self.variance - self.sampled)
        return self.sampled / room if room > 0 else math.inf

    def _df(self, runs: Any) -> Any:
        return np.minimum(runs - 1, self.most_df)

    def _above(self, distance: float, variance: float) -> float:
        if variance == 0:
            return float(distance <= 0)
        return float(_student().sf(distance / math.sqrt(variance), self._df(self.num_runs)))

    def _varied(self) -> "Estimate":
        """The same, as sure as its number of runs and samples allows where all differences are alike.

        A t test takes that for certainty. But all of one sign have p = 2 / 2^R by flipping signs, which gives the
        variance that has the t test agree; and where none of n samples differs, one in 3 / n may (the rule of three).
        """
        if not self.variance <= (1e-12 * self.mean) ** 2:
            return self
        df = self._df(self.num_runs)
        by_signs = (self.mean / float(_student().isf(0.5 ** (df + 1), df))) ** 2
        by_samples = (3 * self.grain / (1.96 * self.num_samples)) ** 2 if self.num_samples < math.inf else 0.0
        more = max(by_signs - by_samples, 0.0)
        return replace(self, variance=by_samples + more, fixed=by_samples, sampled=by_samples + more)

    @staticmethod
    def _quantile(level: float, df: Any) -> Any:
        return _student().isf(level / 2, df)


def resampled(
    gaps: Array, *, ratio: float, sampling: float = math.nan, num_samples: float = math.inf, grain: float = 1.0
) -> Estimate:
    """From differences of runs on splits of their own, `(run,)`, whose training sets overlap.

    The variance is v (1 / R + ratio), with v that of the R differences and `ratio` that of test to training samples,
    and has R - 1 degrees of freedom. A ratio of 0 is the plain paired t test.

    Args:
        gaps: the differences.
        ratio: of test to training samples.
        sampling: the part of v that comes from testing on so few samples.
        num_samples: as of an Estimate.
        grain: likewise.

    Reference: Nadeau and Bengio, "Inference for the generalization error", Machine Learning 2003, equation 8.
    """
    each, weight = float(gaps.var(ddof=1)), 1 / len(gaps) + ratio
    parts = each * weight, each * ratio, min(sampling, each) * weight
    return Estimate(float(gaps.mean()), *parts, len(gaps), num_samples=num_samples, grain=grain)._varied()


def crossed(gaps: Array) -> Estimate:
    """From differences `(run, test sample)`, where all runs share their split, and both are random draws.

    The variance is v_run / R + v_sample / N, with v those of the R run means and of the N sample means, and has
    min(R, N) - 1 degrees of freedom. The sum counts the share of single cells twice, so it errs on the safe side.

    Reference: Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 2007, for the variance of
        a mean over two crossed random factors.
    """
    num_runs, num_samples = gaps.shape
    runs, samples = gaps.mean(axis=1), gaps.mean(axis=0)
    by_run, by_sample = runs.var(ddof=1) / num_runs, samples.var(ddof=1) / num_samples
    rest = gaps - runs[:, None] - samples + gaps.mean()
    single = np.square(rest).sum() / ((num_runs - 1) * (num_samples - 1)) / gaps.size  # what more runs take away
    return Estimate(
        float(gaps.mean()),
        float(by_run + by_sample),
        float(max(by_sample - single, 0.0)),
        float(by_sample),
        num_runs,
        num_samples - 1,
        num_samples,
        _grain(gaps),
    )._varied()


def estimated(gaps: Sequence[Array] | Array, *, ratio: float | None = None) -> Estimate:
    """What paired differences say, whatever shape they have.

    Args:
        gaps: of each run one number, or one of each of its test samples.
        ratio: of test to training samples, if runs have splits of their own; None if they share one. Of one number a
            run and one split only seeds are asked about.
    """
    rows = [np.atleast_1d(np.asarray(gap, np.float64)) for gap in gaps]
    if ratio is None and len(rows[0]) > 1:
        return crossed(np.stack(rows))
    known = min(map(len, rows)) > 1
    sampling = float(np.mean([row.var(ddof=1) / len(row) for row in rows])) if known else math.nan
    tested = sum(map(len, rows))
    if known and ratio:  # the folds are dealt anew of the same samples
        tested = min(tested, tested / len(rows) * (1 + 1 / ratio))
    means = np.array([row.mean() for row in rows])
    return resampled(
        means, ratio=ratio or 0.0, sampling=sampling, num_samples=tested, grain=_grain(np.concatenate(rows))
    )


def _grain(gaps: Array) -> float:
    sizes = np.abs(gaps[gaps != 0])
    return float(sizes.min()) if sizes.size else 1.0


def _student() -> Any:
    return require("scipy.stats", to="A t test").t
