"""The file of a study: nothing that finished is lost, nothing is done twice, nobody else's is touched."""

import errno
import json
import math
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from initium import OutputError, SettingError
from initium._store import Key, Row, _file
from initium._store._export import check_export, export
from initium._store._store import Store, beating
from initium._store._told import told

IDENTITY = {"model": "mlp", "seed": 0, "epochs": 3}
KEYS = [Key(start, "{}", number) for number in range(20) for start in ("he_normal", "zeros")]


def row(key, score=0.5, loss=0.1):
    curve = ((1.0, 1.1, 0.1), (loss, loss, score))
    return Row(key, 0, loss, loss, score, not math.isfinite(loss), 0.25, curve, b"more")


def test_what_finished_is_there_as_it_was(tmp_path):
    with Store.begin(tmp_path / "s.db", IDENTITY) as store:
        store.finish(row(KEYS[0]))
        store.finish(row(KEYS[1], loss=math.nan))
    with Store.read(tmp_path / "s.db") as store:
        one, other = store.rows()
    assert one == row(KEYS[0])
    assert other.diverged
    assert math.isnan(other.train_loss)
    assert math.isnan(other.curve[1][0])
    assert [path.name for path in tmp_path.iterdir()] == ["s.db"]


def test_what_cannot_be_kept_is_no_run_that_somebody_else_has_finished(tmp_path):
    with Store.begin(tmp_path / "s.db", IDENTITY) as store:
        with pytest.raises(OutputError):
            store.finish(replace(row(KEYS[0]), seconds=math.nan))
        assert not store.finished()
        store.finish(row(KEYS[0], score=0.5))
        store.finish(row(KEYS[0], score=0.25))
        assert [one.score for one in store.rows()] == [0.5]


def test_rows_come_in_one_order_whoever_finished_first(tmp_path):
    keys = sorted(
        (Key(start, cell, number) for start in "ab" for cell in "cd" for number in range(2)),
        key=lambda k: (k.number, k),
    )
    for name, order in (("s.db", keys), ("t.db", keys[::-1])):
        with Store.begin(tmp_path / name, IDENTITY) as store:
            for key in order:
                store.finish(row(key))
            assert [one.key for one in store.rows()] == keys


@pytest.mark.parametrize("way", [Store.begin, Store.resume])
def test_a_store_is_held_as_long_as_it_is_open_to_write(tmp_path, way):
    """Also before the first run is claimed, and after the last."""
    with way(tmp_path / "s.db", IDENTITY) as store, Store.read(store.path) as seen:
        assert seen.is_held
        assert store.claim(KEYS[0])
        store.finish(row(KEYS[0]))
        assert seen.is_held
        with Store.resume(store.path, IDENTITY) as other:
            assert other.claim(KEYS[1])  # what is held is shared
        assert seen.is_held
    with Store.read(tmp_path / "s.db") as seen:
        assert not seen.is_held


def test_a_store_is_never_written_over(tmp_path):
    Store.begin(tmp_path / "s.db", IDENTITY).close()
    with pytest.raises(OutputError) as error:
        Store.begin(tmp_path / "s.db", IDENTITY)
    assert str(error.value) == (
        f"'{tmp_path}/s.db' exists, and a study is never written over. Go on with it by --resume (from Python: "
        "resume=True), or name another file."
    )


@pytest.mark.parametrize("content", [b"", b"my thesis", b"SQLite format 3\0" + b"\0" * 200])
def test_a_file_of_somebody_elses_is_refused_and_stays(tmp_path, content):
    (tmp_path / "s.db").write_bytes(content)
    for way in (Store.begin, Store.resume):
        with pytest.raises(OutputError):
            way(tmp_path / "s.db", IDENTITY)
    with pytest.raises(OutputError, match="is no study of Initium's; name another file"):
        Store.read(tmp_path / "s.db")
    assert (tmp_path / "s.db").read_bytes() == content


def test_a_database_of_somebody_elses_is_refused(tmp_path):
    with sqlite3.connect(tmp_path / "s.db") as other:
        other.execute("CREATE TABLE run (a)")
    other.close()
    with pytest.raises(OutputError, match="is no study"):
        Store.resume(tmp_path / "s.db", IDENTITY)


def test_a_store_of_another_study_is_refused_with_what_differs(tmp_path):
    Store.begin(tmp_path / "s.db", IDENTITY).close()
    with pytest.raises(SettingError) as error:
        Store.resume(tmp_path / "s.db", {**IDENTITY, "model": "cnn", "epochs": 5})
    assert str(error.value) == (
        f"'{tmp_path}/s.db' is another study's; runs and cells can be added, and these cannot differ:\n"
        "  model: mlp there, cnn here\n  epochs: 3 there, 5 here\nName another file, or ask as it was asked there."
    )


def test_what_only_one_says_of_itself_is_a_difference_unless_it_is_a_start(tmp_path):
    Store.begin(tmp_path / "s.db", IDENTITY).close()
    with pytest.raises(SettingError, match="steps: nothing there, 9 here\n  epochs: 3 there, nothing here"):
        Store.resume(tmp_path / "s.db", {"model": "mlp", "seed": 0, "steps": 9})


def test_a_start_that_only_one_has_contradicts_nothing_and_is_kept(tmp_path):
    Store.begin(tmp_path / "s.db", {**IDENTITY, "start zeros": "zeros"}).close()
    Store.resume(tmp_path / "s.db", {**IDENTITY, "start auto": "auto version 7"}).close()
    with pytest.raises(SettingError, match="start auto: auto version 7 there, auto version 8 here"):
        Store.resume(tmp_path / "s.db", {**IDENTITY, "start auto": "auto version 8"})


def test_two_claim_nothing_twice_and_what_is_let_go_is_free(tmp_path):
    one, other = Store.begin(tmp_path / "s.db", IDENTITY), Store.resume(tmp_path / "s.db", IDENTITY)
    mine = [next(one.claims(KEYS)) for _ in range(3)]
    theirs = next(other.claims(KEYS))
    assert len({*mine, theirs}) == 4
    assert other.is_held
    one.close()
    assert next(other.claims(KEYS)) == KEYS[0]


def test_the_claims_of_a_dead_process_lapse(tmp_path):
    store = Store.begin(tmp_path / "s.db", IDENTITY)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    store._pid = dead.pid
    assert store.claim(KEYS[0])
    assert Store.resume(tmp_path / "s.db", IDENTITY).claim(KEYS[0])


def test_a_claim_on_another_machine_lapses_without_a_sign_of_life(tmp_path, monkeypatch):
    store, other = Store.begin(tmp_path / "s.db", IDENTITY), Store.resume(tmp_path / "s.db", IDENTITY)
    store._host = "elsewhere"
    assert store.claim(KEYS[0])
    elsewhere = (
        f"'{tmp_path}/s.db' is in use on another machine, 'elsewhere', and a study's file is for one machine at a "
        "time. Name another file here; or end what is at work there, and go on by --resume a minute later."
    )
    # Met when it is opened, when it is only checked, and when somebody began there after it was opened here.
    ways = (lambda: Store.resume(store.path, IDENTITY), lambda: Store.check_old(store.path, IDENTITY))
    for way in (*ways, lambda: other.claim(KEYS[0])):
        with pytest.raises(OutputError) as error:
            way()
        assert str(error.value) == elsewhere
    assert other.claim(KEYS[1])  # of which nobody says anything there
    now = time.time()
    monkeypatch.setattr("initium._store._store.time.time", lambda: now + 50)
    store.beat()
    monkeypatch.setattr("initium._store._store.time.time", lambda: now + 100)
    with pytest.raises(OutputError, match="is in use on another machine"):
        other.claim(KEYS[0])
    monkeypatch.setattr("initium._store._store.time.time", lambda: now + 111)
    Store.check_old(store.path, IDENTITY)
    Store.resume(store.path, IDENTITY).close()
    assert other.claim(KEYS[0])


def test_a_look_at_what_another_machine_works_on_is_anybodys(tmp_path):
    with Store.begin(tmp_path / "s.db", IDENTITY) as store:
        store.finish(row(KEYS[0]))
        store._host = "elsewhere"
        store.claim(KEYS[1])
        with Store.read(store.path) as shown:
            assert len(shown.rows()) == 1
            assert shown.is_held


def test_signs_of_life_come_by_themselves(tmp_path, monkeypatch):
    monkeypatch.setattr("initium._store._store._BEAT", 0.01)
    store, other = Store.begin(tmp_path / "s.db", IDENTITY), Store.resume(tmp_path / "s.db", IDENTITY)
    store.claim(KEYS[0])
    other._connection.execute("UPDATE claim SET beat = 0, host = 'elsewhere'")
    with beating(store):
        deadline = time.monotonic() + 20
        while not other._connection.execute("SELECT max(beat) FROM claim").fetchone()[0]:
            assert time.monotonic() < deadline
    with pytest.raises(OutputError, match="is in use on another machine, 'elsewhere'"):
        other.claim(KEYS[0])


def test_a_full_disk_is_told_and_what_had_finished_stays(tmp_path):
    store = Store.begin(tmp_path / "s.db", IDENTITY)
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages + 3}")
    with pytest.raises(OutputError) as error:  # noqa: PT012  one of them fails, and which is not known
        for num, key in enumerate(KEYS):  # noqa: B007  how many went well is asked below
            store.finish(Row(key, 0, 0.1, 0.1, 0.5, False, 1.0, row(key).curve, b"x" * 3000))
    assert str(error.value) == (
        f"'{tmp_path}/s.db' cannot be written: the disk is full. What had finished is kept: make room, then go on with "
        "--resume."
    )
    store.close()
    again = Store.resume(tmp_path / "s.db", IDENTITY)
    assert 0 < len(again.finished()) == num < len(KEYS)
    for key in again.claims(KEYS):
        again.finish(row(key))
    assert again.finished() == set(KEYS)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_store_is_shown_and_not_written(tmp_path):
    with Store.begin(tmp_path / "s.db", IDENTITY) as store:
        store.finish(row(KEYS[0]))
    (tmp_path / "s.db").chmod(0o444)
    tmp_path.chmod(0o555)
    try:
        assert Store.read(tmp_path / "s.db").finished() == {KEYS[0]}
        with pytest.raises(OutputError, match="it is read-only"):
            Store.resume(tmp_path / "s.db", IDENTITY).claim(KEYS[1])
    finally:
        tmp_path.chmod(0o755)


def test_the_log_is_written_ahead(tmp_path):
    """As the file says itself: whoever opens it finds it so, now and after it was closed and copied."""
    with Store.begin(tmp_path / "s.db", IDENTITY) as store:
        assert store._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        store.finish(row(KEYS[0]))
        assert (tmp_path / "s.db-wal").stat().st_size > 0
    assert (tmp_path / "s.db").read_bytes()[18:20] == b"\2\2"  # by SQLite's format: 1 is a journal, 2 a log
    with Store.resume(tmp_path / "s.db", IDENTITY) as again:
        assert again._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


# Root may write anywhere, so somebody else asks.
ASKS = """
import os
import sys
from pathlib import Path
from initium import OutputError
from initium._store._store import Store

if os.geteuid() == 0:
    os.setuid(65534)
path, identity = Path(sys.argv[1]), {"model": "mlp", "seed": 0, "epochs": 3}
print(len(Store.read(path).finished()))
for way in (Store.check_old, Store.resume):
    try:
        way(path, identity)
    except OutputError as error:
        print(error)
"""
READ_ONLY = "cannot be written: it is read-only. Name a store that you can write to, or look at it with --show."


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
@pytest.mark.parametrize(("file", "folder"), [(0o444, 0o555), (0o444, 0o755), (0o644, 0o555)])
def test_a_read_only_store_is_one_message_and_can_be_shown(file, folder):
    place = Path(tempfile.mkdtemp())
    path = place / "s.db"
    try:
        with Store.begin(path, IDENTITY) as store:
            store.finish(row(KEYS[0]))
        for one in (path, place) if os.geteuid() == 0 else ():
            os.chown(one, 65534, -1)
        path.chmod(file)
        place.chmod(folder)
        before = path.read_bytes()
        found = subprocess.run([sys.executable, "-c", ASKS, str(path)], capture_output=True, text=True)
        assert found.stdout.splitlines() == ["1", *[f"'{path}' {READ_ONLY}"] * 2], found.stderr
        assert path.read_bytes() == before
    finally:
        place.chmod(0o755)
        shutil.rmtree(place)


def test_a_place_that_is_none_is_told(tmp_path):
    with pytest.raises(OutputError, match="There is no such folder; name a store in a folder that you can write to"):
        Store.begin(tmp_path / "no" / "s.db", IDENTITY)


def test_a_store_of_older_tables_is_brought_up_to_date_and_keeps_its_runs(tmp_path, monkeypatch):
    with Store.begin(tmp_path / "s.db", IDENTITY) as store:
        store.finish(row(KEYS[0]))
    monkeypatch.setattr(_file, "VERSION", _file.VERSION + 1)
    for path, way in ((Store.read, "use the version that wrote it"), (lambda p: Store.resume(p, IDENTITY), "use the")):
        with pytest.raises(OutputError, match=way):
            path(tmp_path / "s.db")
    monkeypatch.setitem(_file.UPGRADES, _file.VERSION - 1, "ALTER TABLE run ADD COLUMN machine TEXT; SELECT 1")
    with pytest.raises(OutputError, match=r"was written by an older Initium .* resume it once, which brings it up"):
        Store.read(tmp_path / "s.db")
    with Store.resume(tmp_path / "s.db", IDENTITY) as store:
        assert store.rows() == [row(KEYS[0])]
        assert store._connection.execute("SELECT machine FROM run").fetchall() == [(None,)]
    assert Store.read(tmp_path / "s.db").rows() == [row(KEYS[0])]


def test_a_check_changes_nothing_even_of_older_tables(tmp_path, monkeypatch):
    Store.begin(tmp_path / "s.db", IDENTITY).close()
    before = (tmp_path / "s.db").read_bytes()
    Store.check_old(tmp_path / "s.db", {**IDENTITY, "start auto": "auto version 7"})
    monkeypatch.setattr(_file, "VERSION", _file.VERSION + 1)
    monkeypatch.setitem(_file.UPGRADES, _file.VERSION - 1, "ALTER TABLE run ADD COLUMN machine TEXT")
    Store.check_old(tmp_path / "s.db", IDENTITY)
    with pytest.raises(SettingError, match="seed: 0 there, 1 here"):
        Store.check_old(tmp_path / "s.db", {**IDENTITY, "seed": 1})
    assert (tmp_path / "s.db").read_bytes() == before
    monkeypatch.setattr("initium._store._store.os.access", lambda *_: False)
    with pytest.raises(OutputError, match="it is read-only"):
        Store.check_old(tmp_path / "s.db", IDENTITY)


def test_what_two_add_to_one_fact_is_both_there(tmp_path):
    one, other = Store.begin(tmp_path / "s.db", IDENTITY), Store.resume(tmp_path / "s.db", IDENTITY)
    begun = threading.Barrier(2)

    def add(before):
        time.sleep(0.05)  # as long as the other needs to read what was there
        return {"cells": [*before.get("cells", ()), len(before.get("cells", ()))]}

    def work(store):
        for _ in range(3):
            begun.wait()
            store.say(add)

    threads = [threading.Thread(target=work, args=(store,)) for store in (one, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert one.facts() == {"cells": [0, 1, 2, 3, 4, 5]}


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "-"), "the disk is full"),
        (OSError(errno.EROFS, "-"), "it is read-only"),
        (PermissionError(errno.EACCES, "-"), "You cannot write there"),
        (sqlite3.DatabaseError("full, readonly, locked"), "cannot be used: full, readonly, locked."),
    ],
)
def test_what_goes_wrong_is_known_by_its_number(tmp_path, error, said):
    with pytest.raises(OutputError, match=said), told(tmp_path / "s.db"):
        raise error


def test_what_was_begun_as_ctrl_c_came_is_undone_by_whoever_writes_next(tmp_path):
    with Store.begin(tmp_path / "s.db", IDENTITY) as store:
        store._connection.execute("BEGIN IMMEDIATE")
        store._connection.execute("DELETE FROM fact")
        store.finish(row(KEYS[0]))
        assert store.finished() == {KEYS[0]}
        assert store.facts(identity=True) == IDENTITY


def test_a_store_of_newer_tables_is_refused(tmp_path):
    store = Store.begin(tmp_path / "s.db", IDENTITY)
    store._connection.execute("PRAGMA user_version = 99")
    store.close()
    with pytest.raises(OutputError, match=r"was written by a newer Initium \(tables 99, and 1 here\); use the version"):
        Store.resume(tmp_path / "s.db", IDENTITY)


WORK = """
import sys
from pathlib import Path
from initium._store import Key, Row
from initium._store._store import Store, beating

keys = [Key(start, "{}", number) for number in range(int(sys.argv[2])) for start in ("he_normal", "zeros")]
with Store.resume(Path(sys.argv[1]), {"model": "mlp", "seed": 0, "epochs": 3}) as store, beating(store):
    print("begun", flush=True)
    for key in store.claims(keys):
        store.finish(Row(key, 0, 0.1, 0.2, 0.5, False, 0.1, ((1.0, 1.0, 0.1), (0.1, 0.2, 0.5)), b"x" * 500))
        print(f"{key.start} {key.number}", flush=True)
print("all", flush=True)
"""


def work(path, num=400):
    command = [sys.executable, "-c", WORK, str(path), str(num)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


OTHER = """
import sys
from pathlib import Path
from initium._store._store import Store
Store.resume(Path(sys.argv[1]), {"model": "mlp", "seed": 0, "epochs": 3}).close()
"""


def test_a_look_at_the_file_lets_go_of_no_lock(tmp_path):
    """Whoever closes a file that SQLite has open loses the locks on it, and what is written then."""
    path = tmp_path / "s.db"
    with Store.begin(path, IDENTITY) as store:
        store.finish(row(KEYS[0]))
        _file.check_study(path)
        subprocess.run([sys.executable, "-c", OTHER, str(path)], check=True)
        store.finish(row(KEYS[1]))
        subprocess.run([sys.executable, "-c", OTHER, str(path)], check=True)
        with Store.read(path) as again:
            assert len(again.rows()) == 2


@pytest.mark.slow
def test_a_hundred_kills_lose_nothing_and_repeat_nothing(tmp_path):
    """Each time at a random moment of the work; what a process told to have finished is there, once."""
    moments, told, kills = random.Random(0), [], 0
    path = tmp_path / "s.db"
    while kills < 100:
        process = work(path, 20_000)
        # The first kills may come while the file is made.
        if kills >= 10:
            assert process.stdout.readline() == "begun\n"
        time.sleep(moments.random() * (0.4 if kills < 10 else 0.02))
        process.send_signal(signal.SIGKILL)
        # A kill may cut a line, which then told nothing yet.
        *lines, _ = process.communicate()[0].split("\n")
        told += [line.split() for line in lines if " " in line]
        kills += 1
    assert len({tuple(key) for key in told}) == len(told)  # nothing was trained twice
    with Store.resume(path, IDENTITY) as store:
        kept = store.finished()
        assert {(start, int(number)) for start, number in told} <= {key[::2] for key in kept}
        assert len(kept) - len(told) <= kills  # one was kept and not yet told
        assert len(told) > 100
        assert all(len(one.curve) == 2 and len(one.detail) == 500 for one in store.rows())
        assert store._connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with Store.read(path) as store:
        assert not store.is_held  # whoever was killed holds nothing


def test_two_processes_share_the_work(tmp_path):
    path = tmp_path / "s.db"
    both = [work(path, 200), work(path, 200)]
    lines = [process.communicate(timeout=120)[0].splitlines() for process in both]
    done = [line for mine in lines for line in mine if line not in ("begun", "all")]
    assert [mine[-1] for mine in lines] == ["all", "all"]
    assert len(done) == len(set(done)) == 400
    assert len(Store.read(path).finished()) == 400


def test_two_threads_write_and_wait_for_each_other(tmp_path):
    Store.begin(tmp_path / "s.db", IDENTITY).close()

    def writer(part):
        with Store.resume(tmp_path / "s.db", IDENTITY) as store:
            for key in part:
                store.finish(row(key))

    threads = [threading.Thread(target=writer, args=(KEYS[half::2],)) for half in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Store.read(tmp_path / "s.db").finished() == set(KEYS)


def exported(tmp_path, ending):
    cells = [json.dumps({"lr": lr, "depth": 3}) for lr in (0.1, 1)]
    rows = [row(Key("he_normal, 你好", cell, number)) for cell in cells for number in (0, 1)]
    path = tmp_path / f"runs.{ending}"
    check_export(path)
    export(path, [*rows, row(Key("zeros", cells[0], 0), loss=math.nan)], ["lr"])
    return path


def test_the_table_has_one_row_a_run_and_a_column_an_axis(tmp_path):
    path = exported(tmp_path, "csv")
    lines = path.read_text().splitlines()
    assert lines[0] == "start,lr,run,split,train_loss,test_loss,score,diverged,seconds"
    assert lines[1] == '"he_normal, 你好",0.1,0,0,0.1,0.1,0.5,False,0.25'
    assert lines[5] == "zeros,0.1,0,0,nan,nan,0.5,True,0.25"
    curves = (tmp_path / "runs.curves.csv").read_text().splitlines()
    assert curves[:2] == ["start,lr,run,epoch,train_loss,test_loss,score", '"he_normal, 你好",0.1,0,0,1.0,1.1,0.1']
    assert len(curves) == 11
    exported(tmp_path, "csv")  # what was exported before is replaced


def test_a_table_is_written_where_a_link_leads(tmp_path):
    (tmp_path / "far").mkdir()
    for name in ("runs.csv", "runs.curves.csv"):
        (tmp_path / name).symlink_to(tmp_path / "far" / name)
    for _ in range(2):
        assert exported(tmp_path, "csv").is_symlink()
    assert (tmp_path / "far" / "runs.csv").read_text().startswith("start,lr,run")
    assert sorted(path.name for path in (tmp_path / "far").iterdir()) == ["runs.csv", "runs.curves.csv"]


def test_json_holds_both_tables_and_no_nan(tmp_path):
    found = json.loads(exported(tmp_path, "json").read_text())
    assert (len(found["runs"]), len(found["curves"])) == (5, 10)
    assert found["runs"][4]["train_loss"] is None
    assert found["runs"][0]["score"] == 0.5


def test_a_table_of_somebody_elses_stays(tmp_path):
    (tmp_path / "runs.csv").write_text("my,thesis\n")
    with pytest.raises(OutputError, match="Initium did not write it"):
        check_export(tmp_path / "runs.csv")


def test_an_ending_that_is_none_is_refused(tmp_path):
    with pytest.raises(OutputError, match=r"exported to a file that ends in \.csv, \.parquet or \.json"):
        check_export(tmp_path / "runs.xlsx")


def test_pandas_reads_what_is_exported(tmp_path):
    pandas = pytest.importorskip("pandas")
    table = pandas.read_csv(exported(tmp_path, "csv"))
    assert list(table.columns) == [
        "start",
        "lr",
        "run",
        "split",
        "train_loss",
        "test_loss",
        "score",
        "diverged",
        "seconds",
    ]
    assert table["score"].dtype == table["train_loss"].dtype == float
    assert table["train_loss"].isna().sum() == 1
    pytest.importorskip("pyarrow")
    again = pandas.read_parquet(exported(tmp_path, "parquet"))
    pandas.testing.assert_frame_equal(again, table, check_dtype=False)


def test_a_parquet_file_of_ours_is_replaced_and_another_stays(tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    exported(tmp_path, "parquet")
    check_export(exported(tmp_path, "parquet"))
    pandas.read_parquet(tmp_path / "runs.parquet").to_parquet(tmp_path / "runs.parquet")
    with pytest.raises(OutputError, match="Initium did not write it"):
        check_export(tmp_path / "runs.parquet")


@pytest.mark.parametrize("ending", ["csv", "json", "parquet"])
def test_an_argument_that_is_called_as_a_figure_has_a_column_of_its_own(tmp_path, ending):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    names = ["start", "run", "split", "train_loss", "test_loss", "score", "diverged", "seconds", "epoch", "hidden"]
    cells = [json.dumps(dict.fromkeys(names, value)) for value in (7, 8)]
    path = tmp_path / f"runs.{ending}"
    export(path, [row(Key("zeros", cell, number)) for cell in cells for number in (0, 1)], names)
    if ending == "json":
        both = json.loads(path.read_text())
        tables = [pandas.DataFrame(both["runs"]), pandas.DataFrame(both["curves"])]
    else:
        read = pandas.read_csv if ending == "csv" else pandas.read_parquet
        tables = [read(path), read(tmp_path / f"runs.curves.{ending}")]
    for table in tables:
        assert [set(table[f"argument {name}"]) for name in names[:-1]] == [{7, 8}] * 9
        assert set(table["hidden"]) == {7, 8}
        assert (set(table["start"]), set(table["run"])) == ({"zeros"}, {0, 1})
    assert (set(tables[0]["score"]), set(tables[0]["seconds"]), set(tables[0]["split"])) == ({0.5}, {0.25}, {0})
    assert set(tables[1]["epoch"]) == {0, 1}


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ([1, "a"], ["1", "a"]),
        ([1, True], ["1", "True"]),
        ([None, 0.5, "a"], [None, "0.5", "a"]),
        ([10**20, 1], [str(10**20), "1"]),
        ([1, [1, 2]], ["1", "(1, 2)"]),
        ([1, 0.5], [1.0, 0.5]),
        (["a", None], ["a", None]),
    ],
)
def test_an_axis_of_several_kinds_is_text_in_parquet(tmp_path, values, kept):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    rows = [row(Key("zeros", json.dumps({"hidden": value}), 0)) for value in values]
    export(tmp_path / "runs.parquet", rows, ["hidden"])
    for table, times in (("runs.parquet", 1), ("runs.curves.parquet", 2)):
        found = pandas.read_parquet(tmp_path / table)["hidden"].tolist()
        assert [None if one != one else one for one in found] == [one for one in kept for _ in range(times)]


def test_what_is_said_keeps_its_order(tmp_path):
    with Store.begin(tmp_path / "s.db", IDENTITY) as store:
        store.say(lambda _: {"cells": {"lr 8": 1, "lr 16": 2, "a": 3}})
        assert list(store.facts()["cells"]) == ["lr 8", "lr 16", "a"]


def test_a_file_that_may_grow_no_more_is_told_with_the_way_out(tmp_path):
    path = tmp_path / "s.db"
    failed = sqlite3.OperationalError("disk I/O error")
    failed.sqlite_errorname = "SQLITE_IOERR_WRITE"
    with pytest.raises(OutputError) as error, told(path):
        raise failed
    assert str(error.value) == (
        f"'{path}' cannot be written: the disk takes no more of it, or fails. What had finished is kept: make room, "
        "then go on with --resume."
    )
