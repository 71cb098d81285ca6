"""Grown: how large a weight is where it is used, of constants, masks and sums with itself, if it is 1 everywhere."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._axes import path_to
from ._constants import Constants, done_again
from ._follow import spread
from ._operations import MOVES
from ._value import Value

# Put an element in another place, so that its sum with what was there is of two independent ones.
_TURNS = {"t", "transpose", "permute", "movedim", "flip", "roll"}
# Leave some elements out, or write into some.
_CHOOSES = {
    *("tril", "triu", "masked_fill", "where", "copy", "fill", "zero", "alias", "index_put", "index_fill"),
    *("slice_scatter", "select_scatter", "scatter"),
}

# Of all elements, or of each; a minus is kept, for sums in which it takes something away.
Size = float | NDArray[Any]


@dataclass(frozen=True)
class Grown:
    """How large a weight is where it is used.

    Attributes:
        factor: the root of the mean square of its elements there; rows without any are left out.
        counted: the share of them that are not zero; None if what multiplies it is not known.
    """

    factor: float
    counted: float | None


def grown(param: Value, operand: Value, letters: str, constants: Constants) -> Grown:
    """How large a parameter is where it is used.

    Args:
        param: the parameter.
        operand: what is used.
        letters: of the operand's axes.
        constants: the model's numbers.
    """
    sizes = _Sizes(param, constants)
    size = sizes.of(operand)
    if not isinstance(size, np.ndarray):
        return Grown(abs(size), 1.0 if sizes.is_known else None)
    squares = np.square(size, dtype=np.float64)
    if sizes.is_completed:
        return Grown(math.sqrt(squares[squares > 0].mean()), 1.0)
    summed = [axis for axis, letter in enumerate(letters) if letter not in "ob"] if len(letters) == size.ndim else []
    rows, counted = (t.mean(tuple(summed or range(size.ndim))) for t in (squares, (size != 0).astype(float)))
    if not rows.any():
        return Grown(0.0, 0.0)
    share = float(counted[rows > 0].mean())
    return Grown(math.sqrt(rows[rows > 0].mean()), share if sizes.is_known else None)


@dataclass
class _Sizes:
    """What becomes of a parameter whose elements are all 1.

    Attributes:
        param: the parameter.
        constants: the model's numbers.
        is_known: whether all constants on the way are.
        is_completed: whether other parameters stand where this one has been left out.
    """

    param: Value
    constants: Constants
    is_known: bool = True
    is_completed: bool = False
    _found: dict[Value, Size] = field(default_factory=dict)

    def of(self, value: Value) -> Size:
        if value not in self._found:
            self._found[value] = 1.0 if value is self.param else self._step(value)
        return self._found[value]

    def _step(self, value: Value) -> Size:
        own = [v for v in value.inputs if v.params & self.param.params]
        main = max(own, key=lambda v: v.tensor.numel())
        if value.operation in ("add", "sub", "rsub"):
            return self._sum(value, [a for a in value.args[:2] if a in own])
        if value.operation == "neg":
            return -self.of(main)
        is_product = value.operation == "mul" or (value.operation == "div" and value.args[0] is main)
        if is_product and len(own) == 1:
            return self._product(value, main)
        size = self.of(main)
        if value.operation in _CHOOSES or (value.operation in MOVES and isinstance(size, np.ndarray)):
            return self._again(value, own)
        return _in_shape(size, value)

    def _sum(self, value: Value, own: list[Value]) -> Size:
        whole = [v for v in own if v.tensor.shape == value.tensor.shape] or own  # a mean is too small to count
        first, *others = (_in_shape(self.of(v), value) for v in whole)
        if not others:
            self.is_completed |= any(v.params and v not in own for v in value.inputs)
            return first
        if any(_TURNS & {step.operation for step in path_to(self.param, part)} for part in own):
            squares = first**2 + others[0] ** 2
            return np.sqrt(squares) if isinstance(squares, np.ndarray) else math.sqrt(squares)
        return first + others[0] if value.operation == "add" else first - others[0]

    def _product(self, value: Value, main: Value) -> Size:
        """With numbers that are no parameter's; a factor that is one, or a signal, hands on."""
        size, other = self.of(main), next(a for a in value.args[:2] if a is not main)
        if isinstance(other, Value) and (other.params or other.is_signal):
            return _in_shape(size, value)
        try:
            number = self._numbers(other)
        except (ValueError, RuntimeError, TypeError):
            self.is_known = False
            return _in_shape(size, value)
        if value.operation == "div":
            number = 1 / number if isinstance(number, np.ndarray) or number else 1.0
        return _in_shape(size * number, value)

    def _numbers(self, other: Any) -> Size:
        """One number if all are equal."""
        if not isinstance(other, Value):
            return float(other)
        try:
            numbers = self.constants.numbers(other)
        except ValueError:
            return self.constants.number(other)
        if np.iscomplexobj(numbers) or not numbers.size:
            raise ValueError("no size")
        first = numbers.ravel()[0]
        return numbers.astype(np.float32) if (numbers != first).any() else float(first)

    def _again(self, value: Value, own: list[Value]) -> Size:
        """The operation done again; what it puts in another's place does not grow with it."""
        size = _in_shape(self.of(own[0]), value)
        self.is_completed |= any(v.params for v in value.inputs if v not in own)
        try:
            sizes = {v: _zeros(v) + self.of(v) for v in own}
            beside = {v: self._beside(v) for v in value.inputs if v not in own}
            with_it = done_again(value, sizes | beside)
            without = done_again(value, {v: _zeros(v) for v in own} | beside)
            size = with_it - without
        except Exception:  # whatever an operation on numbers may raise
            self.is_known = False
        return size

    def _beside(self, value: Value) -> NDArray[Any]:
        """Which elements are chosen must be known; what stands in their place need not."""
        is_place = not value.tensor.is_floating_point()
        return self.constants.numbers(value) if is_place else _zeros(value)


def _zeros(value: Value) -> NDArray[Any]:
    return np.zeros(value.tensor.shape, np.float32)


def _in_shape(size: Size, value: Value) -> Size:
    """Of what has another shape, in a way that is not followed, the mean."""
    if not isinstance(size, np.ndarray):
        return size
    try:
        return spread(size, value.tensor.shape)
    except ValueError:
        return math.sqrt(np.square(size, dtype=np.float64).mean())
