"""What makes a study this one: each of its facts, and nothing that only adds or only names."""

import os
from pathlib import Path

import numpy as np
import pytest
from torch import nn

import initium
from initium import SettingError
from initium._compare._compare import show
from initium._store._store import Store
from initium._study._identity import file_name, identity
from initium._study._kept import check_store
from initium._study._study import Study

INITS = ["he_normal", "zeros"]


def build():
    return nn.Linear(4, 3)


def other():
    return nn.Sequential(nn.Linear(4, 3))


def study(model=build, data="iris", inits=INITS, **settings):
    return Study(model, data, inits, **settings)


def arrays(*, change=0.0):
    x = np.arange(80.0).reshape(20, 4) % 7
    x[3, 2] += change
    return x, np.arange(20) % 2


def differs(one, another):
    there, here = identity(one), identity(another)
    found = changed(there, here)
    assert (file_name(one) == file_name(another)) == (not {name for name in found if not name.startswith("start ")})
    return found


def changed(there, here):
    names = {name for name in there | here if there.get(name) != here.get(name)}
    return {name for name in names if not (name.startswith("start ") and (name not in there or name not in here))}


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"data": "wine"}, "data"),
        ({"standardise": False}, "data"),
        ({"loss": "mse"}, "loss"),
        ({"loss": lambda outputs, targets: outputs.mean()}, "loss"),
        ({"metric": "f1"}, "metric"),
        ({"metric": lambda outputs, targets: 1.0}, "metric"),
        ({"splits": 3}, "splits"),
        ({"split_seed": 1}, "split seed"),
        ({"order_seed": 1}, "order seed"),
        ({"seed": 1}, "seed"),
        ({"epochs": 3}, "length"),
        ({"steps": 3}, "length"),
        ({"model": other}, "source of the model"),
        ({"model": "mlp"}, "model"),
        ({"inits": {"he_normal": "he_normal", "zeros": "ones"}}, "start zeros"),
        ({"rules": {"bias": "ones"}}, "start zeros"),
    ],
    ids=lambda one: ", ".join(one) if isinstance(one, dict) else one,
)
def test_a_study_is_another_by_each_setting_that_runs_depend_on(settings, name):
    assert name in differs(study(), study(**settings))


@pytest.mark.parametrize("where", ["VERSION", "versions", "_processor", "platform.python_version"])
def test_a_study_is_another_by_what_it_runs_on(monkeypatch, where):
    before = identity(study())
    monkeypatch.setattr(
        f"initium._study._identity.{where}",
        {"VERSION": 99, "versions": lambda _: {"torch": "99"}}.get(where, lambda: "2.99.1"),
    )
    names = {"VERSION": "stream", "versions": "torch", "_processor": "kind of processor"}
    assert changed(before, identity(study())) == {names.get(where, "python")}


@pytest.mark.parametrize(
    "settings",
    [
        {"seeds": 3},
        {"inits": [*INITS, "auto"]},
        {"inits": ["ones", "zeros"]},
        {"lr": [0.1, 0.2]},
        {"optimizer": "adam", "batch_size": 8},
        {"arguments": {"hidden": [1, 2]}},
    ],
    ids=lambda one: ", ".join(one),
)
def test_what_only_adds_makes_no_other_study(settings):
    assert differs(study(), study(**settings)) == set()


def test_arrays_are_known_by_their_numbers():
    assert differs(study(data=arrays()), study(data=arrays())) == set()
    assert "data" in differs(study(data=arrays()), study(data=arrays(change=1e-3)))
    x, y = arrays()
    assert "data" in differs(study(data=(x, y)), study(data=(x, y * 1.5)))  # numbers and no classes


def test_a_name_decides_nothing_that_a_digest_knows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = ["a,b,c,d,target", *(f"{i % 5},{i % 7},{i % 3},{i},{i % 2}" for i in range(40))]
    Path("d.csv").write_text("\n".join(lines))
    Path("net.py").write_text("from torch import nn\ndef build():\n    return nn.Linear(4, 2)\n")
    Path("sub").mkdir()
    asked = {"seeds": 2, "epochs": 1, "jobs": 1, "progress": False, "inits": INITS, "store": tmp_path / "s.db"}
    first = initium.compare("net.py:build", "d.csv", **asked)
    for net, data in (("./net.py:build", "./d.csv"), (f"{tmp_path}/net.py:build", f"{tmp_path}/d.csv")):
        again = initium.compare(net, data, resume=True, **asked)
        assert [one.seconds for one in again.runs["zeros"]] == [one.seconds for one in first.runs["zeros"]]
        assert file_name(study(net, data)) == file_name(study("net.py:build", "d.csv"))
    os.rename("d.csv", "sub/e.csv")
    check_store(study("net.py:build", "sub/e.csv", seeds=2, epochs=1), tmp_path / "s.db", resume=True)
    Path("net.py").write_text("from torch import nn\ndef build():\n    return nn.Linear(4, 2)\ndef other(): ...\n")
    with pytest.raises(SettingError, match="  source of the model: "):
        initium.compare("net.py:build", "sub/e.csv", resume=True, **asked)
    assert "model" in differs(study("net.py:build", "sub/e.csv"), study("net.py:other", "sub/e.csv"))


class Width:
    """One of a user's own, whose text says nothing of it."""

    def __init__(self, number):
        self.number = number

    def __repr__(self):
        return "Width()"


def made(hidden=None):
    return nn.Linear(4, 3)


VALUES = [
    *(1, "1", True, "True", None, "None", 1.5, "1.5", "nan", float("nan"), "its own default", "relu", "'relu'"),
    *((1, 2), "(1, 2)", "[1, 2]", (1, "2"), ((1,), 2), ((1, 2),), ([1, 2],), {"a": 1}, {"a": "1"}, "{a: 1}"),
    *(nn.ReLU, nn.Tanh, "torch.nn.modules.activation.ReLU", np.tanh, Width(1), Width(2)),
    *((lambda: 1), (lambda: 2), build, other, "a, hidden=b", "a", "a b", b"a", Path("a"), 1e-30, 10**30, ""),
]


def test_no_two_values_of_a_setting_are_kept_or_written_alike():
    grid = study(made, arguments={"hidden": VALUES})
    cells = [*grid.cells, study(made)]
    assert len({cell.key for cell in cells}) == len(cells)
    whole = [study(made, place=(("hidden", 0),), arguments={} if one is None else {"hidden": one[0]}) for one in
             [*([value] for value in VALUES), None]]  # fmt: skip
    assert len({cell.name for cell in whole}) == len(whole)
    assert not [cell.name for cell in whole if " at 0x" in cell.name or " at 0x" in cell.key]
    again = study(made, arguments={"hidden": VALUES})
    assert [cell.key for cell in again.cells] == [cell.key for cell in grid.cells]


def test_of_a_setting_that_is_alike_one_is_refused():
    for values in ([1, 1.0], [lambda: 1, lambda: 1], [nn.ReLU, nn.ReLU], [Width(1), Width(1)]):
        with pytest.raises(SettingError, match=r"hidden lists .* twice"):
            study(made, arguments={"hidden": values})


def act(activation=nn.ReLU, hidden="1"):
    return nn.Sequential(nn.Linear(4, 6), activation(), nn.Linear(6, 3))


def test_a_grid_over_functions_and_over_texts_that_look_like_numbers_loses_no_place(tmp_path):
    asked = {"seeds": 2, "epochs": 1, "jobs": 1, "progress": False, "inits": INITS, "store": tmp_path / "s.db"}
    grid = initium.compare(act, "iris", activation=[nn.ReLU, nn.Tanh], hidden=[1, "1", True, "True"], **asked)
    names = {
        f"activation=torch.nn.modules.activation.{name}, hidden={hidden}"
        for name in ("ReLU", "Tanh")
        for hidden in ("1", "'1'", "True", "'True'")
    }
    assert set(grid) == set(show(tmp_path / "s.db")) == names
    again = initium.compare(
        act, "iris", activation=[nn.ReLU, nn.Tanh], hidden=[1, "1", True, "True"], resume=True, **asked
    )
    for name in names:
        assert [one.seconds for one in again[name].runs["zeros"]] == [one.seconds for one in grid[name].runs["zeros"]]
    table = grid.to_pandas()
    assert len(table) == 8 * 2 * 2
    assert set(table["activation"]) == {f"torch.nn.modules.activation.{name}" for name in ("ReLU", "Tanh")}


def test_places_asked_for_one_by_one_are_told_apart(tmp_path):
    asked = {"seeds": 2, "epochs": 1, "jobs": 1, "progress": False, "inits": INITS, "store": tmp_path / "s.db"}
    for more in ({}, {"hidden": None}, {"hidden": 1}, {"hidden": True}, {"hidden": "1"}):
        initium.compare(made, "iris", resume=True, **more, **asked)
    assert list(show(tmp_path / "s.db")) == [
        *("hidden=its own default", "hidden=None", "hidden=1", "hidden=True", "hidden='1'"),
    ]


def test_fewer_runs_than_are_kept_are_shown_and_none_is_lost(tmp_path):
    asked = {"epochs": 1, "jobs": 1, "progress": False, "inits": INITS, "store": tmp_path / "s.db"}
    initium.compare(build, "iris", seeds=4, **asked)
    few = initium.compare(build, "iris", seeds=2, resume=True, **asked)
    assert {name: [one.index for one in runs] for name, runs in few.runs.items()} == {name: [0, 1] for name in INITS}
    assert few.study.seeds == 2
    with Store.read(tmp_path / "s.db") as store:
        assert len(store.finished()) == 8
    assert show(tmp_path / "s.db").num_runs == 4
    assert initium.compare(build, "iris", seeds=4, resume=True, **asked).num_runs == 4
