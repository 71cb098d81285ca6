"""The Checkpoint: what there is to begin from."""

from collections.abc import Mapping
from dataclasses import dataclass

from .._stored import Stored
from ..init import Initialiser, copied
from ..init._copied import held


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What there is to begin from.

    Attributes:
        tensors: by name, in the order in which they are held.
        file: that holds them; empty if they are in memory.
        what: it is, if it is no file, as in `a state dict`.
        notes: what a reader must know of how it was read.
    """

    tensors: Mapping[str, Stored]
    file: str = ""
    what: str = ""
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"'{self.file}'" if self.file else self.what

    def start(self, names: tuple[str, ...], views: tuple[str, ...] = ()) -> Initialiser:
        """The numbers of some of its tensors, as a start."""
        if self.file:
            return copied(self.file, names[0] if len(names) == 1 else names, views)
        # Two models of one class are not the same start.
        return held(lambda name: self.tensors[name], names, views, told=f"of {self.what} at {id(self.tensors):#x}")
