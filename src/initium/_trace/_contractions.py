"""Contractions: products of a parameter with a signal, written element by element, that are summed afterwards."""

from dataclasses import dataclass

from ._flow import Flow
from ._value import Value

_KEEPS = ("pass", "norm", "scale", "shift")


@dataclass(frozen=True)
class Contraction:
    """What sums a product.

    Attributes:
        taker: the sum, matrix product or convolution.
        axes: of the product, letters of its axes; empty if they cannot be told.
    """

    taker: Value
    axes: str


def contraction_of(flow: Flow, product: Value) -> Contraction | None:
    """How the product of a signal with a parameter of several axes is summed; None if it is not."""
    queue, seen = [product], set[int]()
    while queue:
        carrier = queue.pop(0)
        for taker in flow.consumers(carrier):
            if found := _taken(product, carrier, taker):
                return found
            if flow.kind(taker) in _KEEPS and taker.index not in seen and not taker.is_weighted:
                seen.add(taker.index)
                queue.append(taker)
    return None


def _taken(product: Value, carrier: Value, taker: Value) -> Contraction | None:
    same = carrier.tensor.shape == product.tensor.shape
    ndim = product.tensor.ndim
    if taker.operation == "sum" and same and len(taker.args) > 1 and taker.args[1]:
        summed = {axis % ndim for axis in taker.args[1]}
        return Contraction(taker, "".join("i" if axis in summed else "o" for axis in range(ndim)))
    row = taker.row
    if row.word == "convolution" and len(taker.signals) == 2 and row.factors(taker.args)[1] is carrier:
        return Contraction(taker, "")
    if row.word == "dense" and len(taker.signals) == 2:
        return Contraction(taker, row.letters(taker.args, carrier) if same else "-" * ndim)
    return None
