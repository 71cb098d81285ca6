"""Arrays from a .npz file: no Python objects, and nothing larger than the file can hold."""

import contextlib
import math
import zipfile
from collections.abc import Iterator, Sequence
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
    with _archive(path, refuse) as archive:
        return _read(archive, names)


def shapes(path: Path, *, refuse: type[InitiumError]) -> dict[str, tuple[tuple[int, ...], "np.dtype[Any]"]]:
    """The shape and the dtype of every array of a file, of which no numbers are read.

    Raises:
        NpzError: if it is no such file, holds a name twice, or something that is no array.
    """
    with _archive(path, refuse) as archive:
        members = archive.infolist()
        names = [info.filename.removesuffix(_ENDING) for info in members]
        if len(set(names)) < len(names) or not all(info.filename.endswith(_ENDING) for info in members):
            raise NpzError("holds a name twice, or something that is no array")
        found = {}
        for name, info in zip(names, members, strict=True):
            with archive.open(info) as member:
                shape, _, dtype = _checked(info, member)
            found[name] = (shape, dtype)
        return found


@contextlib.contextmanager
def _archive(path: Path, refuse: type[InitiumError]) -> Iterator[zipfile.ZipFile]:
    with opened(path, refuse=refuse) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                yield archive
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
    with archive.open(info) as member:
        shape, is_fortran, dtype = _checked(info, member)
        found = np.frombuffer(bytearray(member.read()), dtype)  # its own memory, which may be written
    return found.reshape(shape, order="F" if is_fortran else "C")


def _checked(info: zipfile.ZipInfo, member: IO[bytes]) -> tuple[tuple[int, ...], bool, "np.dtype[Any]"]:
    """What the header of an array says, once it is found that it can be true."""
    if info.compress_type not in _METHODS or info.file_size > _PACKED * max(info.compress_size, 1):
        raise ValueError("packed as NumPy packs nothing")
    shape, is_fortran, dtype = _header(member)
    num_bytes = info.file_size - member.tell()
    if dtype.hasobject or min(shape, default=0) < 0 or num_bytes != math.prod(shape) * dtype.itemsize:
        raise ValueError("no array of plain numbers")
    return shape, is_fortran, dtype


def _header(member: IO[bytes]) -> tuple[tuple[int, ...], bool, "np.dtype[Any]"]:
    return _READERS[npy.read_magic(member)](member)
