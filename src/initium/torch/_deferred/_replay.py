"""replay: what was written down, done for real."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch

from .._random import seeded
from .._torch import schema_of
from ._blank import View
from ._log import Event, Log, is_random, mapped


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
    if _takes_dtype(event.op) and kwargs.get("dtype") is None and event.makes[0]:
        kwargs["dtype"] = event.makes[0].dtype  # what was the default then
    op, own = seeded(event.op, generator) if is_random(event.op) else (event.op, {})
    out = op(*args, **kwargs, **own)
    for made, place in zip(tensors(out), event.makes, strict=True):
        if place is not None:
            real(place).copy_(made)


@cache
def _takes_dtype(op: Any) -> bool:
    """Whether an operation makes a tensor of a default dtype."""
    arguments = getattr(schema_of(op), "arguments", ())
    takes_tensor = any("Tensor" in str(argument.type) for argument in arguments)
    return not takes_tensor and any(argument.name == "dtype" for argument in arguments)


def tensors(out: Any) -> Sequence[torch.Tensor]:
    """Everything that an operation returned, in order."""
    if isinstance(out, torch.Tensor):
        return [out]
    return [part for some in out for part in tensors(some)] if isinstance(out, tuple | list) else []
