"""From a Plan to a model's parameters."""

from collections.abc import Collection, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from .. import _stream
from .._errors import ModelError, SpecError, listed
from .._fill import Job, check, fill_all
from .._ledger import Entry, Ledger
from .._plan import Choice, Plan
from ..init._law import Elementwise, Keep, Rows
from ..init._weight import Weight
from ._buffers import Remade, remade_buffers
from ._deferred import Recorded, is_marked, mark, record_of
from ._lengths import check_spectral_norms, free_parameters, length, lengths, renew_spectral_norms
from ._materialise import Device, check_device, materialised
from ._memory import DTYPES, has_memory, memory, numpy_dtype
from ._parameters import parameters
from ._path import plain_path
from ._read import named
from ._shards import Box, check_shards, is_sharded, local, notice, parts, put, reshard
from ._writable import check_apart, check_writable

Chosen = list[tuple[Choice, torch.Tensor]]
# How many elements are drawn beside a weight at a time: 4 MB of float32 stay in the cache, and add nothing to the peak.
_STRETCH = 1 << 20
Followed = dict[str, tuple[torch.Tensor, str]]  # a length, and the path of its direction


@torch.no_grad()
def apply(plan: Plan, model: nn.Module, *, seed: int = 0, device: Device = None, partial: bool = False) -> Ledger:
    """Write every parameter that the plan does not keep, in place, and what is on meta besides, each once.

    All is checked before the first is touched. What is on meta gets its memory here; its buffers are computed, and what
    the plan keeps is made as the constructor would have. If something fails in the middle, or on Ctrl-C, that is on
    meta again; of what had memory, some may be written: apply the plan once more.

    Of a DTensor each process writes the part that it holds, with the numbers that it has in the whole, and asks no
    other. What is computed as a whole, such as an orthogonal matrix, is computed on each.

    Args:
        plan: one choice for each parameter of the model.
        model: the one that was planned, or another of the same parameters.
        seed: from 0 to 2^64 - 1. What is drawn for a parameter depends on it and on the parameter's path alone;
            what that is scaled by, on the plan.
        device: where what is on meta gets its memory. None is the kind of device of the meshes of DTensors, if there
            are any; else torch's default device.
        partial: whether the model may lack parameters of the plan, as one stage of a pipeline does. Its names must be
            those of the whole model.

    Returns:
        What was filled, tied and left as built, by which rule, and which buffers were computed.

    Raises:
        PlanError: listing every difference, if the model has other parameters.
        ModelError: naming every parameter that no fill writes, or everything that would stay uninitialised.
        SpecError: naming every parameter whose numbers leave its dtype.
        SettingError: if the seed is out of range, or the device is meta.

    Example:
        >>> model = nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 2))
        >>> from initium import plan
        >>> print(apply(plan(model, "he_normal"), model, seed=0).filled[0].path)
        0.weight
    """
    reshard(model)
    values = parameters(plan, model, partial=partial)
    choices = {choice.path: choice for choice in plan.choices if choice.path in values}
    keys = {path: _stream.key(seed, choice.draws_as or path) for path, choice in choices.items()}
    anew = {path for path, choice in choices.items() if choice.rule.startswith("author")}
    records = _records(model, values, anew)
    chosen = [(choice, values[path]) for path, choice in choices.items() if _is_drawn(choice, values[path], records)]
    followed = _followed(model, values, choices, records)
    written = {choice.path for choice, _ in chosen} | followed.keys()
    recorded = {path: record for path, record in records.items() if path not in written}
    buffers = remade_buffers(model, plan, seed)
    _check_recorded(values, written, recorded)
    _check_buffers(model, buffers)
    touched = {path: values[path] for path in written | recorded.keys()} | {one.path: one.value for one in buffers}
    check_device(device, touched)
    check_shards(touched)
    check_spectral_norms(model, touched)
    check_writable({choice.path: local(value) for choice, value in chosen}, needs_memory=False)
    check_apart(_apart({path: local(values[path]) for path in written | recorded.keys()}, buffers))
    _check_reach(chosen, keys)
    free_parameters(model)
    blank = [value for value in touched.values() if value.is_meta]
    with materialised(touched, device):
        _fill(chosen, keys)
        for path, record in recorded.items():
            put(values[path], record.value(keys[path]))
        for buffer in buffers:
            put(buffer.value, buffer.make())
        for size, path in followed.values():
            put(size, length(_whole(choices[path], values[path], recorded.get(path), keys), size))
        renew_spectral_norms(model, {id(value) for value in touched.values()})
    for value in blank:
        mark(value)
    return Ledger(
        entries=tuple(_entry(choice, followed, recorded) for choice in choices.values()),
        seed=int(seed),
        buffers=tuple(buffer.path for buffer in buffers),
        on_meta=tuple(_on_meta(model)),
    )


def _followed(
    model: nn.Module, values: dict[str, torch.Tensor], choices: dict[str, Choice], records: Collection[str]
) -> Followed:
    """The length of each weight norm whose direction is written; else the weight would keep its old size.

    A frozen length, and one that a rule or the plan decides, stays.
    """
    paths = {id(value): path for path, value in values.items()}
    found = {}
    for size, direction in lengths(model):
        choice, by = choices[paths[id(size)]], choices[paths[id(direction)]]
        is_free = isinstance(choice.law, Keep) and not choice.is_own and size.requires_grad
        if is_free and (direction.is_meta or by.path in records or not isinstance(by.law, Keep)):
            found[choice.path] = size, by.path
    return found


def _records(model: nn.Module, values: dict[str, torch.Tensor], anew: Collection[str]) -> dict[str, Recorded]:
    """How the constructor makes each parameter that is on meta, or was and is to be made anew by recipe `author`."""
    marked = {path for path in anew if is_marked(values[path])}
    paths = {id(value): path for path, value in values.items() if value.is_meta or path in marked}
    found: dict[str, Recorded] = {}
    for _, module, name, value in named(model) if paths else ():
        record = record_of(module).get(name)
        if id(value) in paths and record:
            found.setdefault(paths[id(value)], record)
    return found


def _is_drawn(choice: Choice, value: torch.Tensor, records: dict[str, Recorded]) -> bool:
    """Whether a fill writes it. Integers are none that it writes; those of the constructor are computed again."""
    if value.dtype not in DTYPES and choice.path in records and choice.init == records[choice.path].made.init:
        return False
    return not isinstance(choice.law, Keep)


def _check_recorded(values: dict[str, torch.Tensor], written: Collection[str], recorded: dict[str, Recorded]) -> None:
    """Refuse to leave a parameter without numbers.

    Raises:
        ModelError: naming those that nothing writes.
    """
    unknown = [path for path, value in values.items() if value.is_meta and path not in written | recorded.keys()]
    unset = [f"{path}  (memory that its constructor never wrote)" for path, one in recorded.items() if one.is_unset]
    if lines := sorted(f"  {line}" for line in unknown + unset):
        raise ModelError(
            f"These parameters would stay uninitialised; they are on meta, and the plan leaves them as they were built:"
            f"\n{listed(lines)}\n"
            "Build the model by `initium.torch.deferred(build)`, which remembers how, or decide: Rule('PATH', 'zeros')."
        )


def _check_buffers(model: nn.Module, buffers: tuple[Remade, ...]) -> None:
    """Refuse to leave a buffer without numbers.

    Raises:
        ModelError: naming those that the constructor never wrote.
    """
    paths = {id(buffer.value): buffer.path for buffer in buffers}
    records = [
        (module._buffers.get(name), one) for module in model.modules() for name, one in record_of(module).items()
    ]
    if lines := sorted(f"  {paths[id(value)]}" for value, one in records if id(value) in paths and one.is_unset):
        raise ModelError(
            f"These buffers would stay uninitialised; their constructor never wrote them:\n{listed(lines)}\n"
            "Give them their values first: `module.name = torch.zeros(...)`."
        )


def _apart(params: dict[str, torch.Tensor], buffers: tuple[Remade, ...]) -> dict[str, torch.Tensor]:
    """What may not share memory: parameters, and a buffer with one of them. Two buffers may share one table."""
    places = {value.untyped_storage()._cdata for value in params.values() if value.is_meta}
    return params | {one.path: one.value for one in buffers if one.value.untyped_storage()._cdata in places}


def _on_meta(model: nn.Module) -> Iterator[str]:
    """Plain attributes without memory: what their draws made, nobody recorded. Old norms make theirs on each call."""
    for prefix, module in model.named_modules():
        for name, value in vars(module).items():
            is_remade = any(held.startswith(f"{name}_") for held in module._parameters)
            if isinstance(value, torch.Tensor) and value.is_meta and not is_remade:
                yield plain_path(f"{prefix}.{name}" if prefix else name)


def _check_reach(chosen: Chosen, keys: dict[str, int]) -> None:
    """Refuse laws whose numbers a dtype does not have."""
    misfits = []
    for choice, value in chosen:
        try:
            check(_sample(choice, value.dtype, keys))
        except SpecError as error:
            misfits.append(f"  {choice.path}  {choice.init}: {str(error).replace(str(choice.law), 'it')}")
    if misfits:
        raise SpecError(
            f"These starts leave the numbers of their dtype:\n{listed(sorted(misfits))}\n"
            "Choose a smaller std or limit, or fill the model in float32."
        )


def _sample(choice: Choice, dtype: torch.dtype, keys: dict[str, int]) -> Job:
    """A job that is checked in place of a weight's: its first column where that says all, since it may be huge."""
    weight, box = _weight(choice), None
    shape = weight.shape
    if isinstance(choice.law, Elementwise | Rows):
        shape = (*shape[:1], *(min(size, 1) for size in shape[1:]))
        box = tuple(slice(0, size) for size in shape)
    # Memory that is never touched costs nothing.
    out = np.empty(shape, numpy_dtype(dtype))
    return Job(out=out, law=choice.law, weight=weight, key=keys[choice.path], box=box)


def _weight(choice: Choice) -> Weight:
    """The weight as its elements are numbered."""
    return choice.init.sees(choice.param).in_order


def _order(choice: Choice) -> tuple[int, ...]:
    """The stored axes in the order in which elements are numbered."""
    return choice.init.sees(choice.param).order


def _fill(chosen: Chosen, keys: dict[str, int]) -> None:
    """In this machine's memory all at once; elsewhere one beside the other, and copied."""
    placed = [(choice, part, part.held.permute(_order(choice))) for choice, value in chosen for part in parts(value)]
    here = [(choice, part, out) for choice, part, out in placed if has_memory(out)]
    fill_all((_job(choice, memory(out), keys, part.box) for choice, part, out in here), threads=torch.get_num_threads())
    for choice, part, out in placed:
        if not has_memory(out):
            comes_in_parts = isinstance(choice.law, Elementwise | Rows)
            for stretch in part.stretches(_STRETCH) if comes_in_parts else [part]:
                stretch.held.copy_(_drawn(choice, part.held.dtype, keys, stretch.box))
    for _, value in chosen:
        notice(value)


def _drawn(choice: Choice, dtype: torch.dtype, keys: dict[str, int], box: Box | None = None) -> torch.Tensor:
    """The numbers of a weight, or of a box of it, on the CPU."""
    shape = choice.param.shape if box is None else [part.stop - part.start for part in box]
    order = _order(choice)
    drawn = torch.empty([shape[axis] for axis in order], dtype=dtype, device="cpu")
    fill_all([_job(choice, memory(drawn), keys, box)], threads=torch.get_num_threads())
    return drawn.permute(np.argsort(order).tolist())


def _job(choice: Choice, out: NDArray[np.generic], keys: dict[str, int], box: Box | None = None) -> Job:
    numbered = None if box is None else tuple(box[axis] for axis in _order(choice))
    return Job(out=out, law=choice.law, weight=_weight(choice), key=keys[choice.path], box=numbered)


def _whole(choice: Choice, value: torch.Tensor, record: Recorded | None, keys: dict[str, int]) -> torch.Tensor:
    """All of a parameter that was written; of one that is sharded it is made once more, beside it."""
    if not is_sharded(value):
        return value
    return record.value(keys[choice.path]).to(value.dtype) if record else _drawn(choice, value.dtype, keys)


def _entry(choice: Choice, followed: Collection[str], recorded: dict[str, Recorded]) -> Entry:
    start = "length of its direction" if choice.path in followed else str(choice.init)
    return Entry(
        path=choice.path,
        num_elements=int(np.prod(choice.param.shape)),
        start=recorded[choice.path].made.because if choice.path in recorded else start,
        rule=choice.rule,
        tied=choice.param.tied,
        is_filled=not isinstance(choice.law, Keep) or choice.path in followed or choice.path in recorded,
        is_computed=choice.path in recorded,
    )
