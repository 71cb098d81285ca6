"""The Choice: how one parameter starts."""

import math
from dataclasses import dataclass
from functools import cached_property

from .._errors import PlanError
from .._graph import Param
from ..init import Initialiser
from ..init._law import Keep, Law


@dataclass(frozen=True, kw_only=True)
class Choice:
    """How one parameter starts.

    Attributes:
        param: what the model does with it.
        init: which initialiser was chosen.
        because: the clause a reader can check.
        rule: the rule that decided, as text.
        lr: what the learning rate is multiplied by for this parameter.
        moment: the second moment that its output is meant to have; None if it does not matter.
        draws_as: the path under which its numbers are drawn; its own, unless it shares them.
    """

    param: Param
    init: Initialiser
    because: str
    rule: str = ""
    lr: float = 1.0
    moment: float | None = None
    draws_as: str = ""

    def __post_init__(self) -> None:
        """Refuse what no optimiser and no calibration could use, whether a rule said it or a file."""
        if not 0 <= self.lr < math.inf:
            raise PlanError(f"`{self.path}`: lr is a number from 0, not {self.lr}.")
        if self.moment is not None and not 0 < self.moment < math.inf:
            raise PlanError(f"`{self.path}`: a moment is a number above 0, not {self.moment}.")

    @property
    def path(self) -> str:
        """The parameter's dotted name."""
        return self.param.path

    @property
    def is_own(self) -> bool:
        """Whether a rule of the user decided."""
        return self.rule.startswith("your rule")

    @property
    def follows(self) -> bool:
        """Whether it is the length of a weight norm, which is set when its direction is filled."""
        told = self.param.because.endswith("follows its direction")
        return told and isinstance(self.law, Keep) and not self.is_own

    @cached_property
    def law(self) -> Law:
        """The numbers that the initialiser gives this parameter.

        Raises:
            ShapeError: if the initialiser cannot use its axes.
        """
        return self.init.law(self.init.sees(self.param).in_order)
