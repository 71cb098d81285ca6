import itertools
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats

from initium._compare._statistics import crossed_p, differences, holm, interval, runs_needed, sign_flip_p

SAMPLE = scipy.stats.expon.ppf((np.arange(20) + 0.5) / 20)


def test_an_interval_is_scipys_bca():
    expected = scipy.stats.bootstrap((SAMPLE,), np.mean, n_resamples=9999, method="BCa", rng=0).confidence_interval
    found = interval(SAMPLE)
    assert (found.mean, found.low, found.high) == (SAMPLE.mean(), expected.low, expected.high)


def test_an_interval_covers_the_mean_95_times_in_100():
    draws = scipy.stats.norm.rvs(size=(300, 15), random_state=0)
    covered = sum(interval(row).low <= 0 <= interval(row).high for row in draws)
    # BCa of 15 falls a little short of 95%; a 90% or a 99% interval fails.
    assert 0.91 <= covered / 300 <= 0.97


def test_an_interval_of_what_never_varies_is_a_point():
    found = interval(np.full(20, 0.3))
    assert found.low == found.mean == found.high == pytest.approx(0.3)
    assert np.isnan(interval(np.array([])).mean)
    assert interval(np.array([0.3])).mean == 0.3
    assert np.isnan(interval(np.array([0.3])).low)


def test_a_small_sign_flip_test_is_exact():
    gap = np.array([0.3, -0.1, 0.4, 0.2, 0.25, 0.05, -0.02])
    sums = [abs(np.dot(signs, gap)) for signs in itertools.product((-1, 1), repeat=7)]
    exact = np.mean(np.array(sums) >= abs(gap.sum()) - 1e-12)
    assert sign_flip_p(gap) == pytest.approx(exact, rel=1e-12)


def test_a_large_sign_flip_test_agrees_with_the_t_test():
    gap = scipy.stats.norm.ppf((np.arange(60) + 0.5) / 60) + 0.3
    assert sign_flip_p(gap) == pytest.approx(scipy.stats.ttest_1samp(gap, 0).pvalue, rel=0.1)
    assert sign_flip_p(np.zeros(20)) == 1


def test_holm_gives_the_published_example():
    # Holm 1979's procedure as worked in R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm").
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1, 1]
    assert holm([]) == []


def merits(shift, seed):
    return scipy.stats.norm.rvs(size=(12, 80), random_state=seed) + shift


def test_a_difference_must_hold_over_runs_and_over_samples():
    base = merits(0, 1)
    better = base + np.abs(merits(0.5, 2))
    lucky = base.copy()
    lucky[:, 0] += 5  # every run gains, through a single test sample
    steady = differences({"better": better, "base": base})[0]
    assert steady.p == max(steady.p_runs, steady.p_both)
    assert steady.is_significant
    thin = differences({"lucky": lucky, "base": base})[0]
    assert thin.p_runs < 0.001
    assert thin.p_both > 0.2
    assert not thin.is_significant


def test_a_crossed_test_adds_both_variances():
    gap = merits(0.2, 5)
    runs, samples = (scipy.stats.sem(gap.mean(axis=axis)) for axis in (1, 0))
    expected = 2 * scipy.stats.t(11).sf(gap.mean() / np.hypot(runs, samples))
    assert crossed_p(gap) == pytest.approx(expected, rel=1e-12)
    assert crossed_p(np.zeros((5, 6))) == 1
    assert crossed_p(np.ones((5, 6))) == 0


def test_a_crossed_test_holds_its_level_when_runs_and_samples_both_vary():
    """Where the larger of two one-way tests would reject one true null in eight."""
    num = 400
    runs = scipy.stats.norm.rvs(size=(num, 20, 1), random_state=1) * np.sqrt(20)
    samples = scipy.stats.norm.rvs(size=(num, 1, 60), random_state=2) * np.sqrt(60)
    rejected = sum(crossed_p(gap) < 0.05 for gap in runs + samples)
    assert rejected <= scipy.stats.binom.isf(0.001, num, 0.05)


def test_a_difference_is_significant_below_5_in_100_alone():
    found = differences({"a": merits(0.3, 1), "b": merits(0, 2)})[0]
    assert [replace(found, p=p).is_significant for p in (0.049, 0.05)] == [True, False]


def test_all_pairs_are_corrected_together():
    groups = {"a": merits(0.3, 1), "b": merits(0.15, 2), "c": merits(0, 3)}
    found = differences(groups)
    assert [(pair.first, pair.second) for pair in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert [pair.p for pair in found] == holm([max(pair.p_runs, pair.p_both) for pair in found])
    assert found[0].gap.mean == pytest.approx((groups["a"] - groups["b"]).mean())


@pytest.mark.parametrize("num_pairs", [1, 3, 28])
def test_fewer_runs_than_needed_cannot_carry_a_difference_and_that_many_can(num_pairs):
    needed = runs_needed(num_pairs)
    assert holm([sign_flip_p(np.ones(needed - 1))] * num_pairs)[0] >= 0.05
    assert holm([sign_flip_p(np.ones(needed))] * num_pairs)[0] < 0.05
