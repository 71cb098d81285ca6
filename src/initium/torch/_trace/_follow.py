"""Follow: where each element of a tensor goes, by doing on whole numbers what is done to it."""

import torch

from .._operations import CASTS, PASSES
from .._torch import tree_leaves, tree_map
from ._tracer import Value

MOST_ELEMENTS = 2**27  # of a tensor whose elements are followed one by one
_SHAPES = {"view", "_unsafe_view", "reshape", "_reshape_alias"}  # whether or not memory allows a view


def followed(value: Value, numbers: dict[Value, torch.Tensor]) -> torch.Tensor | None:
    """The operation that hands a tensor on, done on the numbers of its elements; -1 is from elsewhere."""

    def told(argument: object) -> object:
        if not isinstance(argument, Value):
            return argument
        elsewhere = torch.full((1,), -1, dtype=torch.int32).expand(argument.tensor.shape)
        return numbers.get(argument, elsewhere)

    try:
        if value.operation not in (PASSES | {"cat", "stack"}) - CASTS:
            known = next((numbers[v] for v in value.inputs if v in numbers), None)
            return None if known is None else known.expand(value.tensor.shape)
        if value.operation in _SHAPES:
            source = numbers.get(value.args[0])
            return None if source is None else source.reshape(value.tensor.shape)
        args, kwargs = tree_map(told, (value.args, value.kwargs))
        return tree_leaves(value.function(*args, **kwargs))[value.position]  # pyright: ignore
    except Exception:  # an operation that whole numbers do not have
        return None


def varies(numbers: torch.Tensor, axis: int) -> bool:
    """Whether elements from different places lie along an axis."""
    apart = numbers[tuple(slice(1 if stride == 0 else None) for stride in numbers.stride())]
    return numbers.numel() > 0 and numbers.stride(axis) != 0 and bool((apart != apart.narrow(axis, 0, 1)).any())
