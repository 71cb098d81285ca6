"""What softmax attention does, as it is met."""

import math
from collections.abc import Callable
from typing import Any

import torch

from ..._diagnosis import Attention
from ..._trace._operations import is_attention
from .._torch import TorchDispatchMode, schema_of

_MATRICES, _QUERIES = 16, 64  # samples and heads, and places of each, that are looked at
_SOFTMAXES = {"_softmax", "_safe_softmax"}
_MASKED = -9000.0  # scores that nobody learns: additive masks are at -10,000 or lower


class Attentions(TorchDispatchMode):
    """Collects what each attention of a pass does, as a whole or as softmax and product.

    Args:
        path: tells at which weight the pass is.
    """

    def __init__(self, path: Callable[[], str]) -> None:
        super().__init__()
        self.found: list[Attention] = []
        self._path = path
        self._last: tuple[int, float | None] | None = None  # where the last softmax lies, and its freedom

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operation of the model."""
        kwargs, name = kwargs or {}, func.overloadpacket.__name__
        given = func(*args, **kwargs)
        if is_attention(name) and "backward" not in name:
            names = [argument.name for argument in schema_of(func).arguments]
            self._whole(**dict(zip(names, args, strict=False)) | kwargs)
        elif name in _SOFTMAXES and _is_of_last_axis(args):
            self._last = given.data_ptr(), _freedom(given.detach(), args[0].detach())
        elif name == "bmm" and self._last and args[0].data_ptr() == self._last[0]:
            self._met(self._last[1], args[1])
            self._last = None
        return given

    def _whole(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, **more: Any) -> None:
        """Attention as one operation: its scores are made again, of some."""
        mask = more.get("attn_mask", more.get("attn_bias"))
        if mask is not None:
            mask = mask.detach().expand(*query.shape[:-1], key.shape[-2])
        every = max(query.shape[1] // key.shape[1], 1)  # of queries that share a key, the first
        query, mask = query[:, ::every], mask if mask is None else mask[:, ::every]
        q, k = (_some(x.detach()).float() for x in (query, key))
        places = torch.arange(q.shape[1], device=q.device)[-_QUERIES:]
        scores = q[:, -_QUERIES:] @ k.mT * (more.get("scale") or 1 / math.sqrt(q.shape[-1]))
        if more.get("is_causal"):
            scores = scores.masked_fill(places[:, None] < torch.arange(k.shape[1], device=k.device), -math.inf)
        if mask is not None:
            scores = scores + _some(mask)[:, -_QUERIES:].float()
        self._met(_freedom(scores.softmax(-1), scores), value)

    def _met(self, freedom: float | None, value: torch.Tensor) -> None:
        self.found.append(Attention(path=self._path(), freedom=freedom, similarity=_similarity(value)))


def _is_of_last_axis(args: Any) -> bool:
    """Whether a softmax runs along the last of several axes."""
    return args[0].ndim > 2 and args[1] % args[0].ndim == args[0].ndim - 1


def _some(x: torch.Tensor) -> torch.Tensor:
    """A few of the matrices, (matrix, place, any)."""
    return x.flatten(0, -3)[:_MATRICES] if x.ndim > 3 else x[:_MATRICES]


def _freedom(shares: torch.Tensor, scores: torch.Tensor) -> float | None:
    """The mean of 1 - sum p^2 beside the most that it can be, over queries that may look at two places or more."""
    shares, scores = (_some(x)[:, -_QUERIES:] for x in (shares, scores))
    num = (scores > _MASKED).sum(-1)
    free = (1 - shares.float().square().sum(-1)) / (1 - 1 / num)
    free = free[num > 1]
    found = free.mean().item() if len(free) else math.nan
    return found if math.isfinite(found) else None


def _similarity(value: torch.Tensor) -> float | None:
    """The mean cosine between two places of one sample."""
    rows = _some(value.detach())[:, -_QUERIES:].double()
    count = rows.shape[1]
    if count < 2:
        return None
    unit = rows / rows.norm(dim=-1, keepdim=True)
    found = (unit.sum(1).square().sum(-1).mean().item() - count) / (count * (count - 1))
    return found if math.isfinite(found) else None
