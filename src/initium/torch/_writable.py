"""check_writable, check_one: what a fill cannot write is refused before anything is touched."""

from collections.abc import Callable
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn.parameter import is_lazy

from .._errors import ModelError, listed
from ._memory import DTYPES, extent
from ._shards import check_shards, is_sharded, local
from ._torch import FakeTensor, is_functorch_wrapped_tensor, is_traced, storage_of

_UNSEEN = torch.Tensor.__torch_dispatch__  # pyright: ignore[reportAttributeAccessIssue]  of a plain tensor


class _Misfit(NamedTuple):
    """A kind of tensor that cannot be filled: whether one is of it, what is then said of it, and what to call."""

    is_met: Callable[[torch.Tensor], bool]
    said: str
    remedy: str


def _is_wrapped(value: torch.Tensor) -> bool:
    """Whether a class of its own sees each operation: a DTensor, a masked or a fake one."""
    seen_by: Any = type(value)
    return seen_by.__torch_dispatch__ is not _UNSEEN


def _is_freed(value: torch.Tensor) -> bool:
    return not value.is_meta and value.numel() > 0 and value.data_ptr() == 0


def _repeats(value: torch.Tensor) -> bool:
    """Whether two elements lie at one place."""
    if extent(value) < value.nbytes:
        return True
    axes = [(step, size) for step, size in zip(value.stride(), value.shape, strict=True) if size > 1]
    if not value.numel() or _nests(sorted(axes)):
        return False
    places = reduce(np.add.outer, [np.arange(size) * step for step, size in axes], np.zeros((), np.int64))
    return len(np.unique(places)) < places.size


def _nests(axes: list[tuple[int, int]]) -> bool:
    """Whether each step is longer than all that the shorter ones reach, as in a slice or a transpose of a tensor."""
    reached = 0
    for step, size in axes:
        if step <= reached:
            return False
        reached += step * (size - 1)
    return True


_WITHOUT_SHAPE = _Misfit(is_lazy, "has no shape yet", "Run its layer once, so that it gets one: `layer(batch)`.")
_META = _Misfit(
    lambda value: value.is_meta,
    "is on meta",
    "Let `initium.initialize(model, seed)` give the model memory and fill it, or call `model.to_empty(device='cpu')`.",
)
# In this order: of the later ones some cannot be asked of an earlier kind.
_NOT_PLAIN = (
    _Misfit(
        is_functorch_wrapped_tensor,
        "stands for others within a transform of torch.func",
        "Fill the weight before the transform, and pass it in.",
    ),
    _Misfit(
        lambda value: isinstance(value, FakeTensor),
        "is a FakeTensor, which has no numbers",
        "Call `initium.plan(model)`, which needs no numbers, and apply it to a model built outside of FakeTensorMode.",
    ),
    _Misfit(lambda value: value.is_nested, "is nested", "Fill each of those in it: `tensor.unbind()`."),
    _Misfit(
        lambda value: value.is_quantized,
        "is quantised",
        "Fill the weight before it is quantised: `torch.quantize_per_tensor(weight, ...)`.",
    ),
    _Misfit(
        lambda value: value.layout is not torch.strided,
        "has the layout {layout}",
        "Fill `torch.empty(tensor.shape)` and convert that, as by `.to_sparse()`.",
    ),
    _Misfit(_is_wrapped, "is a {type}, which holds others", "Fill the plain tensors that it is made of."),
)
_FREED = _Misfit(_is_freed, "has no memory now, as under FSDP", "Call `module.unshard()` of its module first.")
_OTHER_DTYPE = _Misfit(
    lambda value: value.dtype not in DTYPES,
    "has dtype {dtype}",
    "Fill `torch.empty(tensor.shape)` and convert that: `tensor.copy_(filled)`.",
)
_REPEATED = _Misfit(_repeats, "has elements that share memory", "Fill `tensor.clone()`, which has memory for each.")

# The first that is met is told.
_ONE = (_WITHOUT_SHAPE, *_NOT_PLAIN, _META, _OTHER_DTYPE, _FREED, _REPEATED)
# Of a model's parameters: what cannot be filled, in words, and what to do.
_MANY: tuple[tuple[tuple[_Misfit, ...], str, str], ...] = (
    ((_META,), "These parameters have no memory yet", "Apply the plan first: plan.apply(model)."),
    (
        _NOT_PLAIN,
        "These parameters are no plain tensors, and only those are filled",
        "Fill the model before it is sharded or quantised, or leave them as built: Rule('PATH', 'framework').",
    ),
    (
        (_OTHER_DTYPE,),
        "A fill writes float32, float64, float16 and bfloat16, and these parameters are something else",
        "Build the model in one of these, or leave them as built: Rule('PATH', 'framework').",
    ),
    (
        (_FREED,),
        "These parameters have no memory now",
        "Let the model have it again first, as FSDP does by `module.unshard()`.",
    ),
    ((_REPEATED,), "Elements of these parameters share memory", "Make them whole: nn.Parameter(value.clone())."),
)


def check_one(value: torch.Tensor, start: object, *, is_named: bool) -> None:
    """Refuse one tensor that a start is asked to fill and cannot.

    Args:
        value: a DTensor, of which this process fills its part, or any other.
        start: that is asked.
        is_named: whether seed and path say the numbers, so that all processes know the same.

    Raises:
        ModelError: saying what it is, and what to call.
    """
    if is_sharded(value):
        check_shards({"tensor": value})
        if not is_named:
            raise ModelError(
                f"`{start}` fills a DTensor under a seed and a path that all its processes share: "
                "pass seed=0, path='fc1.weight'."
            )
    if is_traced():
        raise ModelError(
            f"`{start}` fills a tensor now, and what is being traced here would not hold it. Fill it before the trace."
        )
    held = local(value)
    if misfit := next((misfit for misfit in _ONE if misfit.is_met(held)), None):
        said = misfit.said.format(type=type(held).__name__, layout=held.layout, dtype=held.dtype)
        raise ModelError(
            f"`{start}` fills plain tensors of float32, float64, float16 and bfloat16 that have memory; "
            f"this one {said}. {misfit.remedy}"
        )


def check_writable(values: dict[str, torch.Tensor], *, needs_memory: bool = True) -> None:
    """Refuse what cannot be written, or has no memory of its own.

    Args:
        values: by path.
        needs_memory: whether being on meta is a misfit as well.

    Raises:
        ModelError: naming every parameter of the first kind of misfit that there is.
    """
    doubtful = {
        path: value for path, value in values.items() if not _is_fine(value) or (needs_memory and value.is_meta)
    }
    for misfits, what, remedy in _MANY if needs_memory else _MANY[1:]:
        met = {path: value for path, value in doubtful.items() if any(misfit.is_met(value) for misfit in misfits)}
        if lines := sorted(f"  {path}  {_kind(value)}" for path, value in met.items()):
            raise ModelError(f"{what}:\n{listed(lines)}\n{remedy}")


def _is_fine(value: torch.Tensor) -> bool:
    """Whether it is met by no misfit but that it may be on meta, as are nearly all of a model's parameters."""
    return (
        type(value) in (torch.Tensor, nn.Parameter)
        and value.layout is torch.strided
        and value.dtype in DTYPES
        and not is_functorch_wrapped_tensor(value)
        and not value.is_nested
        and value.is_contiguous()
        and (value.is_meta or value.data_ptr() != 0)
    )


def _kind(value: torch.Tensor) -> str:
    return f"{type(value).__name__}, {value.dtype} on {value.device}"


def check_apart(values: dict[str, torch.Tensor]) -> None:
    """Refuse two in one piece of memory: they would overwrite each other, and on meta be torn apart.

    Raises:
        ModelError: naming each, and in whose memory it lies.
    """
    spans = [(*_span(value), path) for path, value in values.items() if value.nbytes]
    lines: list[str] = []
    reached = None, 0, ""  # the greatest end so far, and whose it is
    for place, start, size, path in sorted(spans):
        if place == reached[0] and start < reached[1]:
            lines.append(f"  {path}  lies in the memory of {reached[2]}")
        reached = reached if reached[0] == place and reached[1] > start + size else (place, start + size, path)
    if lines:
        raise ModelError(
            f"These parameters are two and share memory:\n{listed(sorted(lines))}\n"
            "Tie them as one parameter, `b.weight = a.weight`, or copy one."
        )


def _span(value: torch.Tensor) -> tuple[str, int, int]:
    """Where a tensor lies: from an address of a device on; on meta in all of its storage."""
    if value.is_meta:
        return f"meta {storage_of(value)}", 0, value.untyped_storage().nbytes()
    return str(value.device), value.data_ptr(), extent(value)
