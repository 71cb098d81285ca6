"""The Graph: what a model does with each of its parameters. Names no framework."""

from dataclasses import dataclass
from typing import Literal

from .init._weight import Weight

Role = Literal["weight", "bias", "kept"]


@dataclass(frozen=True, kw_only=True)
class Param(Weight):
    """One parameter.

    Attributes:
        path: its dotted name in the model.
        role: `weight` multiplies, `bias` adds, `kept` stays as its layer made it.
        because: the clause from which the role follows.
    """

    path: str
    role: Role
    because: str

    def __str__(self) -> str:
        return f"`{self.path}`"


@dataclass(frozen=True)
class Graph:
    """Every parameter of a model, in the model's own order."""

    params: tuple[Param, ...]

    @property
    def weights(self) -> tuple[Param, ...]:
        """The parameters that multiply."""
        return tuple(param for param in self.params if param.role == "weight")

    def bias_of(self, weight: Param) -> Param | None:
        """The bias that belongs to the same layer, if there is one."""
        sibling = weight.path.removesuffix("weight") + "bias"
        found = (p for p in self.params if p.path == sibling and p.role == "bias")
        return next(found, None)
