"""Weight norm and spectral norm: what they keep beside a weight must fit the numbers that it was given."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.utils.parametrize import ParametrizationList
from torch.nn.utils.spectral_norm import SpectralNorm as OldSpectralNorm
from torch.nn.utils.weight_norm import WeightNorm as OldWeightNorm

from .._errors import ModelError, listed
from ._path import plain_paths
from ._shards import is_sharded
from ._torch import SpectralNorm, WeightNorm, iterate_power_method, pre_hooks

# Of 100 Gaussian matrices of 300 x 400 the greatest singular value was then found to 1 in 1,000 on average, 1 in 90
# at worst; 50 gave twice the worst.
_POWER_ITERATIONS = 100


def lengths(model: nn.Module) -> Iterator[tuple[nn.Parameter, nn.Parameter]]:
    """The length and the direction of every weight under a weight norm, PyTorch's new one or its old one."""
    for module in model.modules():
        if isinstance(module, ParametrizationList) and isinstance(module[0], WeightNorm):
            yield module.original0, module.original1  # pyright: ignore[reportReturnType]
        for hook in _hooks(module, OldWeightNorm):
            yield getattr(module, f"{hook.name}_g"), getattr(module, f"{hook.name}_v")


def free_parameters(model: nn.Module) -> None:
    """Forget how the weight of an old weight norm came about, which autograd remembers though nothing is on meta.

    It would hold the parameters there; each forward pass computes the weight anew.
    """
    for module in model.modules():
        for hook in _hooks(module, OldWeightNorm):
            if (weight := getattr(module, hook.name)).is_meta:
                setattr(module, hook.name, weight.detach())


def length(direction: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """The norm over every axis that the length has not."""
    exact = direction.to(torch.promote_types(direction.dtype, torch.float32))
    if like.ndim < direction.ndim:
        return exact.norm().to(like.dtype).reshape(like.shape)
    axes = [axis for axis, size in enumerate(like.shape) if size == 1]
    return torch.linalg.vector_norm(exact, dim=axes, keepdim=True).to(like.dtype)


def remade(model: nn.Module) -> dict[int, str]:
    """Why a factor on a weight need not reach its output, by the id of each weight that the model makes anew."""
    found: dict[int, str] = {}
    for module in model.modules():
        if isinstance(module, ParametrizationList):
            names = [type(part).__name__.strip("_") for part in module if not isinstance(part, WeightNorm)]
            by = f"made anew by {', '.join(names)}"
            found |= {id(value): by for value in module.parameters(recurse=False) if names}
    return found | dict.fromkeys(_divided(model), "divided by its own norm")


def _divided(model: nn.Module) -> Iterator[int]:
    """The ids of what a spectral norm divides, PyTorch's new one or its old one."""
    for module in model.modules():
        if isinstance(module, ParametrizationList) and any(isinstance(part, SpectralNorm) for part in module):
            yield from map(id, module.parameters(recurse=False))
        for hook in _hooks(module, OldSpectralNorm):
            yield id(getattr(module, f"{hook.name}_orig"))


def check_spectral_norms(model: nn.Module, values: dict[str, torch.Tensor]) -> None:
    """Refuse to write a sharded weight under a spectral norm, whose vectors depend on all of it.

    Raises:
        ModelError: naming every such parameter.
    """
    divided = set(_divided(model))
    if lines := sorted(f"  {path}" for path, value in values.items() if id(value) in divided and is_sharded(value)):
        raise ModelError(
            f"A spectral norm keeps vectors that depend on all of a weight, and these are sharded:\n{listed(lines)}\n"
            "Fill the model before it is sharded, or leave them as built: Rule('PATH', 'framework')."
        )


def renew_spectral_norms(model: nn.Module, is_filled: set[int]) -> None:
    """Find the greatest singular value of each weight that was filled; spectral norm keeps the old one's vectors."""
    for module in model.modules():
        if isinstance(module, ParametrizationList) and any(isinstance(part, SpectralNorm) for part in module):
            originals = list(module.parameters(recurse=False))
            if is_filled & set(map(id, originals)):
                _renew(list(module), originals)
        for hook in _hooks(module, OldSpectralNorm):
            weight = getattr(module, f"{hook.name}_orig")
            for _ in range(_POWER_ITERATIONS if id(weight) in is_filled and weight.any() else 0):
                hook.compute_weight(module, do_power_iteration=True)


def spectral_buffers(model: nn.Module) -> Iterator[str]:
    """The vectors that are renewed, by their path."""
    plain = plain_paths(model)
    for path, module in model.named_modules():
        prefix = f"{owner}." if (owner := plain(path)) else ""
        if isinstance(module, SpectralNorm):
            yield from (prefix + name for name, _ in module.named_buffers(recurse=False))
        for hook in _hooks(module, OldSpectralNorm):
            yield from (f"{prefix}{hook.name}_{name}" for name in "uv")


def _renew(parts: list[Any], originals: list[nn.Parameter]) -> None:
    """Follow a weight through its parametrisations; each spectral norm sees what those before it give."""
    value, *others = originals
    for part in parts:
        if not isinstance(part, SpectralNorm):
            value, others = part(value, *others), []
        elif value.ndim > 1 and value.any():  # of zeros the vectors would be zeros for ever
            iterate_power_method(part, value, _POWER_ITERATIONS)


def _hooks(module: nn.Module, kind: type) -> list[Any]:
    return [hook for hook in pre_hooks(module) if isinstance(hook, kind)]
