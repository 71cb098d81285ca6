"""Lines: a parameter w that reaches its use as offset + factor * w, and how much larger it is there."""

from collections.abc import Set
from dataclasses import dataclass
from typing import Any

from ._axes import path_to
from ._constants import Constants
from ._operations import PASSES
from ._value import Value


@dataclass(frozen=True)
class Line:
    """A straight line, offset + factor * w."""

    factor: float
    offset: float


def line_of(param: Value, operand: Value, constants: Constants) -> Line | None:
    """As which line of a parameter it is used, where all its elements are equal; None if it is no line."""
    try:
        return _line(operand, param, constants)
    # A constant that is not known, not one number, or a complex one.
    except (ValueError, RuntimeError, TypeError, ZeroDivisionError):
        return None


def _line(value: Any, param: Value, constants: Constants) -> Line | None:
    if value is param:
        return Line(1.0, 0.0)
    if not isinstance(value, Value):
        return Line(0.0, float(value))
    if not value.params:
        return Line(0.0, constants.number(value))
    if value.operation in PASSES | {"cat", "stack"}:
        return _line(_source(value, param), param, constants)
    if value.operation == "neg":
        return _combined("mul", _line(value.args[0], param, constants), Line(0.0, -1.0))
    if value.operation not in ("add", "sub", "rsub", "mul", "div"):
        return None
    left, right = (_line(argument, param, constants) for argument in value.args[:2])
    return _combined(value.operation, left, right)


def _combined(operation: str, left: Line | None, right: Line | None) -> Line | None:
    if left is None or right is None:
        return None
    match operation:
        case "add":
            return Line(left.factor + right.factor, left.offset + right.offset)
        case "sub":
            return Line(left.factor - right.factor, left.offset - right.offset)
        case "rsub":
            return _combined("sub", right, left)
        case "mul" if not left.factor or not right.factor:
            slope = left.factor * right.offset + right.factor * left.offset
            return Line(slope, left.offset * right.offset)
        case "div" if not right.factor:
            return Line(left.factor / right.offset, left.offset / right.offset)
    return None


def shared(param: Value, operand: Value, weights: Set[int]) -> float:
    """By how much a matrix is larger where it is used, of sums with other weights.

    Args:
        param: the matrix.
        operand: what is used.
        weights: keys of what is drawn as a weight; nothing else adds to the size.
    """
    size, num_factors = 1.0, 1
    for step in path_to(param, operand):
        parts = [v for v in step.args[:2] if isinstance(v, Value) and v.params <= weights and not _is_masked(v)]
        apart = len(parts) == 2 and not parts[0].params & parts[1].params
        if step.operation in ("add", "sub") and apart and parts[0].tensor.shape == parts[1].tensor.shape:
            size *= 2 ** (0.5 / num_factors)  # of a product each factor has its part
        num_factors = len(step.params) if step.row.word == "dense" else num_factors
    return size


def _is_masked(value: Value) -> bool:
    """Whether numbers of the model's own say which elements count."""
    return value.operation == "mul" and any(not v.params and v.tensor.numel() > 1 for v in value.inputs)


def _source(value: Value, param: Value) -> Value:
    """Of what a value is made from, that which holds most of a parameter."""
    return max((v for v in value.inputs if v.params & param.params), key=lambda v: v.tensor.numel())
