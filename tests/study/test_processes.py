"""The processes in which runs are trained."""

import math
import os
import pickle
import select
import signal
import subprocess
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import initium
from initium import SettingError, TrainingError
from initium._engine import Processes
from initium._engine._processes import _Team
from initium._engine._worker import Task
from initium._store._cache import cached
from initium._study._data import load_data

os.environ.setdefault("INITIUM_TESTS", str(os.getpid()))  # whose children the workers are
LIMIT = 15  # seconds: what is well takes one, and many more on a busy machine
ASKED = {"inits": ["he_normal", "zeros"], "epochs": 2, "seeds": 3, "progress": False}


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def leave():
    raise SystemExit(3)


def fail():
    raise ValueError("later")


def hang():
    threading.Event().wait()


class Trap(nn.Module):
    """Trains, until the file that says how it ends is there: it is taken away by whoever falls in."""

    def __init__(self, path="", end=None, always=False):
        super().__init__()
        self.l = nn.Linear(4, 3)
        self.path, self.end, self.always = path, end, always

    def forward(self, x):
        if torch.get_num_threads() == 1 and self.training and os.path.exists(self.path) and _is_worker():
            if not self.always:
                os.unlink(self.path)
            self.end()
        return self.l(x)


def _is_worker():
    return os.getpid() != int(os.environ["INITIUM_TESTS"])


ENDS = {
    die: "Its process was ended by SIGKILL.",
    leave: "SystemExit: 3 (test_processes.py, line",
    fail: "ValueError: later (test_processes.py, line",
    hang: "It took longer than 15 s, which is its limit, and was ended.",
}


@pytest.mark.parametrize(
    "end", [*list(ENDS)[:3], pytest.param(hang, marks=pytest.mark.slow)], ids=lambda end: end.__name__
)
def test_a_run_whose_process_fails_is_tried_once_more(end, tmp_path):
    (tmp_path / "trap").touch()
    path = str(tmp_path / "trap")
    found = initium.compare(lambda: Trap(path, end), "iris", jobs=2, limit=LIMIT if end is hang else None, **ASKED)
    assert found.num_runs == 3
    assert not os.path.exists(path)


@pytest.mark.slow
@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
def test_a_run_that_fails_twice_is_one_message_and_what_had_finished_stays(end, tmp_path):
    (tmp_path / "trap").touch()
    path = str(tmp_path / "trap")
    with pytest.raises(TrainingError) as error:
        initium.compare(
            lambda: Trap(path, end, always=True), "iris", store=tmp_path / "other.db", jobs=1,
            limit=LIMIT if end is hang else None, **ASKED,
        )  # fmt: skip
    text = str(error.value)
    assert text.startswith(f"Run 0 of he_normal failed twice. {ENDS[end]}")
    assert text.endswith(
        f"What had finished is kept, 0 of 6 runs, in '{tmp_path}/other.db': go on with it by --resume (from Python: "
        "resume=True)."
    )


def test_what_had_finished_before_a_failure_is_there_to_go_on_with(tmp_path):
    path, store = str(tmp_path / "trap"), tmp_path / "s.db"

    def build():
        return Trap(path, fail, always=True)

    initium.compare(build, "iris", store=store, jobs=1, **{**ASKED, "seeds": 2})
    (tmp_path / "trap").touch()
    with pytest.raises(TrainingError, match="What had finished is kept, 4 of 6 runs"):
        initium.compare(build, "iris", store=store, resume=True, jobs=1, **ASKED)
    (tmp_path / "trap").unlink()
    assert initium.compare(build, "iris", store=store, resume=True, jobs=1, **ASKED).num_runs == 3


class Unpacked:
    """Stands for a contender whose run cannot go through a pipe."""

    stacks = False

    def run(self, index):
        return lambda: index


def test_what_cannot_be_packed_is_a_message_and_not_the_end_of_the_process():
    task = Task()
    task.study(list(sys.path), os.getcwd(), pickle.dumps(None))
    task._folder, task._contenders = os.getcwd(), {0: Unpacked()}
    begun, answer = map(pickle.loads, task.runs(((0, 1),)))
    assert begun == ("begun", None)
    assert answer[0] == "failed"
    assert "pickle" in answer[1]


PARENT = """
import os, signal, sys
from torch import nn
import initium

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.l = nn.Linear(4, 3)
    def forward(self, x):
        if "initium._engine._worker" in sys.modules:
            held = open(PATH, "w")  # until this process ends
            held.write("working")
            held.flush()
            signal.pause()
        return self.l(x)

PATH = sys.argv[1]
initium.compare(Net, "iris", inits=["zeros", "ones"], seeds=2, jobs=1, progress=False)
"""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_worker_ends_when_its_parent_is_killed(tmp_path):
    pipe = tmp_path / "held"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(pipe)])
    assert told(reader) == b"working"
    parent.kill()
    parent.wait()
    assert told(reader) == b""  # the worker, which alone held the other end, is gone
    os.close(reader)


def told(reader):
    ready, _, _ = select.select([reader], [], [], 120)
    assert ready, "nothing was said, and the other end is still open"
    return os.read(reader, 100)


@pytest.mark.parametrize("limit", [0, -1.0])
def test_a_limit_is_above_0(limit):
    with pytest.raises(initium.SettingError, match="limit is a number of seconds above 0"):
        Processes(1, limit)


def test_data_goes_to_a_process_once_and_runs_come_back_as_they_are():
    found = initium.compare("mlp", "iris", lr=[0.1, 0.01], jobs=1, **ASKED)
    (path,) = [one for one in cached() if str(one) == found.store]
    again = initium._compare.show(path)
    for name in found:
        for start, runs in found[name].runs.items():
            for one, other in zip(runs, again[name].runs[start], strict=True):
                assert one.train_loss == other.train_loss
                np.testing.assert_array_equal(one.merits, other.merits)


def test_a_clock_that_ran_out_is_seen_while_others_answer():
    team = _Team(Processes(2, limit=7.0), load_data("iris"), iter(()))
    busy, slow = SimpleNamespace(job=((0, 0),), until=math.inf), SimpleNamespace(job=((0, 1),), until=0.0)
    team._processes, team._jobs.contenders = [busy, slow], [SimpleNamespace(seconds=0.0)]
    team._answers.put((busy, "runs", 1))
    assert team._answer() == (slow, "hung", "it took longer than 7 s, which is its limit, and was ended")
    team._answers.put((slow, "runs", 2))  # it was in time, and nobody listened
    assert team._answer() == (busy, "runs", 1)
    assert team._answer() == (slow, "runs", 2)


def test_what_no_other_process_can_have_is_one_message():
    lock = threading.Lock()
    with pytest.raises(SettingError) as error:
        initium.compare(lambda: lock and nn.Linear(4, 3), "iris", **ASKED)
    text = str(error.value)
    assert text.startswith(
        "The study cannot be handed to another process: TypeError: cannot pickle '_thread.lock' object."
    )


def test_an_engine_that_asks_for_no_run_is_not_waited_for(tmp_path):
    with pytest.raises(TrainingError, match="The engine ended and had asked for no run"):
        initium.compare("mlp", "iris", engine=lambda study, runs: iter(()), store=tmp_path / "s.db", **ASKED)
