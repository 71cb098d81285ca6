"""Signals: what each value carries, in one sweep forward."""

import math
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from ..._graph import Operation
from ...init import gain
from ._flow import Flow
from ._operations import CONVOLUTIONS, LINEAR, PASSES, PRODUCTS, RECURRENT
from ._record import Value
from ._regions import Curve


@dataclass(frozen=True)
class Signal:
    """What a value carries.

    Attributes:
        source: where it comes from, in the words of `Use.fed_by`.
        moment: its second moment if what every weight gives is Gaussian, independent, of second moment 1.
        head_size: of attention's output.
    """

    source: str
    moment: float | None
    head_size: int | None = None


def read_signals(flow: Flow) -> dict[int, Signal]:
    """What each live signal carries, by its index."""
    signals: dict[int, Signal] = {}
    for value in flow.live:
        signals[value.index] = _signal(flow, value, signals)
    return signals


def operation_of(value: Value) -> Operation:
    """What a weight does."""
    if value.operation in PRODUCTS:
        return "dense"
    if value.operation in CONVOLUTIONS:
        return "transposed convolution" if value.args[6] else "convolution"
    return "recurrent" if value.operation == RECURRENT else "bilinear"


_PLAIN = {
    "input": Signal("data", 1.0),
    "learned": Signal("embedding", 1.0),
    "lookup": Signal("embedding", 1.0),
    "residual": Signal("residual stream", 1.0),
}
UNKNOWN = Signal("unknown", None)


def _signal(flow: Flow, value: Value, signals: dict[int, Signal]) -> Signal:
    kind = flow.kind(value)
    if kind in _PLAIN:
        return _PLAIN[kind]
    region = flow.ends.get(value.index)
    if region is not None:
        return _through(region.exits[value], signals[region.start.index])
    if kind == "weight":
        operation = operation_of(value)
        return Signal(operation, _recurrent_moment(value) if operation == "recurrent" else 1.0)
    if kind == "norm":
        return Signal("normalisation", flow.normalised.get(value.index, (value, 1.0))[1])
    operands = [signals[v.index] for v in value.signals if v.index in signals]
    return _combined(flow, kind, value, operands) if operands else UNKNOWN


def _combined(flow: Flow, kind: str | None, value: Value, operands: list[Signal]) -> Signal:
    first = operands[0]
    match kind:
        case "pass" | "shift" | "token":
            return first
        case "scale":
            bent = any(_is_bent(v) for v in value.inputs if v.params)
            return replace(first, moment=None) if bent else first
        case "slope":
            return Signal("prelu", gain("prelu") ** -2 * first.moment if first.moment else None)
        case "pool":
            return Signal("pooling", first.moment)
        case "attention":
            kept = flow.factors[value.index][0] if value.index in flow.factors else value.args[2]
            return Signal("attention", 1.0, kept.tensor.shape[-1])
        case "gate":
            return Signal("gate", _gated(value, operands))
        case "sum":
            return _sum(value, operands)
        case "concatenation":
            return _beside(value, operands)
    return UNKNOWN


def _is_bent(value: Value) -> bool:
    """Whether a parameter went through a function, so that its size here is not known."""
    if value.operation == "parameter" or not value.params:
        return False
    return value.operation not in PASSES | LINEAR or any(map(_is_bent, value.inputs))


def _through(curve: Curve, signal: Signal) -> Signal:
    """What a function makes of a signal."""
    moment = None if signal.moment is None else curve.moment(signal.moment)
    return replace(signal, moment=moment) if curve.line else Signal(curve.name, moment)


def _gated(value: Value, operands: list[Signal]) -> float | None:
    if value.operation == "glu":
        operands = [operands[0], Signal("sigmoid", gain("sigmoid") ** -2)]
    moments = [signal.moment for signal in operands]
    length = value.args[PRODUCTS[value.operation][0]].tensor.shape[-1] if value.operation in PRODUCTS else 1
    known = [moment for moment in moments if moment is not None]
    return length * math.prod(known) if len(known) == len(moments) else None


def _sum(value: Value, operands: list[Signal]) -> Signal:
    """Of what different weights gave; else one signal in two guises, as a rotated one."""
    first, second = value.signals
    if {signal.source for signal in operands} == {"embedding"} or first.weights == second.weights:
        return operands[0]
    known = [signal.moment for signal in operands if signal.moment is not None]
    return replace(operands[0], moment=sum(known) if len(known) == len(operands) else None)


def _beside(value: Value, operands: list[Signal]) -> Signal:
    """The mean over the channels, the source that has the most."""
    sizes = [v.tensor.numel() for v in value.signals]
    source = max(zip(sizes, range(len(sizes)), strict=True), key=lambda pair: (pair[0], -pair[1]))[1]
    known = [(size, signal.moment) for size, signal in zip(sizes, operands, strict=True) if signal.moment is not None]
    if len(known) < len(sizes):
        return replace(operands[source], moment=None)
    return replace(operands[source], moment=sum(size * m for size, m in known) / sum(sizes))


def _recurrent_moment(value: Value) -> float:
    """Of a state far from its start."""
    mode = getattr(value.module, "mode", "") or type(value.module).__name__
    mode = mode.removesuffix("Cell").removesuffix("_CELL").upper()
    if mode.startswith("RNN"):
        relu = "RELU" in mode or getattr(value.module, "nonlinearity", "") == "relu"
        return 0.5 if relu else gain("tanh") ** -2
    return _gated_state(mode)


@cache
def _gated_state(mode: str) -> float:
    """The second moment of a state s' = gate s + gate tanh(z) that no longer changes, its gates independent.

    E[s^2] = E[gate^2] E[tanh^2] / (1 - E[gate^2]); an LSTM gives gate tanh(s).
    """
    gate, new = gain("sigmoid") ** -2, gain("tanh") ** -2
    state = gate * new / (1 - gate)
    if mode != "LSTM":
        return state
    return gate * gain(lambda z: np.tanh(math.sqrt(state) * z)) ** -2
