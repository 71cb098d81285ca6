"""Findings about what a recurrence does step by step."""

import math
from collections.abc import Iterator

from ._evidence import Evidence, Recurrence
from ._finding import Found
from ._signal import HARM

_HOLDS = ("forget", "update")  # the gate of a cell by which its old state is multiplied


def fading(evidence: Evidence) -> Iterator[Found]:
    """Recurrences through which little of the loss's gradient reaches the first step."""
    found = [one for one in evidence.recurrences if (grown := _backward(one)) is not None and grown < -math.log(HARM)]
    if found:
        first = found[0]
        gate = next((name for name in _HOLDS if name in evidence.graph.by_path[first.path].packs), "")
        yield Found.at(
            found,
            measured=_told(first, _backward(first) or 0.0, "the gradient's energy at the first is", "that at the last"),
            cause="the loss reads the last steps, and each step before it hands on less",
            remedy=f"a bias of {math.log(first.steps):.2g} in the {gate} gates, the logarithm of the number of steps"
            if gate
            else "a gated cell, LSTM or GRU, or a loss that reads all steps: no start holds a signal so long",
        )


def exploding(evidence: Evidence) -> Iterator[Found]:
    """Recurrences whose state, or the gradient by it, is multiplied up step by step."""
    for one in evidence.recurrences:
        forward, backward = _log(one.moments[1], one.moments[0]), _backward(one)
        if forward is not None and forward > math.log(HARM):
            measured = _told(one, forward, "what it makes of the state has, at the last,", "the second moment")
        elif backward is not None and backward > math.log(HARM):
            measured = _told(one, backward, "the gradient's energy at the first is", "that at the last")
        else:
            continue
        yield Found.at([one], measured=measured, cause="each step multiplies the state, and the gradient by it, up")


def _backward(one: Recurrence) -> float | None:
    first, last = one.energies
    return None if first is None or not last else _log(first or 1e-300, last)


def _log(of: float, by: float) -> float | None:
    return math.log(of / by) if of and by and math.isfinite(of / by) else None


def _told(one: Recurrence, grown: float, what: str, by: str) -> str:
    return (
        f"over {one.steps:,} steps: {what} {math.exp(min(grown, 700)):.1g} times {by}, "
        f"{math.exp(grown / (one.steps - 1)):.3g} a step; beyond {HARM:.0g} either way is harm"
    )
