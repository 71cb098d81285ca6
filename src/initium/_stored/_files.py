"""tensors_in: what a file of any format holds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from threading import Lock

from .._errors import CheckpointError
from .._reading import check_regular
from .._spec import unknown_name
from . import _in_npz, _in_safetensors
from ._in_safetensors import Stamp, stamp_of
from ._source import NPZ, SAFETENSORS, format_of
from ._stored import Stored, Tensors

Reader = Callable[[Path], Tensors]
# An edge adds the format that only its framework reads.
READERS: dict[str, Reader] = {SAFETENSORS: _in_safetensors.tensors, NPZ: _in_npz.tensors}


# What each file held when it was first looked at, while somebody reads on; and by how many that is asked for.
_PINNED: dict[Path, Tensors] = {}
_num_pinned = 0
_lock = Lock()


@contextmanager
def pinned() -> Iterator[None]:
    """Meanwhile a file is the one that was looked at first: to read of another that took its place is an error.

    Else some tensors would be of one checkpoint and some of another, and nothing would tell.
    """
    global _num_pinned
    with _lock:
        _num_pinned += 1
    try:
        yield
    finally:
        with _lock:
            _num_pinned -= 1
            if not _num_pinned:
                _PINNED.clear()


def tensors_in(path: Path) -> Tensors:
    """Every tensor of a checkpoint, by its name. Numbers are read when they are asked for.

    Raises:
        CheckpointError: if there is no such file, or saying why it cannot be read.
    """
    if found := _PINNED.get(path):
        return found
    check_regular(path, refuse=CheckpointError)
    found = _tensors(path, stamp_of(path.stat()))
    return _PINNED.setdefault(path, found) if _num_pinned else found


@lru_cache(maxsize=4)  # a plan asks for each of its tensors, and the header is one
def _tensors(path: Path, stamp: Stamp) -> Tensors:
    if (kind := format_of(path)) not in READERS:
        raise CheckpointError(f"'{path}' is one of PyTorch's, which alone reads it: `import initium.torch` first.")
    return READERS[kind](path)


def named(path: Path, name: str) -> Stored:
    """One tensor of a checkpoint.

    Raises:
        CheckpointError: if it has none of that name; as `tensors_in`.
    """
    found = tensors_in(path)
    if name not in found:
        raise CheckpointError(f"'{path}': {unknown_name('tensor', name, found, '')}".rstrip())
    return found[name]
