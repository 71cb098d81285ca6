"""Views: the same numbers otherwise laid out, of which a part still costs what it holds."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._errors import CheckpointError
from ._stored import Box, Stored

TURNED, SHAPED = "transposed", "reshaped"
_ROWS = re.compile(r"rows (\d{1,18}) to (\d{1,18})")


def rows(start: int, end: int) -> str:
    """How rows from the one to before the other are called, as the first and the last are counted."""
    return f"rows {start} to {end - 1}"


def viewed(stored: Stored, views: Sequence[str], shape: tuple[int, ...]) -> Stored:
    """Views one after another, of which `reshaped` gives the shape that is wanted.

    Raises:
        CheckpointError: if it cannot be seen so.
    """
    for view in views:
        if view == TURNED:
            stored = _Turned(stored)
        elif view == SHAPED:
            stored = _shaped(stored, shape)
        elif found := _ROWS.fullmatch(view):
            stored = _part(stored, int(found[1]), int(found[2]) + 1)
        else:
            raise CheckpointError(f"'{view}' is no view; there are '{TURNED}', '{SHAPED}' and 'rows 0 to 9'.")
    return stored


def joined(parts: Sequence[Stored]) -> Stored:
    """Tensors one after another along the first axis.

    Raises:
        CheckpointError: if they do not fit each other.
    """
    if len(parts) == 1:
        return parts[0]
    if len({(part.dtype, part.shape[1:]) for part in parts}) != 1 or not all(part.shape for part in parts):
        shapes = ", ".join(f"{part.dtype} {part.shape}" for part in parts)
        raise CheckpointError(f"{shapes} cannot be laid one after another.")
    return _Joined(tuple(parts))


class _View(Stored):
    """Of something stored."""

    def __init__(self, stored: Stored, shape: tuple[int, ...]) -> None:
        self.stored, self.shape, self.dtype = stored, shape, stored.dtype

    @property
    def comes_in_parts(self) -> bool:
        return self.stored.comes_in_parts


class _Turned(_View):
    """Its axes in the opposite order."""

    def __init__(self, stored: Stored) -> None:
        super().__init__(stored, stored.shape[::-1])

    def read(self, box: Box | None = None) -> NDArray[Any]:
        return self.stored.read(None if box is None else tuple(box)[::-1]).T


def _part(stored: Stored, start: int, end: int) -> Stored:
    if not stored.shape or not 0 <= start < end <= stored.shape[0]:
        raise CheckpointError(f"a tensor of shape {stored.shape} has no {rows(start, end)}.")
    return _Part(stored, start, end)


class _Part(_View):
    """Some of its rows."""

    def __init__(self, stored: Stored, start: int, end: int) -> None:
        super().__init__(stored, (end - start, *stored.shape[1:]))
        self.start = start

    def read(self, box: Box | None = None) -> NDArray[Any]:
        return self.stored.read(self._box(box))

    def read_into(self, out: NDArray[Any], box: Box | None = None) -> None:
        self.stored.read_into(out, self._box(box))

    def _box(self, box: Box | None) -> Box:
        first, *others = box or (slice(None),) * len(self.shape)
        here = range(self.shape[0])[first]
        return (slice(here.start + self.start, here.stop + self.start), *others)


def _shaped(stored: Stored, shape: tuple[int, ...]) -> Stored:
    if without_ones(stored.shape) != without_ones(shape):
        raise CheckpointError(f"a tensor of shape {stored.shape} is not one of shape {shape} but for axes of size 1.")
    return _Shaped(stored, shape)


def without_ones(shape: Sequence[int]) -> list[int]:
    """A shape but for its axes of size 1."""
    return [size for size in shape if size != 1]


class _Shaped(_View):
    """With other axes of size 1."""

    def read(self, box: Box | None = None) -> NDArray[Any]:
        cuts = box or (slice(None),) * len(self.shape)
        kept = iter([cut for size, cut in zip(self.shape, cuts, strict=True) if size != 1])
        inner = [slice(None) if size == 1 else next(kept) for size in self.stored.shape]
        sizes = [len(range(size)[cut]) for size, cut in zip(self.shape, cuts, strict=True)]
        found = self.stored.read(inner)
        return found.reshape(sizes) if math.prod(sizes) else np.empty(sizes, found.dtype)


@dataclass(frozen=True, eq=False)
class _Joined(Stored):
    """One after another.

    Attributes:
        parts: of one dtype, alike but for their number of rows.
    """

    parts: tuple[Stored, ...]

    def __post_init__(self) -> None:
        """As long as they are together."""
        num_rows = sum(part.shape[0] for part in self.parts)
        object.__setattr__(self, "shape", (num_rows, *self.parts[0].shape[1:]))
        object.__setattr__(self, "dtype", self.parts[0].dtype)

    @property
    def comes_in_parts(self) -> bool:
        return all(part.comes_in_parts for part in self.parts)

    def read(self, box: Box | None = None) -> NDArray[Any]:
        first, *others = box or (slice(None),) * len(self.shape)
        here, found, start = range(self.shape[0])[first], [], 0
        for part in self.parts:
            low, high = max(here.start, start) - start, min(here.stop, start + part.shape[0]) - start
            if low < high or not found:
                found.append(part.read((slice(low, max(low, high)), *others)))
            start += part.shape[0]
        return np.concatenate(found)
