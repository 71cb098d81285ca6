"""The Choice: how one parameter starts."""

from dataclasses import dataclass
from functools import cached_property

from .._graph import Param
from ..init import Initialiser
from ..init._law import Law


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

    @property
    def path(self) -> str:
        """The parameter's dotted name."""
        return self.param.path

    @cached_property
    def law(self) -> Law:
        """The numbers that the initialiser gives this parameter.

        Raises:
            ShapeError: if the initialiser cannot use its axes.
        """
        return self.init.law(self.init.sees(self.param).in_order)
