"""Constants: numbers that a model computes from none of its parameters and signals."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch

from .._operations import QUANTISES
from .._random import DrawsFrom, draws
from .._torch import tree_leaves, tree_map
from ._tracer import Value

MOST_NUMBERS = 2**26  # that are worth their memory


class Constants:
    """Numbers that a model computes from none of its parameters and signals.

    Args:
        known: those that were there before it ran: its buffers, and the whole numbers of an example.
        of_data: whether what is made of the input's fractions is asked for too; those that are given are then known.
    """

    def __init__(self, known: dict[Value, torch.Tensor], *, of_data: bool = False) -> None:
        self._known, self._of_data = known, of_data
        self._numbers: dict[Value, torch.Tensor] = {}

    def number(self, value: Value) -> float:
        """A constant of one element, or of many that are equal.

        Raises:
            ValueError: if it cannot be told.
        """
        if value.is_signal or value.is_tokens or value.params:
            raise ValueError("not a constant")
        if value.operation in _FILLED:
            return _FILLED[value.operation](value.args)
        if (known := self._there(value)) is not None:
            return _only(known)
        inputs = {v: torch.tensor(self.number(v), dtype=v.tensor.dtype) for v in value.inputs}
        args, kwargs = tree_map(lambda a: inputs.get(a, a) if isinstance(a, Value) else a, (value.args, value.kwargs))
        return _only(tree_leaves(_function(value)(*args, **kwargs))[value.position])

    def numbers(self, value: Value) -> torch.Tensor:
        """All elements of a constant, or of what is made of the whole numbers of an example.

        Raises:
            ValueError: if they cannot be told.
        """
        for one in self._before(value):
            self._numbers[one] = self._made(one)
        return self._numbers[value]

    def _before(self, value: Value) -> list[Value]:
        """All that a value is made from and that is not known yet, and itself, in order.

        Raises:
            ValueError: as soon as one of them is no constant; how far the way goes on does not matter then.
        """
        found, queue = dict.fromkeys([value]), [value]
        self._check(value)
        while queue:
            one = queue.pop()
            for source in () if one in self._numbers or one.operation in _FILLED else one.inputs:
                self._check(source)
                if source not in found and source not in self._numbers:
                    found[source] = None
                    queue.append(source)
        return sorted((one for one in found if one not in self._numbers), key=lambda one: one.index)

    def _check(self, value: Value) -> None:
        if value.params or (value.is_signal and not self._of_data):
            raise ValueError("not a constant")

    def _made(self, value: Value) -> torch.Tensor:
        if value.operation in _FILLED:
            return torch.full(value.tensor.shape, _FILLED[value.operation](value.args), dtype=value.tensor.dtype)
        if value.tensor.numel() > MOST_NUMBERS:
            raise ValueError("too many numbers")
        if (known := self._there(value)) is not None:
            return known.detach()
        return done_again(value, self._numbers, seed=value.index)

    def _there(self, value: Value) -> torch.Tensor | None:
        """What was there before the model ran."""
        known = self._known.get(value, getattr(value.tensor, "constant", None))
        if known is None and self._of_data and (value.operation == "input" or value.is_signal):
            return None  # what a run on made-up numbers has left says nothing
        if known is None and not hasattr(value.tensor, "fake_mode"):
            known = value.tensor
        if known is not None and known.is_meta:
            raise ValueError("has no memory")
        return known


def done_again(value: Value, numbers: dict[Value, torch.Tensor], *, seed: int = 0) -> torch.Tensor:
    """An operation on the numbers of what it was made from; it writes into none of them.

    Args:
        value: what it made.
        numbers: of what it takes.
        seed: of what it draws, if it does.

    Raises:
        ValueError: if it cannot be done again.
    """
    if value.operation == "alias" and value.function is None:
        return _written(*value.args, numbers=numbers)
    if value.operation in QUANTISES:
        return numbers[value.args[0]]  # its scale is not known before it has seen any
    if value.operation == "input" and value.inputs:
        return numbers[value.inputs[0]]
    kwargs = {name: a for name, a in value.kwargs.items() if name not in ("device", "layout", "pin_memory")}
    args, kwargs = tree_map(lambda a: _told(a, numbers), (value.args, kwargs))
    own = DrawsFrom(torch.Generator().manual_seed(seed)) if draws(value.function) else nullcontext()
    with own:
        return tree_leaves(_function(value)(*args, **kwargs))[value.position]


def _told(argument: Any, numbers: dict[Value, torch.Tensor]) -> Any:
    if isinstance(argument, Value):
        return numbers[argument].clone()
    is_fraction = isinstance(argument, torch.dtype) and argument.is_floating_point
    return torch.float32 if is_fraction else argument


def _written(before: Value, view: Value, *, numbers: dict[Value, torch.Tensor]) -> torch.Tensor:
    """A tensor of which another one that shares its memory was written."""
    places = [(v.tensor.shape, v.tensor.stride(), v.tensor.storage_offset()) for v in (before, view)]
    most = max(sum((n - 1) * s for n, s in zip(shape, stride, strict=True)) + start for shape, stride, start in places)
    memory = torch.zeros(most + 1, dtype=numbers[before].dtype)
    for value, place in zip((before, view), places, strict=True):
        memory.as_strided(*place).copy_(numbers[value])
    return memory.as_strided(*places[0])


def _function(value: Value) -> Callable[..., Any]:
    if value.function is None:
        raise ValueError("unknown")
    return value.function


# What takes the shape of a tensor and none of its numbers.
_FILLED: dict[str, Callable[[Any], float]] = {
    **dict.fromkeys(("zeros_like", "new_zeros"), lambda args: 0.0),
    **dict.fromkeys(("ones_like", "new_ones"), lambda args: 1.0),
    **dict.fromkeys(("full_like", "new_full"), lambda args: float(args[-1])),
}


def _only(tensor: torch.Tensor) -> float:
    """The number that all elements are."""
    elements = tensor.flatten()
    if not len(elements) or (elements != elements[0]).any():
        raise ValueError("not one number")
    return float(elements[0])
