"""Masks: dropout of replicas, each as it would draw by itself."""

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode


class Masks(TorchFunctionMode):
    """Within `vmap` each replica drops what its own generator says, as the plain loop does under the same seed.

    What else a model draws `vmap` refuses, and so the model trains in the plain loop.
    """

    def __init__(self, generators: Sequence[torch.Generator]) -> None:
        super().__init__()
        self._generators = generators

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is not functional.dropout:
            return func(*args, **kwargs)
        return self._dropped(*args, **kwargs)

    def _dropped(
        self, input: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> torch.Tensor:
        if not training or not 0 < p < 1:
            return functional.dropout(input, p, training)
        return input * _Mask.apply(input.detach(), p, self._generators)


class _Mask(torch.autograd.Function):
    """0 where a number is dropped, and else what the others are multiplied by."""

    @staticmethod
    def forward(values: torch.Tensor, p: float, generators: Any) -> torch.Tensor:
        raise NotImplementedError("masks are of replicas")

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Nothing is differentiated."""

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> tuple[torch.Tensor, int]:
        """Of all replicas, `(replica, *shape)`."""
        values, p, generators = args
        each = values.movedim(in_dims[0], 0)
        kept = [torch.empty_like(each[0]).bernoulli_(1 - p, generator=one).div_(1 - p) for one in generators]
        return torch.stack(kept), 0
