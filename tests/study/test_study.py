import numpy as np
import pytest

import initium
from initium import SettingError
from initium._recipes import parse_recipe
from initium._study._data import load_data
from initium._study._study import Study

DATA = load_data("iris")


def study(*specs, **settings):
    return Study("mlp", DATA, tuple(parse_recipe(spec) for spec in specs or ("zeros", "ones")), **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"seeds": 1},
            "seeds=1 gives one run's anecdote: no interval, no test, no winner. Ask for 2 or more; 20 is the default.",
        ),
        ({"seeds": 0}, "seeds is a whole number of 2 or more, not 0."),
        ({"seeds": 2.5}, "seeds is a whole number of 2 or more, not 2.5."),
        ({"epochs": 0}, "epochs is a whole number of 1 or more, not 0."),
        ({"epochs": 5, "steps": 2}, "epochs=5 and steps=2 both say how long is trained; leave one of them out."),
        ({"epochs": 20, "steps": 2}, "epochs=20 and steps=2 both say how long is trained; leave one of them out."),
        ({"batch_size": -1}, "batch_size is a whole number of 1 or more, not -1."),
        ({"seed": -1}, "seed is a whole number of 0 or more, not -1."),
        ({"lr": 0.0}, "lr is a number above 0, not 0.0."),
        ({"lr": float("nan")}, "lr is a number above 0, not nan."),
        ({"optimizer": "rms"}, "optimizer is sgd, nesterov, adam or adamw, not 'rms'."),
    ],
)
def test_a_setting_out_of_reach_is_refused(settings, message):
    with pytest.raises(SettingError) as error:
        study(**settings)
    assert str(error.value) == message


def test_a_study_and_its_data_are_shown_in_a_line():
    grid = Study("mlp", DATA, ["he_normal", "zeros"], lr=[0.1, 1])
    assert repr(grid) == "<Study: 2 starts x 2 lr x 20 runs = 80 runs of mlp on iris>"
    assert repr(grid.cells[1]) == "<Study: 2 starts x 20 runs = 40 runs of mlp on iris at lr=1>"
    assert repr(grid.data) == "<Data: iris, classification of 3 classes>"


def test_a_start_is_compared_with_others_and_once():
    with pytest.raises(SettingError, match="at least 2 initialisers; got 1"):
        study("zeros")
    with pytest.raises(SettingError, match="`he_normal` is asked for more than once"):
        study("he_normal", "kaiming_normal")


def test_a_length_in_epochs_is_no_length_in_steps(tmp_path):
    asked = {"inits": ["he_normal", "zeros"], "seeds": 2, "jobs": 1, "progress": False, "store": tmp_path / "s.db"}
    initium.compare("mlp(4, 3)", "iris", epochs=1, **asked)
    with pytest.raises(SettingError, match="length: 1 epoch there, 7 steps here"):
        initium.compare("mlp(4, 3)", "iris", steps=7, resume=True, **asked)


def test_a_class_of_numbers_is_a_value_like_another():
    asked = Study(lambda kind: None, DATA, ["zeros", "ones"], arguments={"kind": [np.float32, np.float64]})
    assert [cell.arguments["kind"] for cell in asked.cells] == [np.float32, np.float64]
    alone = Study(lambda kind: None, DATA, ["zeros", "ones"], activation=np.float32, arguments={"kind": np.float32})
    assert alone.arguments["kind"] is alone.activation is np.float32
    listed = Study(lambda kind: None, DATA, ["zeros", "ones"], arguments={"kind": np.array([1, 2])})
    assert len(listed.cells) == 2


def test_the_usual_number_of_folds_is_one_however_many_runs_there_are():
    """A target that seldom varies leaves none to vary in some fold of some dealing."""
    y = np.zeros(60)
    y[::7] = np.arange(1, 10)
    x = np.random.default_rng(0).normal(size=(60, 4))
    found = {seeds: Study("mlp", (x, y), ["zeros", "ones"], seeds=seeds).splits for seeds in (2, 3, 20, 50)}
    assert len(set(found.values())) == 1
    few = Study("mlp", (x, y), ["zeros", "ones"], seeds=2)
    assert 1 < few.splits < 5  # with so few runs as well, though more folds would do for these two
    assert any("has samples for" in note for note in few.notes)
