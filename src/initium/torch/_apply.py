"""From a Plan to a model's parameters."""

import math
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import nn

from .._decisions import Choice, Decisions
from .._errors import ModelError, listed
from .._ledger import Entry, Ledger
from .._paused import paused
from .._stored import pinned
from .._tensor import Tensor, check_all
from ._deferred import mark
from ._fill import fill, scan
from ._half_written import check_whole, half_written
from ._history import note_left, note_loaded
from ._lengths import check_spectral_norms, free_parameters, renew_spectral_norms, spectral_buffers
from ._materialise import Device, check_device, materialised
from ._parameters import parameters
from ._path import plain_paths
from ._shards import check_shards, local, notice, parts, put, reshard
from ._still import still
from ._torch import own_parameters, storage_of
from ._undisturbed import undisturbed, where_made
from ._writable import check_apart, check_writable
from ._write import Write
from ._writes import writes_of


@undisturbed
@paused()
@pinned()
def apply(plan: Decisions, model: nn.Module, *, seed: int = 0, device: Device = None, partial: bool = False) -> Ledger:
    """Fill a model's parameters in place, and what is on meta besides, each once. See `Plan.apply`.

    All is decided, then checked, before the first is touched.
    """
    reshard(model)
    values = parameters(plan, model, partial=partial)
    writes = writes_of(plan, model, values, seed)
    _check(model, values, writes, device)
    _write(model, writes, device)
    by_path = {write.path: write for write in writes}
    return Ledger(
        entries=tuple(_entry(choice, by_path.get(choice.path)) for choice in plan.choices if choice.path in values),
        seed=int(seed),
        buffers=tuple(write.path for write in writes if write.is_buffer and not write.is_loaded),
        loaded_buffers=tuple(write.path for write in writes if write.is_buffer and write.is_loaded),
        on_meta=tuple(_on_meta(model)),
    )


def _check(model: nn.Module, values: Mapping[str, torch.Tensor], writes: Sequence[Write], device: Device) -> None:
    """Refuse what cannot be written, or would be left without numbers."""
    _check_params(values, writes)
    _check_buffers(writes)
    touched = {write.path: write.value for write in writes}
    check_whole(model, but=touched)
    check_device(device, touched)
    check_shards(touched)
    check_spectral_norms(model, touched)
    drawn = [write for write in writes if isinstance(write.numbers, Tensor) and not write.is_buffer]
    check_writable({write.path: local(write.value) for write in drawn}, needs_memory=False)
    check_apart(_apart(writes))
    check_all([write.numbers for write in writes if isinstance(write.numbers, Tensor)])
    # What has numbers would hold some of the new and some of the old, if reading failed half-way.
    there = [(write.numbers, write.value) for write in writes if write.is_loaded and not write.value.is_meta]
    scan((tensor, part) for tensor, value in there if isinstance(tensor, Tensor) for part in parts(value))


def _write(model: nn.Module, writes: Sequence[Write], device: Device) -> None:
    free_parameters(model)
    blank = [write.value for write in writes if write.value.is_meta]
    drawn = [(w.numbers, w.value) for w in writes if isinstance(w.numbers, Tensor) and not w.is_buffer]
    touched = {write.path: write.value for write in writes}
    with half_written(model, touched), still(writes), where_made(touched.values()), materialised(touched, device):
        fill((tensor, part) for tensor, value in drawn for part in parts(value))
        for _, value in drawn:
            notice(value)
        for write in writes:
            if write.is_buffer or not isinstance(write.numbers, Tensor):
                put(write.value, write.made())
        renew_spectral_norms(model, {id(write.value) for write in _to_renew(model, writes)})
    for value in blank:
        mark(value)
    note_left(model, [write.value for write in writes if not write.is_loaded])
    note_loaded(model, [write.value for write in writes if write.is_loaded])


def _to_renew(model: nn.Module, writes: Sequence[Write]) -> Iterator[Write]:
    """Those whose spectral norm has vectors of other numbers: a checkpoint may hold them with the weights."""
    has_vectors = not {write.path for write in writes if write.is_loaded}.isdisjoint(spectral_buffers(model))
    yield from (write for write in writes if not (write.is_loaded and has_vectors))


def _check_params(values: Mapping[str, torch.Tensor], writes: Sequence[Write]) -> None:
    """Refuse to leave a parameter without numbers.

    Raises:
        ModelError: naming those that nothing writes.
    """
    written = {write.path: write for write in writes}
    unknown = [path for path, value in values.items() if value.is_meta and path not in written]
    unset = [write.path for write in writes if write.is_unset and not write.is_buffer]
    lines = unknown + [f"{path}  (memory that its constructor never wrote)" for path in unset]
    if lines := sorted(f"  {line}" for line in lines):
        raise ModelError(
            f"These parameters would stay uninitialised; they are on meta, and the plan leaves them as they were built:"
            f"\n{listed(lines)}\n"
            "Build the model by `initium.torch.deferred(build)`, which remembers how, or decide: Rule('PATH', 'zeros')."
        )


def _check_buffers(writes: Sequence[Write]) -> None:
    """Refuse to leave a buffer without numbers.

    Raises:
        ModelError: naming those that the constructor never wrote.
    """
    if lines := sorted(f"  {write.path}" for write in writes if write.is_unset and write.is_buffer):
        raise ModelError(
            f"These buffers would stay uninitialised; their constructor never wrote them:\n{listed(lines)}\n"
            "Give them their values first: `module.name = torch.zeros(...)`."
        )


def _apart(writes: Sequence[Write]) -> dict[str, torch.Tensor]:
    """What may not share memory: parameters, and a buffer with one of them. Two buffers may share one table."""
    params = {write.path: local(write.value) for write in writes if not write.is_buffer}
    places = {storage_of(value) for value in params.values() if value.is_meta}
    buffers = {write.path: write.value for write in writes if write.is_buffer}
    return params | {path: value for path, value in buffers.items() if storage_of(value) in places}


def _on_meta(model: nn.Module) -> Iterator[str]:
    """Plain attributes without memory: what their draws made, nobody recorded. Old norms make theirs on each call."""
    plain = plain_paths(model)
    for prefix, module in model.named_modules():
        for name, value in vars(module).items():
            if isinstance(value, torch.Tensor) and value.is_meta and not _is_remade(module, name):
                yield plain(f"{prefix}.{name}" if prefix else name)


def _is_remade(module: nn.Module, name: str) -> bool:
    return any(held.startswith(f"{name}_") for held in own_parameters(module))


def _entry(choice: Choice, write: Write | None) -> Entry:
    return Entry(
        path=choice.path,
        num_elements=math.prod(choice.param.shape),
        start=write.start if write else str(choice.init),
        rule=choice.rule,
        tied=choice.param.tied,
        how=write.how if write else "kept",
    )
