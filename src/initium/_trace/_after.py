"""After: from which weights' outputs each signal is made."""

from ._flow import Flow
from ._value import Value

# Whose scale does not follow from that of the weights before.
_STOPS = ("norm", "inside", "attention", "scores", "softmax", "input", "learned", "state", "lookup")


def find_after(flow: Flow) -> dict[int, frozenset[int]]:
    """For each live signal, by its index, the indices of the weights' results that it is made from."""
    after: dict[int, frozenset[int]] = {}
    for value in flow.live:
        after[value.index] = _own(flow, value, after)
    return after


def _own(flow: Flow, value: Value, after: dict[int, frozenset[int]]) -> frozenset[int]:
    kind, step = flow.kind(value), flow.steps.get(value.index)
    if kind in _STOPS or value.row.word == "recurrent":
        return frozenset()
    if kind == "weight":
        return frozenset([value.index])
    # What came down the stream is left out: its branches may be many.
    sources = value.signals if step is None or step.is_projected else step.branches
    return frozenset().union(*(after.get(source.index, frozenset()) for source in sources))
