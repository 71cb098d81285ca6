"""kept: whatever hangs on a model, put back after a run."""

import random
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import chain
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn

# What holds nothing that a run may leave behind, and what is no model's own.
_SKIPPED = (str, bytes, int, float, complex, type(None), torch.Tensor, torch.dtype, torch.device, torch.Size)
_SKIPPED += (type, ModuleType, FunctionType, BuiltinFunctionType)
# Whose things other threads work with meanwhile.
_SHARED = {"threading", "_thread", "queue", "multiprocessing", "concurrent", "asyncio", "logging", "weakref"}
_MOST_NUMBERS = 1 << 22  # of an array that is copied
_CONTAINERS: tuple[Any, ...] = (OrderedDict, dict, list, set, deque)
_STATEFUL = (random.Random, torch.Generator, np.random.Generator, np.random.RandomState, np.ndarray)
Restore = Callable[[], object]


@contextmanager
def kept(model: nn.Module) -> Iterator[list[nn.Module]]:
    """Attributes, containers, counters and generators of a model are as before afterwards, however deep they lie.

    Yields every module that was found, also those that the model holds in a plain list.
    """
    held, parts = _reached([*model.modules()])
    restores = [restore for thing in held for restore in _restores(thing)]
    found = [*(part for part in parts if isinstance(part, torch.Tensor)), *model.parameters(), *model.buffers()]
    tensors = [tensor for tensor in found if tensor.is_leaf]
    grads = [(tensor, tensor.requires_grad, tensor.grad) for tensor in tensors]
    try:
        yield [thing for thing in held if isinstance(thing, nn.Module)]
    finally:
        for restore in restores:
            restore()
        for tensor, requires_grad, grad in grads:
            if tensor.requires_grad != requires_grad:
                tensor.requires_grad_(requires_grad)
            if tensor.grad is not grad:
                tensor.grad = grad


def _reached(roots: Iterable[Any]) -> tuple[list[Any], list[Any]]:
    """Everything that is held by the roots or by what they hold, each once; and what all of that holds."""
    seen, waiting = set[int](), list(roots)
    held, parts = [], []
    while waiting:
        thing = waiting.pop()
        if id(thing) not in seen and _is_searched(type(thing)):
            seen.add(id(thing))
            held.append(thing)
            inner = _parts(thing)
            parts += inner
            waiting += inner
    return held, parts


@cache
def _is_searched(kind: type) -> bool:
    """Whether things of a kind may hold what a run leaves behind, and are a model's own."""
    return not issubclass(kind, _SKIPPED) and kind.__module__.partition(".")[0] not in _SHARED


def _parts(thing: Any) -> list[Any]:
    """What something holds: its elements, its attributes, the object of a method."""
    if type(thing) is dict:  # most things of a model are
        return [*thing.values()]
    parts = [*vars(thing).values()] if _has_attributes(thing) else []
    parts += [value for _, value in _slots(thing)]
    if isinstance(thing, dict):
        parts += dict.values(thing)
    elif isinstance(thing, list | tuple | set | frozenset | deque):
        parts += thing
    elif isinstance(thing, MethodType):
        parts.append(thing.__self__)
    return parts


def _has_attributes(thing: Any) -> bool:
    return type(getattr(thing, "__dict__", None)) is dict


def _slots(thing: Any) -> list[tuple[str, Any]]:
    """The attributes that a class names beforehand, where it is written in Python."""
    return [(name, getattr(thing, name)) for name in _slot_names(type(thing)) if hasattr(thing, name)]


@cache
def _slot_names(kind: type) -> tuple[str, ...]:
    named = (vars(base).get("__slots__", ()) for base in kind.__mro__ if base.__module__ != "builtins")
    names = (name for slots in named for name in ((slots,) if isinstance(slots, str) else slots))
    return tuple(name for name in names if name[:2] != "__")


def _restores(thing: Any) -> Iterator[Restore]:
    """What puts one thing back, by what it is."""
    if type(thing) is dict:
        yield _refilled(thing, dict)
        return
    if _has_attributes(thing):
        yield _refilled(vars(thing), dict)
    if slots := _slots(thing):
        yield lambda: [setattr(thing, name, value) for name, value in slots if getattr(thing, name, None) is not value]
    # By these kinds' own methods, whatever a subclass makes of them.
    for kind in [kind for kind in _CONTAINERS if isinstance(thing, kind)][:1]:
        yield _refilled(thing, kind)
    if isinstance(thing, _STATEFUL) and (state := _state(thing)):
        yield state


def _refilled(thing: Any, kind: Any) -> Restore:
    """Its contents, and their order."""
    if not kind.__len__(thing):
        return lambda: kind.clear(thing) if kind.__len__(thing) else None
    is_mapping = issubclass(kind, dict)
    put: Any = kind.__setitem__ if is_mapping else kind.add if kind is set else kind.append
    read: Any = kind.items if is_mapping else lambda thing: zip(kind.__iter__(thing))
    contents = [*read(thing)]
    parts = [*map(id, chain.from_iterable(contents))]

    def restore() -> None:
        if [*map(id, chain.from_iterable(read(thing)))] != parts:
            kind.clear(thing)
            for item in contents:
                put(thing, *item)

    return restore


def _state(thing: Any) -> Restore | None:
    """The numbers of an array, and where a generator of random ones is."""
    if isinstance(thing, random.Random) and not isinstance(thing, random.SystemRandom):
        python = thing.getstate()
        return lambda: thing.setstate(python)
    if isinstance(thing, torch.Generator):
        own = thing.get_state()
        return lambda: thing.set_state(own)
    if isinstance(thing, np.random.Generator):
        bits = thing.bit_generator
        place = bits.state
        return lambda: setattr(bits, "state", place)
    if isinstance(thing, np.random.RandomState):
        legacy = thing.get_state()
        return lambda: thing.set_state(legacy)
    if isinstance(thing, np.ndarray) and thing.size <= _MOST_NUMBERS and thing.flags.writeable:
        numbers = thing.copy()
        return lambda: np.copyto(thing, numbers)
    return None
