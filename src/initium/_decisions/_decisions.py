"""Decisions: one Choice for each parameter of a model."""

from dataclasses import dataclass
from typing import Any

from .._graph import Buffer
from ._choice import Choice
from ._origin import Origin


@dataclass(frozen=True)
class Decisions:
    """One Choice for each parameter, in the model's order; `Plan` says what its attributes are."""

    choices: tuple[Choice, ...]
    recipe: str = ""
    notes: tuple[str, ...] = ()
    buffers: tuple[Buffer, ...] = ()
    version: int | None = None
    remakes: bool = False
    origin: Origin | None = None

    @property
    def decided_by(self) -> str:
        """The recipe with its version, as text."""
        return f"{self.recipe} (version {self.version})" if self.version else self.recipe

    @property
    def own_rates(self) -> tuple[float, ...]:
        """What the learning rate of each parameter is multiplied by that is not trained at the rate as it is given."""
        return tuple(choice.lr for choice in self.choices if choice.lr != 1)


def with_verbs(decisions: Decisions) -> Any:
    """What was decided as a Plan, the one class made of this one; it stands above the edges, which cannot import it."""
    plan: Any = Decisions.__subclasses__()[0]
    return plan.of(decisions)
