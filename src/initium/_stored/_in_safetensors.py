"""Tensors of safetensors files, read where they lie and no more of them than is asked for."""

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._errors import CheckpointError, few
from .._reading import check_regular, opened
from .._safetensors import CODES, SUFFIX, HeaderError, Place, places, read_index
from ._stored import Box, Stored, Tensors, number

_NAMES = {code: dtype for dtype, code in CODES.items()}
Stamp = tuple[int, ...]  # of a file: which it is, how long, when it was written, and when that was last told otherwise


@dataclass(frozen=True, eq=False)
class InFile(Stored):
    """Where one tensor lies.

    Attributes:
        place: in which file, and where in it.
        stamp: of the file as its header was read.
        shape: of the tensor.
        dtype: of its numbers.
    """

    place: Place
    stamp: Stamp
    shape: tuple[int, ...] = ()
    dtype: str = ""

    def read(self, box: Box | None = None) -> NDArray[Any]:
        sizes = [len(range(size)[cut]) for size, cut in zip(self.shape, box or _all(self.shape), strict=True)]
        out = np.empty(sizes, number(self.dtype))
        self.read_into(out, box)
        return out

    def read_into(self, out: NDArray[Any], box: Box | None = None) -> None:
        with opened(self.place.file, refuse=CheckpointError) as file:
            self._check(file)
            if out.flags.c_contiguous:
                self._read(file, out, tuple(box or _all(self.shape)))
            else:
                beside = np.empty(out.shape, out.dtype)
                self._read(file, beside, tuple(box or _all(self.shape)))
                out[...] = beside
            self._check(file)

    def _read(self, file: BufferedReader, out: NDArray[Any], box: Box) -> None:
        """Run by run: axes that are whole and come last lie in one piece with the axis before them."""
        ranges = [range(size)[cut] for size, cut in zip(self.shape, box, strict=True)]
        last = len(ranges)
        while last and len(ranges[last - 1]) == self.shape[last - 1]:
            last -= 1
        outer, run = max(0, last - 1), math.prod(out.shape[max(0, last - 1) :])
        lines = out.reshape(-1).view(np.uint8).reshape(math.prod(out.shape[:outer]), run * out.itemsize)
        if not lines.size:
            return
        steps = [math.prod(self.shape[axis + 1 :]) for axis in range(len(self.shape))]
        begin = ranges[outer].start * steps[outer] if ranges else 0
        for line, index in zip(lines, np.ndindex(*out.shape[:outer]), strict=True):
            first = begin + sum((ranges[axis].start + at) * steps[axis] for axis, at in enumerate(index))
            file.seek(self.place.start + first * out.itemsize)
            if file.readinto(line.data) != line.nbytes:
                raise changed(self.place.file)

    def _check(self, file: BufferedReader) -> None:
        if stamp_of(os.fstat(file.fileno())) != self.stamp:
            raise changed(self.place.file)


def _all(shape: tuple[int, ...]) -> Box:
    return (slice(None),) * len(shape)


def changed(file: Path) -> CheckpointError:
    """What is said of a file that somebody wrote meanwhile."""
    return CheckpointError(f"'{file}' has changed while it was read. Copy it to where nobody writes, and begin again.")


def stamp_of(found: os.stat_result) -> Stamp:
    """By which it is known that a file is another than before."""
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def tensors(path: Path) -> Tensors:
    """Every tensor of a file, or of the files of an index, by its name.

    Raises:
        CheckpointError: naming all that is wrong with the files.
    """
    check_regular(path, refuse=CheckpointError)
    try:
        before = _stamps([path, *(read_index(path).values() if path.name.endswith(SUFFIX) else ())])
        held, flaws = places(path)
    except HeaderError as error:
        raise CheckpointError(f"'{path}' {error}. Fetch or write it again.") from None
    stamps = _stamps(place.file for place in held.values())
    if flaws:
        raise CheckpointError(f"'{path}': {few([flaw.removesuffix('.') for flaw in flaws])}. Fetch or write it again.")
    if any(before.get(file) != stamp for file, stamp in stamps.items()):
        raise changed(path)
    return Tensors(
        (name, InFile(place, stamps[place.file], place.shape, _NAMES.get(place.code, place.code)))
        for name, place in held.items()
    )


def _stamps(files: Iterable[Path]) -> dict[Path, Stamp]:
    return {file: stamp_of(os.stat(file)) for file in set(files) if file.exists()}
