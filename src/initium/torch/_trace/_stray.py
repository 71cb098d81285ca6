"""strays_forgotten: what a run leaves in the caches of a model's own code must not reach a real run."""

import functools
import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from .._torch import tree_leaves

_CACHE: Any = type(functools.lru_cache(lambda: None))


@contextmanager
def strays_forgotten(model: nn.Module, is_stray: Callable[[Any], bool]) -> Iterator[None]:
    """Afterwards no memoising function holds a stray, nor a dict or a name of a module or a class.

    Args:
        model: whose classes are looked at, and the files that these are written in.
        is_stray: of a tensor that only the run can have made.
    """
    before = [(owner, dict(vars(owner))) for owner in _owners(model)]
    try:
        yield
    finally:
        for owner, names in before:
            for name, held in [*vars(owner).items()]:
                if isinstance(held, dict):
                    for key in [key for key, value in [*held.items()] if _holds(value, is_stray)]:
                        del held[key]
                elif isinstance(held, _CACHE) and any(_holds(part, is_stray) for part in gc.get_referents(held)):
                    held.cache_clear()
                elif is_stray(held):
                    setattr(owner, name, names[name]) if name in names else delattr(owner, name)


def _owners(model: nn.Module) -> list[Any]:
    """The classes of a model that are not PyTorch's, and the files that they are in."""
    kinds = {kind for module in model.modules() for kind in type(module).__mro__}
    own = [kind for kind in kinds if kind.__module__.partition(".")[0] not in ("torch", "builtins")]
    files = {kind.__module__: sys.modules.get(kind.__module__) for kind in own}
    return [*own, *filter(None, files.values())]


def _holds(thing: Any, is_stray: Callable[[Any], bool]) -> bool:
    is_tree = isinstance(thing, torch.Tensor | tuple | list | dict)
    return is_tree and any(map(is_stray, tree_leaves(thing)))
