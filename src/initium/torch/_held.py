"""held: what a model holds beside parameters and buffers, for comparison with what it held before or another holds."""

import pickle
import random
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from types import FunctionType, MethodType
from typing import Any

import numpy as np
import torch
from torch import nn

from ._kept import reached

_WRITTEN = (str, bytes, int, float, complex, type(None), np.generic, torch.dtype, torch.device, torch.Size)
_MOST = {bool, type(None), dict, OrderedDict}  # of what a model holds; these are told apart first, for speed
_DRAWING = (random.Random, np.random.Generator, np.random.RandomState)


def held(model: nn.Module, *others: Any) -> list[Any]:
    """Values of all that is held, however deep it lies, in an order that models built alike share.

    An object is its class and what it holds, a function its code and what it encloses. Where an iterator is cannot be
    known, so that it equals nothing.

    Args:
        model: whose parameters and buffers are left out.
        others: what is used with it, as a loss.
    """
    own = {id(tensor) for tensor in (*model.parameters(), *model.buffers())}
    return [_value(part) for part in _parts([*model.modules(), *others]) if id(part) not in own]


def are_equal(one: list[Any], other: list[Any]) -> bool:
    """Whether nothing that is held differs."""
    return len(one) == len(other) and all(map(_is_equal, one, other))


def _parts(roots: list[Any]) -> list[Any]:
    found, asked = list(roots), set[int]()
    while roots:
        _, parts, _ = reached(roots)
        found += parts
        roots = [*_enclosed([*roots, *parts], asked)]
        found += roots
    return found


def _enclosed(parts: Iterable[Any], asked: set[int]) -> Iterator[Any]:
    """What functions hold that were not asked before."""
    for part in parts:
        function = part.__func__ if isinstance(part, MethodType) else part
        if isinstance(function, FunctionType) and id(function) not in asked:
            asked.add(id(function))
            yield from (cell.cell_contents for cell in function.__closure__ or ())
            yield from (function.__defaults__ or (), function.__kwdefaults__ or {})


def _value(part: Any) -> Any:
    if type(part) in _MOST:
        return part if isinstance(part, bool | None) else type(part)
    if isinstance(part, torch.Tensor):
        return part.detach().clone()
    if isinstance(part, torch.Generator):
        return part.get_state()
    if isinstance(part, np.ndarray):
        return str(part.dtype), part.shape, part.tobytes()
    if isinstance(part, _DRAWING):
        return pickle.dumps(part)
    if isinstance(part, _WRITTEN):
        return repr(part)
    if isinstance(part, Iterator):
        return object()
    if isinstance(part, FunctionType):
        return part.__code__
    return getattr(part, "__module__", ""), getattr(part, "__qualname__", "") or type(part).__qualname__


def _is_equal(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    return type(one) is type(other) and one == other
