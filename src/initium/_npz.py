"""Arrays from a .npz file: no Python objects, and nothing larger than the file can hold."""

import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from ._errors import InitiumError
from ._reading import opened

_ENDING = ".npy"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what `np.savez` writes
# Deflate packs no more bytes than that into one.
_PACKED = 1032
_READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


class NpzError(Exception):
    """What is wrong with a file, as the end of a sentence."""


def arrays(path: Path, names: Sequence[str], *, refuse: type[InitiumError]) -> list[NDArray[Any]]:
    """The arrays of a file that go by some names, in their order.

    Args:
        path: of the file.
        names: of the arrays; the file may hold more.
        refuse: the error that says why a file cannot be read.

    Raises:
        NpzError: if it is no such file, lacks an array, or holds one that is none.
    """
    with opened(path, refuse=refuse) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                return _read(archive, names)
        except NpzError:
            raise
        except Exception:  # whatever Python's own readers raise of a damaged archive: a dozen kinds of error
            raise NpzError("is not a readable file of plain arrays") from None


def _read(archive: zipfile.ZipFile, names: Sequence[str]) -> list[NDArray[Any]]:
    held = {info.filename.removesuffix(_ENDING): info for info in archive.infolist()}
    if missing := [name for name in names if name not in held]:
        raise NpzError(f"has no {', '.join(missing)}; it holds {', '.join(held)}")
    return [_array(archive, held[name]) for name in names]


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[Any]:
    """One array, whose header is believed only where the archive has as many bytes."""
    if info.compress_type not in _METHODS or info.file_size > _PACKED * max(info.compress_size, 1):
        raise ValueError("packed as NumPy packs nothing")
    with archive.open(info) as member:
        shape, is_fortran, dtype = _header(member)
        num_bytes = info.file_size - member.tell()
        if dtype.hasobject or min(shape, default=0) < 0 or num_bytes != math.prod(shape) * dtype.itemsize:
            raise ValueError("no array of plain numbers")
        found = np.frombuffer(bytearray(member.read()), dtype)  # its own memory, which may be written
    return found.reshape(shape, order="F" if is_fortran else "C")


def _header(member: IO[bytes]) -> tuple[tuple[int, ...], bool, "np.dtype[Any]"]:
    return _READERS[npy.read_magic(member)](member)
