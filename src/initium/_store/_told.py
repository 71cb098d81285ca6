"""told: what goes wrong with a study's file, with the way out."""

import contextlib
import errno
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from .._errors import OutputError


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Whatever SQLite or the system refuses is one error of ours."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise OutputError(f"'{path}' {_remedy(path, error)}") from None


def _remedy(path: Path, error: Exception) -> str:
    kept = "What had finished is kept: make room, then go on with --resume."
    kind, number = getattr(error, "sqlite_errorname", ""), getattr(error, "errno", None)
    if kind == "SQLITE_FULL" or number in (errno.ENOSPC, errno.EDQUOT):
        return f"cannot be written: the disk is full. {kept}"
    if kind.startswith("SQLITE_IOERR"):  # of a quota, a limit of a file's size, or a disk that fails
        return f"cannot be written: the disk takes no more of it, or fails. {kept}"
    if kind.startswith("SQLITE_READONLY") or number == errno.EROFS:
        return "cannot be written: it is read-only. Name a store that you can write to, or look at it with --show."
    if kind.startswith("SQLITE_CANTOPEN") or isinstance(error, OSError):
        what = "There is no such folder" if not path.absolute().parent.is_dir() else "You cannot write there"
        return f"cannot be opened. {what}; name a store in a folder that you can write to."
    if kind.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return "is held by another process that does not let go of it; end that one, then go on with --resume."
    return f"cannot be used: {error}."
