"""Zeros on purpose: which weights may start at zero, because training moves them and signals pass beside them."""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from functools import cached_property

from ._flow import Flow, reached
from ._operations import CASTS, PASSES, POOLS, STOPS_AT_ZERO, THROUGH_ZERO
from ._value import Value

_SUMS = {"add", "sub", "rsub", "cat", "stack"}
_PRODUCTS = {"mul", "div"}
# What gives zeros for zeros alone.
_KEEPS = _SUMS | THROUGH_ZERO | STOPS_AT_ZERO | POOLS | CASTS | PASSES


def on_purpose(flow: Flow, values: Sequence[Value], built: Sequence[int], always: Set[int]) -> set[int]:
    """Of the parameters that were built as zeros those that may stay so.

    One may if, with it at zero, every weight that saw the model's input still sees it, or leads to an output that
    does by another way; and if a gradient reaches it, at once or when others have left zero. Of two that hold each
    other at zero the first is drawn.

    Args:
        flow: of the model.
        values: all, in the order of execution.
        built: keys of the candidates, in the model's order.
        always: keys of what is zero besides and stays so, such as frozen weights.
    """
    seen = _Signals(flow, values, always).seeing if built else set()

    def hides(keys: set[int]) -> bool:
        """Whether a weight no longer sees the input, and no output beside it does that its use leads to."""
        tried = _Signals(flow, values, always | keys)
        blind = seen - tried.seeing
        return bool(blind and blind - reached(value for value in flow.live if value.index in tried.telling))

    def stuck(keys: set[int]) -> set[int]:
        """Those that no gradient reaches, also once the others are no longer zero."""
        left = set(keys)
        while learning := _Signals(flow, values, always | left).learning & left:
            left -= learning
        return left

    kept = set(built)
    if hides(kept):
        kept = {key for key in built if not hides({key})}
    for key in built if hides(kept) else ():
        kept.discard(key)  # two that hide together what each alone does not
        if not hides(kept):
            break
    while held := stuck(kept):
        kept.remove(next(key for key in built if key in held))
    return kept


@dataclass(frozen=True)
class _Signals:
    """What is zero, what tells of the input, and what gets a gradient, if these parameters are zero."""

    flow: Flow
    values: Sequence[Value]
    zeros: Set[int]

    @property
    def seeing(self) -> set[int]:
        """Uses of weights whose other operand tells of the input."""
        _, alive = self._forward
        return {v.index for v in self.flow.live if v.is_weighted and any(s.index in alive for s in v.signals)}

    @property
    def telling(self) -> set[int]:
        """Outputs that tell of the input."""
        _, alive = self._forward
        return alive & self.flow.outputs

    @property
    def learning(self) -> set[int]:
        """Keys of the zero parameters that a gradient reaches."""
        zero, _ = self._forward
        reached = self._backward(zero)
        params = (v for v in self.values if v.operation == "parameter" and v.index in reached)
        return {key for v in params for key in v.params & self.zeros}

    @cached_property
    def _forward(self) -> tuple[set[int], set[int]]:
        zero, alive = set[int](), set[int]()
        for value in self.values:
            if self._is_zero(value, zero):
                zero.add(value.index)
            elif value.operation in ("input", "learned signal") or value.is_tokens or self._tells(value, zero, alive):
                alive.add(value.index)
        return zero, alive

    def _is_zero(self, value: Value, zero: set[int]) -> bool:
        if value.operation == "parameter":
            return value.params <= self.zeros
        inputs = [other.index in zero for other in value.inputs]
        if not any(inputs):
            return False
        if factors := _factors(value):
            is_pick = value.row.word == "embedding"  # whatever the indices are
            rest = [other for other in value.inputs if not (is_pick or any(other is factor for factor in factors))]
            return any(f.index in zero for f in factors) and all(other.index in zero for other in rest)
        if value.operation in _SUMS and any(isinstance(arg, int | float) and arg for arg in value.args[:2]):
            return False  # such as 1 + w
        if value.operation in _KEEPS or "norm" in value.operation:
            return all(inputs)
        return False

    def _tells(self, value: Value, zero: set[int], alive: set[int]) -> bool:
        if not any(other.index in alive for other in value.inputs):
            return False
        factors = _factors(value)
        if not any(factor.index in zero for factor in factors):
            return True
        return any(other.index in alive for other in value.inputs if not any(other is factor for factor in factors))

    def _backward(self, zero: set[int]) -> set[int]:
        reached = set(self.flow.outputs)
        for value in reversed(self.values):
            if value.index not in reached or (value.operation in STOPS_AT_ZERO and value.inputs[0].index in zero):
                continue
            factors = _factors(value)
            for other in value.inputs:
                partners = [factor for factor in factors if factor is not other]
                is_factor = len(partners) < len(factors)
                if not (is_factor and any(partner.index in zero for partner in partners)):
                    reached.add(other.index)
        return reached


def _factors(value: Value) -> tuple[Value, ...]:
    """What a value is a product of; nothing if it is none."""
    if value.row.word == "recurrent" or not isinstance(value.args, tuple):
        return ()
    if value.operation in _PRODUCTS:
        found = value.args[:2]
    elif value.row.word == "embedding":
        found = value.row.factors(value.args)[:1]
    else:
        found = value.row.factors(value.args)
    return tuple(other for other in found if isinstance(other, Value))
