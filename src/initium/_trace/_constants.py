"""Constants: numbers that a model computes from none of its parameters and signals."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._operations import QUANTISES
from ._tree import tree_map
from ._value import Value

MOST_NUMBERS = 2**26  # that are worth their memory


class Constants:
    """Numbers that a model computes from none of its parameters and signals.

    Args:
        known: those that were there before it ran: its buffers, and the whole numbers of an example.
        of_data: whether what is made of the input's fractions is asked for too; those that are given are then known.
    """

    def __init__(self, known: dict[Value, Any], *, of_data: bool = False) -> None:
        self._known, self._of_data = known, of_data
        self._numbers: dict[Value, NDArray[Any]] = {}

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
        inputs = {v: np.array(self.number(v), _dtype(v)) for v in value.inputs}
        return _only(value.done(*_with(inputs, (value.args, value.kwargs))))

    def numbers(self, value: Value) -> NDArray[Any]:
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

    def _made(self, value: Value) -> NDArray[Any]:
        if value.operation in _FILLED:
            return np.full(value.tensor.shape, _FILLED[value.operation](value.args), _dtype(value))
        if value.tensor.numel() > MOST_NUMBERS:
            raise ValueError("too many numbers")
        if (known := self._there(value)) is not None:
            return known
        return done_again(value, self._numbers, seed=value.index)

    def _there(self, value: Value) -> NDArray[Any] | None:
        """What was there before the model ran."""
        known = self._known.get(value, value.constant)
        if known is None and self._of_data and (value.operation == "input" or value.is_signal):
            return None  # what a run on made-up numbers has left says nothing
        known = value.held if known is None else known
        return None if known is None else value.read(known)


def done_again(value: Value, numbers: dict[Value, NDArray[Any]], *, seed: int = 0) -> NDArray[Any]:
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
    return value.done(*_with(numbers, (value.args, value.kwargs)), seed=seed)


def _with(numbers: dict[Value, NDArray[Any]], tree: Any) -> Any:
    return tree_map(lambda a: numbers[a] if isinstance(a, Value) else a, tree)


def _dtype(value: Value) -> Any:
    """Of an array of its numbers; NumPy has not all of a framework's."""
    if "bool" in str(value.tensor.dtype):
        return np.bool_
    return np.float32 if value.tensor.is_floating_point() else np.int64


def _written(before: Value, view: Value, *, numbers: dict[Value, NDArray[Any]]) -> NDArray[Any]:
    """A tensor of which another one that shares its memory was written."""
    places = [(v.tensor.shape, v.tensor.stride(), v.tensor.storage_offset()) for v in (before, view)]
    most = max(sum((n - 1) * s for n, s in zip(shape, stride, strict=True)) + start for shape, stride, start in places)
    memory = np.zeros(most + 1, numbers[before].dtype)
    views = [_view(memory, *place) for place in places]
    for value, place in zip((before, view), views, strict=True):
        place[...] = numbers[value]
    return views[0]


def _view(memory: NDArray[Any], shape: Any, strides: Any, start: int) -> NDArray[Any]:
    strides = [stride * memory.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(memory[start:], tuple(shape), strides)


# What takes the shape of a tensor and none of its numbers.
_FILLED: dict[str, Callable[[Any], float]] = {
    **dict.fromkeys(("zeros_like", "new_zeros"), lambda args: 0.0),
    **dict.fromkeys(("ones_like", "new_ones"), lambda args: 1.0),
    **dict.fromkeys(("full_like", "new_full"), lambda args: float(args[-1])),
}


def _only(tensor: NDArray[Any]) -> float:
    """The number that all elements are."""
    elements = tensor.ravel()
    if not len(elements) or (elements != elements[0]).any():
        raise ValueError("not one number")
    if np.iscomplexobj(elements):
        raise TypeError("a complex number")
    return float(elements[0])
