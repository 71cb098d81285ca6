"""Plan a model, and fill it."""

from typing import Any

from ._edge import edge_of
from ._errors import SettingError
from ._graph import Graph
from ._plan import Plan, decide
from ._recipes import Recipe
from ._rule import Rules
from .init import Initialiser


def plan(
    model: Any,
    recipe: str | Initialiser | Recipe = "auto",
    *,
    rules: Rules = (),
    example: Any = None,
) -> Plan:
    """Decide how every parameter of a model starts, and why. Nothing is filled.

    Args:
        model: a torch.nn.Module, on any device, also meta; or a Graph.
        recipe: `auto`, another recipe's name, or any initialiser for all weights, as in `he_normal bias=0.1`.
        rules: the user's own, which win over the recipe: `{"head.*": "zeros"}`, pairs, or `Rule`s.
        example: inputs to trace the model with: a tensor, a tuple of arguments, or a dict of keyword arguments; None
            makes them up from the model's signature.

    Raises:
        ModelError: if the model cannot be run on the inputs.
        RuleError: if a rule matches nothing, two disagree, or a parameter remains undecided.
        ShapeError: if an initialiser cannot use a parameter's axes.

    Example:
        >>> from torch import nn
        >>> print(plan(nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 2)), "he_normal").choices[0].init)
        he_normal
    """
    graph = model if isinstance(model, Graph) else edge_of(model).trace(model, example)
    return decide(graph, Recipe.parse(recipe), rules)


def initialize(
    model: Any,
    seed: int = 0,
    recipe: str | Initialiser | Recipe = "auto",
    *,
    rules: Rules = (),
    example: Any = None,
) -> Plan:
    """Start every parameter of a model, in place: `plan`, then `Plan.apply`.

    Args:
        model: a torch.nn.Module.
        seed: from 0 to 2^64 - 1. A parameter's numbers depend on it and on the parameter's path alone.
        recipe: see `plan`, as are the others.
        rules: of the user.
        example: inputs to trace the model with; a recipe that measures, such as `lsuv`, needs real ones.

    Returns:
        The plan, which prints as a table and explains every parameter.

    Raises:
        InitiumError: as `plan`; then no weight has been touched.
        SettingError: if a recipe that measures is given no example.

    Example:
        >>> from torch import nn
        >>> model = nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 2))
        >>> made = initialize(model, seed=0)
        >>> round(model[0].weight.std().item(), 2)  # 1 / sqrt(30): data comes with second moment 1
        0.18
    """
    recipe = Recipe.parse(recipe)
    if recipe.calibrates and example is None:
        raise SettingError(
            f"Recipe `{recipe}` rescales weights as real data reaches them and needs a batch: "
            f"initialize(model, recipe='{recipe}', example=batch)."
        )
    made = plan(model, recipe, rules=rules, example=example)
    made.apply(model, seed=seed)
    if recipe.calibrates:
        made.calibrate(model, example)
    return made
