"""Picked: weights of which one is looked up for each input, such as an expert's, a relation's or a subject's."""

import math

import torch

from .._operations import PASSES
from ._follow import MOST_ELEMENTS, followed, varies
from ._tracer import Value


def mark_picked(values: list[Value]) -> None:
    """Take what is looked up for a weight where it multiplies another signal as a matrix, and for a bias beside it."""
    takers = dict[Value, list[Value]]()
    for lookup in [value for value in values if value.is_signal and _rows_of(value) is not None]:
        way, ends = _followed_to_ends(lookup)
        if ends and all(_is_matrix(taker, carrier, numbers) for taker, carrier, numbers in ends):
            _mark(lookup, way)
            for taker, _, _ in (end for end in ends if end[0].row.word != "other"):
                takers.setdefault(_index_of(lookup), []).append(taker)
    weighted = [taker for group in takers.values() for taker in group]
    for value in values:
        value.weights |= sum(taker.bit for taker in weighted if value.depends_on(taker) and value.is_signal)
    for lookup in [value for value in values if value.is_signal and _rows_of(value) is not None]:
        way, ends = _followed_to_ends(lookup)
        given = takers.get(_index_of(lookup), [])
        if ends and given and all(_is_beside(taker, carrier, given) for taker, carrier, _ in ends):
            _mark(lookup, way)


def _rows_of(value: Value) -> Value | None:
    """The table of which a signal is rows; None if it is something else."""
    table = value.row.weight_of(value.args) if value.row.word == "embedding" else None
    is_plain = value.operation in ("embedding", "index", "index_select") and _num_picked(value)
    return table if is_plain else None


def _num_picked(value: Value) -> int:
    """How many leading axes of a table are picked in."""
    if value.operation == "index":
        indices = value.args[1]
        return len(indices) if None not in indices else 0
    return 1 if value.operation == "embedding" or value.args[1] == 0 else 0


def _index_of(lookup: Value) -> Value:
    index = lookup.args[2] if lookup.operation == "index_select" else lookup.args[1]
    index = index[0] if isinstance(index, list | tuple) else index
    while index.operation in PASSES and index.inputs:
        index = index.inputs[0]
    return index


_End = tuple[Value, Value, torch.Tensor]


def _followed_to_ends(lookup: Value) -> tuple[list[Value], list[_End]]:
    """All that hands rows on, and what takes them in, with the place in a row of each element that is taken in."""
    table = lookup.row.weight_of(lookup.args)
    shape = table.tensor.shape[_num_picked(lookup) :]
    if lookup.tensor.numel() > MOST_ELEMENTS:
        return [], []
    places = torch.arange(math.prod(shape), dtype=torch.int32).reshape(shape).expand(lookup.tensor.shape)
    numbers, way, ends = {lookup: places}, [lookup], list[_End]()
    for carrier in way:
        for taker in carrier.consumers:
            passed = followed(taker, numbers) if taker.operation in PASSES and len(taker.signals) == 1 else None
            if passed is None:
                ends.append((taker, carrier, numbers[carrier]))
            elif taker not in numbers:
                numbers[taker] = passed
                way.append(taker)
    return way, ends


def _is_matrix(taker: Value, carrier: Value, numbers: torch.Tensor) -> bool:
    """Whether a row is taken in as a matrix or a kernel: it has both inputs and outputs."""
    row = taker.row
    if taker.operation == "mul" and len(taker.signals) == 2:
        return any(_sums_matrix(consumer, taker, numbers) for consumer in taker.consumers)
    if row.word not in ("dense", "convolution") or len(taker.signals) != 2 or carrier.tensor.ndim < 2:
        return False
    left, right = row.factors(taker.args)
    axes = (-2, -1) if row.word == "dense" else (0, 1)
    is_weight = right is carrier or (left is carrier and row.word == "dense")
    return is_weight and all(varies(numbers, axis) for axis in axes)


def _sums_matrix(taker: Value, product: Value, numbers: torch.Tensor) -> bool:
    """Whether a product element by element is summed along one axis of a row, and not along another."""
    if taker.operation != "sum" or len(taker.args) < 2 or not taker.args[1]:
        return False
    summed = {axis % product.tensor.ndim - product.tensor.ndim for axis in taker.args[1]}
    own = {axis for axis in range(-numbers.ndim, 0) if varies(numbers, axis)}
    return bool(own & summed) and bool(own - summed)


def _is_beside(taker: Value, carrier: Value, given: list[Value]) -> bool:
    """Whether it is added to what the weight gave that was picked for the same input."""
    if taker.operation != "add" or len(taker.signals) != 2:
        return False
    other = next(signal for signal in taker.signals if signal is not carrier)
    while other not in given and other.operation in PASSES and len(other.signals) == 1:
        other = other.signals[0]
    return other in given


def _mark(lookup: Value, way: list[Value]) -> None:
    """No signal but a parameter, of which rows were picked."""
    params = lookup.row.weight_of(lookup.args).params
    for value in way:
        value.is_signal, value.is_tokens, value.params = False, False, params
