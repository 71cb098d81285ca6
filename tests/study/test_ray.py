"""A study on a Ray of two nodes, each with room for one task: the numbers of this machine, whatever is lost."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from torch import nn
from typer.testing import CliRunner

import initium
from initium import SettingError, TrainingError, _cli
from initium._engine import Processes, _cluster, _ray
from initium._store._store import Store

ray = pytest.importorskip("ray", reason="ray is not installed: pip install 'initium[ray]'")
ASKED = {"inits": ["he_normal", "zeros"], "data": "iris", "epochs": 2, "seeds": 3, "progress": False, "jobs": 2}
BAD = "INITIUM_TESTS_BAD_NODE"


@pytest.fixture(scope="module", autouse=True)
def two_nodes():
    from ray.cluster_utils import Cluster

    os.environ.update(RAY_USAGE_STATS_ENABLED="0")
    cluster = Cluster()
    how = {"num_cpus": 1, "num_gpus": 0, "include_dashboard": False}
    cluster.add_node(**how, _system_config={"idle_worker_killing_time_threshold_ms": 600_000})
    cluster.add_node(**how, env_vars={BAD: "1"})
    ray.init(cluster.address, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()
    cluster.shutdown()


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def fail():
    raise ValueError("later")


def hang():
    time.sleep(600)


ENDS = {"die": die, "fail": fail, "hang": hang}


class Net(nn.Module):
    """Notes each run; where there is a file that says so, it ends as that says, once or always, everywhere or not."""

    def __init__(self, folder=""):
        super().__init__()
        self.l, self.folder, self.is_new = nn.Linear(4, 3), Path(folder), True

    def forward(self, x):
        if self.training and self.is_new and "initium._engine._elsewhere" in sys.modules:
            self.is_new = False
            with open(self.folder / "runs", "a") as file:
                file.write(f"{os.getpid()}\n")
            self.fall()
        return self.l(x)

    def fall(self):
        while BAD not in os.environ and any(self.folder.glob("*-bad")):  # the bad node's turn, however late it starts
            time.sleep(0.05)
        for end in ENDS:
            if (self.folder / f"{end}-always").exists():
                ENDS[end]()
            for trap in ["once", *(["bad"] if BAD in os.environ else [])]:
                with contextlib.suppress(FileNotFoundError):
                    (self.folder / f"{end}-{trap}").unlink()
                    ENDS[end]()


@pytest.fixture(scope="module")
def plain():
    return all_of(initium.compare(**ASKED, model=Net, chunk=1))


def all_of(found):
    cells = found.cells.values() if isinstance(found, initium.Grid) else [found]
    return [
        (one.train_loss, one.test_loss, one.test_score, one.merits.tolist(), one.weights, one.units_end, one.split)
        for cell in cells
        for runs in cell.runs.values()
        for one in runs
    ]


@pytest.mark.parametrize("chunk", [None, 1])
def test_a_grid_has_the_bits_that_it_has_on_this_machine(chunk):
    asked = {**ASKED, "model": "mlp(4, 8, 3)", "lr": [0.1, 0.01], "momentum": 0.9, "chunk": chunk, "seeds": 4}
    assert all_of(initium.compare(**asked, engine="ray")) == all_of(initium.compare(**asked))


def test_a_process_that_dies_costs_what_it_was_at_and_nothing_else(tmp_path, plain):
    asked = {**ASKED, "model": Net, "folder": str(tmp_path), "chunk": 1}
    (tmp_path / "die-once").touch()
    found = initium.compare(**asked, engine="ray")
    assert not (tmp_path / "die-once").exists()
    assert len((tmp_path / "runs").read_text().split()) == 6 * 2 + 1  # a run asks for its outputs first
    assert all_of(found) == plain


def test_what_dies_together_is_trained_together_once_more(tmp_path, monkeypatch):
    asked, lost = {**ASKED, "model": Net, "folder": str(tmp_path), "chunk": 3}, []
    lose = _ray.Jobs.lose
    monkeypatch.setattr(
        _ray.Jobs, "lose", lambda self, job, why, **how: (lost.append((len(job), how)), lose(self, job, why, **how))
    )
    (tmp_path / "die-once").touch()
    assert all_of(initium.compare(**asked, engine="ray")) == all_of(initium.compare(**asked))
    assert lost == [(3, {"whole": True})]


def test_a_model_that_raises_on_one_node_is_trained_once_more(tmp_path, plain):
    asked = {**ASKED, "model": Net, "folder": str(tmp_path), "chunk": 1}
    (tmp_path / "fail-bad").touch()
    found = initium.compare(**asked, engine="ray")
    assert not (tmp_path / "fail-bad").exists()  # both nodes train, that one too
    assert all_of(found) == plain


@pytest.mark.parametrize(
    ("end", "limit", "told"),
    [
        ("fail", None, r"ValueError: later \(test_ray.py, line \d+\), on the node [\d.]+"),
        ("die", None, r"Its process was lost \(WorkerCrashedError: .+\)"),
        pytest.param("hang", 5, "It took longer than 5 s, which is its limit, and was ended", marks=pytest.mark.slow),
    ],
)
def test_a_run_that_fails_twice_is_one_message_and_what_had_finished_stays(tmp_path, end, limit, told):
    asked = {**ASKED, "model": Net, "folder": str(tmp_path), "chunk": 1, "store": tmp_path / "s.db", "limit": limit}
    initium.compare(**{**asked, "seeds": 2}, engine="ray")
    (tmp_path / f"{end}-always").touch()
    with pytest.raises(TrainingError) as error:
        initium.compare(**asked, engine="ray", resume=True)
    text = str(error.value)
    assert re.match(rf"Run 2 of (he_normal|zeros) failed twice\. {told}\. What had finished is kept, 4 of 6 runs", text)


DRIVER = """
import sys, time
from torch import nn
import initium

class Slow(nn.Linear):
    def __init__(self):
        super().__init__(4, 3)
    def forward(self, x):
        time.sleep(0.02 if "initium._engine._elsewhere" in sys.modules else 0)
        return super().forward(x)

if __name__ == "__main__":
    initium.compare("driver.py:Slow", "iris", inits=["he_normal", "zeros"], epochs=10, seeds=4, chunk=1, jobs=2,
                    store="s.db", engine="ray", progress=False)
"""


def test_a_driver_that_is_killed_leaves_what_had_finished_to_go_on_with(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("driver.py").write_text(DRIVER)
    driver = subprocess.Popen([sys.executable, "driver.py"], stderr=subprocess.PIPE, text=True)
    before, until = {}, time.monotonic() + 100
    while len(before) < 2 and time.monotonic() < until and driver.poll() is None:
        time.sleep(0.1)
        before = rows("s.db")
    driver.kill()
    assert driver.wait() == -signal.SIGKILL, driver.stderr.read()
    driver.stderr.close()
    before = rows("s.db")
    assert 2 <= len(before) < 8
    asked = {**ASKED, "model": "driver.py:Slow", "epochs": 10, "seeds": 4, "chunk": 1}
    found = initium.compare(**asked, store="s.db", engine="ray", resume=True)
    assert rows("s.db").items() >= before.items()  # with the seconds that each took
    assert all_of(found) == all_of(initium.compare(**asked))


def rows(path):
    if not Path(path).exists():
        return {}
    try:
        with Store.read(Path(path)) as store:
            return {row.key: row.seconds for row in store.rows()}
    except initium.OutputError:  # it is being made
        return {}


LOCAL = """
import os, psutil
from initium._engine._cluster import joined
joined("", 1)
processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
heard = {one.laddr.ip for process in processes for one in process.net_connections("inet") if one.status == "LISTEN"}
print(*(os.environ[f"RAY_{name}"] for name in ("AUTH_MODE", "USAGE_STATS_ENABLED")), len(os.environ["RAY_AUTH_TOKEN"]))
print(*sorted(heard))
"""


def test_a_ray_of_this_machine_hears_it_alone_asks_for_a_token_and_tells_nobody():
    pytest.importorskip("psutil")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run([sys.executable, "-c", LOCAL], capture_output=True, text=True, env=clean, check=True)
    told, heard = done.stdout.splitlines()
    assert told == "token 0 64"
    assert set(heard.split()) <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}
    assert heard


@pytest.mark.parametrize("is_whole", [True, False])
def test_files_of_somebodys_own_go_along_with_what_lies_beside_them(tmp_path, monkeypatch, is_whole):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "net_of_ray.py").write_text(
        "from torch import nn\nfrom beside_of_ray.parts import made\n"
        "def build():\n    return nn.Sequential(nn.Linear(4, 5), made(), nn.Linear(5, 3))\n"
    )
    (tmp_path / "beside_of_ray").mkdir()
    (tmp_path / "beside_of_ray" / "parts.py").write_text(
        "import sys\nfrom torch import nn\n"
        "def made():\n"
        "    there = 'initium._engine._elsewhere' in sys.modules\n"
        f"    assert there != __file__.startswith({str(tmp_path)!r}), __file__\n"
        "    return nn.Tanh()\n"
    )
    asked = {**ASKED, "model": f"{tmp_path if is_whole else '..'}/net_of_ray.py:build"}
    before = set(Path(tempfile.gettempdir()).glob("initium-*"))
    assert all_of(initium.compare(**asked, engine="ray")) == all_of(initium.compare(**asked))
    assert not {one for one in Path(tempfile.gettempdir()).glob("initium-*") if len(one.name) == 40} - before


def other(monkeypatch):
    versions = {**_cluster.own_versions(), "initium": "7", "torch": "9.9"}
    monkeypatch.setattr(_cluster, "own_versions", lambda: versions)
    monkeypatch.setattr(_ray, "own_versions", _cluster.own_versions)


def test_nodes_with_other_versions_are_refused_before_anything_is_written(monkeypatch, tmp_path):
    there = _cluster.own_versions()
    other(monkeypatch)
    with pytest.raises(SettingError) as error:
        initium.compare(**ASKED, model="mlp", store=tmp_path / "s.db", engine="ray")
    line = f"initium {there['initium']} where this has 7, torch {there['torch']} where this has 9.9"
    assert re.fullmatch(
        "2 nodes of this Ray would train otherwise than this process decides:\n"
        rf"  [\d.]+:\d+: {re.escape(line)}\n  [\d.]+:\d+: {re.escape(line)}\n"
        "Install the same versions there, or begin the study with those.",
        str(error.value),
    )
    assert not list(tmp_path.iterdir())


def test_a_node_that_joins_late_with_other_versions_is_refused(monkeypatch):
    monkeypatch.setattr(_ray, "check_nodes", lambda ray: None)
    other(monkeypatch)
    with pytest.raises(SettingError, match=r"1 node of this Ray would train otherwise .*:\n  one that joined: "):
        initium.compare(**ASKED, model="mlp", engine="ray")


def test_a_package_that_a_node_lacks_is_named(monkeypatch):
    with pytest.raises(SettingError, match="  far: no initium, no torch\n"):
        _cluster.check_versions({"far": {**_cluster.own_versions(), "initium": "", "torch": ""}})


def test_tasks_for_which_no_node_has_room_are_refused():
    with pytest.raises(SettingError) as error:
        initium.compare(**ASKED, model="mlp", engine="ray", cpus=64)
    assert str(error.value) == (
        "A task asks for 64 CPUs, and the largest node of this Ray has 1; ask for less by --cpus (from Python: cpus)."
    )


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"cpus": 2}, "`cpus` is of the engine 'ray'; ask for that, or leave it out."),
        ({"engine": "local", "address": "auto"}, "`address` is of the engine 'ray'; ask for that, or leave it out."),
        ({"engine": "ray", "cpus": 0}, "cpus is a number above 0, not 0."),
    ],
)
def test_what_an_engine_does_not_take_is_refused(asked, told):
    with pytest.raises(SettingError, match=re.escape(told)):
        initium.compare(**ASKED, model="mlp", **asked)


def test_without_ray_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(initium.MissingExtraError, match=r"Training on Ray needs .*pip install 'initium\[ray\]'"):
        _cluster.joined("", 1)


def test_the_command_says_the_same_and_fits_a_terminal(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["compare", "he_normal", "zeros", "--data", "iris", "--seeds", "4", "--epochs", "2"]
    on_ray, here = (CliRunner().invoke(_cli.app, [*words, *more]) for more in (["--engine", "ray"], ["--jobs", "2"]))
    assert on_ray.exit_code == here.exit_code == 0, on_ray.output
    assert "Starting 2 tasks; by a trial about" in on_ray.stderr
    assert max(map(len, on_ray.stdout.splitlines())) <= 80
    assert tables(on_ray.stdout) == tables(here.stdout)


def tables(text):
    """Without where it is kept."""
    return text.partition("Page with")[0].partition("Runs: ")[0]


def test_a_chunk_that_is_asked_for_is_that_of_processes():
    study = initium.Study("mlp(4, 8, 3)", "iris", ["he_normal", "zeros"], seeds=8)
    engine = _ray.Ray(limit=5.0, chunk=4).prepare(study)
    assert (engine.jobs, engine.chunk, engine.limit_of(1.0, 1.0)) == (2, 4, Processes(1, 5.0).limit_of(1.0, 1.0))
