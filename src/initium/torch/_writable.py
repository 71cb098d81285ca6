"""check_writable: what a fill cannot write is refused before anything is touched."""

from collections.abc import Callable
from typing import Any

import torch

from .._errors import ModelError, listed
from ._memory import DTYPES, extent
from ._torch import storage_of

_UNSEEN = torch.Tensor.__torch_dispatch__  # pyright: ignore[reportAttributeAccessIssue]  of a plain tensor


def check_writable(values: dict[str, torch.Tensor], *, needs_memory: bool = True) -> None:
    """Refuse what cannot be written, or has no memory of its own.

    Args:
        values: by path.
        needs_memory: whether being on meta is a misfit as well.

    Raises:
        ModelError: naming every parameter of the first kind of misfit that there is.
    """
    for is_misfit, what, remedy in _MISFITS if needs_memory else _MISFITS[1:]:
        if lines := sorted(f"  {path}  {_kind(value)}" for path, value in values.items() if is_misfit(value)):
            raise ModelError(f"{what}:\n{listed(lines)}\n{remedy}")
    check_apart(values)


def _is_wrapped(value: torch.Tensor) -> bool:
    """Whether a class of its own sees each operation: a DTensor, a quantised or a fake one."""
    seen_by: Any = type(value)
    return seen_by.__torch_dispatch__ is not _UNSEEN


def _repeats(value: torch.Tensor) -> bool:
    return extent(value) < value.nbytes


# What cannot be filled, in words, and what to do. In this order: the first that is met is told.
_MISFITS: tuple[tuple[Callable[[torch.Tensor], bool], str, str], ...] = (
    (
        lambda value: value.is_meta,
        "These parameters have no memory yet",
        "Apply the plan first: plan.apply(model).",
    ),
    (
        lambda value: _is_wrapped(value) or value.is_quantized or value.layout is not torch.strided,
        "These parameters are no plain tensors, and only those are filled",
        "Fill the model before it is sharded or quantised, or leave them as built: Rule('PATH', 'framework').",
    ),
    (
        lambda value: value.dtype not in DTYPES,
        "A fill writes float32, float64, float16 and bfloat16, and these parameters are something else",
        "Build the model in one of these, or leave them as built: Rule('PATH', 'framework').",
    ),
    (
        _repeats,
        "Elements of these parameters share memory",
        "Make them whole: nn.Parameter(value.clone()).",
    ),
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
