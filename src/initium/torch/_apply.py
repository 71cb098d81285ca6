"""From a Plan to a model's parameters."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.autograd.graph import increment_version

from .. import _stream
from .._errors import ModelError, SpecError, listed
from .._fill import Job, check, fill_all
from .._ledger import Entry, Ledger
from .._plan import Choice, Plan
from ..init._law import Keep
from ..init._weight import Weight
from ._lengths import length, lengths, renew_spectral_norms
from ._memory import DTYPES, extent, has_memory, memory
from ._parameters import parameters

Chosen = list[tuple[Choice, torch.Tensor]]

_UNSEEN = torch.Tensor.__torch_dispatch__  # pyright: ignore[reportAttributeAccessIssue]  of a plain tensor


@torch.no_grad()
def apply(plan: Plan, model: nn.Module, *, seed: int = 0) -> Ledger:
    """Fill every parameter that the plan does not keep, in place; all is checked before the first is touched.

    Args:
        plan: one choice for each parameter of the model.
        model: the one that was planned, or another of the same parameters.
        seed: from 0 to 2^64 - 1. What is drawn for a parameter depends on it and on the parameter's path alone;
            what that is scaled by, on the plan.

    Returns:
        What was filled, tied and left as built, and by which rule.

    Raises:
        PlanError: listing every difference, if the model has other parameters.
        ModelError: naming every parameter that no fill writes.
        SpecError: naming every parameter whose numbers leave its dtype.
        SettingError: if the seed is out of range.

    Example:
        >>> model = nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 2))
        >>> from initium import plan
        >>> print(apply(plan(model, "he_normal"), model, seed=0).filled[0].path)
        0.weight
    """
    values = parameters(plan, model)
    chosen = [(choice, values[choice.path]) for choice in plan.choices if not isinstance(choice.law, Keep)]
    unmade = {path: value for path, value in values.items() if value.is_meta}  # what is kept must be there
    check_writable({choice.path: value for choice, value in chosen} | unmade)
    keys = {choice.path: _stream.key(seed, choice.draws_as or choice.path) for choice, _ in chosen}
    _check_reach(chosen, keys)
    _fill(chosen, keys)
    own = {choice.path for choice in plan.choices if choice.is_own}
    followed = _follow(model, values, filled=set(keys), decided=own | set(keys))
    renew_spectral_norms(model, {id(value) for _, value in chosen})
    return Ledger(entries=tuple(_entry(choice, followed) for choice in plan.choices), seed=int(seed))


def check_writable(values: dict[str, torch.Tensor]) -> None:
    """Refuse what has no memory of its own to write.

    Raises:
        ModelError: naming every parameter of the first kind of misfit that there is.
    """
    for is_misfit, what, remedy in _MISFITS:
        if lines := sorted(f"  {path}  {_kind(value)}" for path, value in values.items() if is_misfit(value)):
            raise ModelError(f"{what}:\n{listed(lines)}\n{remedy}")
    _check_apart(values)


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
        "Call `model.to_empty(device=...)` first.",
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
    return f"{type(value).__name__}, {value.dtype} on {value.device}" if not value.is_meta else "on meta"


def _check_apart(values: dict[str, torch.Tensor]) -> None:
    """Two parameters in one piece of memory would overwrite each other."""
    spans = [(value.device, value.data_ptr(), extent(value), path) for path, value in values.items() if value.nbytes]
    lines: list[str] = []
    reached = None, 0, ""  # the greatest end so far, and whose it is
    for device, start, size, path in sorted(spans, key=lambda span: (str(span[0]), *span[1:])):
        if device == reached[0] and start < reached[1]:
            lines.append(f"  {path}  lies in the memory of {reached[2]}")
        reached = reached if reached[0] == device and reached[1] > start + size else (device, start + size, path)
    if lines:
        raise ModelError(
            f"These parameters are two and share memory:\n{listed(sorted(lines))}\n"
            "Tie them as one parameter, `b.weight = a.weight`, or copy one."
        )


def _check_reach(chosen: Chosen, keys: dict[str, int]) -> None:
    """Refuse laws whose numbers a dtype does not have."""
    misfits = []
    for choice, value in chosen:
        try:
            # Memory that is never touched costs nothing; only its shape and dtype are looked at.
            out = np.empty(_weight(choice).shape, memory(torch.empty(0, dtype=value.dtype, device="cpu")).dtype)
            check(_job(choice, out, keys))
        except SpecError as error:
            misfits.append(f"  {choice.path}  {choice.init}: {error}")
    if misfits:
        raise SpecError(
            f"These starts leave the numbers of their dtype:\n{listed(sorted(misfits))}\n"
            "Choose a smaller std or limit, or fill the model in float32."
        )


def _weight(choice: Choice) -> Weight:
    """The weight as its elements are numbered."""
    return choice.init.sees(choice.param).in_order


def _fill(chosen: Chosen, keys: dict[str, int]) -> None:
    """In this machine's memory all at once; elsewhere one beside the other, and copied."""
    threads = torch.get_num_threads()
    ordered = [(choice, value, value.permute(choice.init.sees(choice.param).order)) for choice, value in chosen]
    here = [(choice, value, view) for choice, value, view in ordered if has_memory(view)]
    fill_all([_job(choice, memory(view), keys) for choice, _, view in here], threads=threads)
    for _, value, _ in here:
        if not value.is_inference():
            increment_version(value)  # autograd must notice, as if an operation of its own had written
    for choice, _, view in ordered:
        if not has_memory(view):
            drawn = torch.empty(view.shape, dtype=view.dtype, device="cpu")
            fill_all([_job(choice, memory(drawn), keys)], threads=threads)
            view.copy_(drawn)


def _job(choice: Choice, out: NDArray[np.generic], keys: dict[str, int]) -> Job:
    return Job(out=out, law=choice.law, weight=_weight(choice), key=keys[choice.path])


def _follow(model: nn.Module, values: dict[str, torch.Tensor], *, filled: set[str], decided: set[str]) -> set[str]:
    """Set the length of each weight norm whose direction was filled; else the weight would keep its old size.

    A frozen length, and one that a rule or the plan decides, stays.
    """
    paths = {id(value): path for path, value in values.items()}
    followed = set()
    for size, direction in lengths(model):
        path = paths[id(size)]
        if paths[id(direction)] in filled and path not in decided and size.requires_grad:
            size.copy_(length(direction, size))
            followed.add(path)
    return followed


def _entry(choice: Choice, followed: set[str]) -> Entry:
    return Entry(
        path=choice.path,
        num_elements=int(np.prod(choice.param.shape)),
        start="length of its direction" if choice.path in followed else str(choice.init),
        rule=choice.rule,
        tied=choice.param.tied,
        is_filled=not isinstance(choice.law, Keep) or choice.path in followed,
    )
