"""Writing files whole or not at all, and never over somebody else's."""

import contextlib
import os
from collections.abc import Iterator
from os import PathLike
from pathlib import Path

from ._errors import OutputError


def check_writable(path: str | PathLike[str], *, mark: str) -> None:
    """Find out now whether `write_text` will be able to write there later.

    Raises:
        OutputError: if not, saying what is in the way.
    """
    with _temporary(Path(path), mark):
        pass


def write_text(path: str | PathLike[str], text: str, *, mark: str) -> None:
    """Write to a temporary name beside `path`, then rename.

    A file already there is replaced only if it bears the mark, that is, if Initium wrote it.

    Raises:
        OutputError: if it cannot be written; what was there is untouched.
    """
    with _temporary(Path(path), mark) as temporary:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)


@contextlib.contextmanager
def _temporary(path: Path, mark: str) -> Iterator[Path]:
    """A new, empty file beside the path, gone afterwards unless it was renamed."""
    if path.is_dir():
        raise OutputError(f"'{path}' is a folder; name a file in it.")
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if path.exists() and mark not in _beginning(path):
            raise OutputError(f"'{path}' exists and Initium did not write it; name another file.")
        temporary.touch(exist_ok=False)
        try:
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"'{path}' cannot be written: {error.strerror}. Name a file in a folder that you can write to."
        ) from None


def _beginning(path: Path) -> str:
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.read(1000)
