"""The Plan: one decision for every parameter, and why."""

from dataclasses import dataclass

from ._errors import ShapeError
from ._graph import Graph, Param
from ._recipe import Recipe
from .init import Initialiser
from .init._law import Law


@dataclass(frozen=True)
class Choice:
    """How one parameter starts.

    Attributes:
        path: the parameter's dotted name.
        init: which initialiser was chosen.
        law: the numbers that it gives this shape.
        because: the clause a reader can check.
    """

    path: str
    init: Initialiser
    law: Law
    because: str


@dataclass(frozen=True)
class Plan:
    """One Choice for each parameter, in the model's order."""

    choices: tuple[Choice, ...]

    def __str__(self) -> str:
        width = max((len(choice.path) for choice in self.choices), default=0)
        return "\n".join(f"{c.path:<{width}}  {c.init}  {c.because}" for c in self.choices)


def plan(graph: Graph, recipe: Recipe) -> Plan:
    """Decide every parameter of a model; touches no memory.

    Raises:
        ShapeError: naming each parameter whose axes its initialiser cannot use.
    """
    choices, misfits = [], []
    for param in graph.params:
        try:
            choices.append(_choose(param, recipe))
        except ShapeError as error:
            misfits.append(str(error))
    if misfits:
        more = f"\n... and {len(misfits) - 5} more" if len(misfits) > 5 else ""
        raise ShapeError(
            "\n".join(misfits[:5]) + f"{more}\nGive it an initialiser that looks at no fan, such as `zeros` "
            "or `uniform(-0.1, 0.1)`."
        )
    return Plan(tuple(choices))


def _choose(param: Param, recipe: Recipe) -> Choice:
    init = recipe.of(param.role)
    return Choice(param.path, init, init.law(param), param.because)
