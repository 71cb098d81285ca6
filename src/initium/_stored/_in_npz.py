"""Arrays of a .npz file: each is read whole, when it is asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from .._errors import CheckpointError
from .._npz import NpzError, arrays, shapes
from ._stored import Box, Stored, Tensors


@dataclass(frozen=True, eq=False)
class Packed(Stored):
    """One array of an archive.

    Attributes:
        file: the archive.
        name: of the array in it.
        shape: of the array.
        dtype: of its numbers.
    """

    file: Path
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
        if (found.shape, found.dtype.name) != (self.shape, self.dtype):
            raise CheckpointError(f"'{self.file}' has changed while it was read.")
        found = found.astype(found.dtype.newbyteorder("="), copy=False)
        return found if box is None else found[(*box, ...)]


def tensors(path: Path) -> Tensors:
    """Every array of a file, by its name.

    Raises:
        CheckpointError: if it is no archive of plain arrays.
    """
    try:
        found = shapes(path, refuse=CheckpointError)
    except NpzError as error:
        raise CheckpointError(f"'{path}' {error}.") from None
    return Tensors((name, Packed(path, name, shape, dtype.name)) for name, (shape, dtype) in found.items())
