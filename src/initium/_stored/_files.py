"""tensors_in: what a file of any format holds."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

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


def tensors_in(path: Path) -> Tensors:
    """Every tensor of a checkpoint, by its name. Numbers are read when they are asked for.

    Raises:
        CheckpointError: if there is no such file, or saying why it cannot be read.
    """
    check_regular(path, refuse=CheckpointError)
    return _tensors(path, stamp_of(path.stat()))


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
