"""Arrays of a .npz file: each is read whole, when it is asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from .._errors import CheckpointError
from .._npz import NpzError, arrays, shapes
from ._in_safetensors import Stamp, changed, stamp_of
from ._stored import Box, Stored, Tensors


@dataclass(frozen=True, eq=False)
class Packed(Stored):
    """One array of an archive.

    Attributes:
        file: the archive.
        stamp: of it as its names were read.
        name: of the array in it.
        shape: of the array.
        dtype: of its numbers.
    """

    file: Path
    stamp: Stamp
    name: str
    shape: tuple[int, ...] = ()
    dtype: str = ""

    @property
    def comes_in_parts(self) -> bool:
        return False

    def read(self, box: Box | None = None) -> NDArray[Any]:
        try:
            [found] = arrays(self.file, [self.name], refuse=CheckpointError)
        except NpzError as error:
            raise CheckpointError(f"'{self.file}' {error}.") from None
        if stamp_of(self.file.stat()) != self.stamp:
            raise changed(self.file)
        found = found.astype(found.dtype.newbyteorder("="), copy=False)
        return found if box is None else found[(*box, ...)]


def tensors(path: Path) -> Tensors:
    """Every array of a file, by its name.

    Raises:
        CheckpointError: if it is no archive of plain arrays.
    """
    stamp = stamp_of(path.stat())
    try:
        found = shapes(path, refuse=CheckpointError)
    except NpzError as error:
        raise CheckpointError(f"'{path}' {error}.") from None
    return Tensors((name, Packed(path, stamp, name, shape, dtype.name)) for name, (shape, dtype) in found.items())
