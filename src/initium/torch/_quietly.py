"""A pass through a model that leaves no trace in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from ._kept import kept
from ._random import nothing_drawn, own_draws
from ._torch import TorchDispatchMode


@contextmanager
def quietly(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, no fused attention that hides its weights, and the same random numbers at each pass.

    Normalisations over the batch take its statistics: those that are kept mean nothing before training.
    """
    was_fast = torch.backends.mha.get_fastpath_enabled()
    try:
        with kept(model), nothing_drawn(), own_draws():
            torch.backends.mha.set_fastpath_enabled(False)
            model.eval()
            with _BatchStatistics():
                yield
    finally:
        torch.backends.mha.set_fastpath_enabled(was_fast)


class _BatchStatistics(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket.__name__ in _BATCH_NORMS and args[0].numel() > args[0].shape[1]:
            args = (*args[:3], None, None, True, *args[6:])
        return func(*args, **(kwargs or {}))


_BATCH_NORMS = {"native_batch_norm", "cudnn_batch_norm", "miopen_batch_norm"}
