import itertools
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats

from initium._compare._estimate import crossed, estimated, resampled
from initium._compare._statistics import (
    around,
    differences,
    holm,
    interval,
    runs_needed,
    sign_flip_p,
)

MARGIN = 0.5
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


def at(mean, gaps):
    return gaps - gaps.mean() + mean


def test_a_difference_must_hold_over_runs_and_over_samples():
    base = merits(0, 1)
    better = base + np.abs(merits(0.5, 2))
    lucky = base.copy()
    lucky[:, 0] += 5  # every run gains, through a single test sample
    steady = differences({"better": better, "base": base}, margin=MARGIN)[0]
    assert steady.p == max(steady.p_runs, steady.p_both)
    assert steady.is_significant
    thin = differences({"lucky": lucky, "base": base}, margin=MARGIN)[0]
    assert thin.p_runs < 0.001
    assert thin.p_both > 0.2
    assert not thin.is_significant


def test_a_crossed_test_adds_both_variances():
    gap = merits(0.2, 5)
    runs, samples = (scipy.stats.sem(gap.mean(axis=axis)) for axis in (1, 0))
    expected = 2 * scipy.stats.t(11).sf(gap.mean() / np.hypot(runs, samples))
    assert crossed(gap).p() == pytest.approx(expected, rel=1e-12)
    assert crossed(np.zeros((5, 6))).p() == 1
    assert crossed(np.ones((5, 6))).p() == pytest.approx(2 / 2**5)


def test_a_crossed_test_holds_its_level_when_runs_and_samples_both_vary():
    """Where the larger of two one-way tests would reject one true null in eight."""
    num = 400
    runs = scipy.stats.norm.rvs(size=(num, 20, 1), random_state=1) * np.sqrt(20)
    samples = scipy.stats.norm.rvs(size=(num, 1, 60), random_state=2) * np.sqrt(60)
    rejected = sum(crossed(gap).p() < 0.05 for gap in runs + samples)
    assert rejected <= scipy.stats.binom.isf(0.001, num, 0.05)


def test_a_difference_is_significant_below_5_in_100_alone():
    found = differences({"a": merits(0.3, 1), "b": merits(0, 2)}, margin=MARGIN)[0]
    assert [replace(found, p=p).is_significant for p in (0.049, 0.05)] == [True, False]


def test_all_pairs_are_corrected_together():
    groups = {"a": merits(0.3, 1), "b": merits(0.15, 2), "c": merits(0, 3)}
    found = differences(groups, margin=MARGIN)
    assert [(pair.first, pair.second) for pair in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert [pair.p for pair in found] == holm([max(pair.p_runs, pair.p_both) for pair in found])
    assert found[0].gap.mean == pytest.approx((groups["a"] - groups["b"]).mean())


@pytest.mark.parametrize("num_pairs", [1, 3, 28])
def test_fewer_runs_than_needed_cannot_carry_a_difference_and_that_many_can(num_pairs):
    needed = runs_needed({1: 2, 3: 3, 28: 8}[num_pairs], has_splits=False)
    assert holm([float(sign_flip_p(np.ones(needed - 1)))] * num_pairs)[0] >= 0.05
    assert holm([float(sign_flip_p(np.ones(needed)))] * num_pairs)[0] < 0.05
    assert runs_needed({1: 2, 3: 3, 28: 8}[num_pairs], has_splits=True) == 5


def test_with_splits_one_test_of_both_counts_and_fewer_than_five_runs_show_nothing():
    gaps = {"a": [np.array([1.0, 2.0]) + one for one in SLEEP[:5]], "b": [np.zeros(2)] * 5}
    found = differences(gaps, margin=MARGIN, ratio=0.25)[0]
    assert found.p == found.p_both == pytest.approx(resampled(SLEEP[:5] + 1.5, ratio=0.25).p())
    assert found.p < 0.05 < found.p_runs
    assert found.num_won == 5
    few = differences({name: each[:4] for name, each in gaps.items()}, margin=100.0, ratio=0.25)[0]
    assert (few.p, few.p_same, few.p_runs_alone) == (1, 1, 1)


def test_sign_flips_are_scipys():
    gaps = scipy.stats.norm.rvs(0.2, size=(3, 12), random_state=8)
    for flips, gap in zip(sign_flip_p(gaps), gaps, strict=True):
        expected = scipy.stats.permutation_test((gap,), np.mean, permutation_type="samples", n_resamples=np.inf)
        assert flips == pytest.approx(expected.pvalue, rel=1e-12)


def test_gaps_that_cancel_but_for_rounding_are_ties():
    gap = np.array([0.1, 0.2, -0.3, 0.1, 0.2, -0.3])
    assert sign_flip_p(gap) == 1


# A paired sample with its t test as printed in a textbook: hours of sleep gained by ten patients under two drugs
# ("Student", Biometrika 1908): t = 4.062 with 9 degrees of freedom, p = 0.00283, 95% from 0.70 to 2.46.
SLEEP = np.array([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4])


def test_without_overlap_it_is_students_own_example():
    found = resampled(SLEEP, ratio=0)
    assert found.p() == pytest.approx(0.00283, abs=5e-6)
    shown = around(estimated(SLEEP, ratio=0), 0.05)
    assert (round(shown.low, 2), round(shown.mean, 2), round(shown.high, 2)) == (0.70, 1.58, 2.46)
    assert found.floor(0.05) == 0


def test_overlapping_training_sets_widen_a_t_test_by_hand():
    # v = 1.2300^2 = 1.5129, weight 1/10 + 1/4 = 0.35, t = 1.58 / sqrt(0.52951) = 2.1713.
    found = resampled(SLEEP, ratio=0.25)
    assert found.mean / np.sqrt(found.variance) == pytest.approx(2.1713, abs=1e-4)
    assert found.p() == pytest.approx(2 * scipy.stats.t(9).sf(2.1713), rel=1e-3)
    assert found.floor(0.05) == pytest.approx(1.959964 * np.sqrt(SLEEP.var(ddof=1) / 4), rel=1e-6)


@pytest.mark.parametrize("level", [0.05, 0.001])
@pytest.mark.parametrize("gaps", [SLEEP, merits(0.2, 5)], ids=["resampled", "crossed"])
def test_an_interval_leaves_out_0_just_where_the_test_rejects(gaps, level):
    ratio = 0.25 if gaps.ndim == 1 else None
    width = estimated(gaps, ratio=ratio).half_width(level)
    for shift, is_rejected in ((1.001 * width, True), (0.999 * width, False)):
        moved = at(shift, gaps)
        shown = around(estimated(moved, ratio=ratio), level)
        assert (shown.low > 0) == is_rejected
        assert (estimated(moved, ratio=ratio).p() < level) == is_rejected


def test_two_one_sided_tests_are_scipys():
    for margin in (1.0, 2.5, 4.0):
        above = scipy.stats.ttest_1samp(SLEEP, margin, alternative="less").pvalue
        below = scipy.stats.ttest_1samp(SLEEP, -margin, alternative="greater").pvalue
        assert resampled(SLEEP, ratio=0).p_within(margin) == pytest.approx(max(above, below), rel=1e-12)


def test_a_difference_within_the_margin_is_one_whose_90_in_100_interval_is():
    found = resampled(SLEEP, ratio=0.25)
    edge = abs(found.mean) + found.half_width(0.1)
    assert found.p_within(0.999 * edge) > 0.05 > found.p_within(1.001 * edge)


@pytest.mark.parametrize(
    "gaps", [SLEEP - 0.5, at(0.2, merits(0, 6) + 0.5 * merits(0, 7)[:1])], ids=["resampled", "crossed"]
)
def test_as_many_runs_as_are_named_would_show_it_and_fewer_would_not(gaps):
    ratio = 0.05 if gaps.ndim == 1 else None
    found = estimated(gaps, ratio=ratio)
    needed = found.runs_needed(0.01)
    assert found.num_runs < needed < np.inf
    for runs, is_shown in ((needed, True), (needed - 1, False)):
        variance = (found.variance - found.fixed) * found.num_runs / runs + found.fixed
        p = 2 * scipy.stats.t(min(runs - 1, found.most_df)).sf(found.mean / np.sqrt(variance))
        assert (p < 0.01) == is_shown


def test_below_the_floor_no_number_of_runs_is_named():
    assert resampled(SLEEP / 10, ratio=0).runs_needed(0.05) < np.inf
    assert resampled(at(0.9, SLEEP), ratio=0.25).runs_needed(0.05) == np.inf


def test_as_many_samples_as_are_named_would_show_it():
    gaps = at(0.5, merits(0, 6) + 2 * merits(0, 7)[:1])  # samples vary most
    found = crossed(gaps)
    times = found.samples_needed(0.01)
    assert times > 1
    by_run = scipy.stats.sem(gaps.mean(axis=1)) ** 2
    by_sample = scipy.stats.sem(gaps.mean(axis=0)) ** 2 / times
    assert 2 * scipy.stats.t(11).sf(found.mean / np.sqrt(by_run + by_sample)) == pytest.approx(0.01)
    assert resampled(SLEEP, ratio=0.25).samples_needed(0.001) == np.inf  # one number a run tells nothing of samples


def test_the_floor_of_crossed_runs_leaves_out_what_more_runs_take_away():
    """Noise of single cells alone has no floor; noise of samples has that of their mean."""
    cells = scipy.stats.norm.rvs(size=(50, 400), random_state=3)
    samples = scipy.stats.norm.rvs(size=(1, 400), random_state=4)
    assert crossed(cells).fixed < 0.3 * crossed(cells).variance
    assert crossed(samples + cells).fixed == pytest.approx(samples.var(ddof=1) / 400, rel=0.1)


@pytest.mark.parametrize("num_runs", [5, 10, 20])
def test_differences_that_do_not_vary_are_as_sure_as_their_signs(num_runs):
    fold = np.array([1.0, 0, 0, 0, 0, 0])  # each run is right on one sample more
    found = estimated([fold] * num_runs, ratio=0.25)
    flips = 2 / 2**num_runs
    assert resampled(np.full(num_runs, 1 / 6), ratio=0.25).p() == pytest.approx(flips)
    assert flips <= found.p() * (1 + 1e-9)  # and no surer than 30 samples are
    shown = around(estimated([fold] * num_runs, ratio=0.25), 0.05)
    assert shown.low < 1 / 6 < shown.high
    assert (shown.low > 0) == (found.p() < 0.05)


def test_where_no_sample_differs_one_in_3_of_them_may():
    for ratio in (None, 0.25):
        of = estimated(np.zeros((20, 100)), ratio=ratio)
        num = 100 if ratio is None else 500
        assert of.num_samples == num
        assert of.p() == 1
        assert of.half_width(0.05) == pytest.approx(3 / num, rel=0.1)  # the rule of three


@pytest.mark.parametrize("num", [30, 60, 150, 250, 350, 600])
def test_that_no_sample_differs_says_less_of_few_samples(num):
    """As many that agree, though one in a hundred differs, come by luck with 0.99^n."""
    found = estimated(np.zeros((20, num)))
    assert (found.p_within(0.01) < 0.05) == (num > 300)


@pytest.mark.parametrize(("num", "is_shared"), [(60, False), (60, True), (250, True), (350, False)])
def test_starts_that_differ_by_the_margin_are_rarely_called_the_same(num, is_shared):
    tries, called = 300, 0
    for seed in range(tries):
        wrong = (scipy.stats.uniform.rvs(size=num, random_state=seed) < 0.01) * 1.0
        order = np.arange(num)
        gaps = [wrong if is_shared else wrong[(order + seed) % 5 == at % 5] for at in range(10)]
        called += estimated(gaps, ratio=None if is_shared else 0.25).p_within(0.01) < 0.05
    assert called <= scipy.stats.binom.isf(0.001, tries, 0.05)


def test_continuous_differences_keep_the_plain_two_tests():
    gaps = scipy.stats.norm.rvs(scale=0.01, size=(10, 60), random_state=2)
    found = estimated(gaps)
    assert found.p_within(0.01) == pytest.approx(
        scipy.stats.t(9).sf((0.01 - abs(found.mean)) / np.sqrt(found.variance)), rel=1e-12
    )


@pytest.mark.parametrize("spent", [1.0, 0.5, 1 / 6])
def test_the_fewest_runs_pay_for_each_look(spent):
    needed = runs_needed(3, has_splits=False, spent=spent)
    assert holm([float(sign_flip_p(np.ones(needed - 1)))] * 3, spent)[0] >= 0.05
    assert holm([float(sign_flip_p(np.ones(needed)))] * 3, spent)[0] < 0.05


def test_what_so_many_runs_do_not_show_takes_more():
    """Six runs of which one goes the other way: a t test is sure, and a test of signs cannot be."""
    run_gaps = np.array([0.1, 0.11, 0.12, 0.1, 0.11, -0.002])
    rows = run_gaps[:, None] + 0.01 * scipy.stats.norm.rvs(size=(6, 60), random_state=1)
    found = differences({"a": rows, "b": np.zeros((6, 60))}, margin=0.01)[0]
    assert found.p_both < 0.05 < found.p
    assert found.runs_needed == 7
    assert found.num_won == 5
    sure = {"a": np.abs(rows), "b": np.zeros((6, 60))}
    assert differences(sure, margin=9.0)[0].p_runs_alone == 2 / 2**6
    looked = differences(sure, margin=9.0, spent=0.5)[0]
    assert (looked.p_runs_alone, looked.p_same, looked.runs_needed) == (1, 1, 7)


def test_every_p_and_every_interval_pays_for_each_look_and_for_each_pair():
    base = merits(0, 3)
    groups = {"a": base + 0.05 * merits(0.2, 1), "b": base, "c": base + 0.05 * merits(0, 2)}
    once, often = (differences(groups, margin=0.05, ratio=0.01, spent=spent) for spent in (1.0, 0.1))
    for one, other in zip(once, often, strict=True):
        for name in ("p", "p_same", "p_runs_alone"):
            assert getattr(other, name) == pytest.approx(min(10 * getattr(one, name), 1))
        assert other.gap.low < one.gap.low
        assert other.floor > one.floor
        assert other.runs_needed > one.runs_needed
    assert any(0 < one.p_same < 0.05 for one in once)
    alone = differences({name: groups[name] for name in "bc"}, margin=0.05, ratio=0.01)[0]
    assert once[2].runs_needed > alone.runs_needed  # of three pairs a third of the level


def test_a_tie_is_not_won():
    gaps = np.array([0.1, 0.0, 0.2, 0.0, 0.3, -0.1])
    found = differences({"a": gaps[:, None] + np.ones((6, 8)), "b": np.ones((6, 8))}, margin=MARGIN)[0]
    assert found.num_won == 3


def test_flips_that_are_drawn_count_the_one_that_was_seen():
    assert sign_flip_p(np.ones(40)) == 1 / 100_000


def test_crossed_runs_have_the_degrees_of_freedom_of_the_smaller_factor():
    few = merits(0.2, 5)[:, :4]
    found = crossed(few)
    assert found.p() == pytest.approx(2 * scipy.stats.t(3).sf(abs(found.mean) / np.sqrt(found.variance)), rel=1e-12)
