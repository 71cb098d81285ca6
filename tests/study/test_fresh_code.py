"""What is trained is what the code says now, whatever a process has served before."""

import importlib
import os
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import initium
from initium import ModelError, SettingError
from initium._engine import _process, decided
from initium._study._study import Study

ASKED = {"inits": ["he_normal", "zeros"], "seeds": 2, "epochs": 1}
NET = """
from torch import nn
import freshlayers

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.l = nn.Linear(4, 3)

    def forward(self, x):
        return freshlayers.scaled(self.l(x))

def build():
    return Net()
"""
LAYERS = "def scaled(x):\n    return {} * x\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two files of somebody's own, one beside the other."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    Path("freshnet.py").write_text(NET)
    Path("freshother.py").write_text(NET.replace("build", "other"))
    write(1)
    yield tmp_path
    for name in [name for name in sys.modules if name.removeprefix("initium_model_").startswith("fresh")]:
        del sys.modules[name]


def write(scale):
    Path("freshlayers.py").write_text(LAYERS.format(scale))


@pytest.fixture
def begun(monkeypatch):
    """The processes that were begun, each by one entry."""
    _process._end_all()
    found = []
    popen = _process.subprocess.Popen
    monkeypatch.setattr(_process.subprocess, "Popen", lambda *a, **k: found.append(popen(*a, **k)) or found[-1])
    yield found
    _process._end_all()


def trained(model, **settings):
    """The first losses of each run, from processes."""
    found = initium.compare(model, "iris", jobs=1, progress=False, **ASKED, **settings)
    return [run.train_loss for runs in found.runs.values() for run in runs]


def expected(scale):
    """The same losses from a net that is written here."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.l = nn.Linear(4, 3)

        def forward(self, x):
            return scale * self.l(x)

    torch.set_flush_denormal(False)
    contenders = decided(Study(Net, "iris", ASKED["inits"], seeds=2, epochs=1))
    return [pytest.approx(one.run(index).train_loss, rel=1e-5) for one in contenders for index in range(2)]


def test_a_module_that_was_edited_and_reloaded_is_trained_as_it_is_now(folder, begun):
    import freshlayers
    import freshnet

    assert trained(freshnet.build) == expected(1)
    write(3)
    importlib.reload(freshlayers)
    importlib.reload(freshnet)
    assert trained(freshnet.build) == expected(3)


def test_a_file_is_trained_as_it_and_what_lies_beside_it_are_now(folder, begun):
    assert trained("freshnet.py:build") == expected(1)
    write(3)
    assert trained("freshnet.py:build") == expected(3)


def test_what_is_decided_of_a_file_is_of_what_it_says_now(folder):
    """In this process too: what a start decides here is trained there."""
    for text in ("freshnet.py:build", "freshnet:build"):
        for scale, factor in ((1, 1), (3, 1), (3, 2)):
            write(scale)
            Path("freshnet.py").write_text(NET.replace("(x))", f"(x) * {factor})"))
            study = Study(text, "iris", ASKED["inits"], seeds=2, epochs=1)
            assert [one.run(i).train_loss for one in decided(study) for i in range(2)] == expected(scale * factor)


def test_a_file_that_did_not_change_is_run_once(folder):
    Path("freshnet.py").write_text(f"{NET}\nwith open('times', 'a') as file:\n    file.write('x')\n")
    for _ in range(2):
        decided(Study("freshnet.py:build", "iris", ASKED["inits"], seeds=2, epochs=1))
    assert Path("times").read_text() == "x"


@pytest.mark.slow
def test_a_module_that_another_study_imported_is_trained_as_it_is_now(folder, begun):
    assert trained("freshnet.py:build") == expected(1)
    write(3)
    assert trained("freshother.py:other") == expected(3)


def test_a_class_that_was_changed_in_place_is_trained_as_it_is_now(begun):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.l = nn.Linear(4, 3)

        def forward(self, x):
            return self.l(x)

    assert trained(Net) == expected(1)
    Net.forward = lambda self, x: 3 * self.l(x)
    assert trained(Net) == expected(3)


@pytest.mark.slow
def test_what_one_study_does_to_its_process_is_not_there_for_another(begun):
    here = os.getpid()

    class Leaves(nn.Linear):
        def forward(self, x):
            if os.getpid() != here:
                torch.left_by_another_study = True
            return super().forward(x)

    class Looks(nn.Linear):
        def forward(self, x):
            return super().forward(x) * (2 if hasattr(torch, "left_by_another_study") else 1)

    trained(lambda: Leaves(4, 3))
    found = trained(lambda: Looks(4, 3))
    contenders = decided(Study(lambda: nn.Linear(4, 3), "iris", ASKED["inits"], seeds=2, epochs=1))
    assert found == [pytest.approx(one.run(i).train_loss, rel=1e-5) for one in contenders for i in range(2)]


def test_the_same_code_and_what_is_built_in_are_served_by_the_same_process(begun):
    trained("mlp")
    trained("mlp", lr=0.2, metric="f1")
    assert len(begun) == 1
    for width in (5, 5):
        trained(lambda: nn.Sequential(nn.Linear(4, width), nn.Linear(width, 3)), lr=0.01)  # noqa: B023  one width
    assert len(begun) == 1
    trained("mlp")
    assert len(begun) == 2
    assert begun[0].poll() is not None  # nobody waits for what serves nobody


def test_a_store_refuses_the_code_that_changed_and_keeps_what_it_has(folder, begun):
    import freshlayers
    import freshnet

    trained(freshnet.build, store="s.db")
    before = Path("s.db").read_bytes()
    write(3)
    importlib.reload(freshlayers)
    importlib.reload(freshnet)
    with pytest.raises(SettingError, match="  source of the model: "):
        trained(freshnet.build, store="s.db", resume=True)
    assert Path("s.db").read_bytes() == before
    write(1)
    importlib.reload(freshlayers)
    importlib.reload(freshnet)
    assert trained(freshnet.build, store="s.db", resume=True) == expected(1)


HELD = """
import enum
from typing import NamedTuple
from torch import nn

ACT = "tanh"
WIDTH = 4 * 2
SIZES = {"small": WIDTH}
_cache, _count, KNOWN, _seen = {}, 0, [], {"first": 1}
_calls = 0


class Kind(enum.Enum):
    ONE = 1


class Pair(NamedTuple):
    left: int = 1


class Net(nn.Sequential):
    hidden = 8

    def __init__(self):
        super().__init__(nn.Linear(4, self.hidden), nn.Tanh(), nn.Linear(self.hidden, 3))
        self.__note()

    def __note(self):
        global _calls
        _calls += 1
        _seen[str(_calls)] = ACT.upper()
        KNOWN.append(SIZES["small"])

    @property
    def size(self):
        return self.hidden


def build():
    return Net()
"""


def here(study, runs):
    for contender, index in runs:
        yield contender.run(index)


def loaded(model):
    return initium.compare(model, "iris", engine=here, progress=False, **ASKED)


@pytest.mark.parametrize(
    ("what", "old", "new"),
    [
        ("ACT", '"tanh"', '"relu"'),
        ("WIDTH", "4 * 2", "4 * 3"),
        ("SIZES", '"small": WIDTH', '"large": WIDTH'),
        ("Net.hidden", "hidden = 8", "hidden = 9"),
        ("Net.__init__", "nn.Tanh()", "nn.ReLU()"),
        ("Net.forward", "    @property\n", "    def forward(self, x):\n        return x\n\n    @property\n"),
        ("Net.size", "return self.hidden", "return 2 * self.hidden"),
        ("build", "return Net()", "return Net().double()"),
    ],
)
def test_a_file_that_was_edited_and_not_imported_anew_is_refused(folder, what, old, new):
    Path("freshheld.py").write_text(HELD)
    import freshheld

    loaded(freshheld.build)
    Path("freshheld.py").write_text("# a remark\n" + HELD)
    loaded(freshheld.build)  # lines that moved and nothing else
    Path("freshheld.py").write_text(HELD.replace(old, new))
    with pytest.raises(ModelError, match=rf"`{what}` of the module `freshheld` is not what its file says now"):
        loaded(freshheld.build)


def test_a_module_that_was_changed_in_memory_is_refused_and_read_anew_trains(folder):
    Path("freshheld.py").write_text(HELD)
    import freshheld

    freshheld.ACT = "relu"
    with pytest.raises(ModelError, match=r"`ACT` .*importlib.reload\(freshheld\)"):
        loaded(freshheld.build)
    importlib.reload(freshheld)
    loaded(freshheld.build)
    freshheld.Net.__init__ = lambda self: nn.Sequential.__init__(self, nn.Linear(4, 3))
    with pytest.raises(ModelError, match=r"`Net.__init__` of the module"):
        loaded(freshheld.build)


def test_a_helper_that_was_imported_before_it_was_edited_is_refused(folder):
    import freshlayers  # noqa: F401

    write(2)
    with pytest.raises(ModelError, match=r"`scaled` of the module `freshlayers`"):
        loaded("freshnet.py:build")
