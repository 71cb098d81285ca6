"""The Choice: how one parameter starts."""

import math
from dataclasses import dataclass
from functools import cached_property

from .._errors import PlanError
from .._graph import Param
from .._ledger import How
from .._printable import printable
from .._rule import Decision
from ..init._law import Law


@dataclass(frozen=True, kw_only=True)
class Choice(Decision):
    """How one parameter starts: a Decision, and of what.

    Attributes:
        param: what the model does with it.
        rule: the rule that decided, as text.
    """

    param: Param
    rule: str = ""

    def __post_init__(self) -> None:
        """Refuse what no optimiser and no calibration could use, whether a rule said it or a file."""
        if not 0 <= self.lr < math.inf:
            raise PlanError(f"`{self.path}`: lr is a number from 0, not {self.lr}.")
        if self.moment is not None and not 0 < self.moment < math.inf:
            raise PlanError(f"`{self.path}`: a moment is a number above 0, not {self.moment}.")

    def __repr__(self) -> str:
        because = f" because {self.because}" if self.because else ""
        return printable(f"<Choice: {self.path}, {self.init}{because}>")

    @property
    def path(self) -> str:
        """The parameter's dotted name."""
        return self.param.path

    @property
    def stream(self) -> str:
        """The path under which its numbers are drawn."""
        return self.draws_as or self.param.stream or self.path

    @property
    def follows(self) -> bool:
        """Whether it is the length of a weight norm, which is set when its direction is filled."""
        return bool(self.param.length_of) and self.law.how == "kept" and self.by != "you"

    @property
    def how(self) -> How:
        """How its numbers come about."""
        return "length" if self.follows else self.law.how

    @property
    def is_from_checkpoint(self) -> bool:
        """Whether its numbers come from a checkpoint, as they are or adapted."""
        return self.law.is_loaded

    @cached_property
    def law(self) -> Law:
        """The numbers that the initialiser gives this parameter.

        Raises:
            ShapeError: if the initialiser cannot use its axes.
        """
        return self.init.law(self.init.sees(self.param).in_order)
