"""Weight norm: a weight is its direction times its length, and a new direction needs its own length."""

from collections.abc import Iterator

import torch
from torch import nn
from torch.nn.utils.parametrizations import _WeightNorm  # pyright: ignore[reportPrivateUsage]
from torch.nn.utils.weight_norm import WeightNorm


def lengths(model: nn.Module) -> Iterator[tuple[nn.Parameter, nn.Parameter]]:
    """The length and the direction of every weight under a weight norm, PyTorch's new one or its old one."""
    for module in model.modules():
        if isinstance(module, nn.utils.parametrize.ParametrizationList) and isinstance(module[0], _WeightNorm):
            yield module.original0, module.original1  # pyright: ignore[reportReturnType]
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook, WeightNorm):
                yield getattr(module, f"{hook.name}_g"), getattr(module, f"{hook.name}_v")


def length(direction: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """The norm over every axis that the length has not."""
    if like.ndim < direction.ndim:
        return direction.float().norm().to(like.dtype).reshape(like.shape)
    axes = [axis for axis, size in enumerate(like.shape) if size == 1]
    return direction.float().norm(dim=axes, keepdim=True).to(like.dtype)
