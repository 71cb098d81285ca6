"""The whole path, over processes."""

import threading

import numpy as np
import pytest
from torch import nn

import initium
from initium._study._data import load_data

QUICK = {"seeds": 3, "epochs": 2, "progress": False}


def numbers(comparison):
    return [
        (run.recipe, run.index, run.train_loss, run.test_loss, run.test_score)
        for runs in comparison.runs.values()
        for run in runs
    ]


def test_the_same_study_gives_the_same_numbers_on_one_process_and_on_two():
    inits = ["he_normal", "framework", "orthogonal"]
    first = initium.compare("mlp", "digits", inits=inits, jobs=1, **QUICK)
    again = initium.compare("mlp", "digits", inits=inits, jobs=2, **QUICK)
    assert numbers(first) == numbers(again)
    assert first.summaries == again.summaries
    assert first.differences == again.differences
    assert str(first) == str(again)


def test_an_initialiser_does_not_depend_on_the_others():
    alone = initium.compare("mlp", "iris", inits=["he_normal", "zeros"], **QUICK)
    among = initium.compare("mlp", "iris", inits=["ones", "framework", "he_normal"], **QUICK)
    assert [run.train_loss for run in alone.runs["he_normal"]] == [run.train_loss for run in among.runs["he_normal"]]


def test_a_function_that_no_module_holds_builds_the_model():
    width = 6
    found = initium.compare(
        lambda: nn.Sequential(nn.Linear(4, width), nn.Tanh(), nn.Linear(width, 3)),
        "iris",
        inits=[initium.init.glorot_normal(), "zeros"],
        **QUICK,
    )
    assert [row.units_end for row in found.summaries if row.recipe == "glorot_normal"] == [(6,)]


def test_arrays_are_trained_on_as_the_built_in_set_that_they_came_from():
    data = load_data("breast_cancer(features=10)")
    arrays = (data.x_train, data.y_train, data.x_test, data.y_test)
    specs = ["xavier_uniform", "uniform(-0.1, 0.1)"]
    ours = initium.compare("mlp(10, 20, 2)", "breast_cancer(features=10)", inits=specs, splits=1, **QUICK)
    theirs = initium.compare("mlp(10, 20, 2)", arrays, inits=specs, standardise=False, **QUICK)
    assert numbers(ours) == numbers(theirs)


def test_the_runs_that_finished_before_ctrl_c_are_kept_in_whole_pairs():
    def some(study, runs):
        given = list(runs)
        for place in (0, 1, 4, 3, 2):
            start, index = given[place]
            yield start.run(index)
        raise KeyboardInterrupt

    found = initium.compare("mlp", "iris", inits=["he_normal", "zeros"], engine=some, **QUICK)
    assert found.interrupted
    assert {recipe: [run.index for run in runs] for recipe, runs in found.runs.items()} == {
        "he_normal": [0, 1],
        "zeros": [0, 1],
    }


def test_ctrl_c_before_two_whole_pairs_is_ctrl_c():
    def one(study, runs):
        start, index = next(iter(runs))
        yield start.run(index)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="before two runs of two starts had finished"):
        initium.compare("mlp", "iris", inits=["he_normal", "zeros"], engine=one, **QUICK)


def test_a_thread_may_compare():
    found = []
    thread = threading.Thread(
        target=lambda: found.append(initium.compare("mlp", "iris", inits=["he_normal", "zeros"], **QUICK))
    )
    thread.start()
    thread.join()
    assert found[0].num_runs == 3


def test_the_callers_process_is_left_as_it_was():
    # Workers flush denormal numbers; a caller's own arithmetic must keep them.
    initium.compare("mlp", "iris", inits=["he_normal", "zeros"], jobs=1, **QUICK)
    assert np.float32(1e-40) * np.float32(0.5) > 0


def test_jobs_are_counted_from_one():
    with pytest.raises(initium.SettingError, match="jobs is a whole number of 1 or more, not 0"):
        initium.compare("mlp", "iris", inits=["he_normal", "zeros"], jobs=0, **QUICK)


def test_one_spec_is_not_a_list_of_letters():
    with pytest.raises(initium.SettingError, match="at least 2 initialisers; got 1"):
        initium.compare("mlp", "iris", inits="he_normal", **QUICK)


def test_everything_is_checked_before_anything_is_trained():
    def none(study, runs):
        pytest.fail("trained")

    with pytest.raises(initium.ShapeError):
        initium.compare("mlp", "iris", inits=["zeros", "he_normal bias=he_normal"], engine=none, **QUICK)
    bad = np.full((9, 2), np.nan)
    with pytest.raises(initium.DataError):
        initium.compare("mlp", (bad, range(9), bad, range(9)), inits=["zeros", "ones"], **QUICK)


@pytest.mark.slow
def test_the_digits_answer_is_right():
    """He, Glorot, LeCun and orthogonal within noise of each other at 97 to 98%; zeros and a constant at chance."""
    good = ["glorot_uniform", "he_normal", "lecun_uniform", "orthogonal"]
    found = initium.compare("mlp", "digits", inits=[*good, "zeros", "constant(0.1)"], seeds=10, progress=False)
    rows = {row.recipe: row for row in found.summaries}
    for name in good:
        assert 0.965 < rows[name].score.mean < 0.985
        assert rows[name].units_end == (128, 64)
    for pair in found.differences:
        assert pair.is_significant == (pair.first in good and pair.second not in good)
    assert rows["zeros"].num_stuck == 10
    assert rows["zeros"].score.mean == pytest.approx(0.1, abs=0.01)
    assert rows["constant(0.1)"].score.mean < 0.3
    assert rows["zeros"].units_end == rows["constant(0.1)"].units_end == (1, 1)
    assert found.verdict.startswith("Use any of these 4: ")
    assert set(found.outcome.behind) == {"zeros", "constant(0.1)"}
