"""What is remembered of a deferred model."""

from collections.abc import Hashable, Mapping
from dataclasses import replace
from functools import cached_property
from weakref import WeakKeyDictionary

import torch
from torch import nn

from ..._graph import Made
from ._blank import View
from ._log import Log
from ._made import made_of
from ._reader import origin_of
from ._replay import replay


class Recorded:
    """How one parameter or buffer was made."""

    def __init__(self, log: Log, view: View, *, is_shared: bool = False) -> None:
        self._log, self._view, self._is_shared = log, view, is_shared

    @cached_property
    def made(self) -> Made:
        """As a start, and by which calls."""
        made = made_of(self._log, self._view)
        if self._is_shared and self._log.is_random(self._log.needed(self._view.storage)):
            return replace(made, init=None, because=f"{made.because} (shares its memory)")
        return made

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
    return RECORDS.get(module, {})
