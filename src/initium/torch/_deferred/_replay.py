"""replay: what was written down, done for real."""

from collections.abc import Sequence
from typing import Any

import torch

from ..._errors import ModelError
from .._torch import overload_name, schema_of
from ._blank import View
from ._log import Event, Log, is_random, mapped, name_of


@torch.no_grad()
def replay(log: Log, view: View, *, key: int = 0, before: int | None = None) -> torch.Tensor:
    """The content of a tensor, on the CPU.

    Args:
        log: what was done.
        view: of which tensor.
        key: seeds what is random; the global generator is left alone.
        before: how many events had happened; None is all.

    Raises:
        ModelError: if it came from something that cannot be repeated.
    """
    generator = torch.Generator().manual_seed(key)
    memory: dict[int, torch.UntypedStorage] = {}
    for index in log.needed(view.storage, before):
        _do(log, log.events[index], memory, generator)
    return view.on(_storage(log, view.storage, memory))


def _storage(log: Log, storage: int, memory: dict[int, torch.UntypedStorage]) -> torch.UntypedStorage:
    if storage not in memory:
        memory[storage] = torch.UntypedStorage(log.nbytes[storage])
    return memory[storage]


def _do(log: Log, event: Event, memory: dict[int, torch.UntypedStorage], generator: torch.Generator) -> None:
    def real(view: View) -> torch.Tensor:
        return view.on(_storage(log, view.storage, memory))

    args, kwargs = mapped(event.args, View, real), mapped(event.kwargs, View, real)
    for word in ("device", "pin_memory", "generator"):
        kwargs.pop(word, None)
    op, seeded = _seeded(event.op, generator) if is_random(event.op) else (event.op, {})
    out = op(*args, **kwargs, **seeded)
    for made, place in zip(tensors(out), event.makes, strict=True):
        if place is not None:
            real(place).copy_(made)


def _seeded(op: Any, generator: torch.Generator) -> tuple[Any, dict[str, Any]]:
    """An operation that draws, in the form that takes a generator."""
    schema = schema_of(op)
    if schema is None or any(argument.name == "generator" for argument in schema.arguments):
        return op, {"generator": generator}
    packet, name = op.overloadpacket, overload_name(op)
    for other in ("generator" if name == "default" else f"{name}_generator", "low_generator_dtype"):
        if other in packet.overloads():
            return getattr(packet, other), {"generator": generator}
    raise ModelError(f"`{name_of(op)}` takes no generator of its own, so what it draws cannot be repeated.")


def tensors(out: Any) -> Sequence[torch.Tensor]:
    """Everything that an operation returned, in order."""
    if isinstance(out, torch.Tensor):
        return [out]
    return [part for some in out for part in tensors(some)] if isinstance(out, tuple | list) else []
