"""Reading regular files and nothing else: no pipe is waited for, no device is read without end."""

import contextlib
import os
import stat
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._errors import DataError, InitiumError, SettingError, in_bytes

_KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)
# Between the look at a file and its opening a pipe may have taken its place: that is not waited for either.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def path_of(path: Any) -> Path:
    """What a caller named, as a path.

    Raises:
        SettingError: if it is none.
    """
    with contextlib.suppress(TypeError, UnicodeEncodeError):
        if b"\0" not in os.fsencode(found := Path(path)):
            return found
    raise SettingError(f"A file is named by its path, not by {path!r}.")


def check_regular(path: Path, *, refuse: type[InitiumError], most: int | None = None) -> None:
    """Refuse what is no regular file, or too large.

    Args:
        path: of it, or of a link to it.
        refuse: the error that says what is wrong.
        most: bytes that it may have; None is any number.
    """
    with _told(path, refuse):
        _check(path, path.stat(), refuse, most)


def opened(path: Path, *, refuse: type[InitiumError], most: int | None = None) -> BufferedReader:
    """A regular file to read from. See `check_regular`."""
    check_regular(path, refuse=refuse, most=most)
    with _told(path, refuse):
        # Whoever asked for it closes it.
        file = open(path, "rb", opener=lambda name, _: os.open(name, _FLAGS))  # noqa: SIM115
    try:
        _check(path, os.fstat(file.fileno()), refuse, most)
    except BaseException:
        file.close()
        raise
    return file


def contents(path: Path, *, refuse: type[InitiumError], most: int) -> bytes:
    """All of a regular file, which must be as long as the system says. See `check_regular`."""
    with opened(path, refuse=refuse, most=most) as file, _told(path, refuse):
        size = os.fstat(file.fileno()).st_size
        found = file.read(size + 1) or b""
    if len(found) != size:
        raise refuse(f"'{path}' cannot be read: it is not the {size:,} bytes long that its folder tells.")
    return found


def read(file: BufferedReader, start: int, size: int, *, refuse: type[InitiumError] = DataError) -> NDArray[np.uint8]:
    """What is there of so many bytes."""
    out = np.empty(size, np.uint8)
    with _told(file.name, refuse):
        file.seek(start)
        return out[: file.readinto(out.data) or 0]


def _check(path: Path, found: os.stat_result, refuse: type[InitiumError], most: int | None) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise refuse(f"'{path}' cannot be read: Is a directory.")
    if not stat.S_ISREG(found.st_mode):
        kind = next((what for is_one, what in _KINDS if is_one(found.st_mode)), "no file")
        raise refuse(f"'{path}' is {kind}, and only regular files are read.")
    if most is not None and found.st_size > most:
        raise refuse(f"'{path}' has {in_bytes(found.st_size)}, and {in_bytes(most)} at most are read of its kind.")


@contextlib.contextmanager
def _told(path: object, refuse: type[InitiumError]) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise refuse(f"There is no file '{path}'.") from None
    except OSError as error:
        raise refuse(f"'{path}' cannot be read: {error.strerror}.") from None
