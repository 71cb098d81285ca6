"""Writing files whole or not at all, and never over somebody else's."""

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any

from ._errors import OutputError, SettingError

_FULL = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}
# What a file system says that cannot set room aside; the file then grows as it is written.
_CANNOT_RESERVE = {errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENODEV}


def path_of(path: Any) -> Path:
    """What a caller named, as a path.

    Raises:
        SettingError: if it is none.
    """
    with contextlib.suppress(TypeError):
        if "\0" not in str(found := Path(path)):
            return found
    raise SettingError(f"A file is named by its path, not by {path!r}.")


def check_writable(path: str | PathLike[str], *, mark: str) -> None:
    """Find out now whether `write_text` will be able to write there later.

    Raises:
        OutputError: if not, saying what is in the way.
    """
    with temporary(path, mark=mark):
        pass


def write_text(path: str | PathLike[str], text: str, *, mark: str) -> None:
    """Write to a temporary name beside `path`, then rename. See `temporary`.

    Raises:
        OutputError: if it cannot be written; what was there is untouched.
    """
    with temporary(path, mark=mark) as hidden:
        hidden.write_text(text, encoding="utf-8")
        commit(hidden, path)


@contextlib.contextmanager
def temporary(path: str | PathLike[str], *, mark: str, size: int = 0) -> Iterator[Path]:
    """A new file beside the path, gone afterwards unless it was renamed.

    Args:
        path: that it is to be renamed to. A file already there is replaced only if it bears the mark.
        mark: by which Initium knows what it wrote, near the beginning.
        size: of the file, if it is known; so much room is set aside where the file system can.

    Raises:
        OutputError: if it cannot be written, there or later in the block.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise OutputError(f"'{path}' is a folder; name a file in it.")
        # A name of its own: whoever was killed has left one, perhaps under this very process number.
        hidden = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        if path.exists() and not bears(path, mark):
            raise OutputError(f"'{path}' exists and Initium did not write it; name another file.")
        hidden.touch(exist_ok=False)
        try:
            _reserve(hidden, size)
            yield hidden
        finally:
            hidden.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"'{path}' cannot be written: {_remedy(path, error, size)}") from None


def commit(hidden: Path, path: str | PathLike[str]) -> None:
    """Give a file its name once its content is on the disk: after a crash there is the old file or the new."""
    with hidden.open("r+b") as file:
        os.fsync(file.fileno())
    hidden.replace(path)


def check_room(path: Path, size: int) -> None:
    """Refuse what the disk has no room for.

    Raises:
        OutputError: saying how much it takes and how much is free.
    """
    try:
        free = _free(path)
    except OSError:  # whoever cannot say how much is free finds out
        return
    if free < size:
        error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise OutputError(f"'{path}' cannot be written: {_remedy(path, error, size)}")


def bears(path: Path, mark: str) -> bool:
    """Whether a file has the mark near its beginning."""
    with path.open(encoding="utf-8", errors="replace") as file:
        return mark in file.read(1000)


def _reserve(path: Path, size: int) -> None:
    """Set room aside, so that a full disk is told before the work and not after."""
    if size and hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, size)
            except OSError as error:
                if error.errno not in _CANNOT_RESERVE:
                    raise


def _remedy(path: Path, error: OSError, size: int) -> str:
    if error.errno not in _FULL:
        return f"{error.strerror}. Name a file in a folder that you can write to."
    takes = f"it takes {in_bytes(size)}, and " if size else ""
    return f"{error.strerror}: {takes}{in_bytes(_free(path))} are free there. Make room, or name a file elsewhere."


def _free(path: Path) -> int:
    return shutil.disk_usage(path.absolute().parent).free


def in_bytes(number: float) -> str:
    """How much memory it is, in words: `640 bytes`, `14.5 GB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 999.95 or unit == "GB":
            break
        number /= 1000
    return f"{number:,.0f} bytes" if unit == "bytes" else f"{number:,.1f} {unit}"
