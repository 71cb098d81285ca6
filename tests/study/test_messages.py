"""What a new user types, and what is said of it."""

import inspect
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from torch import nn
from typer.testing import CliRunner

import initium
from initium import DataError, SettingError, _cli
from initium._engine import Processes, decided
from initium._study._data import load_data
from initium._study._names import meant
from initium._study._study import Study

QUICK = ["--data", "iris", "--seeds", "2", "--epochs", "1"]
ROWS = [(round(0.37 * n - 3, 2), n % 7, n % 2) for n in range(40)]


def run(*args):
    return CliRunner().invoke(_cli.app, ["compare", *args])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table(path, separator, number=str):
    lines = [("a", "b", "y"), *((number(a), number(b), str(y)) for a, b, y in ROWS)]
    Path(path).write_text("".join(f"{separator.join(line)}\n" for line in lines))


@pytest.mark.parametrize(
    ("separator", "number", "said"),
    [
        (",", str, ""),
        (";", str, "separated by semicolons; "),
        ("\t", str, "separated by tabs; "),
        (";", lambda value: str(value).replace(".", ","), "separated by semicolons, with decimal commas; "),
    ],
)
def test_a_table_is_read_whatever_separates_it_and_that_is_said(folder, separator, number, said):
    table("commas.csv", ",")
    table("t.csv", separator, number)
    found, commas = load_data("t.csv"), load_data("commas.csv")
    np.testing.assert_array_equal(found.x_train, commas.x_train)
    np.testing.assert_array_equal(found.y_train, commas.y_train)
    assert found.preparation.startswith(f"{said}target 'y' from 'a', 'b'; a fifth for testing")


def test_a_comma_within_quotes_separates_nothing(folder):
    Path("t.csv").write_text('"a,b";y\n' + "".join(f"{n};{n % 2}\n" for n in range(20)))
    assert load_data("t.csv").preparation.startswith("separated by semicolons; target 'y' from 'a,b'; ")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("iris", "classification of 3 classes"),
        ("diabetes", "regression"),
        ((np.ones((40, 2)) * np.arange(40)[:, None], np.random.default_rng(0).normal(size=(40, 2))),
         "regression of 2 targets"),
        ((np.ones((40, 2)), np.arange(80).reshape(40, 2) // 7 % 2), "2 labels that hold or do not"),
        (np.arange(500) % 9, "the next of 9 tokens"),
    ],
)  # fmt: skip
def test_the_task_is_told(data, told):
    assert load_data(data).told_task == told


def test_the_line_of_the_data_says_task_and_target(folder):
    table("t.csv", ",")
    found = run("he_normal", "zeros", "--data", "t.csv", *QUICK[2:], "--model", "nothing")
    assert found.stderr.splitlines()[1] == (
        "Data: classification of 2 classes; target 'y' from 'a', 'b'; 5 folds, dealt anew for every 5 runs, split seed "
        "0; standardised on the training split."
    )


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        *(("learning_rate", "lr"), ("learning-rate", "lr"), ("batchsize", "batch_size"), ("optim", "optimizer")),
        *(("n_seeds", "seeds"), ("num_epochs", "epochs"), ("epoch", "epochs"), ("max_grad_norm", "clip")),
        *(("LR", "lr"), ("workers", "jobs"), ("wd", "weight_decay"), ("num_layers", "depth"), ("hiden", "hidden")),
        *(("precison", "precision"), ("chunks", "chunk"), ("mem", "memory")),
        *(("blue", ""), ("q", ""), ("n_heads", "")),
    ],
)
def test_a_name_that_is_no_setting_may_mean_one(name, setting):
    assert meant(name, ["hidden"]) == setting


def test_every_setting_that_may_be_meant_is_one():
    from initium._study._names import _ELSEWHERE, BESIDE
    from initium._study._study import SETTINGS

    assert set(_ELSEWHERE.values()) <= {*SETTINGS, *BESIDE}
    assert not set(_ELSEWHERE) & {*SETTINGS, *BESIDE}


def test_what_compare_takes_beside_a_study_is_what_is_known_of_it():
    from initium._compare_command import compare
    from initium._study._names import BESIDE, COMMAND
    from initium._study._study import SETTINGS

    of_python = set(inspect.signature(initium.compare).parameters) - {"model", "data", "inits", "settings"}
    assert of_python == {*BESIDE, "progress"}
    assert {name.rstrip("_") for name in inspect.signature(compare).parameters} - {*SETTINGS} == {*BESIDE, *COMMAND}


@pytest.mark.parametrize("name", ["store", "margin", "precision", "budget", "chunk", "memory", "save_study"])
def test_what_the_command_does_with_a_study_is_no_part_of_its_file(folder, name):
    Path("s.toml").write_text(f'inits = ["he_normal", "zeros"]\n{name} = 1\n')
    told = f"'s.toml' says `{name}`, which is the command's: initium compare s.toml --{name.replace('_', '-')}.\n"
    assert run("s.toml", *QUICK).stderr == f"SettingError: {told}"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["he_normal", "zeros", *QUICK, "--learning-rate", "0.1"], "`mlp` takes no `learning_rate`; it takes depth, "
         "width, activation. The closest is `lr`.\n"),
        (["he_normal", "zeros", *QUICK, "--model", "net.py:build", "--n-epochs", "3"],
         "`build` of 'net.py' takes no `n_epochs`; it takes hidden. The closest is `epochs`.\n"),
        (["he_normal", "zeros", *QUICK, "--resum"], "`--resum` is no option, and an argument of a model function has a "
         "value: --hidden 16. The closest is `--resume`.\n"),
        (["--shwo", "s.db"], "SettingError: `--shwo` is no option. The closest is `--show`.\n"),
        (["he_normal", "zeros", *QUICK, "--optimizer", "sgd,adam", "--momentum", "0.9"],
         "SettingError: At optimizer=adam: momentum is of sgd, and adam has its own; leave it out.\n"),
        (["he_normal", "zeros", *QUICK, "--activation", "foo"], "No activation is called 'foo'; known: elu, gelu, "
         "leaky_relu, mish, relu, selu, sigmoid, silu, softplus, tanh.\n"),
    ],
)  # fmt: skip
def test_a_slip_is_told_with_what_may_be_meant(folder, args, message):
    Path("net.py").write_text("from torch import nn\n\ndef build(hidden=8):\n    return nn.Linear(4, 3)\n")
    found = run(*args)
    assert found.exit_code == 2
    assert found.stderr.endswith(message)


def test_a_file_says_what_a_study_is_and_not_what_a_command_does_with_it(folder):
    Path("s.toml").write_text('inits = ["he_normal", "zeros"]\nstore = "s.db"\n')
    assert run("s.toml").stderr == (
        "SettingError: 's.toml' says `store`, which is the command's: initium compare s.toml --store.\n"
    )
    Path("s.toml").write_text('inits = ["he_normal", "zeros"]\ndata = "iris"\nlearning_rate = 0.1\n')
    assert run("s.toml").stderr.endswith("`mlp` takes no `learning_rate`; it takes depth, width, activation. The "
                                         "closest is `lr`.\n")  # fmt: skip


def test_what_no_process_can_have_is_refused_before_its_store_is_made(tmp_path):
    with open(os.devnull, "w") as held:
        for own in (threading.Lock(), held):
            with pytest.raises(SettingError, match="The study cannot be handed to another process: "):
                initium.compare(
                    lambda own=own: own and nn.Linear(4, 3), "iris", inits=["zeros", "ones"], store=tmp_path / "s.db",
                    progress=False,
                )  # fmt: skip
    assert not list(tmp_path.iterdir())


X = np.arange(80.0).reshape(40, 2)


@pytest.mark.parametrize(("rare", "splits"), [(2, 2), (3, 3), (4, 2)])
def test_a_rare_class_is_judged_by_the_folds_alone(rare, splits):
    y = np.array([2] * rare + [0, 1] * 18)[: len(X)]
    study = Study("mlp", (X[: len(y)], y), ["zeros", "ones"], splits=splits, seeds=2)
    assert study.data.num_outputs == 3
    with pytest.raises(DataError, match=f"{rare + 1} splits need as many samples of each class; the smallest class"):
        Study("mlp", (X[: len(y)], y), ["zeros", "ones"], splits=rare + 1)


def test_one_sample_of_a_class_is_told_by_the_folds():
    y = np.array([2] + [0, 1] * 18)
    with pytest.raises(DataError, match="2 splits need as many samples of each class; the smallest class has 1"):
        Study("mlp", (X[: len(y)], y), ["zeros", "ones"], splits=2)


def test_data_that_was_loaded_is_split_into_folds_as_well():
    whole, study = load_data("iris"), Study("mlp", "iris", ["zeros", "ones"], splits=5, seeds=5)
    again = Study("mlp", whole, ["zeros", "ones"], splits=5, seeds=5)
    np.testing.assert_array_equal(again.data.x_test, study.data.x_test)


def test_a_limit_is_said_as_it_is_kept():
    assert [Processes(1).limit_of(seconds) for seconds in (1.0, 100.0)] == [600.0, 2000.0]
    assert Processes(1, 5.0).limit_of(100.0) == 5.0


def test_one_of_something_is_no_more_than_one():
    assert Study("mlp", "iris", ["zeros", "ones"], epochs=1).length == "1 epoch"
    assert Study("mlp", "iris", ["zeros", "ones"], steps=1).length == "1 step"


def test_a_cause_ends_in_no_point(monkeypatch):
    from types import SimpleNamespace

    found = SimpleNamespace(severity="error", name="a name", place="", measured="much", cause="it is so.")
    monkeypatch.setattr(
        "initium._engine._contender.diagnose", lambda *_, **__: SimpleNamespace(findings=[found])
    )  # fmt: skip
    contender = decided(Study("mlp", "iris", ["zeros", "ones"], seeds=2))[0]
    assert str(contender.cause()) == "a name (much; it is so)"
