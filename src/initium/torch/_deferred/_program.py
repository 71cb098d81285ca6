"""From what was done to each element of one draw to the spec of a start that does the same."""

import math
from typing import Any

import torch

from ..._spec import Call, format_call
from ._cells import HOLE, Distribution
from ._log import name_of

# Quantiles at which programs are compared, and by how much of their range they may differ.
_PLACES = torch.linspace(0, 1, 257, dtype=torch.float64)
_CLOSE = 1e-5


def step_size(source: Distribution, program: Any) -> str:
    """The spec of `mamba_dt` if a program makes the inverse softplus of log-uniform steps; else nothing.

    Known by what it does to the quantiles of the draw, since it can be written in many ways.
    """
    if source.kind != "uniform":
        return ""
    low, high = source.numbers
    try:
        values = _run(program, low + (high - low) * _PLACES)
    except (RuntimeError, TypeError):
        return ""
    logs = torch.nn.functional.softplus(values, threshold=50).log()
    if not torch.isfinite(logs).all() or not (logs.diff() >= 0).all() or logs[0] == logs[-1]:
        return ""
    # Steps below the floor are at it, so the ends of the draw are read from its upper part.
    slope = (logs[-1] - logs[-33]) / (_PLACES[-1] - _PLACES[-33])
    low, high, floor = float(logs[-1] - slope), float(logs[-1]), float(logs[0])
    is_cut = floor > low + _CLOSE
    expected = torch.clamp(low + (high - low) * _PLACES, min=floor if is_cut else -math.inf)
    if (logs - expected).abs().max() > _CLOSE * (high - low):
        return ""
    ends = [float(f"{math.exp(end):.6g}") for end in (low, high, floor)]
    if not is_cut:
        ends[2] = min(1e-4, ends[0])
    return f"mamba_dt({ends[0]!r}, {ends[1]!r}, {ends[2]!r})"


def _run(program: Any, drawn: torch.Tensor) -> Any:
    """A nested program on numbers of double precision."""
    if isinstance(program, str) and program == HOLE:
        return drawn
    if not isinstance(program, tuple) or len(program) != 3 or not callable(program[0]):
        return program
    op, args, kwargs = program
    given = [_run(arg, drawn) for arg in args]
    return op(*[arg.clone() if isinstance(arg, torch.Tensor) else arg for arg in given], **kwargs)


# NumPy's names of what PyTorch does to each element.
_PLAIN = {
    "exp": "exp", "expm1": "expm1", "log": "log", "log1p": "log1p", "sqrt": "sqrt", "square": "square", "tanh": "tanh",
    "abs": "absolute", "neg": "negative", "reciprocal": "reciprocal",
}  # fmt: skip
_WITH_NUMBER = {"add": "add", "mul": "multiply", "pow": "power", "clamp_min": "maximum", "clamp_max": "minimum"}


def through(start: str, program: Any) -> str:
    """The spec of `through` if a program is one step after another; else nothing."""
    steps: list[str] = []
    while isinstance(program, tuple):
        op, args, kwargs = program
        found = _steps(name_of(op).removesuffix("_"), list(args), kwargs)
        if not found or not args or not (args[0] == HOLE or isinstance(args[0], tuple)):
            return ""
        steps, program = [*found, *steps], args[0]
    return f"through({start!r}, {tuple(steps)!r})" if start and steps else ""


def _steps(name: str, args: list[Any], kwargs: dict[str, Any]) -> list[str]:
    numbers = args[1:]
    if kwargs or not all(isinstance(number, float | int) for number in numbers):
        return []
    if name in _PLAIN and not numbers:
        return [_PLAIN[name]]
    if name == "clamp" and len(numbers) == 2:
        return [_step("maximum", numbers[0]), _step("minimum", numbers[1])]
    match name, numbers:
        case ("sub", [number]):
            return [_step("add", -number)]
        case ("div", [number]) if number:
            return [_step("multiply", 1 / number)]
        case (_, [number]) if name in _WITH_NUMBER:
            return [_step(_WITH_NUMBER[name], number)]
    return []


def _step(name: str, number: float) -> str:
    return format_call(Call(name, (float(number),)))
