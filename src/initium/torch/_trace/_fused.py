"""Fused: operations that do several at once, as the several that they are."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def taken_apart(name: str, args: Any, kwargs: Any) -> Callable[[], Tensor] | None:
    """The same in plain operations, to be run; None of what is one already.

    Args:
        name: of the operation; one that writes its first argument ends with an underscore.
        args: of it.
        kwargs: of it.
    """
    apart, is_inplace = _APART.get(name.rstrip("_")), name.endswith("_")
    if apart is None or not _is_fused(name.rstrip("_"), args, kwargs):
        return None
    numbers, out = {key: value for key, value in kwargs.items() if key != "out"}, kwargs.get("out")

    def done() -> Tensor:
        result = apart(is_inplace, *args, **numbers)
        return result if out is None else out.copy_(result)

    return done


def _is_fused(name: str, args: Any, kwargs: Any) -> bool:
    """Whether it does more than its name says: a sum that multiplies, a step between by a plain number."""
    if name == "lerp":
        return not isinstance(args[2], Tensor)
    return name in ("addcmul", "addcdiv") or (kwargs.get("alpha", 1) != 1 and isinstance(args[1], Tensor))


def _add(is_inplace: bool, x: Tensor, y: Tensor, *, alpha: float = 1) -> Tensor:
    scaled = y if alpha == 1 else y * alpha
    return x.add_(scaled) if is_inplace else x + scaled


def _sub(is_inplace: bool, x: Tensor, y: Tensor, *, alpha: float = 1) -> Tensor:
    return x.sub_(y * alpha) if is_inplace else x - y * alpha


def _lerp(is_inplace: bool, x: Tensor, y: Tensor, weight: float) -> Tensor:
    return x.mul_(1 - weight).add_(y * weight) if is_inplace else x * (1 - weight) + y * weight


_APART: dict[str, Callable[..., Tensor]] = {
    "add": _add,
    "sub": _sub,
    "addcmul": lambda is_inplace, x, a, b, *, value=1: _add(is_inplace, x, torch.mul(a, b), alpha=value),
    "addcdiv": lambda is_inplace, x, a, b, *, value=1: _add(is_inplace, x, torch.div(a, b), alpha=value),
    "lerp": _lerp,
}
