"""Follow: where each element of a tensor goes, by doing on whole numbers what is done to it."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._operations import CASTS, PASSES
from ._tree import tree_map
from ._value import Value

MOST_ELEMENTS = 2**27  # of a tensor whose elements are followed one by one
_SHAPES = {"view", "_unsafe_view", "reshape", "_reshape_alias"}  # whether or not memory allows a view


def spread(numbers: NDArray[Any], shape: Sequence[int]) -> NDArray[Any]:
    """The same numbers in a larger shape, without memory of their own; as if they could be written, which nobody does.

    A framework that takes over an array's memory warns of one that it may not write.
    """
    strides = np.broadcast_to(numbers, shape).strides
    return np.lib.stride_tricks.as_strided(numbers, tuple(shape), strides)


def counted(shape: Sequence[int], whole: Sequence[int]) -> NDArray[Any]:
    """A number for each element of a shape, spread over a larger one."""
    return spread(np.arange(math.prod(shape), dtype=np.int32).reshape(shape), whole)


def along(shape: Sequence[int], axis: int) -> NDArray[Any]:
    """A number for each place along one axis of a shape."""
    return counted([size if place == axis % len(shape) else 1 for place, size in enumerate(shape)], shape)


def followed(value: Value, numbers: dict[Value, NDArray[Any]]) -> NDArray[Any] | None:
    """The operation that hands a tensor on, done on the numbers of its elements; -1 is from elsewhere."""

    def told(argument: object) -> object:
        if not isinstance(argument, Value):
            return argument
        known = numbers.get(argument)
        return spread(np.full(1, -1, np.int32), argument.tensor.shape) if known is None else known

    try:
        if value.operation not in (PASSES | {"cat", "stack"}) - CASTS:
            known = next((numbers[v] for v in value.inputs if v in numbers), None)
            return None if known is None else spread(known, value.tensor.shape)
        if value.operation in _SHAPES:
            source = numbers.get(value.args[0])
            return None if source is None else source.reshape(value.tensor.shape)
        return value.moved(*tree_map(told, (value.args, value.kwargs)))
    except Exception:  # an operation that whole numbers do not have
        return None


def apart(numbers: NDArray[Any]) -> NDArray[Any]:
    """Each number once along axes that do not change it."""
    return numbers[tuple(slice(1 if stride == 0 else None) for stride in numbers.strides)]


def varies(numbers: NDArray[Any], axis: int) -> bool:
    """Whether elements from different places lie along an axis."""
    if not numbers.size or numbers.strides[axis] == 0:
        return False
    own = apart(numbers)
    return bool((own != own.take([0], axis)).any())
