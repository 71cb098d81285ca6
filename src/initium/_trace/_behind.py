"""Behind: a constant that multiplies at once what a weight gives, so that c (x W) starts as x (c W) does."""

import math

from ._branches import Branches
from ._events import reach
from ._flow import Flow
from ._operations import MOVES
from ._outputs import output_of
from ._regions import Curve
from ._value import Value

# A constant before these is their author's: attention's scale, a temperature, a frequency, an output's unit.
_CHOSEN = {"query", "key", "output", "unknown"}
_WAVES = ("sin", "sine", "cos")


def constants_behind(flow: Flow, branches: Branches) -> dict[int, tuple[Value, float]]:
    """By the index of what a constant multiplies at once: the weight's result, and the constant.

    Left out are those that are their author's: at the end of a residual branch, behind a head, in a sum, within
    attention, before a softmax or a sine, or where they are part of a function that has no name without them.
    """
    found: dict[int, tuple[Value, float]] = {}
    for value in flow.live:
        if not value.is_weighted or value.row.word not in ("dense", "convolution"):
            continue
        multiple = _multiple(flow, value)
        if multiple and _is_free(flow, branches, value, *multiple):
            found[multiple[0].index] = (value, multiple[1])
    return found


def _multiple(flow: Flow, value: Value) -> tuple[Value, float] | None:
    """What is made of a weight's result, perhaps with its bias and in another shape, times a constant."""
    while len(value.consumers) == 1 and value.index not in flow.outputs:
        source, value = value, value.consumers[0]
        if value.operation in ("mul", "div") and value.signals == [source]:
            return _by_number(flow, source, value)
        is_moved = value.operation in MOVES and len(value.inputs) == 1
        if not (is_moved or (value.operation == "add" and flow.kind(value) == "shift")):
            return None
    return None


def _by_number(flow: Flow, source: Value, value: Value) -> tuple[Value, float] | None:
    left, right = value.args[:2]
    other = right if left is source else left
    if value.operation == "div" and other is left:
        return None
    try:
        number = flow.constants.number(other) if isinstance(other, Value) else float(other)
    except (ValueError, RuntimeError, TypeError):
        return None
    if not number or not math.isfinite(number) or abs(number) == 1:
        return None
    return value, number if value.operation == "mul" else 1 / number


def _is_free(flow: Flow, branches: Branches, weighted: Value, multiple: Value, number: float) -> bool:
    """Whether nothing says that the constant is there for its own sake."""
    branch = branches.of(weighted)
    if (branch and branch.is_last) or output_of(flow, weighted) is not None:
        return False
    met = reach(flow, weighted)
    if any(flow.kind(value) == "sum" for value in met.values):
        return False  # it weighs one part of a sum against the others
    events = met.events
    names = {event.name for event in events}
    takers = [event.taker for event in events if event.taker]
    mixes = any(flow.kind(taker) == "gate" and taker.row.word == "dense" for taker in takers)
    if names & _CHOSEN or mixes or any(flow.kind(taker) == "softmax" for taker in takers):
        return False
    regions = [region for region in flow.regions.values() if multiple.index in region.inside]
    curves = [curve for region in regions for curve in region.exits.values() if not curve.line]
    return all(_is_plain(curve, number) for curve in curves)


def _is_plain(curve: Curve, number: float) -> bool:
    """Whether it is an activation as it stands, once the constant before it is away."""
    f = curve.f
    if f is None:
        return False
    name, factor = Curve(lambda x: f(x / number), f"{curve.key} of {1 / number}").named
    return name != "f" and math.isclose(factor, 1, rel_tol=1e-5) and name.partition("(")[0] not in _WAVES
