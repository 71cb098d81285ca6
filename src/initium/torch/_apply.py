"""From a Plan to a model's parameters."""

import math
from collections.abc import Collection, Iterator

import torch
from torch import nn

from .._decisions import Choice, Decisions
from .._errors import ModelError, listed
from .._ledger import Entry, How, Ledger
from .._tensor import Tensor, check_all, of_choice
from ._buffers import Remade, remade_buffers
from ._deferred import Recorded, is_marked, mark, record_of
from ._fill import drawn, fill
from ._lengths import check_spectral_norms, free_parameters, length, lengths, renew_spectral_norms
from ._materialise import Device, check_device, materialised
from ._memory import DTYPES
from ._parameters import parameters
from ._path import plain_path
from ._read import dtype_name, named
from ._shards import check_shards, is_sharded, local, notice, parts, put, reshard
from ._torch import own_buffers, own_parameters, storage_of
from ._writable import check_apart, check_writable

Followed = dict[str, tuple[torch.Tensor, str]]  # a length, and the path of its direction


@torch.no_grad()
def apply(plan: Decisions, model: nn.Module, *, seed: int = 0, device: Device = None, partial: bool = False) -> Ledger:
    """Fill a model's parameters in place, and what is on meta besides, each once. See `Plan.apply`.

    All is checked before the first is touched.
    """
    reshard(model)
    values = parameters(plan, model, partial=partial)
    choices = {choice.path: choice for choice in plan.choices if choice.path in values}
    tensors = {path: of_choice(choice, seed, dtype_name(values[path])) for path, choice in choices.items()}
    records = _records(model, values, {path for path, choice in choices.items() if choice.by == "author"})
    chosen = [tensors[path] for path, choice in choices.items() if _is_drawn(choice, values[path], records)]
    followed = _followed(model, values, choices, records)
    written = {tensor.path for tensor in chosen} | followed.keys()
    recorded = {path: record for path, record in records.items() if path not in written}
    buffers = remade_buffers(model, plan, seed)
    _check_recorded(values, written, recorded)
    _check_buffers(model, buffers)
    touched = {path: values[path] for path in written | recorded.keys()} | {one.path: one.value for one in buffers}
    check_device(device, touched)
    check_shards(touched)
    check_spectral_norms(model, touched)
    check_writable({tensor.path: local(values[tensor.path]) for tensor in chosen}, needs_memory=False)
    check_apart(_apart({path: local(values[path]) for path in written | recorded.keys()}, buffers))
    check_all(chosen)
    free_parameters(model)
    blank = [value for value in touched.values() if value.is_meta]
    with materialised(touched, device):
        fill((tensor, part) for tensor in chosen for part in parts(values[tensor.path]))
        for tensor in chosen:
            notice(values[tensor.path])
        for path, record in recorded.items():
            put(values[path], record.value(tensors[path].key))
        for buffer in buffers:
            put(buffer.value, buffer.make())
        for size, path in followed.values():
            put(size, length(_whole(tensors[path], values[path], recorded.get(path)), size))
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
        is_free = choice.law.how == "kept" and choice.by != "you" and size.requires_grad
        if is_free and (direction.is_meta or by.path in records or by.law.how != "kept"):
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
    return choice.law.how != "kept"


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
        (own_buffers(module).get(name), one) for module in model.modules() for name, one in record_of(module).items()
    ]
    if lines := sorted(f"  {paths[id(value)]}" for value, one in records if id(value) in paths and one.is_unset):
        raise ModelError(
            f"These buffers would stay uninitialised; their constructor never wrote them:\n{listed(lines)}\n"
            "Give them their values first: `module.name = torch.zeros(...)`."
        )


def _apart(params: dict[str, torch.Tensor], buffers: tuple[Remade, ...]) -> dict[str, torch.Tensor]:
    """What may not share memory: parameters, and a buffer with one of them. Two buffers may share one table."""
    places = {storage_of(value) for value in params.values() if value.is_meta}
    return params | {one.path: one.value for one in buffers if storage_of(one.value) in places}


def _on_meta(model: nn.Module) -> Iterator[str]:
    """Plain attributes without memory: what their draws made, nobody recorded. Old norms make theirs on each call."""
    for prefix, module in model.named_modules():
        for name, value in vars(module).items():
            is_remade = any(held.startswith(f"{name}_") for held in own_parameters(module))
            if isinstance(value, torch.Tensor) and value.is_meta and not is_remade:
                yield plain_path(f"{prefix}.{name}" if prefix else name)


def _whole(tensor: Tensor, value: torch.Tensor, record: Recorded | None) -> torch.Tensor:
    """All of a parameter that was written; of one that is sharded it is made once more, beside it."""
    if not is_sharded(value):
        return value
    return record.value(tensor.key).to(value.dtype) if record else drawn(tensor)


def _entry(choice: Choice, followed: Collection[str], recorded: dict[str, Recorded]) -> Entry:
    start, how = _told(choice, followed, recorded)
    return Entry(
        path=choice.path,
        num_elements=math.prod(choice.param.shape),
        start=start,
        rule=choice.rule,
        tied=choice.param.tied,
        how=how,
    )


def _told(choice: Choice, followed: Collection[str], recorded: dict[str, Recorded]) -> tuple[str, How]:
    """What its numbers come from, and how."""
    if choice.path in recorded:
        return recorded[choice.path].made.because, "recorded"
    if choice.path in followed:
        return "length of its direction", "length"
    return str(choice.init), choice.law.how
