"""Contender: one start of a study, decided once, and laid into a new model for every run."""

from dataclasses import dataclass
from types import ModuleType
from typing import Any

from .._errors import ModelError
from .._graph import Graph
from .._initialize import begin, graph_of, plan
from .._plan import Plan
from .._recipes import Recipe, parse_recipe
from .._require import require
from .._study._run import Run
from .._study._study import Study

_ROWS = 256  # of the training split: what a recipe traces and calibrates with


def trainer() -> ModuleType:
    """The part of an edge that trains: a module with `build`, `checked`, `train` and `settle_process`."""
    require("torch", to="Training")
    from ..torch import _train

    return _train


@dataclass(frozen=True)
class Contender:
    """One of the starts that are compared.

    Attributes:
        recipe: that was asked for.
        plan: what it decides; None for `framework` on a model that nothing can be said of.
    """

    recipe: Recipe
    plan: Plan | None

    def model(self, study: Study, index: int) -> Any:
        """A model at step zero of one run, as `initialize` makes it of the same example."""
        seed = (study.seed + index) % 2**64
        model = trainer().build(study, seed, is_deferred=not self.recipe.traces)
        if self.plan:
            begin(self.plan, self.recipe, model, seed, study.data.x_train[:_ROWS])
        return model

    @property
    def graph(self) -> Graph:
        """What is known of the model's parameters."""
        return Graph(tuple(choice.param for choice in self.plan.choices) if self.plan else ())

    def run(self, study: Study, index: int) -> Run:
        """Train a network once: the same seed, the same numbers, whatever else runs."""
        return trainer().train(study, self.model(study, index), self.graph, str(self.recipe), index)


def decided(study: Study) -> tuple[Contender, ...]:
    """What each start decides, the model traced once; and whether all can be trained, found out before any is.

    Raises:
        InitiumError: what does not fit.
    """
    with trainer().checked(study) as check:
        graphs: dict[bool, Graph] = {}
        starts = tuple(Contender(recipe, _plan(study, recipe, graphs)) for recipe in study.recipes)
        for start in starts:
            check(start.model(study, 0))
    return starts


def _plan(study: Study, recipe: Recipe, graphs: dict[bool, Graph]) -> Plan | None:
    try:
        if recipe.traces not in graphs:
            model = trainer().build(study, study.seed, is_deferred=not recipe.traces)
            graphs[recipe.traces] = graph_of(model, recipe, example=study.data.x_train[:_ROWS])
    except ModelError:
        if recipe != parse_recipe("framework"):
            raise
        return None
    return plan(graphs[recipe.traces], recipe)
