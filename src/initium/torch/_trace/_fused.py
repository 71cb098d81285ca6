"""Fused: operations that do several at once, as the several that they are."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def taken_apart(name: str, args: Any, kwargs: Any) -> Callable[[], Any] | None:
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

    def done() -> Any:
        result = apart(is_inplace, *args, **numbers)
        return result if out is None else out.copy_(result)

    return done


def _is_fused(name: str, args: Any, kwargs: Any) -> bool:
    """Whether it does more than its name says: a sum that multiplies, a step between by a plain number."""
    if name == "lerp":
        return not isinstance(args[2], Tensor)
    return name in ("addcmul", "addcdiv", "_embedding_bag", "_embedding_bag_forward_only") or (
        kwargs.get("alpha", 1) != 1 and isinstance(args[1], Tensor)
    )


def _add(is_inplace: bool, x: Tensor, y: Tensor, *, alpha: float = 1) -> Tensor:
    scaled = y if alpha == 1 else y * alpha
    return x.add_(scaled) if is_inplace else x + scaled


def _sub(is_inplace: bool, x: Tensor, y: Tensor, *, alpha: float = 1) -> Tensor:
    return x.sub_(y * alpha) if is_inplace else x - y * alpha


def _lerp(is_inplace: bool, x: Tensor, y: Tensor, weight: float) -> Tensor:
    return x.mul_(1 - weight).add_(y * weight) if is_inplace else x * (1 - weight) + y * weight


def _bag(
    _: bool,
    weight: Tensor,
    ids: Tensor,
    starts: Tensor,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse: bool = False,
    factors: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int = -1,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Rows picked one by one, then put together: mode 0 adds them, 1 averages, 2 takes the highest."""
    num = len(starts) - include_last_offset
    bags = torch.searchsorted(starts[:num].contiguous(), torch.arange(len(ids), device=ids.device), right=True) - 1
    rows = torch.nn.functional.embedding(ids, weight)
    rows = rows if factors is None else rows * factors[:, None]
    counted = torch.ones_like(ids) if padding_idx < 0 else (ids != padding_idx).to(ids.dtype)
    rows = rows if padding_idx < 0 else rows * counted[:, None]
    sizes = torch.zeros(num, dtype=ids.dtype, device=ids.device).index_add(0, bags, counted)
    if mode == _HIGHEST:
        places = bags[:, None].expand(rows.shape)
        given = rows.new_zeros(num, rows.shape[1]).scatter_reduce(0, places, rows, "amax", include_self=False)
    else:
        given = rows.new_zeros(num, rows.shape[1]).index_add(0, bags, rows)
        given = given / sizes.clamp(min=1)[:, None] if mode else given
    return given, bags, sizes, sizes


_HIGHEST = 2

_APART: dict[str, Callable[..., Any]] = {
    "add": _add,
    "sub": _sub,
    "addcmul": lambda is_inplace, x, a, b, *, value=1: _add(is_inplace, x, torch.mul(a, b), alpha=value),
    "addcdiv": lambda is_inplace, x, a, b, *, value=1: _add(is_inplace, x, torch.div(a, b), alpha=value),
    "lerp": _lerp,
    **dict.fromkeys(("_embedding_bag", "_embedding_bag_forward_only"), _bag),
}
