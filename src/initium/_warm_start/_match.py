"""The Match: which tensor of a checkpoint is meant for which of a model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Part(NamedTuple):
    """Which of the blocks of a packed tensor is meant.

    Attributes:
        block: which.
        sizes: how many rows each block has.
    """

    block: int
    sizes: tuple[int, ...]


class Match(NamedTuple):
    """What a tensor's numbers are found in.

    Attributes:
        names: in the checkpoint; several are laid one after another.
        because: why that is meant, as a clause.
        part: of them that is meant; None if it is all.
    """

    names: tuple[str, ...]
    because: str
    part: Part | None = None


@dataclass(frozen=True)
class Matches:
    """What was found.

    Attributes:
        by_path: for each target that has some.
        called: what each tensor of the checkpoint is in the model, if that has it.
        notes: what a reader must know of how.
    """

    by_path: Mapping[str, Match]
    called: Mapping[str, str]
    notes: tuple[str, ...] = ()
