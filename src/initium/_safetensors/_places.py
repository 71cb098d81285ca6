"""Which tensors a checkpoint holds, in one file or in several, and their bytes."""

from io import BufferedReader
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .._errors import DataError
from ._header import HeaderError, Place, read_header
from ._index import SUFFIX, read_index


def places(path: Path) -> tuple[dict[str, Place], list[str]]:
    """Where each tensor of a checkpoint lies, and what is wrong with its files.

    Raises:
        DataError: if there is no such file or it cannot be read.
        HeaderError: if it is no checkpoint.
    """
    if not path.name.endswith(SUFFIX):
        found, flaw = read_header(path)
        return found, [f"the file {flaw}"] if flaw else []
    told, flaws = read_index(path), []
    held: dict[str, Place] = {}
    for file in sorted(set(told.values())):
        found, flaw = _held_in(file)
        flaws += [flaw] if flaw else []
        held |= {name: place for name, place in found.items() if told.get(name, file) == file}
    return held, flaws


def _held_in(file: Path) -> tuple[dict[str, Place], str]:
    """What one of several files holds, and what is wrong with it."""
    try:
        found, flaw = read_header(file)
    except DataError as error:
        return {}, str(error)
    except HeaderError as error:
        found, flaw = {}, str(error)
    return found, f"'{file.name}' {flaw}" if flaw else ""


def opened(file: Path) -> BufferedReader:
    """A file to read from."""
    try:
        return file.open("rb")
    except OSError as error:
        raise DataError(f"'{file}' cannot be read: {error.strerror}.") from None


def read(file: BufferedReader, start: int, size: int) -> NDArray[np.uint8]:
    """What is there of so many bytes."""
    out = np.empty(size, np.uint8)
    try:
        file.seek(start)
        return out[: file.readinto(out.data)]
    except OSError as error:
        raise DataError(f"'{file.name}' cannot be read: {error.strerror}.") from None
