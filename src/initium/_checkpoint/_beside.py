"""A tensor as it is drawn, beside what a file has of it."""

import hashlib
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._errors import counted
from .._safetensors import Place
from .._tensor import Tensor
from .._verification import Difference
from ..init._law import Precision
from ._pieces import Piece
from ._precision import precision

# What is promised of matrix products on another machine, relative to the largest element near by.
_CLOSE = 1e-5
# The distance of neighbouring numbers, relative to them: what was close may be rounded apart.
_STEPS = {"bfloat16": 2.0**-7, "float16": 2.0**-10, "float32": 2.0**-23, "float64": 2.0**-52}

First = tuple[int, str]  # which element, and what is the matter with it


class Beside:
    """What one tensor of a file is beside the one that is drawn; the pieces come one after another.

    Args:
        tensor: that is drawn.
        place: where the file has it.
        told: the SHA-256 that a manifest has of it, if there is a manifest.
    """

    def __init__(self, tensor: Tensor, place: Place, told: str | None = None) -> None:
        self.tensor, self.place, self.told = tensor, place, told
        self.drawn: str | None = None  # SHA-256 of what is drawn here
        self._hash = hashlib.sha256()
        self._num_other = 0
        self._first: First | None = None
        self._first_far: First | None = None

    def meet(self, piece: Piece, there: NDArray[np.uint8]) -> None:
        """The next piece, and what the file has in its place."""
        if self.told:
            self._hash.update(there.data)
        if not np.array_equal(piece.bytes, there):
            number = self.tensor.number
            whole = there.nbytes // number.itemsize
            self._look(piece, piece.bytes.view(number)[:whole], there[: whole * number.itemsize].view(number))

    def _look(self, piece: Piece, here: NDArray[Any], there: NDArray[Any]) -> None:
        """Find the first element that differs, and the first that differs by more than another machine's rounding."""
        words = np.dtype(f"u{here.itemsize}")
        other = here.view(words) != there.view(words)
        first = piece.start // here.itemsize
        self._num_other += int(np.count_nonzero(other))
        self._first = self._first or self._told(first, other, here, there)
        self._first_far = self._first_far or self._told(first, other & ~self._close(here, there), here, there)
        if len(here) < piece.bytes.nbytes // here.itemsize:
            cut = first + len(here), "is cut off: the file ends before it"
            self._first, self._first_far = self._first or cut, self._first_far or cut

    def _told(self, start: int, other: NDArray[np.bool_], here: NDArray[Any], there: NDArray[Any]) -> First | None:
        if not other.any():
            return None
        at = int(other.argmax())
        what, planned = (_number(values[at], self.tensor.dtype) for values in (there, here))
        return start + at, f"is {what}, and {planned} in the plan"

    def _close(self, here: NDArray[Any], there: NDArray[Any]) -> NDArray[np.bool_]:
        if self._precision == Precision.BITS or self.tensor.dtype not in _STEPS:
            return np.zeros(here.shape, bool)
        if self._precision == Precision.STEP:
            return _are_neighbours(here, there)
        planned, found = (_numbers(values, self.tensor.dtype) for values in (here, there))
        limit = _CLOSE * np.abs(planned).max(initial=0) + _STEPS[self.tensor.dtype] * np.abs(planned)
        with np.errstate(invalid="ignore"):
            return np.abs(found - planned) <= limit

    @cached_property
    def _precision(self) -> Precision:
        return precision(self.tensor.law, self.tensor.weight.in_order, self.tensor.key)

    @cached_property
    def difference(self) -> Difference | None:
        """What is to be said of it, once all pieces have met."""
        # A machine that gives the very bits of the manifest may ask for them.
        first = self._first if self.drawn == self.told is not None else self._first_far
        if first:
            at, what = first
            several = f" ({counted(self._num_other, 'element')} differ)" if self._num_other > 1 else ""
            index = tuple(map(int, np.unravel_index(at, self.tensor.shape)))
            return Difference(path=self.place.path, what=what + several, index=index)
        if self.told and self.told != self._hash.hexdigest():
            return Difference(path=self.place.path, what="has another SHA-256 than the manifest tells")
        return None

    @property
    def is_close(self) -> bool:
        """Whether it is equal but for another machine's rounding."""
        return self._first is not None and self.difference is None


def _are_neighbours(here: NDArray[Any], there: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether one is the next number to the other; beside zero nothing is."""
    words = np.dtype(f"u{here.itemsize}")
    one, other = here.view(words), there.view(words)
    sign = words.type(1 << 8 * here.itemsize - 1)
    lower, upper = np.minimum(one, other), np.maximum(one, other)
    return (upper - lower <= 1) & (lower & ~sign != 0) & (upper != sign)


def _numbers(values: NDArray[Any], dtype: str) -> NDArray[Any]:
    """Numbers to compute with; NumPy has no bfloat16."""
    wide = (values.astype(np.uint32) << 16).view(np.float32) if dtype == "bfloat16" else values
    return wide.astype(np.float64)


def _number(value: Any, dtype: str) -> str:
    """As short as it can be told."""
    return str(_numbers(value[None], dtype)[0].astype(np.float32) if dtype == "bfloat16" else value)
