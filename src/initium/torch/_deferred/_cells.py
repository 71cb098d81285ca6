"""Cells: what is known of the numbers in a stretch of memory."""

import contextlib
import math
from collections.abc import Hashable
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any, Literal, NamedTuple

import torch

# Beyond as many stds a normal variate has not been seen.
FAR = 8.0


class Distribution(NamedTuple):
    """A distribution; its numbers are mean and std, low and high, or mean, std, low and high.

    What was multiplied by a negative number is turned: great where the draw was small.
    """

    kind: Literal["normal", "uniform", "truncated"]
    numbers: tuple[float, ...]
    is_turned: bool = False

    def times(self, factor: float) -> "Distribution":
        """Of a draw multiplied by a number."""
        is_turned = self.is_turned != (factor < 0)
        if self.kind == "normal":
            mean, std = self.numbers
            return Distribution("normal", (mean * factor, std * abs(factor)), is_turned)
        *inner, low, high = (number * factor for number in self.numbers)
        ends = (low, high) if factor >= 0 else (high, low)
        return Distribution(self.kind, (*([inner[0], abs(inner[1])] if inner else []), *ends), is_turned)

    def plus(self, shift: float) -> "Distribution":
        """Of a draw to which a number is added."""
        if self.kind == "uniform":
            low, high = self.numbers
            return self._replace(numbers=(low + shift, high + shift))
        mean, std, *ends = self.numbers
        return self._replace(numbers=(mean + shift, std, *(end + shift for end in ends)))

    def clamped(self, low: float, high: float) -> "Distribution | None":
        """Of a draw that is clamped; None if that would move any."""
        least, most = self.reach
        slack = 1e-6 * (most - least)  # an end was rounded on its way
        return self if low <= least + slack and most - slack <= high else None

    def erfinv(self) -> "Distribution | None":
        """Of the inverse error function of a draw."""
        if self.kind != "uniform":
            return None
        low, high = map(_erfinv, self.numbers)
        return Distribution("truncated", (0.0, math.sqrt(0.5), low, high), self.is_turned)

    @property
    def reach(self) -> tuple[float, float]:
        """The least and the greatest number to be met."""
        if self.kind == "uniform":
            low, high = self.numbers
            return low, high
        mean, std, *ends = self.numbers
        low, high = ends or (-math.inf, math.inf)
        return max(low, mean - FAR * std), min(high, mean + FAR * std)


def _erfinv(x: float) -> float:
    if abs(x) >= 1:
        return math.copysign(math.inf, x)
    return NormalDist().inv_cdf((1 + x) / 2) / math.sqrt(2)


@dataclass(frozen=True)
class Const:
    """All are one number."""

    value: float | int | bool | complex


@dataclass(frozen=True)
class Table:
    """They are computed without chance."""


@dataclass(frozen=True)
class Unset:
    """Nothing wrote them."""


@dataclass(frozen=True)
class Unknown:
    """They depend on chance in a way that no start says, for a reason such as `two draws`."""

    why: str = ""


@dataclass(frozen=True)
class Draw:
    """Independent draws of one distribution, each put through the same program.

    Attributes:
        distribution: of each; None if it is none of those that have a name here.
        source: the distribution of what was drawn.
        origin: the event that drew, and how its elements were rearranged since.
        first: which of its elements is the first here.
        program: from what was drawn: `HOLE` for that, or an operation with its arguments.
    """

    distribution: Distribution | None
    source: Distribution
    origin: Hashable
    first: int = 0
    program: Any = "draw"


HOLE = "draw"


@dataclass(frozen=True)
class Matrix:
    """A matrix that makes sense only as a whole.

    Attributes:
        part: `orthogonal` of Haar's law; or, on the way to it, what a QR factorisation of a normal matrix gave: `q`,
            `r`, the `diagonal` of r, the `sign` of that.
        origin: the event that drew it.
        size: of each axis.
        stride: of each axis, as it lies in memory.
        gain: what it is multiplied by.
    """

    part: Literal["orthogonal", "q", "r", "diagonal", "sign"]
    origin: Hashable
    size: tuple[int, ...]
    stride: tuple[int, ...]
    gain: float = 1.0


Cell = Const | Table | Unset | Unknown | Draw | Matrix


def cell_of(values: torch.Tensor) -> Const | Table:
    """What given numbers are: one, or a table."""
    if not values.numel():
        return Table()
    # Bytes, since -0.0 is another number than 0.0.
    words = values.reshape(-1).contiguous().view(torch.uint8).view(values.numel(), -1)
    return Const(values.reshape(-1)[0].item()) if bool((words == words[0]).all()) else Table()


def rounded(cell: Cell, dtype: torch.dtype) -> Cell:
    """A constant as a type holds it."""
    if not isinstance(cell, Const) or dtype.is_complex:
        return cell
    with contextlib.suppress(RuntimeError, OverflowError):  # of a type that is not computed with
        kind = torch.float64 if isinstance(cell.value, float) else None
        return Const(torch.tensor(cell.value, dtype=kind).to(dtype).item())
    return cell


def after(cell: Cell, num: int) -> Cell:
    """What is left of a stretch when some elements are taken from its front."""
    return replace(cell, first=cell.first + num) if isinstance(cell, Draw) else cell
