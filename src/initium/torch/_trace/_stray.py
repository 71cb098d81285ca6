"""strays_forgotten: what a run leaves in the caches of a model's own code must not reach a real run."""

import functools
import gc
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

_CACHE: Any = type(functools.lru_cache(lambda: None))
_CONTAINERS = (tuple, list, dict, deque)
_HOLDING = (torch.Tensor, *_CONTAINERS)


@contextmanager
def strays_forgotten(model: nn.Module, is_stray: Callable[[Any], bool]) -> Iterator[None]:
    """Afterwards no memoising function holds a stray, nor a name of a module or a class, nor what such a name holds.

    Args:
        model: whose classes are looked at, and the files that these are written in.
        is_stray: of a tensor that only the run can have made.
    """
    before = [(owner, dict(vars(owner))) for owner in _owners(model)]
    known = _known([names for _, names in before])

    def is_new(thing: Any) -> bool:
        return id(thing) not in known and _holds(thing, is_stray)

    try:
        yield
    finally:
        for held, was in known.values():
            _put_back(held, was, is_new)
        for owner, names in before:
            for name, held in [*vars(owner).items()]:
                if isinstance(held, _CACHE) and any(_holds(part, is_stray) for part in gc.get_referents(held)):
                    held.cache_clear()
                elif is_new(held):
                    setattr(owner, name, names[name]) if name in names else delattr(owner, name)


def _known(names: list[dict[str, Any]]) -> dict[int, tuple[Any, Any]]:
    """The dicts and lists that some names hold, and those in them, each with what is in it now."""
    found: dict[int, tuple[Any, Any]] = {}
    waiting: list[Any] = [*names]
    while waiting:
        for held in _inner(waiting.pop()):
            if isinstance(held, dict | list) and id(held) not in found:
                found[id(held)] = held, dict(dict.items(held)) if isinstance(held, dict) else [*held]
                waiting.append(held)
    return found


def _put_back(held: Any, before: Any, is_new: Callable[[Any], bool]) -> None:
    """What strays took the place of, as of a None that says there is none yet; what came in anew goes."""
    if isinstance(held, list):
        if any(map(is_new, _inner(held))):
            held[:] = before
        return
    for key in [key for key, value in [*dict.items(held)] if isinstance(value, _HOLDING) and is_new(value)]:
        if key in before and before[key] is not held[key]:
            held[key] = before[key]
        else:
            held.pop(key, None)


def _owners(model: nn.Module) -> list[Any]:
    """The classes of a model that are not PyTorch's, and the files that they are in."""
    kinds = {kind for module in model.modules() for kind in type(module).__mro__}
    own = [kind for kind in kinds if kind.__module__.partition(".")[0] not in ("torch", "builtins")]
    files = {kind.__module__: sys.modules.get(kind.__module__) for kind in own}
    return [*own, *filter(None, files.values())]


def _holds(thing: Any, is_stray: Callable[[Any], bool]) -> bool:
    """Whether it is a stray or has one in it; a container may hold itself."""
    seen, waiting = set[int](), [thing]
    while waiting:
        one = waiting.pop()
        if isinstance(one, torch.Tensor) and is_stray(one):
            return True
        if isinstance(one, _CONTAINERS) and id(one) not in seen:
            seen.add(id(one))
            waiting += _inner(one)
    return False


def _inner(container: Any) -> list[Any]:
    """What may be a stray or hold one; most containers of a program hold none, whatever their length."""
    # By dict's own method: a subclass may make what is asked of it, and say so.
    parts = [*dict.values(container)] if isinstance(container, dict) else [*container]
    kinds = {kind for kind in set(map(type, parts)) if issubclass(kind, _HOLDING)}
    return [part for part in parts if type(part) in kinds] if kinds else []
