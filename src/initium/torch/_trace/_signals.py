"""Signals: what each value carries, in one sweep forward."""

import math
from dataclasses import dataclass, field, replace

import numpy as np

from ...init import gain
from .._operations import LINEAR, PASSES
from ._contractions import contraction_of
from ._flow import Flow
from ._pools import ADDITIONS, pooled
from ._quantiles import Quantiles, quantiles_of, second_moment, through
from ._recurrences import state_moment
from ._regions import Curve, Region
from ._tracer import Value


@dataclass(frozen=True)
class Signal:
    """What a value carries.

    Attributes:
        source: where it comes from, in the words of `Use.fed_by`.
        moment: its second moment if what every weight gives is Gaussian, independent, of second moment 1.
        head_size: of attention's output.
        quantiles: how its numbers are spread; None for a Gaussian.
    """

    source: str
    moment: float | None
    head_size: int | None = None
    quantiles: Quantiles | None = field(default=None, compare=False, repr=False)


def read_signals(flow: Flow) -> dict[int, Signal]:
    """What each live signal carries, by its index."""
    signals: dict[int, Signal] = {}
    for value in flow.live:
        signals[value.index] = _signal(flow, value, signals)
    return signals


_PLAIN = {
    "input": Signal("data", 1.0),
    "learned": Signal("embedding", 1.0),
    "state": Signal("state", None),
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
        return _through(region, value, flow, signals[region.start.index])
    if kind == "weight":
        operation = value.row.operation(value.args)
        return Signal(operation, state_moment(value.module) if operation == "recurrent" else 1.0)
    if kind == "norm":
        return Signal("normalisation", flow.normalised.get(value.index, (value, 1.0))[1])
    operands = [signals[v.index] for v in value.signals if v.index in signals]
    return _combined(flow, kind, value, operands) if operands else UNKNOWN


def _combined(flow: Flow, kind: str | None, value: Value, operands: list[Signal]) -> Signal:
    first = operands[0]
    match kind:
        case "pass" | "shift" | "token":
            return _handed_on(value, first)
        case "scale":
            bent = any(_is_bent(v) for v in value.inputs if v.params)
            return replace(first, moment=None) if bent else first
        case "slope":
            return Signal("prelu", gain("prelu") ** -2 * first.moment if first.moment else None)
        case "pool" if _contracts(flow, value):
            return Signal("dense", 1.0)
        case "pool":
            known = (None, None) if first.moment is None else pooled(value, first.moment, first.quantiles)
            return Signal("pooling", known[0], quantiles=known[1])
        case "attention":
            return Signal("attention", 1.0, flow.factors[value.index][0].tensor.shape[-1])
        case "gate":
            return Signal("gate", _gated(value, operands))
        case "sum":
            return _sum(value, operands)
        case "concatenation":
            return _beside(value, operands)
    return UNKNOWN


def _contracts(flow: Flow, value: Value) -> bool:
    """Whether it sums what a parameter multiplied element by element, as a matrix product does."""
    source = _unpassed(flow, value.signals[0])
    wide = [v for v in source.inputs if v.params and sum(size > 1 for size in v.tensor.shape) > 1]
    found = contraction_of(flow, source) if flow.kind(source) == "scale" and wide else None
    return found is not None and found.taker is value


def _handed_on(value: Value, signal: Signal) -> Signal:
    if value.operation in ADDITIONS:
        return replace(signal, moment=None, quantiles=None)
    if value.operation == "constant_pad_nd" and signal.moment and not any(value.args[2:]):
        share = value.signals[0].tensor.numel() / max(value.tensor.numel(), 1)
        return replace(signal, moment=share * signal.moment, quantiles=None)
    return signal


def _is_bent(value: Value) -> bool:
    """Whether a parameter went through a function, so that its size here is not known."""
    if value.operation == "parameter" or not value.params:
        return False
    return value.operation not in PASSES | LINEAR or any(map(_is_bent, value.inputs))


def _through(region: Region, value: Value, flow: Flow, signal: Signal) -> Signal:
    """What a function makes of a signal."""
    curve, moment, quantiles = region.exits[value], signal.moment, None
    if moment is None:
        pass
    elif signal.quantiles is not None:
        quantiles = through(curve, signal.quantiles)
        moment = None if quantiles is None else second_moment(quantiles)
    elif curve.line is None and _was_through(flow, region.start, curve):
        pass  # what the stream brings is unchanged
    else:
        moment, quantiles = curve.moment(moment), None if curve.line else quantiles_of(curve, round(moment, 12))
    return (
        replace(signal, moment=moment, quantiles=quantiles)
        if curve.line
        else Signal(curve.name, moment, quantiles=quantiles)
    )


def _was_through(flow: Flow, stream: Value, curve: Curve) -> bool:
    """Whether a stream brings what this function, done twice as good as done once, has already been done to."""
    step = flow.steps.get(stream.index)
    source = step and _unpassed(flow, step.skip)
    region = source and flow.ends.get(source.index)
    if not source or not region or region.exits[source].key != curve.key or curve.f is None:
        return False
    once = curve.f(_SOME)
    return bool(np.allclose(curve.f(once), once))


_SOME = np.linspace(-3, 3, 61)


def _unpassed(flow: Flow, value: Value) -> Value:
    while flow.kind(value) == "pass" and value.index not in flow.ends:
        value = value.signals[0]
    return value


def _gated(value: Value, operands: list[Signal]) -> float | None:
    """Of a product element by element; one that sums over signals has no moment of its own."""
    if value.operation == "glu":
        operands = [operands[0], Signal("sigmoid", gain("sigmoid") ** -2)]
    row = value.row
    if row.word == "convolution" or (row.word == "dense" and row.factors(value.args)[0].tensor.shape[-1] > 1):
        return None
    known = [signal.moment for signal in operands if signal.moment is not None]
    return math.prod(known) if len(known) == len(operands) else None


def _sum(value: Value, operands: list[Signal]) -> Signal:
    """Of independent signals, unless it is one that constants rotate."""
    is_rotated = all(_meets_constants(v) for v in value.signals)
    if {signal.source for signal in operands} == {"embedding"} or is_rotated:
        return operands[0]
    known = [signal.moment for signal in operands if signal.moment is not None]
    return replace(operands[0], moment=sum(known) if len(known) == len(operands) else None, quantiles=None)


def _meets_constants(value: Value) -> bool:
    """Whether it is a signal times many constants, such as the cosines of its position."""
    while value.operation in PASSES and value.signals:
        value = value.signals[0]
    constants = [v for v in value.inputs if not v.is_signal and not v.params]
    return value.operation == "mul" and any(v.tensor.numel() > 1 for v in constants)


def _beside(value: Value, operands: list[Signal]) -> Signal:
    """The mean over the channels, the source that has the most."""
    sizes = [v.tensor.numel() for v in value.signals]
    source = max(zip(sizes, range(len(sizes)), strict=True), key=lambda pair: (pair[0], -pair[1]))[1]
    known = [(size, signal.moment) for size, signal in zip(sizes, operands, strict=True) if signal.moment is not None]
    if len(known) < len(sizes):
        return replace(operands[source], moment=None, quantiles=None)
    return replace(operands[source], moment=sum(size * m for size, m in known) / sum(sizes), quantiles=None)
