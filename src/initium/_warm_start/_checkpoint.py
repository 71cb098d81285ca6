"""The Checkpoint: what there is to begin from."""

from dataclasses import dataclass
from inspect import signature
from typing import Any

from .._stored import Stored, Tensors
from ..init import Initialiser, copied
from ..init._copied import held
from ..init._fitted import BUILDS, Numbers, fitted, numbers


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What there is to begin from.

    Attributes:
        tensors: by name, in the order in which they are held.
        file: that holds them, by a path that holds in any folder; empty if they are in memory.
        what: it is, for a reader: `a state dict`, or a file as its user names it.
    """

    tensors: Tensors
    what: str
    file: str = ""

    def __str__(self) -> str:
        return self.what

    def start(self, names: tuple[str, ...], views: tuple[str, ...] = ()) -> Initialiser:
        """The numbers of some of its tensors, as a start."""
        if self.file:
            return copied(self.file, names[0] if len(names) == 1 else names, views)
        return held(self._find, names, views, told=self._told)

    def fitted(self, how: str, name: str, /, *args: Any, **settings: Any) -> Initialiser:
        """The numbers of one of its tensors, fitted to another shape."""
        build, said = BUILDS[how], (self.file or self.what, name, *args)
        start = build(*said, **settings)  # which refuses settings that it does not have
        if self.file:
            return start
        _, _, *bound = signature(build).bind(*said, **settings).arguments.items()
        return fitted(self._find, how, name, told=self._told, **dict(bound))

    def numbers(self, name: str) -> Numbers:
        """All of a tensor, to compute with."""
        return numbers(self.tensors[name], name)

    def _find(self, name: str) -> Stored:
        return self.tensors[name]

    @property
    def _told(self) -> str:
        # Two models of one class are not the same start.
        return f"of {self.what} at {id(self.tensors):#x}"
