"""kept: whatever hangs on a model, put back after a run."""

import random
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache, partial
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
_MAPPINGS = {dict, OrderedDict}
_PLAIN = {str, int, float, bool, type(None), torch.Tensor, nn.Parameter}
_ROWS: tuple[Any, ...] = (list, tuple, set, frozenset, deque)
_ABSENT: Any = object()
_STATEFUL = (random.Random, torch.Generator, np.random.Generator, np.random.RandomState, np.ndarray)
Restore = Callable[[], object]


@contextmanager
def kept(model: nn.Module) -> Iterator[tuple[list[nn.Module], list[torch.Tensor]]]:
    """Attributes, containers, counters and generators of a model are as before afterwards, however deep they lie.

    Yields every module that was found, also those that the model holds in a plain list; and every tensor, whose numbers
    are not put back here.
    """
    held, parts, empty = reached([*model.modules()])
    restores = [partial(_emptied, empty), *(restore for thing in held for restore in _restores(thing))]
    found = [*(part for part in parts if isinstance(part, torch.Tensor)), *model.parameters(), *model.buffers()]
    tensors = [tensor for tensor in found if tensor.is_leaf]
    grads = [(tensor, tensor.requires_grad, tensor.grad) for tensor in tensors]
    try:
        yield [thing for thing in held if isinstance(thing, nn.Module)], found
    finally:
        for tensor, requires_grad, grad in grads:
            if tensor.requires_grad != requires_grad:
                tensor.requires_grad_(requires_grad)
            if tensor.grad is not grad:
                tensor.grad = grad
        _put_back(restores)


def _put_back(restores: Iterable[Restore]) -> None:
    """All that can be; what cannot is told once the rest is done, since hooks are among it."""
    failed: list[Exception] = []
    for restore in restores:
        try:
            restore()
        except Exception as error:  # whatever a user's own class may raise
            failed.append(error)
    if failed:
        raise failed[0]


def _emptied(mappings: Iterable[dict[Any, Any]]) -> None:
    for mapping in mappings:
        if mapping:
            mapping.clear()


def reached(roots: Iterable[Any]) -> tuple[list[Any], list[Any], list[Any]]:
    """Everything that is held by the roots or by what they hold, each once; what all of that holds; what is empty.

    A module has a dozen mappings, of hooks for one, and most are empty: they are told apart first, for speed.
    """
    seen, waiting = set[int](), list(roots)
    held, parts, empty = [], [], []
    while waiting:
        thing = waiting.pop()
        kind = type(thing)
        if kind in _MAPPINGS and not thing:
            empty.append(thing)
        elif _is_searched(kind) and id(thing) not in seen:
            seen.add(id(thing))
            held.append(thing)
            inner = _parts(thing)
            parts += inner
            waiting += [part for part in inner if type(part) not in _PLAIN]
    return held, parts, empty


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
    elif isinstance(thing, _ROWS):  # a subclass may go through them without end
        parts += next(kind for kind in _ROWS if isinstance(thing, kind)).__iter__(thing)
    elif isinstance(thing, MethodType):
        parts.append(thing.__self__)
    return parts


def _has_attributes(thing: Any) -> bool:
    return type(getattr(thing, "__dict__", None)) is dict


def _slots(thing: Any) -> list[tuple[str, Any]]:
    """The attributes that a class names beforehand, where it is written in Python."""
    held = ((name, getattr(thing, name, _ABSENT)) for name in _slot_names(type(thing)))
    return [(name, value) for name, value in held if value is not _ABSENT]


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
    if _slot_names(type(thing)):
        yield _slots_put_back(thing)
    # By these kinds' own methods, whatever a subclass makes of them.
    for kind in [kind for kind in _CONTAINERS if isinstance(thing, kind)][:1]:
        yield _refilled(thing, kind)
    if isinstance(thing, _STATEFUL) and (state := _state(thing)):
        yield state


def _slots_put_back(thing: Any) -> Restore:
    """Also those of a class that lets nobody set any, and those that were empty."""
    before = dict(_slots(thing))

    def restore() -> None:
        for name, value in _slots(thing):
            if name not in before:
                object.__delattr__(thing, name)
            elif value is before[name]:
                del before[name]
        for name, value in before.items():
            object.__setattr__(thing, name, value)

    return restore


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
        return lambda: (thing.setflags(write=True), np.copyto(thing, numbers))
    return None
