"""The Store: a study's finished runs, and who is at work on which of the others."""

import contextlib
import errno
import json
import math
import os
import platform
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from .._errors import OutputError, SettingError, listed
from ._file import connect, make
from ._row import Key, Row
from ._told import told

_BEAT = 5.0  # seconds between two signs of life
_LAPSE = 60.0  # after so many without one a claim is anybody's
ADDED = "start "  # how the names begin of what one resume may add to a study, and another leave out
_COLUMNS = "start, cell, number, split, train_loss, test_loss, score, diverged, seconds, detail"


class Store:
    """One file; every process that works on the study has it open.

    A run is written whole, in one transaction, as it finishes. What is not finished is claimed by whoever trains it,
    and claims lapse with their process.

    Attributes:
        path: of the file.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._host, self._pid = platform.node(), os.getpid()
        self._owner = f"{self._host}:{self._pid}:{secrets.token_hex(4)}"
        self._finished: set[Key] = set()

    @classmethod
    def begin(cls, path: Path, identity: Mapping[str, Any]) -> "Store":
        """A store where there is no file yet.

        Args:
            path: of it.
            identity: what makes it this study and no other, by name.

        Raises:
            OutputError: if there is a file, or none can be written.
        """
        if not _made(path, identity):
            raise _taken(path)
        with told(path):
            store = cls(path, connect(path, writes=True))
            try:
                with store._writing() as cursor:
                    store._hold(cursor)
            except BaseException:
                store.close()
                raise
            return store

    @staticmethod
    def check_new(path: Path) -> None:
        """Refuse a place where none can be begun.

        Raises:
            OutputError: if there is a file, or none can be written.
        """
        if path.exists():
            raise _taken(path)
        if not os.access(path.absolute().parent, os.W_OK):
            with told(path):
                raise PermissionError

    @classmethod
    def check_old(cls, path: Path, identity: Mapping[str, Any]) -> None:
        """Refuse a file that `resume` would refuse, and change nothing in it.

        Raises:
            SettingError: if it is that of another study, saying what differs.
            OutputError: if it cannot be read or written, or is no study.
        """
        with told(path), cls(path, connect(path, writes=False, later=True)) as store:
            store._check(identity)
            store._check_here()
            if not all(os.access(one, os.W_OK) for one in (path, path.absolute().parent)):  # its log lies beside it
                raise OSError(errno.EROFS, "read-only")

    @classmethod
    def resume(cls, path: Path, identity: Mapping[str, Any]) -> "Store":
        """The store of a study that was begun; a new one where there is nothing.

        Raises:
            SettingError: if it is that of another study, saying what differs.
            OutputError: if it cannot be read or written, or is no study.
        """
        _made(path, identity)
        with told(path):
            store = cls(path, connect(path, writes=True))
            try:
                with store._writing() as cursor:
                    store._check(identity)
                    store._check_here()
                    new = [(name, _json(value)) for name, value in identity.items()]
                    cursor.executemany("INSERT OR IGNORE INTO fact VALUES (?, ?, 1)", new)
                    store._hold(cursor)
            except BaseException:
                store.close()
                raise
            return store

    @classmethod
    def read(cls, path: Path) -> "Store":
        """A store that is only looked at.

        Raises:
            OutputError: if it cannot be read, or is no study.
        """
        with told(path):
            return cls(path, connect(path, writes=False))

    def close(self) -> None:
        """Let go of what is claimed, and of the file."""
        with contextlib.suppress(sqlite3.Error):  # a claim that stays lapses, and whoever only looks has none
            self._connection.execute("DELETE FROM claim WHERE owner = ?", (self._owner,))
        self._connection.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check(self, identity: Mapping[str, Any]) -> None:
        kept, asked = self.facts(identity=True), {name: json.loads(_json(value)) for name, value in identity.items()}
        names = [name for name in {**asked, **kept} if kept.get(name) != asked.get(name)]
        # A start that only one of them has contradicts nothing.
        shared = [name for name in names if not name.startswith(ADDED) or (name in kept and name in asked)]
        if shared:
            there, here = ({**dict.fromkeys(shared, "nothing"), **one} for one in (kept, asked))
            lines = [f"  {name}: {_shown(there[name])} there, {_shown(here[name])} here" for name in shared]
            raise SettingError(
                f"'{self.path}' is another study's; runs and cells can be added, and these cannot differ:\n"
                f"{listed(lines)}\nName another file, or ask as it was asked there."
            )

    def _check_here(self) -> None:
        """Refuse to share with another machine: the log that keeps two writers apart works on one alone."""
        for held in self._connection.execute("SELECT host, pid, beat FROM claim").fetchall():
            if self._is_alive(*held):
                self._check_host(held[0])

    def _check_host(self, host: str) -> None:
        if host != self._host:
            raise OutputError(
                f"'{self.path}' is in use on another machine, '{host}', and a study's file is for one machine at a "
                "time. Name another file here; or end what is at work there, and go on by --resume a minute later."
            )

    def facts(self, *, identity: bool = False) -> dict[str, Any]:
        """What was said of the study; or what makes it this one."""
        query = "SELECT name, value FROM fact WHERE is_identity = ?"
        with told(self.path):
            found = self._connection.execute(query, (int(identity),)).fetchall()
        try:
            return {name: json.loads(value) for name, value in found}
        except (ValueError, RecursionError):
            raise OutputError(f"'{self.path}' is damaged: what it says of its study cannot be read.") from None

    def say(self, facts: Callable[[dict[str, Any]], Mapping[str, Any]]) -> None:
        """Note something of the study, made of what was said before, in the place of that under the same names."""
        with told(self.path), self._writing() as cursor:
            told_now = facts(self.facts()).items()
            rows = [(name, json.dumps(value)) for name, value in told_now]  # in the order in which it was asked
            cursor.executemany("INSERT OR REPLACE INTO fact VALUES (?, ?, 0)", rows)

    def claims(self, keys: Iterable[Key]) -> Iterator[Key]:
        """Those of some runs that nobody has finished or works on, each claimed as it is asked for."""
        for key in keys:
            if key not in self._finished and self.claim(key):
                yield key

    def claim(self, key: Key) -> bool:
        """Whether a run is ours to train from now on."""
        with told(self.path), self._writing() as cursor:
            if cursor.execute("SELECT 1 FROM run WHERE (start, cell, number) = (?, ?, ?)", key).fetchone():
                self._finished.add(key)
                return False
            query = "SELECT host, pid, beat FROM claim WHERE (start, cell, number) = (?, ?, ?)"
            if (held := cursor.execute(query, key).fetchone()) and self._is_alive(*held):
                self._check_host(held[0])
                return False
            self._note_claim(cursor, key)
            return True

    def _hold(self, cursor: sqlite3.Cursor) -> None:
        """Claim what is no run: whoever has the file open to write is at work on it, also between two runs."""
        self._note_claim(cursor, Key("", self._owner, -1))

    def _note_claim(self, cursor: sqlite3.Cursor, key: Key) -> None:
        row = (*key, self._owner, self._host, self._pid, time.time())
        cursor.execute("INSERT OR REPLACE INTO claim VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def finish(self, row: Row) -> None:
        """Keep a run that finished; one that somebody else has finished meanwhile stays as it is."""
        numbers = [row.split, *map(_number, (row.train_loss, row.test_loss, row.score)), int(row.diverged), row.seconds]
        curve = [(*row.key, epoch, *map(_number, point)) for epoch, point in enumerate(row.curve)]
        with told(self.path), self._writing() as cursor:
            cursor.execute("DELETE FROM claim WHERE (start, cell, number) = (?, ?, ?)", row.key)
            cursor.execute(
                f"INSERT INTO run ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (start, cell, number) DO NOTHING",
                (*row.key, *numbers, row.detail),
            )
            cursor.executemany("INSERT INTO curve VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", curve)
        self._finished.add(row.key)

    def finished(self) -> set[Key]:
        """The runs that are kept."""
        with told(self.path):
            self._finished = {Key(*key) for key in self._connection.execute("SELECT start, cell, number FROM run")}
        return set(self._finished)

    def rows(self) -> list[Row]:
        """All finished runs with their curves, in the order of their numbers."""
        with told(self.path):
            curves: dict[Key, list[tuple[float, float, float]]] = {}
            found = self._connection.execute(
                "SELECT start, cell, number, train_loss, test_loss, score FROM curve ORDER BY epoch"
            )
            for start, cell, number, *point in found:
                one, two, three = map(_float, point)
                curves.setdefault(Key(start, cell, number), []).append((one, two, three))
            kept = self._connection.execute(f"SELECT {_COLUMNS} FROM run ORDER BY number, start, cell").fetchall()
        return [_row(one, curves) for one in kept]

    @property
    def is_held(self) -> bool:
        """Whether somebody has it open to work on it."""
        with told(self.path):
            found = self._connection.execute("SELECT host, pid, beat FROM claim").fetchall()
        return any(self._is_alive(*held) for held in found)

    def beat(self) -> None:
        """A sign of life for what is claimed."""
        with told(self.path), self._writing() as cursor:
            cursor.execute("UPDATE claim SET beat = ? WHERE owner = ?", (time.time(), self._owner))

    def _is_alive(self, host: str, pid: int, beat: float) -> bool:
        if host == self._host and not _exists(pid):
            return False
        return time.time() - beat < _LAPSE

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Cursor]:
        """Everything or nothing; whoever writes at the same time is waited for."""
        with contextlib.closing(self._connection.cursor()) as cursor:
            if self._connection.in_transaction:  # Ctrl-C came as one had just begun, or before it was undone
                cursor.execute("ROLLBACK")
            try:
                cursor.execute("BEGIN IMMEDIATE")
                yield cursor
                cursor.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):  # a full disk has undone it already
                    cursor.execute("ROLLBACK")
                raise


def _taken(path: Path) -> OutputError:
    return OutputError(
        f"'{path}' exists, and a study is never written over. Go on with it by --resume (from Python: resume=True), or "
        "name another file."
    )


def _made(path: Path, identity: Mapping[str, Any]) -> bool:
    """Whether there was no file, and is one now; another process may have begun it a moment ago."""
    with told(path):
        try:
            if not path.exists():
                make(path, [(name, _json(value)) for name, value in identity.items()])
                return True
        except FileExistsError:
            pass
    return False


@contextlib.contextmanager
def beating(store: Store) -> Iterator[None]:
    """While it lasts, the store is held and what it has claimed stays claimed, however long a run takes."""
    over = threading.Event()

    def beat() -> None:
        own = Store(store.path, connect(store.path, writes=True))
        own._owner = store._owner
        while not over.wait(_BEAT):
            with contextlib.suppress(OutputError):  # whoever works finds out by itself
                own.beat()
        own._connection.close()

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _row(values: tuple[Any, ...], curves: Mapping[Key, list[tuple[float, float, float]]]) -> Row:
    start, cell, number, split, train_loss, test_loss, score, diverged, seconds, detail = values
    key = Key(start, cell, number)
    figures = (_float(train_loss), _float(test_loss), _float(score), bool(diverged), seconds)
    return Row(key, split, *figures, tuple(curves.get(key, ())), detail)


def _number(value: float) -> float | None:
    """SQLite keeps no NaN; an infinite number it does."""
    return None if math.isnan(value) else float(value)


def _float(value: float | None) -> float:
    return math.nan if value is None else value


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else _json(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _exists(pid: int) -> bool:
    if os.name != "posix":  # there a signal would end it
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
