"""TensorValue: a value of PyTorch's, whose operation is done again on NumPy's arrays."""

from collections.abc import Callable, Hashable
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..._trace._tree import tree_map
from ..._trace._value import Value
from .._random import DrawsFrom, draws
from .._torch import schema_of, storage_of, tree_leaves
from ._noise import gaussian
from ._recurrences import cell_moment, state_moment

_PLACES = ("device", "layout", "pin_memory", "memory_format")  # how a tensor lies, of which an array says nothing
_SHARED = (torch.float16, torch.float32, torch.float64)  # that NumPy has


class TensorValue(Value):
    """One tensor of PyTorch's at one time."""

    __slots__ = ()

    @property
    def storage(self) -> Hashable:
        """What tensors that share memory have in common."""
        return storage_of(self.tensor)

    @property
    def state_moment(self) -> float:
        """Of what a recurrent layer gives."""
        return state_moment(self.module)

    @property
    def cell_moment(self) -> float:
        """Of what its cell gives."""
        return cell_moment(self.module)

    def name_of(self, operand: Value) -> str:
        """What the operation's schema calls an argument."""
        schema = schema_of(self.function)
        names = [argument.name for argument in schema.arguments] if schema else []
        given = {id(part): name for name, part in [*zip(names, self.args, strict=False), *self.kwargs.items()]}
        return given.get(id(operand), "")

    @property
    def constant(self) -> Any:
        """What a tensor without memory is known to hold."""
        return getattr(self.tensor, "constant", None)

    @property
    def held(self) -> Any:
        """The tensor, if it is real."""
        return None if hasattr(self.tensor, "fake_mode") else self.tensor

    def read(self, numbers: Any) -> NDArray[Any]:
        """The numbers of a tensor."""
        if numbers.is_meta or numbers.layout is not torch.strided:
            raise ValueError("has no memory, or only some of its numbers")
        return _array(numbers)

    def done(self, args: Any, kwargs: Any, *, is_wide: bool = False, seed: int = 0) -> NDArray[Any]:
        """The operation, on copies."""
        kind = torch.float64 if is_wide else torch.float32

        def told(argument: Any) -> Any:
            if isinstance(argument, np.ndarray):
                return torch.from_numpy(argument.copy())
            is_fraction = isinstance(argument, torch.dtype) and argument.is_floating_point
            return kind if is_fraction else argument

        args, kwargs = tree_map(told, (args, {name: a for name, a in kwargs.items() if name not in _PLACES}))
        own = DrawsFrom(torch.Generator().manual_seed(seed)) if draws(self.function) else nullcontext()
        with own, torch.no_grad():
            return _array(tree_leaves(self._called(args, kwargs))[self.position])

    def _called(self, args: Any, kwargs: Any) -> Any:
        """A number stands where a tensor of one element stood, which some operations insist on."""
        if self.function is None:
            raise ValueError("unknown")
        try:
            return self.function(*args, **kwargs)
        except (RuntimeError, TypeError):
            schema = schema_of(self.function)
            if schema is None or not any(isinstance(a, float) for a in args):
                raise
            wanted = [argument.type.kind() == "TensorType" for argument in schema.arguments]
            args = [torch.tensor(a) if w and isinstance(a, float) else a for a, w in zip(args, wanted, strict=False)]
            return self.function(*args, **kwargs)

    def moved(self, args: Any, kwargs: Any) -> NDArray[Any]:
        """The operation, on the same memory."""
        told = lambda a: torch.from_numpy(a) if isinstance(a, np.ndarray) else a  # noqa: E731
        args, kwargs = tree_map(told, (args, kwargs))
        if self.function is None:
            raise ValueError("unknown")
        return tree_leaves(self.function(*args, **kwargs))[self.position].numpy()

    def noise(self, seed: int) -> Callable[[list[int]], NDArray[Any]]:
        """From a generator of its own."""
        generator = torch.Generator().manual_seed(seed)
        return lambda shape: gaussian(shape, generator).numpy()


def _array(tensor: torch.Tensor) -> NDArray[Any]:
    """A tensor as an array; in 32 bits what NumPy has not."""
    tensor = tensor.detach().cpu()
    tensor = tensor if tensor.layout is torch.strided else tensor.to_dense()
    is_foreign = tensor.is_floating_point() and tensor.dtype not in _SHARED
    return (tensor.float() if is_foreign else tensor).resolve_conj().resolve_neg().numpy()
