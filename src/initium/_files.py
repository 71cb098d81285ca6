"""Writing files whole or not at all, and never over somebody else's."""

import os
import tempfile
from os import PathLike
from pathlib import Path

from ._errors import OutputError


def check_writable(path: str | PathLike[str], *, mark: str) -> None:
    """Find out now whether `write_text` will be able to write there later.

    Raises:
        OutputError: if not, saying what is in the way.
    """
    _temporary(Path(path), mark).unlink()


def write_text(path: str | PathLike[str], text: str, *, mark: str) -> None:
    """Write to a temporary name beside `path`, then rename.

    A file already there is replaced only if it bears the mark, that is, if Initium wrote it.

    Raises:
        OutputError: if it cannot be written; what was there is untouched.
    """
    path = Path(path)
    temporary = _temporary(path, mark)
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"'{path}' cannot be written: {error.strerror}.") from None
    finally:
        temporary.unlink(missing_ok=True)


def _temporary(path: Path, mark: str) -> Path:
    """A new, empty file beside the path."""
    if path.is_dir():
        raise OutputError(f"'{path}' is a folder; name a file in it.")
    try:
        if path.exists() and mark not in path.read_text(encoding="utf-8", errors="replace")[:1000]:
            raise OutputError(f"'{path}' exists and Initium did not write it; name another file.")
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise OutputError(
            f"'{path}' cannot be written: {error.strerror}. Name a file in a folder that you can write to."
        ) from None
    os.close(handle)
    # mkstemp makes files for their owner alone; a report is as readable as any other new file.
    umask = os.umask(0)
    os.umask(umask)
    os.chmod(name, 0o666 & ~umask)
    return Path(name)
