"""What is remembered of a deferred model."""

from collections.abc import Hashable, Mapping
from dataclasses import replace
from functools import cached_property
from weakref import WeakKeyDictionary

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from ..._graph import Made
from .._torch import own_buffers, own_parameters
from ._blank import View
from ._cells import Unset
from ._log import Log, is_random
from ._made import made_of
from ._reader import contents, origin_of
from ._replay import replay

# What `apply` gives memory carries it. No weak reference would do: a tensor that has one cannot be swapped.
_MARK = "_is_made_as_recorded"


class Recorded:
    """How one parameter or buffer was made.

    Args:
        log: what the constructor did.
        view: where the tensor lay.
        is_shared: whether another of the model shares its memory.
        beside: the parameters of the same model, by path.
    """

    def __init__(
        self, log: Log, view: View, *, is_shared: bool = False, beside: Mapping[str, "Recorded"] | None = None
    ) -> None:
        self._log, self._view, self._is_shared, self._beside = log, view, is_shared, beside or {}

    @cached_property
    def made(self) -> Made:
        """As a start, and by which calls."""
        made = made_of(self._log, self._view)
        if self._is_shared and self._draws:
            made = replace(made, init=None, because=f"{made.because} (shares its memory)")
        apart = self._apart() if made.init is None else ""
        return replace(made, because=f"{made.because}, drawn apart from {apart}") if apart else made

    @cached_property
    def _draws(self) -> frozenset[int]:
        """The random events that it depends on."""
        needed = self._log.needed(self._view.storage)
        return frozenset(index for index in needed if is_random(self._log.events[index].op))

    def _apart(self) -> str:
        """The first other parameter made from draws that went into this one, of which this will have its own."""
        if not self._draws:
            return ""
        storage = self._view.storage
        others = ((path, other) for path, other in self._beside.items() if other._view.storage != storage)
        shared = ((path, other) for path, other in others if not self._draws.isdisjoint(other._draws))
        return next((path for path, other in shared if other.origin is None or other.origin != self.origin), "")

    @property
    def is_random(self) -> bool:
        """Whether chance has a part in it."""
        return bool(self._draws)

    @property
    def is_unset(self) -> bool:
        """Whether some of it is memory that nothing wrote."""
        return any(count and isinstance(cell, Unset) for count, cell in contents(self._log, self._view).pieces)

    def tells_of(self, value: torch.Tensor | None) -> bool:
        """Whether a tensor is still what was recorded: of its shape, and on meta or given memory from there by apply.

        What was loaded or put in its place has numbers of its own.
        """
        if value is None or is_lazy(value) or tuple(value.shape) != self._view.size:
            return False
        return value.is_meta or is_marked(value)

    @cached_property
    def origin(self) -> Hashable:
        """Which draw it holds; of two tensors of a model with the same one, not None, one is a copy of the other."""
        return origin_of(self._log, self._view)

    def value(self, key: int) -> torch.Tensor:
        """Its operations done for real, on the CPU; what is random depends on the key.

        Raises:
            ModelError: if it came from something that cannot be repeated.
        """
        return replay(self._log, self._view, key=key)


RECORDS: WeakKeyDictionary[nn.Module, Mapping[str, Recorded]] = WeakKeyDictionary()


def record_of(module: nn.Module) -> Mapping[str, Recorded]:
    """How the parameters and buffers that a module itself owns were made, by name; empty if it was not deferred."""
    held = {**own_buffers(module), **own_parameters(module)}
    return {name: record for name, record in RECORDS.get(module, {}).items() if record.tells_of(held.get(name))}


def carry(model: nn.Module, twin: nn.Module) -> None:
    """Let a copy of a model remember what the model does."""
    for module, own in zip(model.modules(), twin.modules(), strict=True):
        if module in RECORDS:
            RECORDS[own] = RECORDS[module]


def is_replaced(module: nn.Module, name: str, value: torch.Tensor) -> bool:
    """Whether a module was deferred, and other numbers stand where those that were recorded would."""
    record = RECORDS.get(module, {}).get(name)
    return record is not None and not record.tells_of(value)


def mark(value: torch.Tensor) -> None:
    """Let a tensor that got its memory from `apply` keep its record."""
    setattr(value, _MARK, True)


def is_marked(value: torch.Tensor) -> bool:
    """Whether it got its memory from `apply`."""
    return hasattr(value, _MARK)
