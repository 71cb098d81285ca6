"""Writing files whole or not at all, and never over somebody else's."""

import contextlib
import errno
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path

from . import _reading
from ._errors import OutputError, in_bytes

try:
    import fcntl
except ImportError:  # a system without them, such as Windows: what a killed run leaves there stays
    fcntl = None

_DIGITS = 8  # of the random part of a hidden name
_LOCKS = os.O_RDWR | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_FULL = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}
# What a file system says that cannot set room aside; the file then grows as it is written.
_CANNOT_RESERVE = {errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENODEV}


_FOOTER = 100_000  # bytes at the end of a Parquet file in which its own words stand


def check_writable(path: str | PathLike[str], *, mark: str) -> None:
    """Find out now whether `write_bytes` will be able to write there later.

    Raises:
        OutputError: if not, saying what is in the way.
    """
    with temporary(destination(path), mark=mark):
        pass


def write_text(path: str | PathLike[str], text: str, *, mark: str) -> None:
    """Write a text in UTF-8. See `write_bytes`."""
    write_bytes(path, text.encode(), mark=mark)


def write_bytes(path: str | PathLike[str], content: bytes, *, mark: str) -> None:
    """Write to a temporary name beside `path`, then rename. See `temporary`.

    Raises:
        OutputError: if it cannot be written; what was there is untouched.
    """
    path = destination(path)
    with temporary(path, mark=mark) as hidden:
        hidden.write_bytes(content)
        commit(hidden, path)


def destination(path: str | PathLike[str]) -> Path:
    """Where a file is to lie: a link is followed, so that it stays one and what it leads to is written.

    Raises:
        OutputError: if it leads to itself.
        SettingError: if it is no path.
    """
    found = _reading.path_of(path)
    if not os.path.islink(found):
        return found
    end = Path(os.path.realpath(found))
    if os.path.islink(end):
        raise OutputError(f"'{found}' is a link that leads to itself; name another file.")
    return end


@contextlib.contextmanager
def temporary(path: Path, *, mark: str) -> Iterator[Path]:
    """A new file beside the path, gone afterwards unless it was renamed. See `temporaries`."""
    with temporaries(path, mark=mark, sizes=[0]) as [hidden]:
        yield hidden


@contextlib.contextmanager
def temporaries(path: Path, *, mark: str, sizes: Sequence[int]) -> Iterator[list[Path]]:
    """New files beside the path, gone afterwards unless they were renamed; what killed runs left of theirs is removed.

    Args:
        path: that one of them is to be renamed to. A file already there is replaced only if it bears the mark.
        mark: by which Initium knows what it wrote, near the beginning.
        sizes: of the files, 0 where it is not known; so much room is set aside where the file system can.

    Raises:
        OutputError: if they cannot be written, there or later in the block.
    """
    try:
        if path.is_dir():
            raise OutputError(f"'{path}' is a folder; name a file in it.")
        if path.exists() and not bears(path, mark):
            raise OutputError(f"'{path}' exists and Initium did not write it; name another file.")
        _sweep(path)
        with contextlib.ExitStack() as stack:
            hidden = [_held(path, size, stack) for size in sizes]
            yield hidden
    except OSError as error:
        raise OutputError(f"'{path}' cannot be written: {_remedy(path, error, sum(sizes))}") from None


def commit(hidden: Path, path: str | PathLike[str]) -> None:
    """Give a file its name once its content is on the disk: after a crash there is the old file or the new."""
    with hidden.open("r+b") as file:
        os.fsync(file.fileno())
    hidden.replace(path)


def _held(path: Path, size: int, stack: contextlib.ExitStack) -> Path:
    """A hidden file beside the path, locked while it is written: by that it is known from one that was left."""
    hidden = _new(path, stack)
    while not hidden.exists():  # another run has taken it for one that was left, before it was locked
        hidden = _new(path, stack)
    _reserve(hidden, size)
    return hidden


def _new(path: Path, stack: contextlib.ExitStack) -> Path:
    # A name of its own: whoever was killed has left one, perhaps under this very process number.
    hidden = path.with_name(f".{path.name}.{secrets.token_hex(_DIGITS // 2)}")
    stack.enter_context(_locked(hidden, is_new=True))
    stack.callback(hidden.unlink, missing_ok=True)
    return hidden


def _sweep(path: Path) -> None:
    """Remove what killed runs left beside the path; what is locked is still written by somebody."""
    left = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{{_DIGITS}}}")
    with contextlib.suppress(PermissionError):  # a folder may be written to and not read
        for hidden in [one for one in path.parent.iterdir() if left.fullmatch(one.name)]:
            with contextlib.suppress(OSError), _locked(hidden, is_new=False):
                hidden.unlink()


@contextlib.contextmanager
def _locked(path: Path, *, is_new: bool) -> Iterator[None]:
    """Hold a regular file against other processes; the system lets go of it when a process dies.

    Args:
        path: of it.
        is_new: whether it is made here; whoever takes it for one that was left is waited for.

    Raises:
        OSError: if it is no regular file, or, unless it is new, somebody holds it or nobody can.
    """
    number = os.open(path, _LOCKS | (os.O_CREAT | os.O_EXCL if is_new else 0), 0o666)
    if fcntl is None and is_new:  # a file that is open could not be renamed there
        os.close(number)
        yield
        return
    try:
        with contextlib.suppress(*([OSError] if is_new else [])):  # where the system locks nothing, nothing is swept
            _lock(number, wait=is_new)
        yield
    finally:
        os.close(number)


def _lock(number: int, *, wait: bool) -> None:
    if fcntl is None or not stat.S_ISREG(os.fstat(number).st_mode):
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
    fcntl.flock(number, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


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
    """Whether a file has the mark near its beginning.

    Raises:
        OutputError: if it is no regular file, or cannot be read.
    """
    with _reading.opened(path, refuse=OutputError) as file:
        begins = file.read(1000)
        if begins.startswith(b"PAR1"):  # Parquet says what it is at its end
            file.seek(max(file.seek(0, 2) - _FOOTER, 0))
            begins = file.read(_FOOTER)
        return mark.encode() in begins


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
    if error.errno == errno.EMFILE:
        return f"{error.strerror}. Write fewer shards; each is held open."
    if error.errno not in _FULL:
        return f"{error.strerror}. Name a file in a folder that you can write to."
    takes = f"it takes {in_bytes(size)}, and " if size else ""
    return f"{error.strerror}: {takes}{in_bytes(_free(path))} are free there. Make room, or name a file elsewhere."


def _free(path: Path) -> int:
    return shutil.disk_usage(path.absolute().parent).free
