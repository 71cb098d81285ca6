"""A study by the command: killed and resumed, shared, shown, written down."""

import csv
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from initium import _cli, _compare_command
from initium._asked import asked
from initium._compare._compare import show
from initium._compare._precision import Precision
from initium._engine import Processes
from initium._errors import SettingError
from initium._store._cache import cached
from initium._store._store import Store
from initium._study._toml import write_toml

INITIUM = [sys.executable, "-m", "initium", "compare"]
EXPLODES = ("depth", "width", "batch-size")
QUICK = ["--data", "iris", "--seeds", "2", "--epochs", "1"]


def run(*args):
    return CliRunner().invoke(_cli.app, list(args))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_a_grid_is_kept_exported_shown_and_added_to(folder):
    asked = ["compare", "he_normal", "zeros", *QUICK[:2], "--epochs", "1", "--store", "s.db"]
    first = run(*asked, "--seeds", "2", "--lr", "0.1,0.01", "--export", "a.csv")
    assert first.exit_code == 0, first.output
    assert first.stderr.startswith("Comparing 2 starts x 2 lr x 2 runs = 8 runs of mlp on iris.\n")
    assert "Starting 2 processes; by a trial about" in first.stderr
    assert max(map(len, first.stdout.splitlines())) <= 80
    before = {(row["start"], row["lr"], row["run"]): row for row in rows("a.csv")}
    assert len(before) == 8
    refused = run(*asked, "--seeds", "2", "--lr", "0.1,0.01")
    assert refused.exit_code == 2
    assert "OutputError: 's.db' exists, and a study is never written over. Go on with it by --resume" in refused.stderr
    more = run(*asked, "--seeds", "3", "--lr", "0.1", "--lr", "1", "--resume", "--export", "a.csv")
    assert more.exit_code == 0, more.output
    after = {(row["start"], row["lr"], row["run"]): row for row in rows("a.csv")}
    assert len(after) == 16
    asked_in = [(start, lr) for start in ("he_normal", "zeros") for lr in ("0.1", "0.01", "1")]
    assert [one[:2] for one in dict.fromkeys(after)] == sorted((one[:2] for one in after), key=asked_in.index)
    assert {key: after[key] for key in before} == before  # not a second was trained anew
    assert {lr for _, lr, _ in after} == {"0.1", "0.01", "1"}
    other = run(*asked[:-2], "--store", "s.db", "--seeds", "2", "--resume", "--epochs", "2")
    assert other.exit_code == 2
    assert "  length: 1 epoch there, 2 epochs here\n" in other.stderr
    shown = run("compare", "--show", "s.db", "--out", "p.html", "--export", "b.json")
    assert shown.exit_code == 0, shown.output
    few = "Too few runs to tell: 3 of each start cannot show any difference, however large; 9 or more can"
    assert few in " ".join(shown.stdout.split())
    assert len(json.loads(Path("b.json").read_text())["runs"]) == 16
    assert sorted(path.name for path in folder.iterdir()) == [
        *("a.csv", "a.curves.csv", "b.json", "compare.html", "p.html", "s.db"),
    ]


def test_cells_that_were_asked_for_one_by_one_are_all_shown_and_exported(folder):
    asked = ["compare", "he_normal", "zeros", *QUICK[:2], "--epochs", "1", "--seeds", "2", "--store", "s.db"]
    for lr in ("0.1", "0.10000001"):
        more = run(*asked, "--lr", lr, "--resume", "--export", "a.csv")
        assert more.exit_code == 0, more.output
    assert {(row["lr"], row["run"]) for row in rows("a.csv")} == {
        *(("0.1", "0"), ("0.1", "1"), ("0.10000001", "0"), ("0.10000001", "1")),
    }
    grid = show("s.db")
    assert list(grid) == ["lr=0.1", "lr=0.10000001"]
    assert grid.axes == ("lr",)


def test_a_study_is_written_down_and_read_again(folder):
    first = run(
        "compare", "he_normal", "zeros", *QUICK, "--width", "4,8", "--save-study", "s.toml", "--export", "a.csv"
    )
    assert first.exit_code == 0, first.output
    assert Path("s.toml").read_text().splitlines()[1:] == [
        'inits = ["he_normal", "zeros"]', 'model = "mlp"', 'data = "iris"', "width = [4, 8]", "seeds = 2", "epochs = 1",
    ]  # fmt: skip
    again = run("compare", "s.toml", "--export", "b.csv")
    assert again.exit_code == 0, again.output
    figures = [[{name: row[name] for name in row if name != "seconds"} for row in rows(f"{x}.csv")] for x in "ab"]
    key = lambda row: (row["start"], row["width"], row["run"])  # noqa: E731
    assert sorted(figures[0], key=key) == sorted(figures[1], key=key)


VALUES = [
    *("(16, 32)", "(16, 32),(8, 8)", "((1, 2), 3)", "[(1, 2)]", "()", "(None, b'x')", "[16, 32]", "[16],[8]", "[]"),
    *("True", "True,1", "1", "'1'", "1,'1'", "1e16", "-inf", "-0.0", "1_000", "学习", "a\\b", 'a"b', "'\\x7f\\n'"),
    *("{'a': 1}", "{'a': {'学': (1, 2)}}", "{}", "(1", "(x)", "10**3"),
]


@pytest.mark.parametrize("text", VALUES)
def test_what_is_written_down_is_read_as_it_was(folder, text):
    asked_for = asked(["he_normal", "zeros", "--hidden", text], {"data": "列.csv"})
    write_toml("s.toml", asked_for)
    assert repr(asked(["s.toml"], {})) == repr(asked_for)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("None", "hidden cannot be written to 's.toml': TOML has no None. Leave out --save-study, or give another"),
        ("None,1", "TOML has no None."),
        ("b'x'", "TOML has no value as b'x'."),
        ("1j", "TOML has no value as 1j."),
        ("...", "TOML has no value as Ellipsis."),
        ("{1}", "TOML has no value as {1}."),
        ("{1: 2}", "the names of a table in TOML are texts, not 1."),
        ("{'a': {1: 2}}", "the names of a table in TOML are texts, not 1."),
        ("'(1, 2)'", "the text '(1, 2)' would be read as a tuple."),
        ("(1, 1e400)", "(1, inf) cannot be read again from its text."),
        ("\udcff", "'\\udcff' is no text in UTF-8."),
    ],
)
def test_what_cannot_be_written_down_is_refused_with_the_reason(folder, text, message):
    with pytest.raises(SettingError) as error:
        write_toml("s.toml", asked(["he_normal", "zeros", "--hidden", text], {}))
    assert message in str(error.value)
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("(1, (2, 3)),4", [(1, (2, 3)), 4]),
        ("[1, [2, 3], 4],5", [[1, [2, 3], 4], 5]),
        ("{'a': 1, 'b': (2, 3)},4", [{"a": 1, "b": (2, 3)}, 4]),
        ("1,(2", [1, "(2"]),
        ("a(1, 2),b", ["a(1, 2)", "b"]),
    ],
)
def test_commas_part_what_stands_in_no_bracket(text, values):
    assert asked(["he_normal", "zeros", "--hidden", text], {})["hidden"] == values


def test_what_is_none_where_nobody_says_anything_is_left_out(folder):
    write_toml("s.toml", asked(["he_normal", "zeros"], {"clip": ["None"], "seeds": 3}))
    assert "clip" not in asked(["s.toml"], {})
    with pytest.raises(SettingError, match=r"data cannot be written to 's.toml': '.udcff.csv' is no text"):
        write_toml("s.toml", asked(["he_normal", "zeros"], {"data": "\udcff.csv"}))


def test_a_model_in_a_file_takes_its_own_arguments_and_its_change_is_noticed(folder):
    Path("beside.py").write_text("SIZE = 4\n")
    Path("net.py").write_text(
        "from torch import nn\nfrom beside import SIZE\n\ndef build(hidden=8):\n"
        "    return nn.Sequential(nn.Linear(SIZE, hidden), nn.ReLU(), nn.Linear(hidden, 3))\n"
    )
    asked = ["compare", "he_normal", "author", "--model", "net.py:build", *QUICK, "--store", "s.db"]
    first = run(*asked, "--hidden", "5,6", "--rule", "2.*=zeros")
    assert first.exit_code == 0, first.output
    assert "hidden 6" in first.stdout
    Path("beside.py").write_text("SIZE = 2 + 2\n")
    sys.modules.pop("beside", None)
    refused = run(*asked, "--hidden", "5,6", "--rule", "2.*=zeros", "--resume")
    assert refused.exit_code == 2
    assert "  source of the model: " in refused.stderr
    wrong = run(*asked[:-2], "--hiden", "5,6")
    assert "takes no `hiden`; it takes hidden. The closest is `hidden`." in wrong.stderr


def test_a_study_is_written_in_its_own_letters_and_its_rules_are_a_table(folder):
    written = run("compare", "he_normal", "zeros", "--data", "数据.csv", "--save-study", "s.toml")
    assert written.exit_code == 2  # there is no such file, and the study is written all the same
    assert 'data = "数据.csv"' in Path("s.toml").read_text(encoding="utf-8")
    Path("t.toml").write_text('inits = ["he_normal", "zeros"]\nrules = ["a=zeros"]\n')
    assert "'t.toml': rules are a table of their own: [rules]" in run("compare", "t.toml", *QUICK).stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--show", "no.db"], "OutputError: There is no file 'no.db'."),
        (["--show", "no.db", "--out", "x.csv"], "OutputError: 'x.csv' is no name of a page, which ends in .html."),
        (["he_normal", "zeros", "--out", "x.csv"], "OutputError: 'x.csv' is no name of a page, which ends in .html."),
        (
            ["--show", "s.db", "--lr", "1"],
            "SettingError: `--show` shows what a store holds, and trains nothing; leave out",
        ),
        (
            ["he_normal", "zeros", "--hidden"],
            "SettingError: `--hidden` is no option, and an argument of a model function",
        ),
        (["he_normal", "zeros", "--lr", "0.1,,1"], "SettingError: --lr lists nothing between two commas: 0.1,,1."),
        (["he_normal", "zeros", "--export", "a.xls"], "OutputError: 'a.xls': runs are exported to a file that ends in"),
        (
            ["he_normal", "zeros", "--store", "no/s.db", *QUICK],
            "OutputError: 'no/s.db' cannot be opened. There is no such",
        ),
        (["he_normal", "zeros", "--data", "."], "DataError: '.' is a folder; name a file in it."),
        (["a.toml", "zeros"], "SettingError: 'a.toml' names the starts itself; leave out the others."),
        (
            ["he_normal", "zeros", "--seed", "1", *(f"--{x}={','.join(map(str, range(1, 14)))}" for x in EXPLODES)],
            "SettingError: The grid has 87,880 runs, of 4,394 starts in places; a trial of each takes long itself.",
        ),
        (["he_normal", "zeros", "--margin", "0"], "SettingError: margin is a number above 0, not 0.0."),
        (["he_normal", "zeros", "--epochs", "9999999"], "SettingError: 40 runs would take about "),
    ],
)
def test_what_is_wrong_is_one_message_before_anything_is_trained(folder, args, message):
    found = run("compare", *args)
    assert found.exit_code == 2
    assert message in found.stderr
    assert "Starting" not in found.stderr
    assert not list(folder.iterdir())


def test_runs_are_trained_by_the_processes_that_were_asked_for_and_got_ready(folder, monkeypatch):
    ready, trains = [], []
    monkeypatch.setattr(Processes, "prepare", lambda engine, study: ready.append(engine))
    monkeypatch.setattr(_compare_command, "trained", lambda study, engine, **_: trains.append(engine) or 1 / 0)
    run("compare", "he_normal", "zeros", *QUICK, "--jobs", "3", "--limit", "7", "--chunk", "4", "--memory", "0.5")
    assert ready[0] is trains[0]
    assert trains == [Processes(3, 7, 4, 0.5)]


@pytest.mark.parametrize(
    ("more", "seconds"),
    [((), 3600), (("--yes",), None), (("--budget", "2h"), 7200), (("--yes", "--budget", "2h"), 7200)],
)
def test_runs_are_added_for_an_hour_unless_more_is_asked_for(folder, monkeypatch, more, seconds):
    asked = []
    monkeypatch.setattr(_compare_command, "trained", lambda study, precision, **_: asked.append(precision) or 1 / 0)
    run("compare", "he_normal", "zeros", *QUICK, "--precision", "0.5", *more)
    assert asked == [Precision(0.5, seconds)]


def test_studies_without_a_file_are_in_the_cache_listed_and_cleaned(folder, monkeypatch):
    monkeypatch.setenv("INITIUM_CACHE", str(folder / "cache"))
    assert run("studies").stdout == f"No study in {folder}/cache.\n"
    first = run("compare", "he_normal", "zeros", *QUICK)
    assert first.exit_code == 0, first.output
    (path,) = cached()
    assert f"\nRuns: {path}\n" in first.stdout
    assert run("compare", "he_normal", "zeros", *QUICK, "--resume").exit_code == 0
    assert list(cached()) == [path]  # gone on with, and no second one
    assert "    mlp on iris; 4 of 4 runs, " in run("studies").stdout
    with Store.read(path) as kept:
        identity = kept.facts(identity=True)
    with Store.resume(path, identity) as held:
        next(held.claims([held.rows()[0].key._replace(number=7)]))
        assert "; in use\n" in run("studies", "--prune").stdout
        assert path.exists()
    with sqlite3.connect(other := path.with_name("newer.db")) as newer, sqlite3.connect(path) as now:
        now.backup(newer)
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    now.close()
    listed = run("studies", "--prune")
    assert listed.exit_code == 0
    assert f"'{other}' was written by a newer Initium" in listed.stdout
    assert "; removed\n" in listed.stdout
    assert list(cached()) == [other]


def test_a_study_whose_command_was_killed_is_removed_whole_and_one_in_use_stays(folder, monkeypatch):
    monkeypatch.setenv("INITIUM_CACHE", str(folder / "cache"))
    Path("cache").mkdir()
    (Path("cache") / "notes.db").write_text("somebody else's")
    code = """
import os, signal, sys
from pathlib import Path
from initium._store import Key
from initium._store._store import Store
from initium._study._toml import write_toml
store = Store.begin(Path(sys.argv[1]), {"model": "mlp"})
store.claim(Key("zeros", "{}", 0))
print("begun", flush=True)
os.kill(os.getpid(), signal.SIGKILL) if sys.argv[2] else sys.stdin.read()
"""
    start = [sys.executable, "-c", code]
    used = subprocess.Popen([*start, "cache/used.db", ""], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
    assert used.stdout.readline() == "begun\n"
    subprocess.run([*start, "cache/dead.db", "kill"], stdout=subprocess.PIPE)
    assert Path("cache/dead.db-wal").exists()  # what it had not put away
    try:
        listed = run("studies", "--prune")
        assert listed.exit_code == 0, listed.output
        assert listed.stdout.count("; in use\n") == listed.stdout.count("; removed\n") == 1
        assert sorted({path.name.partition("-")[0] for path in Path("cache").iterdir()}) == ["notes.db", "used.db"]
        assert Store.read(Path("cache/used.db")).is_held
    finally:
        used.communicate("")
    assert "; removed\n" in run("studies", "--prune").stdout
    assert [path.name for path in Path("cache").iterdir()] == ["notes.db"]


def started(*more):
    args = [
        "he_normal",
        "zeros",
        "--data",
        "iris",
        "--seeds",
        "60",
        "--epochs",
        "2",
        "--chunk",
        "4",
        "--store",
        "s.db",
    ]
    return subprocess.Popen([*INITIUM, *args, *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def num_kept():
    if not Path("s.db").exists():
        return 0
    with Store.read(Path("s.db")) as store:
        return len(store.finished())


@pytest.mark.parametrize(("more", "size"), [(("--chunk", "3"), 3), (("--memory", "1e-6"), 1)])
def test_runs_train_together_as_the_command_asks(folder, more, size):
    args = [
        "compare",
        "he_normal",
        "zeros",
        "--data",
        "iris",
        "--model",
        "mlp(4, 8, 3)",
        "--seeds",
        "6",
        "--epochs",
        "1",
    ]
    found = run(*args, "--store", "s.db", *more)
    assert found.exit_code == 0, found.output
    with Store.read(Path("s.db")) as store:
        (said,) = store.facts()["replicas"].values()
    assert said == {"he_normal": size, "zeros": size}


@pytest.mark.slow
def test_five_kills_of_the_command_lose_nothing(folder):
    moments, counts = random.Random(0), [0]
    for kill in range(5):
        process, deadline = started("--resume"), time.monotonic() + 180
        while num_kept() < counts[-1] + (5 if kill else 1) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(moments.random() / 10)
        before = num_kept()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert num_kept() >= before > counts[-1]
        counts.append(num_kept())
    last = started("--resume", "--export", "a.csv")
    out, err = last.communicate(timeout=300)
    assert last.returncode == 0, err
    assert "60 paired runs of each start" in " ".join(out.split())
    assert len({(row["start"], row["run"]) for row in rows("a.csv")}) == len(rows("a.csv")) == 120


@pytest.mark.slow
def test_two_commands_share_the_runs_and_say_the_same(folder):
    both = [started("--resume", "--out", f"{name}.html") for name in "ab"]
    said = [process.communicate(timeout=400) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert said[0][0].split("Runs:")[0] == said[1][0].split("Runs:")[0]
    assert num_kept() == 120


# Where the tests run in the background, a shell has told what they start to ignore Ctrl-C.
HEARING = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from initium_command import run
run()
"""


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
@pytest.mark.slow
def test_ctrl_c_says_in_a_line_how_to_go_on(folder):
    args = ["compare", "he_normal", "zeros", "--data", "iris", "--seeds", "500", "--epochs", "2", "--store", "s.db"]
    process = subprocess.Popen(
        [sys.executable, "-c", HEARING, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 180
    while num_kept() < 8 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1].endswith(
        " of 1,000 runs had finished; they are saved, and above is what can be compared. Go on with: initium compare "
        "he_normal zeros --data iris --seeds 500 --epochs 2 --store s.db --resume."
    )
    assert "Traceback" not in err
