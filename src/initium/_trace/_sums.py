"""Sums: which embeddings and positions are added to one signal."""

from ._flow import Flow
from ._operations import PASSES
from ._value import Value


def find_sums(flow: Flow) -> dict[int, set[int]]:
    """For each embedding and position, by the parameter's key, all that it is added to, itself among them."""
    terms: dict[int, frozenset[int]] = {}
    groups: dict[int, set[int]] = {}
    for value in flow.live:
        own = _terms(flow, value, terms)
        if own:
            terms[value.index] = own
        for key in own if len(own) > 1 else ():
            groups.setdefault(key, set()).update(own)
    return groups


def _terms(flow: Flow, value: Value, terms: dict[int, frozenset[int]]) -> frozenset[int]:
    """The embeddings and positions that a signal is the sum of."""
    kind = flow.kind(value)
    if kind == "lookup":
        weight = value.row.weight_of(value.args)
        return weight.params if weight else frozenset()
    if kind == "learned":
        return _learned(value.inputs[0])
    if kind == "sum":
        return frozenset().union(*(terms.get(signal.index, frozenset()) for signal in value.signals))
    if kind == "shift":
        added = [v for v in value.inputs if v.params and _is_position(v)]
        return terms.get(value.signals[0].index, frozenset()).union(*(v.params for v in added))
    return terms.get(value.signals[0].index, frozenset()) if flow.passes(value) and value.signals else frozenset()


def _learned(value: Value) -> frozenset[int]:
    """The parameters that a learned signal is the sum of."""
    parts = [v for v in value.inputs if v.params]
    if value.operation == "parameter" or value.row.word == "embedding":
        return value.params
    if value.operation in PASSES | {"add", "sub"}:
        return frozenset().union(*map(_learned, parts))
    return frozenset()


def _is_position(value: Value) -> bool:
    """A row for each position, looked up or not; a bias has one for all."""
    wide = sum(size > 1 for size in value.tensor.shape) > 1
    return wide or any(v.row.word == "embedding" for v in (value, *value.inputs))
