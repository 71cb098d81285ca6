"""Products: dot products of signals, whose size the weights that give their factors share."""

import math
from dataclasses import dataclass

from ._events import reach
from ._flow import Flow
from ._value import Value


@dataclass(frozen=True)
class Product:
    """A dot product of signals.

    Attributes:
        factors: how many of them are as small as the weights that give them.
        size: its second moment if all those have second moment 1.
    """

    factors: int
    size: float


def product_of(flow: Flow, product: Value) -> Product | None:
    """What a product of signals, or a square of one, is summed to; None if it is not."""
    summed = _summed(flow, product)
    if summed is None or summed.num < 2:
        return None
    scaled = reach(flow, summed.taker).scaled ** 2
    if region := flow.ends.get(product.index):
        # E (sum of d squares)^2 is d (d + 2) / 3 times E of one squared.
        moment = _moment_if_small(flow, region.start)
        one = region.exits[product].moment(moment) if moment else None
        size = summed.num * (summed.num + 2) / 3 * (one or 0.0) * scaled
        return Product(2, size) if size > 1 else None  # else a penalty beside the output
    moments = {factor: _moment_if_small(flow, factor) for factor in _taken_apart(flow, summed.factors)}
    small = [moment for moment in moments.values() if moment is not None]
    size = summed.num * summed.num_terms * math.prod(small) * scaled
    for factor in (factor for factor, moment in moments.items() if moment is None):
        size *= flow.normalised.get(flow.back(factor).index, (factor, 1.0))[1]
    return Product(max(len(small), 1), size)


@dataclass(frozen=True)
class _Summed:
    """A sum of products.

    Attributes:
        taker: what sums.
        factors: of each product.
        num: how many products are summed.
        num_terms: how many like them are added to each of them before.
    """

    taker: Value
    factors: list[Value]
    num: int
    num_terms: int = 1


def _summed(flow: Flow, product: Value) -> _Summed | None:
    factors, taker, num_terms = list(product.signals), product, 1
    if product.row.word == "dense":
        return _Summed(product, factors, product.row.factors(product.args)[0].tensor.shape[-1])
    while True:
        takers = [v for v in flow.consumers(taker) if flow.kind(v) in ("gate", "pool", "pass", "sum")]
        if len(takers) != 1 or taker.index in flow.outputs:
            return None
        source, taker = taker, takers[0]
        others = [signal for signal in taker.signals if signal is not source]
        match flow.kind(taker):
            case "pool":
                num = source.tensor.numel() // max(taker.tensor.numel(), 1)
                return _Summed(taker, factors, num, num_terms) if taker.operation == "sum" else None
            case "sum":
                num_terms += sum(_num_terms(flow, other) for other in others)
            case _:
                factors += others


def _num_terms(flow: Flow, value: Value) -> int:
    """Of how many signals it is a sum."""
    source = flow.back(value)
    return sum(_num_terms(flow, v) for v in source.signals) if flow.kind(source) == "sum" else 1


def _taken_apart(flow: Flow, factors: list[Value]) -> list[Value]:
    """Factors that are products themselves, as theirs."""
    parts: list[Value] = []
    for factor in factors:
        source = flow.back(factor)
        is_product = flow.kind(source) == "gate" and source.operation == "mul"
        parts += _taken_apart(flow, source.signals) if is_product else [factor]
    return list(dict.fromkeys(parts))


def _moment_if_small(flow: Flow, value: Value) -> float | None:
    """The second moment of a factor, if a weight or table gives it that nothing else uses, and that gives 1."""
    source, moment = value, 1.0
    while flow.kind(source) == "lookup" or source.index not in flow.taken:
        kind, region = flow.kind(source), flow.ends.get(source.index)
        if kind in ("weight", "lookup"):
            return None if source.row.word == "recurrent" else moment
        if region is not None:
            curve = region.exits[source]
            moment *= 1.0 if curve.line else curve.moment(1.0) or 1.0
            source = region.start
        elif any(signal.index in flow.data for signal in source.signals):
            return None
        elif kind in ("pass", "shift", "scale", "pool", "sum", "concatenation", "token") and source.signals:
            num = source.signals[0].tensor.numel() / max(source.tensor.numel(), 1)
            moment *= num if source.operation == "sum" else 1.0
            source = source.signals[0]
        else:
            return None
    return None
