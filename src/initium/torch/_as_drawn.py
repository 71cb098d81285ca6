"""as_drawn: whether a parameter's numbers can be those that a layer of PyTorch's own draws."""

import math
from typing import Literal

import torch
from torch import nn

from ._torch import ConvNd, fan_in_and_fan_out

_MOST = 1 << 20  # numbers that are looked at
# The largest of n numbers that are uniform up to a bound is below (1 - k/n) of it with probability exp(-k).
_RARE = 30
_MANY = 500  # of so many the share beyond a bound, or the std, is known well enough
_FEW_BEYOND = 0.04  # of a normal draw with the same rms 8 in 100 are
_ALIKE = 0.05
_FAR = 6.0  # standard errors

Said = Literal["drawn", "moved", "otherwise", "unknown"]


def as_drawn(module: nn.Module, name: str, value: torch.Tensor) -> Said:
    """What the numbers say of how a layer of PyTorch's got them.

    Returns:
        `drawn` where nothing speaks against the layer's own draw; `moved` if it drew them, and a few left the range
        since; `otherwise` if it drew other ones; `unknown` of what is no draw, or not PyTorch's.
    """
    bound, size = _bound(module, name, value), value.numel()
    if not size or not value.is_floating_point() or not (bound or isinstance(module, nn.Embedding | nn.EmbeddingBag)):
        return "unknown"
    numbers = value.detach().flatten()[:_MOST].float()
    if not bound:
        return _as_normal(numbers)
    coarse = _coarse(value, numbers)
    size, sizes = len(numbers), numbers.abs()
    reach = sizes.max().item() / bound
    if 1 - _RARE / size - coarse <= reach <= 1 + coarse:
        return "drawn"
    beyond = (sizes > bound * (1 + coarse)).float().mean().item()
    rms = math.sqrt(3) * numbers.square().mean().sqrt().item() / bound
    is_moved = size >= _MANY and 0 < beyond < _FEW_BEYOND and abs(rms - 1) < _ALIKE
    return "moved" if is_moved else "otherwise"


def _coarse(value: torch.Tensor, numbers: torch.Tensor) -> float:
    """How far rounding may have carried a number, also where it has more bytes again by now."""
    halves = (dtype for dtype in (torch.bfloat16, torch.float16) if bool((numbers.to(dtype) == numbers).all()))
    return torch.finfo(next(halves, value.dtype)).eps


def _as_normal(numbers: torch.Tensor) -> Said:
    """Of a table, whose padding row is zero; few numbers say nothing."""
    numbers = numbers[numbers != 0]
    error = 1 / math.sqrt(2 * max(1, len(numbers)))
    return "drawn" if len(numbers) < _MANY or abs(numbers.std().item() - 1) < _FAR * error else "otherwise"


def _bound(module: nn.Module, name: str, value: torch.Tensor) -> float:
    """The bound up to which `reset_parameters` draws uniformly; 0 if it draws otherwise, or is not known to."""
    match module:
        case nn.Linear() | ConvNd():
            return _of_fan(fan_in_and_fan_out(module.weight)[0]) if name in ("weight", "bias") else 0.0
        case nn.Bilinear():
            return _of_fan(module.weight.shape[1]) if name in ("weight", "bias") else 0.0
        case nn.RNNBase() | nn.RNNCellBase():
            return _of_fan(module.hidden_size)
        case nn.MultiheadAttention() if name.endswith("_weight"):
            return math.sqrt(6 / sum(value.shape))
        case _:
            return 0.0


def _of_fan(fan: int) -> float:
    return 1 / math.sqrt(fan) if fan else 0.0
