"""What a comparison concludes, from runs made by hand."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.stats

from initium import SettingError
from initium._compare._compare import check_margin, judged
from initium._compare._comparison import Comparison
from initium._compare._outcome import Kind
from initium._recipes import parse_recipe
from initium._report._page import page
from initium._study._data import Data
from initium._study._run import Run
from initium._study._study import Study
from initium._study._weights import Weights

NUM_RUNS, NUM_SAMPLES, EPOCHS = 12, 100, 3
DATA = Data(
    "made",
    "classification",
    np.zeros((10, 4), np.float32),
    np.arange(10) % 2,
    np.zeros((NUM_SAMPLES, 4), np.float32),
    np.arange(NUM_SAMPLES) % 2,
    2,
)


def hits(accuracy, index, seed):
    return (scipy.stats.uniform.rvs(size=NUM_SAMPLES, random_state=1000 * seed + index) < accuracy).astype(float)


def run(recipe, index, accuracy=0.9, seed=0, loss=(1.0, 0.5, 0.2, 0.1), units=((8, 4), (8, 4)), widths=(8, 4)):
    merits = hits(accuracy, index, seed)
    return Run(
        recipe=recipe,
        index=index,
        train_loss=loss,
        test_loss=loss,
        test_score=(0.5, 0.5, merits.mean(), merits.mean()),
        merits=merits,
        units_start=units[0],
        units_end=units[1],
        widths=widths,
        weights=(Weights.of("0.weight", np.zeros((8, 4)), np.ones((8, 4))),) if index == 0 else (),
    )


def comparison(**starts):
    runs = {name: [run(name, i, **facts) for i in range(NUM_RUNS)] for name, facts in starts.items()}
    recipes = tuple(parse_recipe(name) for name in starts)
    return Comparison(Study("mlp", DATA, recipes, seeds=NUM_RUNS, epochs=EPOCHS), runs)


def test_a_winner_is_named_when_the_corrected_test_carries_it():
    found = comparison(he_normal={"accuracy": 0.95, "seed": 1}, zeros={"accuracy": 0.7, "seed": 2})
    (pair,) = found.differences
    gap = f"{100 * pair.gap.mean:.2f} points [{100 * pair.gap.low:.2f}, {100 * pair.gap.high:.2f}]"
    assert found.verdict == (
        f"Use he_normal: its test accuracy beats that of zeros, by {gap} (corrected p <= {pair.p:.2g})."
    )
    assert found.outcome.kind is Kind.WINNER


def test_a_winner_is_clear_where_the_others_come_to_nothing():
    """R^2 of 0.56 against 0.06, 0.00 and 0.00 in ten runs of ten, on splits of their own."""
    starts = {"he_normal": 0.56, "ones": 0.06, "zeros": 0.0, "normal": 0.0}
    noise = scipy.stats.norm.rvs(size=(4, 10), random_state=3) * [[0.06], [0.03], [0.01], [0.01]]
    runs = {
        name: [
            replace(run(name, at), merits=np.full(1, mean + rest[at]), test_score=(0.0, 0.1, mean, mean + rest[at]))
            for at in range(10)
        ]
        for (name, mean), rest in zip(starts.items(), noise, strict=True)
    }
    study = replace(comparison(**{name: {} for name in starts}).study, score="R^2", chance=0.0, splits=5, num_train=400)
    found = Comparison(study, runs)
    assert found.verdict.startswith("Use he_normal: its test R^2 beats every other's, by 0.")
    assert found.outcome.behind == tuple(row.recipe for row in found.summaries[1:])


def test_no_winner_is_named_within_noise():
    found = comparison(
        he_normal={"seed": 1}, orthogonal={"seed": 2}, ones={"accuracy": 0.6, "seed": 3}, zeros={"accuracy": 0.5}
    )
    leader, other = found.summaries[0].recipe, found.summaries[1].recipe
    assert {leader, other} == {"he_normal", "orthogonal"}
    assert found.verdict.startswith(f"Use either: {leader} or {other}; not ones or zeros. ")
    assert found.outcome.best == (leader, other)
    assert found.outcome.behind == ("ones", "zeros")


def test_few_runs_are_told_that_they_could_not_have_found_anything():
    found = comparison(he_normal={"accuracy": 0.99}, zeros={"accuracy": 0.5})
    few = Comparison(found.study, {name: runs[:4] for name, runs in found.runs.items()})
    assert few.verdict == (
        "Too few runs to tell: 4 of each start cannot show any difference among 2 starts, however large; 6 or more can."
    )
    assert found.verdict.startswith("Use he_normal: its test accuracy beats")
    looked = Comparison(replace(found.study, precision=0.5, looks=(2, 4)), few.runs)
    assert looked.verdict.endswith("however large; 8 or more can.")  # 2 / 2^8 < 0.05 / 6 < 2 / 2^7


def test_collapsed_layers_and_stuck_runs_are_remarked():
    found = comparison(
        he_normal={},
        zeros={"accuracy": 0.5, "units": ((1, 1), (1, 1))},
        ones={"accuracy": 0.6, "units": ((1, 1), (5, 3))},
    )
    remarks = {remark.split(":")[0]: remark for remark in found.remarks}
    assert set(remarks) == {"zeros", "ones"}
    assert remarks["zeros"] == (
        "zeros: 12 of 12 runs never left chance; the units of each hidden layer start identical and stay so: "
        "one effective unit."
    )
    assert remarks["ones"].endswith("the units of each hidden layer start identical and part to 5+3 by the end.")


def test_a_layer_collapsed_alone_is_named_and_a_layer_of_one_unit_is_not():
    found = comparison(
        he_normal={"units": ((1, 4), (1, 4)), "widths": (1, 4)},
        zeros={"units": ((8, 1), (8, 1)), "widths": (8, 4)},
        ones={"units": ((1, 5, 1), (1, 5, 1)), "widths": (8, 5, 4)},
    )
    assert sorted(found.remarks) == [
        "ones: the units of hidden layer 1 and 3 start identical and stay so: one effective unit.",
        "zeros: the units of hidden layer 2 start identical and stay so: one effective unit.",
    ]


def test_a_score_is_the_mean_over_test_samples():
    found = comparison(he_normal={"accuracy": 0.8}, zeros={"accuracy": 0.6})
    for recipe, runs in found.runs.items():
        assert found.scores[recipe].tolist() == [run.merits.mean() for run in runs]


def test_every_start_within_noise_is_listed():
    found = comparison(
        he_normal={"seed": 1}, orthogonal={"seed": 2}, lecun_normal={"seed": 3}, zeros={"accuracy": 0.5, "seed": 4}
    )
    text = found.verdict
    assert text.startswith("Use any of these 3: ")
    for name in ("he_normal", "orthogonal", "lecun_normal"):
        assert name in text.split("; not zeros. ")[0]


def test_the_p_of_a_verdict_bounds_every_start_behind():
    found = comparison(he_normal={"accuracy": 0.99}, ones={"accuracy": 0.975, "seed": 3}, zeros={"accuracy": 0.5})
    p = [pair.p for pair in found.differences if pair.first == "he_normal"]
    assert p[1] < p[0] < 0.05
    assert found.verdict.endswith(f"(corrected p <= {max(p):.2g}; the closest is ones).")


def test_one_run_that_diverged_leaves_the_curves_of_the_others():
    found = comparison(he_normal={}, zeros={})
    bad = run("he_normal", 0, loss=(1.0, np.nan, np.nan, np.nan))
    cut = Comparison(found.study, {**found.runs, "he_normal": [bad, *found.runs["he_normal"][1:]]})
    curves = [p for section in cut.report().sections if getattr(section, "plots", ()) for p in section.plots]
    losses = [trace["y"] for plot in curves for trace in plot["data"] if trace.get("name") == "he_normal"]
    assert [1.0, 0.5, 0.2, 0.1] in losses


@pytest.mark.parametrize(
    "weights",
    [np.full(50, 0.1), np.zeros(9), np.array([3e38, -3e38]), np.array([np.inf, np.nan]), np.array([1, 1 + 1e-7])],
)
def test_any_first_layer_has_a_histogram(weights):
    weights = weights.astype(np.float32)
    found = comparison(he_normal={}, zeros={})
    first = replace(found.runs["zeros"][0], weights=(Weights.of("0.weight", weights, weights),))
    runs = {**found.runs, "zeros": [first, *found.runs["zeros"][1:]]}
    assert page(Comparison(found.study, runs).report())


def test_a_diverged_run_counts_as_the_worst_and_leaves_no_loss():
    found = comparison(he_normal={"accuracy": 0.9}, zeros={"accuracy": 0.4})
    bad = run("he_normal", 0, loss=(1.0, np.nan, np.nan, np.nan))
    runs = {"he_normal": [bad, *found.runs["he_normal"][1:]], "zeros": found.runs["zeros"]}
    found = Comparison(found.study, runs)
    worst = min(r.merits.mean() for r in runs["zeros"])
    assert found.scores["he_normal"][0] == pytest.approx(worst)
    row = found.summaries[0]
    assert (row.recipe, row.num_diverged, row.num_reached) == ("he_normal", 1, 11)
    assert row.loss.mean == pytest.approx(0.1)
    assert "he_normal: 1 of 12 runs diverged (a loss or score was not finite)." in found.remarks


def test_epochs_race_to_the_best_starts_median_final_training_loss():
    found = comparison(
        he_normal={"loss": (1.0, 0.2, 0.1, 0.05)},
        zeros={"loss": (1.0, 0.9, 0.8, 0.05)},
        ones={"loss": (1.0, 0.9, 0.8, 0.7)},
    )
    assert found.target == 0.05
    assert {row.recipe: row.epochs for row in found.summaries} == {"he_normal": 3, "zeros": 3, "ones": None}


def test_a_study_in_which_all_diverge_still_reports():
    lost = {"loss": (1.0, np.nan, np.nan, np.nan), "accuracy": 0.5}
    found = comparison(he_normal=lost, zeros=lost)
    assert "no start has a median run that did not diverge" in str(found)
    assert [row.epochs for row in found.summaries] == [None, None]
    assert page(found.report())


def test_a_regression_speaks_of_r2():
    found = comparison(he_normal={}, zeros={"accuracy": 0.2})
    y = np.linspace(-1, 1, NUM_SAMPLES, dtype=np.float32)[:, None]
    data = Data("made", "regression", DATA.x_train, y[:10], DATA.x_test, y, 1)
    found = Comparison(Study("mlp", data, found.study.starts, seeds=NUM_RUNS, epochs=EPOCHS), found.runs)
    assert "test R^2" in str(found)
    assert "accuracy" not in page(found.report()).split("<script>")[0]


def test_the_text_fits_80_columns_and_the_notebook_shows_the_same_table():
    units = ((128, 64), (127, 60))
    found = comparison(**{"he_normal": {"units": units}, "uniform(-0.1, 0.1)": {"accuracy": 0.5, "units": units}})
    printed = str(found)
    assert max(len(line) for line in printed.splitlines()) <= 80
    table = printed.split("\n\n")[1].splitlines()
    assert table[4] == "uniform(-0.1, 0.1)"  # too long to stand beside its figures
    assert table[5].endswith(" 128+64 > 127+60")
    for cell in table[5].replace(">", "&gt;").split():
        assert cell in found._repr_html_()


def test_interrupted_runs_are_counted_and_said():
    found = comparison(he_normal={}, zeros={})
    cut = Comparison(found.study, {name: runs[:5] for name, runs in found.runs.items()}, interrupted=True)
    assert "5 paired runs of each start (interrupted: 12 were asked for)" in " ".join(str(cut).split())


def test_one_number_a_run_names_no_winner_unless_runs_have_splits():
    found = comparison(he_normal={"accuracy": 0.95, "seed": 1}, zeros={"accuracy": 0.5})
    alone = {
        name: [replace(run, merits=run.merits.mean(keepdims=True)) for run in runs] for name, runs in found.runs.items()
    }
    said = Comparison(replace(found.study, score="f1", chance=None), alone)
    assert said.verdict == (
        "No winner is named: the test f1 is one number a run, and whether other test samples would tell the same needs "
        "one of each sample, or splits. Data without a split of its own has them, unless splits=1."
    )
    assert "not tested" in str(said)
    assert "nan" not in str(said)
    split = Comparison(replace(found.study, score="f1", chance=None, splits=5), alone)
    assert split.verdict.startswith("Use he_normal: its test f1 beats that of zeros, by 0.4")


def test_where_nothing_trained_nothing_is_ranked():
    found = comparison(zeros={"accuracy": 0.45}, ones={"accuracy": 0.5})
    assert [row.recipe for row in found.summaries] == ["zeros", "ones"]  # as they were asked for
    assert found.verdict.startswith("Nothing trained: none of 12 runs of any start left chance")
    assert found.fastest == ""
    told = str(found)
    assert "How far behind" not in told
    assert "On the way" not in told


def test_a_margin_is_in_points_of_accuracy_and_as_it_is_of_another_score():
    found = comparison(he_normal={"seed": 1}, zeros={"seed": 2})
    assert judged(found, None).measured.bound == "1 point of test accuracy"
    wide = judged(found, 30)
    assert wide.measured.bound == "30 points of test accuracy"
    assert wide.outcome.kind is Kind.SAME
    assert "They differ by less than 30 points of test accuracy" in wide.verdict
    other = replace(found, study=replace(found.study, score="R^2", chance=0.0))
    assert other.measured.bound == "0.02 of test R^2"
    assert judged(other, 0.5).measured.bound == "0.5 of test R^2"
    with pytest.raises(SettingError, match="margin is a number above 0, not 0"):
        check_margin(0)


def test_the_fastest_start_is_told_after_what_to_take():
    quick, slow = (0.5, 0.9, 0.95, 0.95), (0.5, 0.5, 0.6, 0.95)
    found = comparison(he_normal={"seed": 1}, zeros={"seed": 2})
    runs = {
        name: [replace(run, test_score=(*scores[:3], run.test_score[3])) for run in found.runs[name]]
        for name, scores in (("he_normal", quick), ("zeros", slow))
    }
    told = Comparison(found.study, runs)
    assert told.fastest.startswith("Fastest: he_normal reaches ")
    assert told.report().answer == f"{told.verdict}\n{told.fastest}"


def fallen(to, seed=0):
    """R^2 that left chance and then fell below it."""
    ends = to + 0.1 * scipy.stats.norm.rvs(size=NUM_RUNS, random_state=seed)
    return [
        replace(run("x", at), test_score=(-1.0, 0.2, 0.2, end), merits=np.full(1, end)) for at, end in enumerate(ends)
    ]


@pytest.mark.parametrize("others", [{"a": -3.0}, {"a": -3.0, "b": -0.5}, {"a": -3.0, "b": -3.0, "c": -1.0}])
def test_a_start_that_never_trained_does_not_lead_though_its_mean_is_the_best(others):
    stuck = [replace(run("x", at), test_score=(-0.01,) * 4, merits=np.full(1, -0.01)) for at in range(NUM_RUNS)]
    runs = {"zeros": stuck} | {name: fallen(to, at) for at, (name, to) in enumerate(others.items())}
    runs = {name: [replace(one, recipe=name) for one in group] for name, group in runs.items()}
    study = comparison(**{name: {} for name in ("he_normal", "zeros", "ones", "normal")[: len(runs)]}).study
    found = Comparison(replace(study, score="R^2", chance=0.0, splits=5, num_train=400, starts=tuple(runs)), runs)
    best = max(others, key=lambda name: others[name])
    assert found.summaries[0].recipe == best
    assert found.summaries[-1].recipe == "zeros"
    assert found.verdict.startswith(f"Use {best}: ")
    assert found.verdict.endswith("Never trained: zeros.")
    assert all(pair.gap.mean > 0 for pair in found.differences)
    assert found.outcome.pairs == tuple(pair for pair in found.differences if pair.first == best)
    assert page(found.report())


def test_a_run_whose_score_is_no_number_diverged():
    """A metric may be none of a finite loss: of a start that answers all alike, say."""
    found = comparison(he_normal={"accuracy": 0.9, "seed": 1}, zeros={"accuracy": 0.5})
    one_number = {
        name: [replace(run, merits=run.merits.mean(keepdims=True)) for run in runs] for name, runs in found.runs.items()
    }
    lost = one_number["zeros"][3]
    scores = (*lost.test_score[:3], np.nan)
    one_number["zeros"][3] = replace(lost, test_score=scores, merits=np.full(1, np.nan))
    said = Comparison(replace(found.study, score="f1", chance=None, splits=5), one_number)
    assert [row.num_diverged for row in said.summaries] == [0, 1]
    assert said.verdict.startswith("Use he_normal: its test f1 beats that of zeros")
    assert "zeros: 1 of 12 runs diverged (a loss or score was not finite)." in said.remarks
    # What no score had been before it trained is nothing that a run is lost for.
    early = [replace(run, test_score=(np.nan, *run.test_score[1:])) for run in found.runs["zeros"]]
    early = Comparison(found.study, {**found.runs, "zeros": early})
    assert [row.num_diverged for row in early.summaries] == [0, 0]
