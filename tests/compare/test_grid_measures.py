"""What a grid measures beside who is ahead: against hand-made truth, SciPy's own functions and counts by hand."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from grids import NUM_SAMPLES, facts, grid, run_of

from initium._compare._comparison import Comparison
from initium._compare._grid import Grid
from initium._compare._grid_figures import heat_maps
from initium._compare._profiles import improvement, profile
from initium._compare._resample import draws, percentiles
from initium._compare._scale import Scale
from initium._compare._spread import spread_p, spreads, std_interval, wilson
from initium._compare._stable import stable

LRS = (0.01, 0.1, 1.0, 10.0)


def tables(found):
    return {section.title: section for section in found.report().sections}


def test_the_largest_stable_rate_and_the_good_range_are_those_of_the_truth():
    truth = {0.01: 0.7, 0.1: 1.0, 1.0: 1.0, 10.0: None}
    found = grid({"lr": LRS}, ("he_normal", "zeros"), lambda start, lr: truth[lr] if start == "he_normal" else 0.1)
    he, zeros = stable(found.places[0], "lr")
    assert (he.largest.mean, he.largest.low, he.largest.high, he.is_largest_tried) == (1.0, 1.0, 1.0, False)
    assert (he.low, he.high, he.decades.mean, he.is_cut) == (0.1, 1.0, 1.0, False)
    assert zeros.largest.mean == 0
    rows = {row[0]: row[1:] for row in tables(found)["How much lr a start bears"].rows}
    assert rows["he_normal"][:2] == ("1 [1, 1]", "0.1 to 1")
    assert rows["zeros"] == ("none", "-", "-")


def test_a_rate_at_the_edge_of_the_grid_is_a_lower_bound():
    found = grid({"lr": LRS}, ("he_normal", "zeros"), lambda start, lr: 0.99)
    assert tables(found)["How much lr a start bears"].rows[0][1:3] == (">= 10 [10, 10]", "0.01 to 10")
    assert tables(found)["How much lr a start bears"].rows[0][3].startswith(">= 3.0 [")


def test_what_is_near_the_best_is_told_in_points():
    found = grid({"lr": LRS}, ("he_normal", "zeros"), lambda start, lr: 0.9)
    for margin, told in ((None, "1 point of test accuracy"), (0.05, "5 points of test accuracy")):
        cells = {name: replace(cell, margin=margin) for name, cell in found.cells.items()}
        note = tables(replace(found, cells=cells))["How much lr a start bears"].note
        assert f"whose mean is within {told} of it" in note


def test_one_failed_run_in_ten_is_borne_and_two_are_not():
    found = grid({"lr": (0.1, 1.0)}, ("he_normal", "zeros"), lambda start, lr: 0.9, seeds=10)
    for num, largest in ((1, 1.0), (2, 0.1)):
        cell = found["lr=1.0"]
        lost = grid({"lr": (1.0,)}, ("he_normal",), lambda start, lr: None, seeds=10)["lr=1.0"].runs["he_normal"]
        runs = {**cell.runs, "he_normal": lost[:num] + cell.runs["he_normal"][num:]}
        cells = {**found.cells, "lr=1.0": type(cell)(cell.study, runs)}
        assert stable(type(found)(cells, ("lr",)).places[0], "lr")[0].largest.mean == largest


def test_training_dies_at_the_first_depth_that_luck_explains():
    found = grid(
        {"depth": (3, 20, 50)},
        ("he_normal", "zeros"),
        lambda start, depth: 0.9 if depth < 50 and "he" in start else 0.1,
    )
    assert tables(found)["Depth at which training dies"].rows == (("he_normal", "50"), ("zeros", "3"))
    alive = grid({"depth": (3, 20)}, ("he_normal", "ones"), lambda start, depth: 0.9)
    assert tables(alive)["Depth at which training dies"].rows[0] == ("he_normal", "not up to 20")


def test_improvement_is_the_mean_over_cells_of_all_pairwise_comparisons_with_ties_half():
    x = [np.array([1.0, 2.0, 3.0]), np.array([0.5, 0.5])]
    y = [np.array([2.0, 2.0, 0.0]), np.array([0.5, 0.1])]
    by_hand = [
        np.mean([(a > b) + 0.5 * (a == b) for a, b in itertools.product(*both)]) for both in zip(x, y, strict=True)
    ]
    u = [
        scipy.stats.mannwhitneyu(*both, method="asymptotic").statistic / (len(both[0]) * len(both[1]))
        for both in zip(x, y, strict=True)
    ]
    assert by_hand == pytest.approx([6 / 9, 0.75])
    assert u == pytest.approx(by_hand)  # as rliable counts it
    found = improvement(x, y)
    assert found.mean == pytest.approx(np.mean(by_hand))
    assert found.low < found.mean < found.high
    assert improvement(x, x).mean == 0.5


def test_the_interval_of_improvement_covers_the_truth():
    """X is normal with mean 1 and Y with mean 0: P(X > Y) = Phi(1 / sqrt 2)."""
    truth = scipy.stats.norm.cdf(1 / np.sqrt(2))
    scores = scipy.stats.norm.rvs(size=(60, 2, 3, 30), random_state=5)
    covered = [one.low <= truth <= one.high for x, y in scores for one in [improvement([*(x + 1)], [*y])]]
    assert 0.88 <= np.mean(covered) <= 1.0


def test_a_profile_is_the_share_of_runs_above_each_score():
    cells, taus = [np.array([0.1, 0.5]), np.array([0.5, 0.9])], np.array([0.0, 0.1, 0.5, 0.9])
    found = profile(cells, taus)
    assert found.share.tolist() == [1.0, 0.75, 0.25, 0.0]
    assert (found.low <= found.share).all()
    assert (found.high >= found.share).all()


def test_resampled_runs_are_drawn_with_replacement_and_cells_by_themselves():
    shares = draws(10)
    assert np.allclose(shares.sum(axis=1), 1)
    assert shares.var() == pytest.approx(0.1 * 0.9 / 10, rel=0.05)  # binomial
    assert abs(np.corrcoef(draws(10, 1)[:, 0], draws(10, 2)[:, 0])[0, 1]) < 5 / np.sqrt(len(shares))


def test_wilson_is_as_published():
    found = wilson(0, 10)
    assert (found.low, found.high) == pytest.approx((0.0, 0.27753), abs=1e-4)


def test_a_wider_start_is_shown_wider_and_alike_ones_are_not():
    noise = scipy.stats.norm.rvs(size=(2, 40), random_state=3)
    assert spread_p(noise[0], 5 * noise[1]) < 0.001
    assert spread_p(noise[0], noise[1] + 7) > 0.05
    assert std_interval(noise[0]).low < 1 < std_interval(noise[0]).high


def test_the_test_of_spread_keeps_its_level():
    pairs = scipy.stats.norm.rvs(size=(300, 2, 10), random_state=11)
    shared = scipy.stats.norm.rvs(size=(300, 10), random_state=12)
    errors = np.mean([spread_p(x + both, y + both) < 0.05 for (x, y), both in zip(pairs, shared, strict=True)])
    assert errors <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 300)


def test_spreads_are_told_of_each_start_and_corrected_together():
    found = grid(
        {"depth": (3, 20)}, ("he_normal", "ones"), lambda start, depth: 0.99 if start == "he_normal" else 0.5, seeds=20
    )
    groups = [
        (contest.at, dict.fromkeys(contest.scores, cell))
        for contest, cell in zip(found.contests, found.cells.values(), strict=True)
    ]
    he, ones = spreads(groups)[:2]
    assert he.narrower == ()
    assert ones.narrower == ("he_normal",)
    assert ones.std.mean == pytest.approx(found["depth=3"].scores["ones"].std(ddof=1))


def test_divergence_is_counted_over_all_runs_of_a_place():
    found = grid(
        {"depth": (3,), "lr": (0.1, 1.0)}, ("he_normal", "ones"), lambda start, depth, lr: None if lr == 1 else 0.8
    )
    rows = {row[0]: row for row in tables(found)["Divergence, and spread over seeds"].rows}
    assert rows["ones"][2:4] == ("12/24", "50 [31, 69]")


@pytest.mark.parametrize("axes", [("batch_size", "lr"), ("lr", "batch_size")])
def test_what_a_start_is_tuned_to_stands_under_its_name_whichever_was_listed_first(axes):
    values = {"batch_size": (16, 32), "lr": (0.1, 1.0)}
    found = grid(
        {axis: values[axis] for axis in axes}, ("he_normal", "ones"), lambda start, lr, **_: 0.9 if lr == 1 else 0.3
    )
    table = tables(found)["Each start at its own best lr and batch_size"]
    for row in table.rows:
        told = dict(zip(table.columns, row, strict=True))
        assert (told["lr"], told["batch_size"]) in (("1.0", "16"), ("1.0", "32"))


@pytest.mark.parametrize(
    ("more", "factor", "places"), [({}, 100, 1), ({"score": "R^2", "chance": 0.0, "task": "regression"}, 1, 2)]
)
def test_a_grid_writes_scores_and_differences_as_a_comparison_does(more, factor, places):
    found = grid({"depth": (3,)}, ("he_normal", "ones"), lambda start, depth: 0.8 if "he" in start else 0.5, **more)
    alone = {section.title: section for section in found["depth=3"].report().sections}
    he, ones = (scores.mean() * factor for scores in found["depth=3"].scores.values())
    (gap,) = (row[1] for row in tables(found)["All pairs of all cells"].rows)
    assert gap == alone["Paired differences"].rows[0][1]
    assert gap.startswith(f"{he - ones:.{places + 1}f} [")
    score = tables(found)[f"Test {'R^2' if more else 'accuracy, %'}"].rows[0][1]
    assert score == alone["After training"].rows[0][1]
    assert score.startswith(f"{he:.{places}f} [")


def test_a_heat_map_marks_what_fails_and_keeps_its_colours_for_the_others():
    found = grid(
        {"depth": (3, 20), "lr": (0.1, 1.0)}, ("he_normal", "ones"), lambda start, depth, lr: None if lr == 1 else 0.8
    )
    (heat,) = (section for section in found.report().sections if section.title == "Test accuracy, % over the grid")
    assert [plot["layout"]["title"]["text"] for plot in heat.plots] == ["he_normal", "ones"]
    trace, grey = heat.plots[0]["data"]
    assert (trace["x"], trace["y"]) == (["0.1", "1.0"], ["depth 20", "depth 3"])
    assert [row[1].endswith("✕") for row in grey["text"]] == [True, True]
    assert not any(row[0].endswith("✕") for row in trace["text"])
    assert [[bool(cell) for cell in row] for row in trace["text"]] == [[True, False]] * 2  # each cell is written once
    assert [[bool(cell) for cell in row] for row in grey["text"]] == [[False, True]] * 2
    assert trace["zmin"] > 65
    assert [[value is None for value in row] for row in trace["z"]] == [[False, True], [False, True]]
    assert [[value is None for value in row] for row in grey["z"]] == [[True, False], [True, False]]
    assert len({colour for _, colour in grey["colorscale"]}) == 1
    assert heat.plots[0]["layout"]["margin"]["t"] >= 34  # the tools lie above the cells
    alone = grid({"lr": (0.1, 1.0)}, ("he_normal", "ones"), lambda start, lr: 0.8)
    assert heat_maps(alone, Scale.of(alone["lr=0.1"].study)).plots[0]["data"][0]["y"] == ["ones", "he_normal"]


def right(settings, **starts):
    """A cell in which so many samples are right in each of twelve runs."""
    said = facts(settings, starts, 12)
    runs = {
        start: [run_of(start, i, (np.arange(NUM_SAMPLES) < num).astype(float)) for i in range(12)]
        for start, num in starts.items()
    }
    return said.name, Comparison(said, runs)


def test_a_value_more_than_a_point_below_the_best_is_not_in_the_good_range():
    def of(*lrs, **starts):
        cells = (right({"lr": lr}, **{start: nums[at] for start, nums in starts.items()}) for at, lr in enumerate(lrs))
        return stable(Grid(dict(cells), ("lr",)).places[0], "lr")

    falls, rises = of(0.01, 0.1, 1.0, falls=(108, 108, 100), rises=(100, 106, 108))  # of 120
    assert (falls.low, falls.high, falls.is_cut) == (0.01, 0.1, True)
    assert (rises.low, rises.high, rises.is_cut) == (1.0, 1.0, True)
    (within,) = of(0.01, 0.1, 1.0, 10.0, within=(100, 108, 107, 90))
    assert (within.low, within.high, within.is_cut) == (0.1, 1.0, False)


def test_runs_of_two_starts_and_of_two_cells_are_resampled_each_by_itself():
    scores = scipy.stats.norm.rvs(size=30, random_state=2)
    alike = improvement([scores], [scores])
    assert alike.low < 0.4
    assert alike.high > 0.6
    one, two = (profile(cells, np.zeros(1)) for cells in ([scores], [scores, scores]))
    widths = [float((each.high - each.low)[0]) for each in (one, two)]
    assert widths[1] / widths[0] == pytest.approx(1 / np.sqrt(2), rel=0.15)


def test_what_is_infinite_in_a_resample_is_ordered_too():
    found = percentiles(1.0, np.array([1.0, np.inf]))
    assert (found.low, found.high) == (1.0, np.inf)


@pytest.mark.parametrize(("one", "is_t_larger"), [((-1, -1, -1, 1, 1, 50), True), ((-1.2, -1, -1.1, 1, 1.1, 1), False)])
def test_the_test_of_spread_is_the_larger_of_two(one, is_t_larger):
    """Both by SciPy; the medians are 0, the means are not."""
    distances = np.abs(one)
    t = scipy.stats.ttest_1samp(distances, 0).pvalue
    flips = scipy.stats.permutation_test((distances,), np.mean, permutation_type="samples").pvalue
    assert bool(t > flips) is is_t_larger
    assert spread_p(np.array(one, float), np.zeros(6)) == pytest.approx(max(t, flips))


def test_a_spread_that_one_place_alone_would_show_is_not_shown_among_five_or_at_a_second_look():
    def cell(**starts):
        said = facts({}, starts, 9, score="R^2", chance=0.0)
        runs = {start: [run_of(start, i, [x]) for i, x in enumerate(of)] for start, of in starts.items()}
        return Comparison(said, runs)

    wide = np.array([-0.4, 0.3, -0.2, 0.3, 0.0, -0.3, 0.2, 0.01, -0.01]) + 0.5
    narrow = np.full(9, 0.5) + 0.2 * np.roll(wide - 0.5, 4)
    both = cell(wide=wide, narrow=narrow)
    assert 0.025 < spread_p(wide, narrow) < 0.05

    def told(num, spent=1.0):
        found = spreads([((("depth", at),), dict.fromkeys(("wide", "narrow"), both)) for at in range(num)], spent)
        return {one.narrower for one in found if one.start == "wide"}

    assert told(1) == {("narrow",)}
    assert told(5) == {()}
    assert told(1, spent=1 / 2) == {()}


@pytest.mark.parametrize(("gap", "span"), [(0.02, 10), (0.3, 30)])
def test_a_difference_of_a_heat_map_that_hardly_matters_looks_so(gap, span):
    found = grid({"lr": (0.1, 1.0)}, ("he_normal", "ones"), lambda start, lr: 0.9 if lr == 1 else 0.9 - gap)
    trace = heat_maps(found, Scale.of(found["lr=0.1"].study)).plots[0]["data"][0]
    values = [value for row in trace["z"] for value in row]
    assert trace["zmax"] == pytest.approx(max(values))
    assert trace["zmax"] - trace["zmin"] == pytest.approx(max(span, np.ptp(values)), rel=0.2)
    wide = type(found)({name: replace(cell, margin=0.05) for name, cell in found.cells.items()}, found.axes)
    trace = heat_maps(wide, Scale.of(wide["lr=0.1"].study)).plots[0]["data"][0]
    assert trace["zmax"] - trace["zmin"] == pytest.approx(50)
