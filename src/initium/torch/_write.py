"""Write: one tensor that will be written, and with which numbers."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from .._ledger import How
from .._tensor import Tensor
from ._fill import drawn
from ._shards import is_sharded


@dataclass(frozen=True)
class Write:
    """One tensor that will be written.

    Attributes:
        path: its dotted name.
        value: the tensor itself.
        numbers: what a fill draws, or a function that makes all of them.
        how: they come about, as a ledger tells it.
        start: likewise, in words.
        is_buffer: whether it is none of the parameters.
        is_unset: whether its constructor took memory and never wrote it, so that there are no numbers.
    """

    path: str
    value: torch.Tensor
    numbers: Tensor | Callable[[], torch.Tensor]
    how: How = "recorded"
    start: str = ""
    is_buffer: bool = False
    is_unset: bool = False

    def whole(self) -> torch.Tensor:
        """All of its numbers once it is written; those of a sharded one are made once more, beside it."""
        if not is_sharded(self.value):
            return self.value
        return self.made().to(self.value.dtype)

    def made(self) -> torch.Tensor:
        """All of its numbers, made beside it."""
        return drawn(self.numbers) if isinstance(self.numbers, Tensor) else self.numbers()

    @property
    def is_loaded(self) -> bool:
        """Whether they come from a checkpoint."""
        return isinstance(self.numbers, Tensor) and self.numbers.law.is_loaded
