"""Stored: one tensor whose numbers exist already, of which a part can be had."""

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Box = Sequence[slice]
_MOST = 4 << 20  # bytes that are read at a time


def number(dtype: str) -> "np.dtype[Any]":
    """Of an array that holds the bits of a dtype; NumPy cannot name bfloat16."""
    return np.dtype("uint16" if dtype == "bfloat16" else dtype)


class Stored(ABC):
    """One tensor whose numbers exist already.

    Attributes:
        shape: of all of it.
        dtype: as frameworks spell it; of what none of them computes in, as its file does.
    """

    shape: tuple[int, ...]
    dtype: str

    @abstractmethod
    def read(self, box: Box | None = None) -> NDArray[Any]:
        """All of it or a box of it, as bits; costs what is read."""

    @property
    def comes_in_parts(self) -> bool:
        """Whether a box costs what it holds, not as much as all."""
        return True

    def sha256(self) -> str:
        """Of all its bytes."""
        found = hashlib.sha256()
        for box in self.stretches():
            found.update(np.ascontiguousarray(self.read(box)).data)
        return found.hexdigest()

    def stretches(self) -> Iterator[Box]:
        """Boxes of some rows each, that take little memory to read one by one."""
        if not self.shape or not self.comes_in_parts:
            yield (slice(None),) * len(self.shape)
            return
        num_rows, *others = self.shape
        step = max(1, _MOST // max(1, math.prod(others) * number(self.dtype).itemsize))
        for first in range(0, num_rows, step):
            yield (slice(first, first + step), *[slice(None)] * len(others))

    def read_into(self, out: NDArray[Any], box: Box | None = None) -> None:
        """The same into an array of the same number type."""
        out[...] = self.read(box)


class Tensors(dict[str, Stored]):
    """What a checkpoint holds, by name, in the order in which it does.

    Attributes:
        notes: what a reader must know of how it was read.
    """

    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Held(Stored):
    """In memory, as an array of bits.

    Attributes:
        numbers: all of them.
        dtype: that the bits are of.
    """

    numbers: NDArray[Any] = field(repr=False)
    dtype: str = ""

    def __post_init__(self) -> None:
        """Fill in what the array says itself."""
        object.__setattr__(self, "shape", self.numbers.shape)
        object.__setattr__(self, "dtype", self.dtype or self.numbers.dtype.name)

    def read(self, box: Box | None = None) -> NDArray[Any]:
        return self.numbers if box is None else self.numbers[(*box, ...)]


def widened(bits: NDArray[Any], dtype: str) -> NDArray[Any]:
    """The numbers that bits stand for, as NumPy computes with them."""
    if dtype == "bfloat16":
        return (bits.astype(np.uint32) << 16).view(np.float32)
    return bits
