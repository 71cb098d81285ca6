"""Decisions: one Choice for each parameter of a model."""

from dataclasses import dataclass

from .._graph import Buffer
from ._choice import Choice


@dataclass(frozen=True)
class Decisions:
    """One Choice for each parameter, in the model's order.

    Attributes:
        choices: the decisions.
        recipe: the spec of what decided where no rule of the user did.
        notes: what a reader must know besides.
        buffers: what a checkpoint holds beside the parameters.
        version: of the recipe; None for an initialiser.
        remakes: whether what the constructor drew is drawn anew where it has numbers already.
    """

    choices: tuple[Choice, ...]
    recipe: str = ""
    notes: tuple[str, ...] = ()
    buffers: tuple[Buffer, ...] = ()
    version: int | None = None
    remakes: bool = False

    @property
    def decided_by(self) -> str:
        """The recipe with its version, as text."""
        return f"{self.recipe} (version {self.version})" if self.version else self.recipe
