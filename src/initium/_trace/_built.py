"""Built: what the numbers of a parameter say that it was built with."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

MOST = 1 << 20  # numbers that are all looked at
EDGE = 64  # of a larger tensor, along each axis
# Fewer numbers look ordered by chance too often; what has so few is taken for meant.
_FEW = 5
_SMALL = 2.0  # what layers draw reaches sqrt(6 / fan_in)
_ORDERED = 8  # drawn numbers rise or fall by chance in 1 of 20,160 cases
# Memory that nobody wrote holds what was there: numbers that no author gives.
_RANGE = (1e-20, 1e6)
# A mean this many standard errors from zero is no accident of a draw around zero: of eight numbers in 1 of 1,900 cases.
_FAR = 6.0
_SAMPLE = 1 << 12  # as many of a large tensor say whether its numbers repeat

Kind = Literal["constant", "table", "draw", "unset", "trained", "unrecorded", "large", "unknown"]


@dataclass(frozen=True)
class Built:
    """What a parameter was built with.

    Attributes:
        kind: a `constant`; a `table`, of numbers in order, few different ones, or all to one side of zero; a `draw`
            around zero; `unset` memory that nobody wrote; `trained` since; `unrecorded` on meta; too `large` to
            be made; `unknown`.
        words: for a reader, `-10` or `16 numbers from 0 to 1`.
        value: of a constant.
        may_be_draw: whether a layer may have drawn them: they are small, and few and crooked or only to one side.
        is_aside: whether all that tells it from a draw is a mean far from zero.
        low: the least of such numbers.
        high: the greatest of them.
    """

    kind: Kind
    words: str = ""
    value: float = math.nan
    may_be_draw: bool = False
    is_aside: bool = False
    low: float = math.nan
    high: float = math.nan

    @property
    def is_meant(self) -> bool:
        """Whether somebody chose these numbers, and no chance."""
        return self.kind in ("constant", "table")


def told_of(numbers: NDArray[np.float64], *, num_kinds: int = 0) -> Built:
    """What all numbers of a parameter say.

    Args:
        numbers: all of them.
        num_kinds: from how many different ones a draw in their dtype chooses, where that is few; 0 if many.
    """
    low, high, size = numbers.min(), numbers.max(), numbers.size
    highest = float(max(-low, high))
    is_in_range = not highest or (_RANGE[0] < _least(numbers) and highest < _RANGE[1])
    if not np.isfinite((low, high)).all() or not (is_in_range or (low == high and size > 1)):
        return Built("unset")
    may_be_draw = size < _FEW and highest <= _SMALL and not _are_round(numbers)
    if low == high:
        return Built("constant", f"{low:.4g}", float(low), may_be_draw=may_be_draw)
    if size < _FEW or _are_of_few_kinds(numbers.ravel()[:_SAMPLE], num_kinds) or _is_ordered(numbers):
        return Built("table", f"{size} numbers from {low:.3g} to {high:.3g}", may_be_draw=may_be_draw)
    if abs(numbers.mean()) > _FAR * numbers.std() / math.sqrt(size):
        words = f"{size} numbers around {numbers.mean():.3g}"
        return Built("table", words, is_aside=True, may_be_draw=highest <= _SMALL, low=float(low), high=float(high))
    return Built("draw")


def _least(numbers: NDArray[np.float64]) -> float:
    """The size of the smallest that is not 0."""
    sizes = np.abs(numbers)
    return float(sizes.min() or sizes[sizes > 0].min())


def _are_of_few_kinds(numbers: NDArray[np.float64], num_kinds: int) -> bool:
    """Whether more of them repeat than where they were drawn.

    Those of two bytes, also where they are stored in four by now, repeat since there are few to draw: of 1,024 that
    bfloat16 draws uniformly 6 in 10 are different ones, of 4,096 a quarter. What somebody typed is no such draw.
    """
    if num_kinds and not _are_round(numbers):
        # Of so many kinds that many draws meet, on average, these.
        return len(np.unique(numbers)) <= 0.5 * num_kinds * -math.expm1(-numbers.size / num_kinds)
    is_coarse = _have_two_bytes(numbers) and not _are_round(numbers)
    most = (0.5 if numbers.size <= 1024 else 0.2) if is_coarse else 0.9
    return len(np.unique(numbers)) <= most * numbers.size


def _have_two_bytes(numbers: NDArray[np.float64]) -> bool:
    with np.errstate(over="ignore"):
        single = numbers.astype(np.float32)
        is_bfloat16 = not (single.view(np.uint32) & 0xFFFF).any()
        return bool((single == numbers).all()) and (is_bfloat16 or bool((numbers.astype(np.float16) == numbers).all()))


def _is_ordered(numbers: NDArray[np.float64]) -> bool:
    """Whether they rise, or fall, along one of the axes everywhere; or along one line too long for chance."""
    for axis, size in enumerate(numbers.shape):
        if size < _ORDERED:
            continue
        by_chance = 2 * numbers.size / size / math.factorial(min(size, 20))  # as many lines, if they are drawn
        lines = np.moveaxis(numbers, axis, 0)
        begun = _keep_direction(lines[:_ORDERED])  # few drawn lines rise or fall even so far
        steps = np.diff(lines[:, begun], axis=0)
        if begun.all() and ((steps >= 0).all() or (steps <= 0).all()):
            return True
        if by_chance < 1e-4 and ((steps > 0).all(axis=0) | (steps < 0).all(axis=0)).any():
            return True
    return False


def _keep_direction(lines: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of them never fall, or never rise."""
    steps = np.diff(lines, axis=0)
    return np.all(steps >= 0, axis=0) | np.all(steps <= 0, axis=0)


def _are_round(numbers: NDArray[np.float64]) -> bool:
    """Whether three digits say them, as they do what somebody typed."""
    return all(math.isclose(x, float(f"{x:.3g}"), rel_tol=1e-6) for x in numbers.ravel().tolist())


def told_of_part(part: NDArray[np.float64], num: int, *, is_constant: bool, num_kinds: int = 0) -> Built:
    """What a part of a large tensor says, of so many numbers; a mean says nothing there.

    Args:
        part: a corner of it.
        num: how many numbers it has in all.
        is_constant: whether all of them are one.
        num_kinds: see `told_of`.
    """
    found = told_of(part, num_kinds=num_kinds)
    if found.kind == "constant" and is_constant:
        return found
    is_table = found.is_meant and not found.is_aside
    return Built("table", f"{num} numbers in order or of few kinds") if is_table else Built("draw")


def told_of_array(numbers: NDArray[Any], *, padding: int | None = None, num_kinds: int = 0) -> Built:
    """What an array says, of whatever size, but for a padding row; the number of kinds as in `told_of`."""
    if not numbers.size or not np.issubdtype(numbers.dtype, np.floating):
        return Built("unknown")
    if numbers.size > MOST:
        part = numbers[tuple(slice(EDGE) for _ in numbers.shape)].astype(np.float64)
        is_constant = bool(part.min() == part.max()) and bool((numbers == numbers.ravel()[0]).all())
        return told_of_part(part, numbers.size, is_constant=is_constant, num_kinds=num_kinds)
    left = numbers if padding is None else np.delete(numbers, padding, 0)
    return told_of(left.astype(np.float64), num_kinds=num_kinds)
