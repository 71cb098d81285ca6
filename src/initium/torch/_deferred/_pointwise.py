"""combined: what an operation on single elements makes of what is known of them."""

import contextlib
import math
from dataclasses import replace
from typing import Any

import torch

from ._blank import View
from ._cells import Cell, Const, Distribution, Draw, Matrix, Table, Unknown, Unset, cell_of
from ._log import Event, mapped, name_of
from ._replay import tensors
from ._words import arguments


def combined(event: Event, cells: list[Cell]) -> Cell:
    """What an event makes of one element of each tensor.

    Args:
        event: of an operation that does the same with each element.
        cells: one for each tensor that it reads, in order.
    """
    if all(isinstance(cell, Const) for cell in cells):
        return _computed(event, cells)
    if all(isinstance(cell, Const | Table | Unset) for cell in cells):
        return Unset() if any(isinstance(cell, Unset) for cell in cells) else Table()
    name = name_of(event.op).removesuffix("_")
    if any(isinstance(cell, Matrix) for cell in cells):
        return _turned(event, name, cells)
    draws = [cell for cell in cells if isinstance(cell, Draw)]
    if unknown := next((cell for cell in cells if isinstance(cell, Unknown)), None):
        return unknown
    if any(isinstance(cell, Table | Unset) for cell in cells):
        return Unknown("a draw and a table")
    if len({(draw.origin, draw.first) for draw in draws}) > 1:
        return Unknown("two draws")
    return _programmed(event, name, cells, draws[0])


def _turned(event: Event, name: str, cells: list[Cell]) -> Cell:
    """Towards an orthogonal matrix: q times the signs of r's diagonal, and what that is multiplied by."""
    match name, cells:
        case "sign" | "sgn", [Matrix(part="diagonal") as diagonal]:
            return replace(diagonal, part="sign")
        case "mul", [Matrix(part="q") as q, Matrix(part="sign", origin=origin)] if q.origin == origin:
            return replace(q, part="orthogonal")
        case "mul" | "div", [Matrix(part="orthogonal") as matrix, *others]:
            factor = _number(event, others)
            if factor:
                return replace(matrix, gain=matrix.gain * factor if name == "mul" else matrix.gain / factor)
    return Unknown()


def _number(event: Event, others: list[Cell]) -> float | None:
    """The second argument, if it is a number."""
    value = others[0].value if others and isinstance(others[0], Const) else event.args[1]
    return float(value) if isinstance(value, float | int) else None


def _computed(event: Event, cells: list[Cell]) -> Cell:
    # What it writes into is not among the cells.
    out = {name: torch.empty(0, dtype=event.kwargs[name].dtype) for name in ("out",) if name in event.kwargs}
    values = iter(cells)
    args, kwargs = mapped((event.args, event.kwargs | out), View, lambda view: _full(view, next(values)))
    with contextlib.suppress(RuntimeError, TypeError):  # where it does not take single numbers
        return cell_of(tensors(event.op(*args, **kwargs))[0])
    return Table()


def _full(view: View, cell: Cell) -> torch.Tensor:
    assert isinstance(cell, Const)
    # A tensor of no axes would give way to the types of others.
    return torch.full((1,) * len(view.size), cell.value, dtype=view.dtype)


def _programmed(event: Event, name: str, cells: list[Cell], draw: Draw) -> Cell:
    """A draw put through one more operation: folded where a distribution stays one, else kept to be compared."""
    places = iter(cells)
    args = mapped(event.args, View, lambda _: next(places))
    program = event.op, mapped(args, Draw | Const, _leaf), event.kwargs
    is_alone = draw.distribution and sum(isinstance(cell, Draw) for cell in cells) == 1
    plain = [one.value if isinstance(one, Const) else one for one in args]
    distribution = _folded(name, plain, arguments(event), draw.distribution) if draw.distribution and is_alone else None
    return replace(draw, distribution=distribution, program=program)


def _leaf(cell: Cell) -> Any:
    return cell.value if isinstance(cell, Const) else cell.program if isinstance(cell, Draw) else cell


def _folded(name: str, args: list[Any], said: dict[str, Any], distribution: Distribution) -> Distribution | None:
    """The distribution that an operation makes of another, where it has one."""
    alpha = said.get("alpha", 1)
    match name, args:
        case (("mul" | "multiply"), [Draw(), float() | int() as factor] | [float() | int() as factor, Draw()]) if (
            factor
        ):
            return distribution.times(factor)
        case (("div" | "divide" | "true_divide"), [Draw(), float() | int() as factor]) if factor:
            return distribution.times(1 / factor) if not said.get("rounding_mode") else None
        case "add", [Draw(), float() | int() as shift, *_]:
            return distribution.plus(alpha * shift)
        case "add", [float() | int() as shift, Draw(), *_]:
            return distribution.times(alpha).plus(shift)
        case "sub", [Draw(), float() | int() as shift, *_]:
            return distribution.plus(-alpha * shift)
        case ("sub", [float() | int() as shift, Draw(), *_]) | ("rsub", [Draw(), float() | int() as shift, *_]):
            return distribution.times(-alpha).plus(shift)
        case "neg", _:
            return distribution.times(-1.0)
        case (("clamp" | "clamp_min" | "clamp_max"), _):
            low, high = (said.get(name) for name in ("min", "max"))
            if any(isinstance(end, View) for end in (low, high)):
                return None
            return distribution.clamped(-math.inf if low is None else low, math.inf if high is None else high)
        case "erfinv", _:
            return distribution.erfinv()
    return None
