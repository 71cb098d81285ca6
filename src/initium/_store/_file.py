"""The file of a study: its tables, its version, and how it is opened."""

import contextlib
import os
import secrets
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from .._errors import OutputError
from .._reading import check_regular

VERSION = 1  # of the tables
APPLICATION = 0x494E5354  # "INST": by it a study is known from other files of SQLite
_WAIT = 60.0  # seconds that one process waits for another to finish writing

# What turns the tables of a version into those of the next.
UPGRADES: dict[int, str] = {}

TABLES = """
CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL, is_identity INTEGER NOT NULL) STRICT;
CREATE TABLE run (
    start TEXT, cell TEXT, number INTEGER, split INTEGER NOT NULL, train_loss REAL, test_loss REAL, score REAL,
    diverged INTEGER NOT NULL, seconds REAL NOT NULL, detail BLOB NOT NULL, PRIMARY KEY (start, cell, number)
) STRICT;
CREATE TABLE curve (
    start TEXT, cell TEXT, number INTEGER, epoch INTEGER, train_loss REAL, test_loss REAL, score REAL,
    PRIMARY KEY (start, cell, number, epoch)
) STRICT, WITHOUT ROWID;
CREATE TABLE claim (
    start TEXT, cell TEXT, number INTEGER, owner TEXT NOT NULL, host TEXT NOT NULL, pid INTEGER NOT NULL,
    beat REAL NOT NULL, PRIMARY KEY (start, cell, number)
) STRICT;
"""


def make(path: Path, facts: Iterable[tuple[str, str]]) -> None:
    """A new file with empty tables, and the facts that make it a certain study; there whole or not at all.

    Raises:
        FileExistsError: if there is a file, perhaps made by another process a moment ago.
        sqlite3.Error: if it cannot be written.
        OSError: likewise.
    """
    hidden = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        connection = _connect(f"{hidden.absolute().as_uri()}?mode=rwc")
        with contextlib.closing(connection):
            pragmas = f"PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION};"
            connection.executescript(f"BEGIN; {TABLES} {pragmas} COMMIT;")
            connection.execute("BEGIN")
            connection.executemany("INSERT INTO fact VALUES (?, ?, 1)", facts)
            connection.execute("COMMIT")
        _name(hidden, path)
    finally:
        hidden.unlink(missing_ok=True)
    with contextlib.closing(_connect(f"{path.absolute().as_uri()}?mode=rw")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")


def _name(hidden: Path, path: Path) -> None:
    """Give a file its name, unless another has it."""
    try:
        os.link(hidden, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if path.exists():
            raise FileExistsError(path) from None
        hidden.rename(path)


def connect(path: Path, *, writes: bool, later: bool = False) -> sqlite3.Connection:
    """A file that is there, its tables brought up to date if it is to be written.

    Args:
        path: of it.
        writes: whether it is to be written.
        later: whether it is not yet, and until then its facts are read from whatever tables.

    Raises:
        OutputError: if it is no study, or one of a version that is not known here.
        sqlite3.Error: if it cannot be read, or written.
    """
    check_regular(path, refuse=OutputError)
    connection, version = _opened(path, writes=writes)
    if version != VERSION:
        _upgrade(connection, path, version, writes=writes, later=later)
    return connection


def _opened(path: Path, *, writes: bool) -> tuple[sqlite3.Connection, int]:
    """A connection, and the version of the tables."""
    # Whoever closes a file last puts its log away, if that may be written. In a folder that nobody may write to there
    # is no log, and nobody who could change the file.
    mode, *others = ("rw",) if writes else ("rw", "ro", "ro&immutable=1")
    while True:
        connection = _connect(f"{path.absolute().as_uri()}?mode={mode}")
        try:
            kind, version = (_number(connection, name) for name in ("application_id", "user_version"))
            break
        except sqlite3.OperationalError:
            connection.close()
            if not others:
                raise
            mode = others.pop(0)
        except sqlite3.DatabaseError:  # what it holds is not of SQLite
            kind = version = 0
            break
    if kind != APPLICATION:
        connection.close()
        raise OutputError(f"'{path}' is no study of Initium's; name another file.")
    if not writes:
        connection.execute("PRAGMA query_only = ON")
    # A process may die at any moment and loses nothing; after a power cut the last runs may have to be repeated.
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection, version


def check_study(path: Path) -> None:
    """Refuse what is no study.

    SQLite alone opens the file: whoever opens and closes it otherwise lets go of all locks that this process has on it,
    and another process then puts away the log that is being written.

    Raises:
        OutputError: saying what it is.
    """
    check_regular(path, refuse=OutputError)
    connection, _ = _opened(path, writes=False)
    connection.close()


def _connect(uri: str) -> sqlite3.Connection:
    return sqlite3.connect(uri, uri=True, timeout=_WAIT, isolation_level=None, check_same_thread=False)


def _number(connection: sqlite3.Connection, name: str) -> int:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def _upgrade(connection: sqlite3.Connection, path: Path, version: int, *, writes: bool, later: bool) -> None:
    known = all(step in UPGRADES for step in range(version, VERSION)) and version < VERSION
    if known and later:
        return
    if not known or not writes:
        connection.close()
        age = "an older" if version < VERSION else "a newer"
        way = "resume it once, which brings it up to date" if known else "use the version that wrote it"
        raise OutputError(f"'{path}' was written by {age} Initium (tables {version}, and {VERSION} here); {way}.")
    with contextlib.closing(connection.cursor()) as cursor:
        cursor.execute("BEGIN IMMEDIATE")
        if _number(connection, "user_version") == version:  # nobody else has done it meanwhile
            steps = "; ".join(UPGRADES[step] for step in range(version, VERSION))
            for statement in filter(str.strip, steps.split(";")):
                cursor.execute(statement)
            cursor.execute(f"PRAGMA user_version = {VERSION}")
        cursor.execute("COMMIT")
