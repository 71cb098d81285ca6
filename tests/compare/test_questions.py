"""What a grid answers, of runs whose truth is known."""

from dataclasses import replace

import pytest
import scipy.stats
from grids import NUM_SAMPLES, facts, grid, run, run_of

from initium._compare._comparison import Comparison
from initium._compare._grid import Grid
from initium._report._page import page
from initium._report._text import lines

LRS = (0.01, 0.1, 1.0)


def deep(start, depth, lr=None):
    """Both alike but at depth 20; the one does best at lr 0.1, the other at 0.01; nothing trains at depth 50."""
    best = {"he_normal": 0.1, "glorot_uniform": 0.01}[start]
    if depth == 50:
        return 0.1
    top = 0.6 if (depth, start) == (20, "glorot_uniform") else 0.9
    return top if lr in (None, best) else 0.5


def test_a_start_is_named_with_where_it_is_ahead_and_where_nothing_is_shown():
    found = grid({"depth": (3, 20, 50)}, ("he_normal", "glorot_uniform"), deep)
    assert found.verdict.splitlines() == [
        "Take he_normal: it beats the other at 1 of 2 places and is behind at none.",
        "At depth 3 no difference is shown; at depth 20 he_normal beats glorot_uniform by 29.5 points [25.6, 33.5]; at "
        "depth 50 nothing trains.",
    ]


def test_each_start_is_judged_at_its_own_best_setting_by_runs_that_did_not_choose():
    found = grid({"depth": (3, 20), "lr": LRS}, ("he_normal", "glorot_uniform"), deep)
    shallow, far = found.contests
    assert shallow.tuned == {"he_normal": (("lr", 0.1),), "glorot_uniform": (("lr", 0.01),)}
    assert not shallow.shown
    assert far.shown[0].first == "he_normal"
    assert shallow.num_runs == 8
    cell = found["depth=3, lr=0.1"]
    judges = [score for i, score in enumerate(cell.scores["he_normal"]) if i % 3]
    assert shallow.scores["he_normal"].mean == pytest.approx(sum(judges) / len(judges))
    for contest in (shallow, far):
        (lead,) = contest.leads
        assert lead.gap.mean == pytest.approx(contest.scores[lead.first].mean - contest.scores[lead.second].mean)


def test_runs_that_judge_do_not_choose():
    found = grid({"lr": LRS}, ("he_normal", "glorot_uniform"), lambda start, lr: 0.8)
    cells = {name: better_judges(cell) if "0.1" in name else cell for name, cell in found.cells.items()}
    chosen = grid_like(found, cells).contests[0].tuned["he_normal"]
    assert chosen == found.contests[0].tuned["he_normal"]


def better_judges(cell):
    runs = {
        start: [run if run.index % 3 == 0 else run_of(start, run.index, [1.0] * NUM_SAMPLES) for run in runs]
        for start, runs in cell.runs.items()
    }
    return replace(cell, runs=runs)


def grid_like(found, cells):
    return Grid(cells, found.axes, num_asked=len(cells))


def test_a_start_at_its_best_is_ahead_only_if_it_beats_the_other_at_every_setting():
    # The choosers of the other start are unlucky: they choose a setting far below its best.
    found = grid({"lr": LRS}, ("he_normal", "glorot_uniform"), lambda start, lr: 0.85 if lr < 1 else 0.5)
    cells = {name: unlucky(cell) if "1.0" not in name else cell for name, cell in found.cells.items()}
    (contest,) = grid_like(found, cells).contests
    assert contest.tuned["glorot_uniform"] == (("lr", 1.0),)
    assert contest.leads[0].gap.low > 0.2
    assert not contest.shown


def unlucky(cell):
    runs = [run if run.index % 3 else run_of(run.recipe, run.index, [0.0] * NUM_SAMPLES) for run in
            cell.runs["glorot_uniform"]]  # fmt: skip
    return replace(cell, runs={**cell.runs, "glorot_uniform": runs})


def test_the_choice_fits_eight_lines_of_80_columns_for_four_starts_five_rates_and_three_depths():
    found = grid({"depth": (3, 10, 20), "lr": (0.01, 0.03, 0.1, 0.3, 1.0)}, FOUR, four, seeds=10)
    told = [line for line, style in lines(found.report(), 80) if style == "bold"]
    printed = str(found).splitlines()
    answer = printed[3 : printed.index("", 3)]
    assert max(map(len, printed)) <= 80
    assert len([line for line in answer if not line.startswith(("*", " "))]) <= 8
    assert answer[0] in told
    assert found.verdict.splitlines()[0] == (
        "Take orthogonal or he_normal, each at its own best lr: neither is shown to be behind; glorot_uniform (1 of 3 "
        "places) and zeros are."
    )
    assert page(found.report())


FOUR = ("he_normal", "glorot_uniform", "orthogonal", "zeros")


def four(start, depth, lr):
    if lr == 1:
        return None
    return {"zeros": 0.1, "glorot_uniform": 0.85 if depth < 20 else 0.6}.get(start, 0.85)


def test_the_sentence_says_what_to_tune_a_start_to_where_that_is_one_setting():
    found = grid({"lr": LRS}, ("he_normal", "zeros"), lambda start, lr: 0.1 if start == "zeros" else lr**0.1 * 0.9)
    assert found.verdict.splitlines() == [
        "Take he_normal at lr 1.0: it beats the other, each at its own best lr.",
        "At every lr he_normal beats zeros by at least 45.8 points [40.8, 50.8].",
    ]


def test_a_grid_in_which_nothing_trained_says_so_once_and_ranks_none():
    found = grid({"depth": (20, 50), "lr": LRS}, ("zeros", "ones"), lambda start, depth, lr: 0.1)
    assert found.verdict.splitlines() == [
        "Nothing trained at any place of the grid, so no start can be told from another.",
        "A diagnosis at step zero may say why: `initium diagnose`.",
    ]


def test_crossing_starts_are_not_ranked_over_all():
    found = grid(
        {"depth": (3, 20)},
        ("he_normal", "glorot_uniform"),
        lambda start, depth: 0.9 if (depth == 3) == ("he" in start) else 0.5,
    )
    assert found.verdict.splitlines()[0] == "No start is right everywhere: each is behind another somewhere."
    assert "at depth 20 glorot_uniform beats he_normal by " in found.verdict


def test_alike_starts_are_told_alike():
    found = grid({"width": (8, 32)}, ("he_normal", "orthogonal"), lambda start, width: 0.8)
    assert found.verdict.splitlines() == [
        "No start is shown to be better than another at 2 places.",
        "At every width no difference is shown.",
    ]


@pytest.mark.parametrize(("axes", "needed"), [({"depth": (3, 20)}, 6), ({"lr": LRS}, 9)])
def test_too_few_runs_are_said_with_how_many_would_do(axes, needed):
    def truth(start, **_):
        return 0.95 if start == "he_normal" else 0.1

    few, enough = (grid(axes, ("he_normal", "zeros"), truth, seeds=seeds) for seeds in (needed - 1, needed))
    why = ": a third of them choose the lr" if "lr" in axes else ""
    assert few.verdict == (
        f"Too few runs to tell: {needed - 1} of each start cannot show any difference, however large; {needed} or more "
        f"can{why}."
    )
    assert enough.verdict.startswith("Take he_normal")


def test_one_number_a_run_is_not_tested_unless_runs_have_splits():
    found = grid({"depth": (3, 20)}, ("he_normal", "zeros"), lambda start, depth: 0.9 if start == "he_normal" else 0.3)

    def alone(cell, **more):
        runs = {start: [run_of(start, run.index, run.merits.mean(keepdims=True)) for run in runs]
                for start, runs in cell.runs.items()}  # fmt: skip
        return replace(cell, runs=runs, study=replace(cell.study, score="f1", chance=None, **more))

    untested = grid_like(found, {name: alone(cell) for name, cell in found.cells.items()})
    assert untested.verdict.startswith("No start is named: the test f1 is one number a run")
    assert "nan" not in str(untested)
    split = grid_like(found, {name: alone(cell, splits=5) for name, cell in found.cells.items()})
    assert split.verdict.startswith("Take he_normal: it beats the other at 2 of 2 places")


def test_all_pairs_of_all_cells_are_one_family():
    """A difference that one cell alone would show is not shown among thirty."""
    base = grid({"width": tuple(range(1, 31))}, ("he_normal", "orthogonal"), lambda start, width: 0.8)
    alone = min(lead.p for cell in base.cells.values() for lead in cell.differences)
    together = min(lead.p for contest in base.cell_contests for lead in contest.leads)
    assert together == pytest.approx(min(30 * min(d.p_both for c in base.cells.values() for d in c.differences), 1.0))
    assert alone < together


def test_a_grid_with_missing_cells_and_runs_still_answers():
    found = grid({"depth": (3, 20), "lr": LRS}, ("he_normal", "glorot_uniform"), deep)
    cells = dict(found.cells)
    del cells["depth=3, lr=1.0"]
    short = cells["depth=20, lr=0.1"]
    cells["depth=20, lr=0.1"] = replace(short, runs={start: runs[:2] for start, runs in short.runs.items()})
    cut = replace(found, cells=cells, num_asked=6)
    assert "1 place without two runs of two starts yet" in " ".join(str(cut).split())
    assert page(cut.report())
    assert cut.contests[1].tuned["he_normal"] != (("lr", 0.1),)  # one run judges there, which is none


def test_a_grid_over_arguments_of_a_model_has_sections_for_these_alone():
    found = grid(
        {"norm": (True, False)}, ("he_normal", "zeros"), lambda start, norm: 0.9 if start == "he_normal" else 0.1
    )
    titles = [section.title for section in found.report().sections]
    assert not [title for title in titles if "lr" in title or "Depth" in title]
    assert found.verdict.splitlines()[1].startswith("At every norm he_normal beats zeros by at least ")


def test_starts_that_only_some_cells_have_are_compared_where_they_are():
    found = grid({"depth": (3, 20)}, ("he_normal", "zeros"), lambda start, depth: 0.9 if start == "he_normal" else 0.1)
    more = grid({"depth": (20,)}, ("he_normal", "zeros", "ones"), lambda start, depth: 0.9 if "he" in start else 0.1)
    both = grid_like(found, {**found.cells, **more.cells})
    assert both.starts == ("he_normal", "zeros", "ones")
    assert both.verdict.startswith("Take he_normal: it beats every other at 1 of 2 places and is behind at none.")
    assert page(both.report())


def test_a_comparison_of_one_cell_is_a_grid_too():
    said = facts({"lr": 0.1}, ("a", "b"), 6)
    runs = {
        start: [run_of(start, i, [right] * NUM_SAMPLES) for i in range(6)] for start, right in (("a", 1.0), ("b", 0.0))
    }
    assert Grid({"lr=0.1": Comparison(said, runs)}, ("lr",)).verdict.startswith(
        "Too few runs to tell: 6 of each start cannot"
    )


def of_accuracies(settings, accuracies, seeds=12):
    """A cell of runs that are right so often: a number for all runs of a start, or one for each."""
    said = facts(settings, accuracies, seeds)
    runs = {
        start: [
            run(start, i, one, seed=1_000 * place + i)
            for i, one in enumerate(of if isinstance(of, list) else [of] * seeds)
        ]
        for place, (start, of) in enumerate(accuracies.items())
    }
    return said.name, Comparison(said, runs)


def test_a_place_is_not_dead_where_a_start_with_too_few_runs_to_judge_trained():
    # ones has two runs at one rate, of which one judges.
    few = {"he_normal": [0.95] * 2, "ones": [0.95] * 2}
    cells = [
        of_accuracies({"lr": 0.1}, {"zeros": 0.1, "he_normal": 0.95}),
        of_accuracies({"lr": 1.0}, {"zeros": [0.1] * 2, **few}),
    ]
    found = Grid(dict(cells), ("lr",), num_asked=2)
    (contest,) = found.contests
    assert (contest.failed, [*contest.scores], contest.is_dead) == (("zeros",), ["zeros", "he_normal"], False)
    assert found.verdict.startswith("Take he_normal")
    cells = [
        of_accuracies({"lr": 0.1}, {"zeros": 0.1, "bad": 0.1}),
        of_accuracies({"lr": 1.0}, {"zeros": [0.1] * 2, "bad": [0.1] * 2, "ones": [0.95] * 2}),
    ]
    assert Grid(dict(cells), ("lr",), num_asked=2).verdict.splitlines()[0] == (
        "No start is named: none that has runs enough to be judged trained."
    )


def mostly_lost(num, of=12):
    """Runs of which some train, too few to be shown better than those that never do."""
    return [0.95 if i % 4 == 3 and i < 4 * num else 0.1 for i in range(of)]


def depths(*each):
    cells = dict(of_accuracies({"depth": depth}, accuracies) for depth, accuracies in each)
    return Grid(cells, ("depth",), num_asked=len(cells))


def test_a_start_that_never_trained_is_told_as_lost_and_not_recommended():
    noisy = mostly_lost(3)
    found = depths(*((depth, {"he_normal": noisy, "zeros": 0.1, "bad": 0.0}) for depth in (3, 20)))
    assert all("zeros" in contest.failed for contest in found.contests)
    first, along = found.verdict.splitlines()
    assert first == "Take he_normal: it is not shown to be behind anywhere; bad is. Never trained: zeros."
    assert along.startswith("At every depth bad is behind another by at least ")
    assert along.endswith("], and zeros does not train.")
    alone = depths(*((depth, {"he_normal": noisy, "zeros": 0.1}) for depth in (3, 20)))
    assert alone.verdict.splitlines() == [
        "Take he_normal: no other trained.",
        "At every depth only he_normal trains.",
    ]
    both = depths(*((depth, {"he_normal": noisy, "orthogonal": noisy, "zeros": 0.1}) for depth in (3, 20)))
    assert both.verdict.splitlines() == [
        "No start that trained is shown to be better than another at 2 places. Never trained: zeros.",
        "At every depth no difference is shown, and zeros does not train.",
    ]


def test_a_start_that_beats_all_others_that_trained_is_named_with_those_that_did_not():
    # Three runs in twelve train: too few for a lead over zeros, unlike one over runs that are like them but worse.
    noisy = mostly_lost(3)
    better = [one + 0.05 for one in noisy]
    cells = {}
    for depth in (3, 20):
        name, cell = of_accuracies({"depth": depth}, {"better": better, "worse": noisy, "zeros": 0.1})
        cells[name] = replace(cell, runs={**cell.runs, "worse": [worse(one) for one in cell.runs["better"]]})
    found = Grid(cells, ("depth",), num_asked=2)
    first, along = found.verdict.splitlines()
    assert first == ("Take better: it beats worse at 2 of 2 places and is behind at none. Never trained: zeros.")
    assert along.startswith("At every depth better beats worse by at least ")
    assert along.endswith("], and zeros does not train.")


def worse(run):
    """The same, of a few samples wrong that were right."""
    merits = run.merits.copy()
    merits[run.merits.nonzero()[0][:3]] = 0
    return run_of("worse", run.index, merits)


def test_starts_that_trained_and_are_behind_somewhere_are_no_reason_to_take_one_that_did_not():
    noisy = mostly_lost(3)
    cells = {}
    for depth, names in ((3, ("one", "other")), (20, ("other", "one"))):
        name, cell = of_accuracies({"depth": depth}, {names[0]: noisy, "zeros": 0.1})
        runs = {**cell.runs, names[1]: [replace(worse(one), recipe=names[1]) for one in cell.runs[names[0]]]}
        cells[name] = Comparison(replace(cell.study, starts=("one", "other", "zeros")), runs)
    assert Grid(cells, ("depth",), num_asked=2).verdict.splitlines()[0] == (
        "No start is right everywhere: each that trained is behind another somewhere. Never trained: zeros."
    )


def test_a_start_that_is_named_and_failed_at_some_places_is_told_with_them():
    noisy = mostly_lost(3)
    found = depths(
        (3, {"he_normal": noisy, "ones": noisy}),
        (10, {"he_normal": noisy, "ones": 0.1}),
        (20, {"he_normal": noisy, "ones": 0.1}),
        (50, {"he_normal": 0.1, "ones": 0.1}),
    )
    assert found.verdict.splitlines() == [
        "No start is shown to be better than another at 3 places. ones never trained at depth 10 and depth 20.",
        "At depth 3 no difference is shown; at depth 10 and 20 only he_normal trains; at depth 50 nothing trains.",
    ]
    many = depths((3, {"a": noisy, "b": noisy}), *((depth, {"a": noisy, "b": 0.1}) for depth in range(10, 14)))
    assert many.verdict.splitlines()[0].endswith(" b never trained at 4 places, the first depth 10.")
    partly = depths((3, {"a": noisy, "b": noisy, "c": noisy}), (20, {"a": noisy, "b": noisy, "c": 0.1}))
    assert partly.verdict.splitlines()[1] == (
        "At depth 3 no difference is shown; at depth 20 no difference is shown, and c does not train."
    )


@pytest.mark.parametrize(("looks", "fewest", "then"), [((6,), 7, 8), ((3, 7), 8, 9), ((2, 4, 8), 9, 10)])
def test_looks_leave_less_to_spend_so_more_runs_are_needed(looks, fewest, then):
    """A look may spend 5 % / (k (k + 1)); all gaps of one sign have p = 2 / 2^R."""
    assert 2 / 2**fewest < 0.05 / (len(looks) * (len(looks) + 1)) < 2 / 2 ** (fewest - 1)
    assert 2 / 2**then < 0.05 / ((len(looks) + 1) * (len(looks) + 2)) < 2 / 2 ** (then - 1)

    def of(num, axes):
        looked = (*looks[:-1], num)
        return grid(axes, ("a", "b"), lambda start, **_: 0.95 if start == "a" else 0.3, seeds=num, looks=looked,
                    precision=0.5).verdict  # fmt: skip

    few = f"Too few runs to tell: {fewest - 1} of each start cannot show any difference, however large; {then} or more"
    assert of(fewest - 1, {"depth": (3, 20)}) == f"{few} can."
    assert of(fewest, {"depth": (3, 20)}).startswith("Take a: it beats the other at 2 of 2 places")
    # Two of three judge.
    assert "Too few runs to tell" in of(-(-3 * fewest // 2) - 1, {"lr": (0.1, 1.0)})
    assert of(-(-3 * fewest // 2), {"lr": (0.1, 1.0)}).startswith("Take a")


def chosen_badly(cell, start):
    """The same, but that the runs of a start which choose are right nowhere."""
    runs = [one if one.index % 3 else run_of(start, one.index, [0.0] * NUM_SAMPLES) for one in cell.runs[start]]
    return replace(cell, runs={**cell.runs, start: runs})


def test_a_start_that_is_behind_the_other_at_a_setting_is_not_ahead_however_sure_that_is():
    cells = dict([of_accuracies({"lr": 0.1}, {"a": 0.7, "b": 0.95}), of_accuracies({"lr": 1.0}, {"a": 0.3, "b": 0.3})])
    cells["lr=0.1"] = chosen_badly(cells["lr=0.1"], "b")
    (contest,) = Grid(cells, ("lr",)).contests
    assert (contest.tuned["a"], contest.tuned["b"]) == ((("lr", 0.1),), (("lr", 1.0),))
    (lead,) = contest.leads
    assert (lead.first, lead.gap.low > 0.2, lead.p) == ("a", True, 1.0)


def test_a_setting_without_runs_in_common_shows_nothing():
    cells = dict([of_accuracies({"lr": 0.1}, {"a": 0.95, "b": 0.5}), of_accuracies({"lr": 1.0}, {"a": 0.3, "b": 0.3})])
    assert Grid(cells, ("lr",)).contests[0].shown
    later = {
        start: [replace(one, index=one.index + 12) for one in runs] for start, runs in cells["lr=1.0"].runs.items()
    }
    cells["lr=1.0"] = replace(cells["lr=1.0"], runs=later)
    (contest,) = Grid(cells, ("lr",)).contests
    assert contest.tuned == {"a": (("lr", 0.1),), "b": (("lr", 0.1),)}
    assert contest.leads[0].gap.low > 0.2
    assert not contest.shown


def test_the_gap_at_the_best_setting_is_as_wide_as_the_look_may_spend():
    def of(**more):
        found = grid({"lr": (0.1, 1.0)}, ("a", "b"), lambda start, lr: 0.95 if start == "a" else 0.3, **more)
        return found.contests[0].leads[0].gap

    once, twice = of(), of(looks=(6, 12), precision=1.0)
    assert once.mean == twice.mean
    df = 7  # of the runs that judge; fewer than the samples
    ratio = scipy.stats.t.isf(0.05 / 6 / 2, df) / scipy.stats.t.isf(0.05 / 2, df)
    assert (twice.high - twice.mean) / (once.high - once.mean) == pytest.approx(ratio)


def test_gaps_that_do_not_vary_are_corrected_by_what_flipping_signs_tells_of_them():
    def cell(depth):
        said = facts({"depth": depth}, ("a", "b"), 7)
        runs = {start: [run_of(start, i, [one] * NUM_SAMPLES) for i in range(7)] for start, one in (("a", 1), ("b", 0))}
        return said.name, Comparison(said, runs)

    for num in (1, 4):
        contests = Grid(dict(cell(depth) for depth in range(num)), ("depth",)).contests
        assert [contest.leads[0].p for contest in contests] == [pytest.approx(num * 2 / 2**7)] * num


def test_the_test_of_flipped_signs_pays_for_its_looks():
    found = grid({"depth": (3,)}, ("a", "b"), lambda start, depth: 0.95 if start == "a" else 0.3, seeds=10,
                 looks=(5, 10), precision=1.0)  # fmt: skip
    assert found.contests[0].leads[0].p == pytest.approx(6 * 2 / 2**10)
