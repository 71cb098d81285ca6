"""What is remembered of a deferred model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import nn

from ..._graph import Made


@dataclass(frozen=True)
class Recorded:
    """How one parameter or buffer was made.

    Attributes:
        made: as a start.
        value: its operations done for real, on the CPU; what is random depends on the key.
    """

    made: Made
    value: Callable[[int], torch.Tensor]


RECORDS: WeakKeyDictionary[nn.Module, Mapping[str, Recorded]] = WeakKeyDictionary()


def record_of(module: nn.Module) -> Mapping[str, Recorded]:
    """How the parameters and buffers that a module itself owns were made, by name; empty if it was not deferred."""
    return RECORDS.get(module, {})
