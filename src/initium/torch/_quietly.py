"""A pass through a model that leaves no trace in it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from ._kept import kept
from ._memory import has_memory
from ._random import nothing_drawn, own_draws
from ._torch import TorchDispatchMode, schema_of


@contextmanager
def quietly(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, no fused attention that hides its weights, and the same random numbers at each pass.

    Normalisations over the batch take its statistics: those that are kept mean nothing before training.
    """
    was_fast = torch.backends.mha.get_fastpath_enabled()
    try:
        with kept(model) as (_, tensors), nothing_drawn(), own_draws():
            torch.backends.mha.set_fastpath_enabled(False)
            model.eval()
            with unwritten(tensors), _BatchStatistics():
                yield
    finally:
        torch.backends.mha.set_fastpath_enabled(was_fast)


@contextmanager
def unwritten(tensors: Iterable[torch.Tensor]) -> Iterator[None]:
    """Tensors that an operation writes to, as a model's own code may, have their numbers back afterwards."""
    writes = _Writes({tensor.untyped_storage().data_ptr(): tensor for tensor in tensors if has_memory(tensor)})
    try:
        with writes:
            yield
    finally:
        with torch.no_grad():
            for tensor, before in writes.before:
                tensor.detach().copy_(before)


class _Writes(TorchDispatchMode):
    """Copies what lies in some places before it is written over."""

    def __init__(self, places: dict[int, torch.Tensor]) -> None:
        super().__init__()
        self.before: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._places = places

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if schema_of(func).is_mutable and args and isinstance(args[0], torch.Tensor) and has_memory(args[0]):
            tensor = self._places.pop(args[0].untyped_storage().data_ptr(), None)
            if tensor is not None:
                self.before.append((tensor, tensor.detach().clone()))
        return func(*args, **(kwargs or {}))


class _BatchStatistics(TorchFunctionMode):
    """Above autograd, so that the way back goes through the same statistics."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in (torch.batch_norm, functional.batch_norm):
            bound = dict(zip(_BATCH_NORMS[func], args, strict=False)) | kwargs
            if (x := bound["input"]).numel() > x.shape[1]:
                return func(**bound | {"running_mean": None, "running_var": None, "training": True})
        return func(*args, **kwargs)


_BATCH_NORMS: dict[Any, tuple[str, ...]] = {
    torch.batch_norm: (
        *("input", "weight", "bias", "running_mean", "running_var", "training", "momentum", "eps", "cudnn_enabled"),
    ),
    functional.batch_norm: (
        *("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps"),
    ),
}
