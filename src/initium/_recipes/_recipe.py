"""The Recipe: rules for a whole model, under one name."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .._errors import SpecError
from .._graph import Graph
from .._rule import Rule
from .._spec import format_call
from ..init import framework
from ..init._initialiser import canonical, checked, plain
from ._lines import used_as

RECIPES: dict[str, Callable[..., "Recipe"]] = {}


@dataclass(frozen=True)
class Recipe:
    """A start for a whole model.

    Attributes:
        spec: its name and arguments, or the initialiser of its weights; reads back as an equal recipe.
        rules_of: the rules that it has for a model, the first that matches decides.
        version: raised whenever it decides otherwise than before; None for an initialiser.
        cites: keys of the papers that it follows.
        calibrates: whether it ends with `plan.calibrate`, which needs a batch.
        traces: whether it looks at what is done with a parameter; otherwise the model need not run.
        remakes: whether it draws anew what the constructor has drawn, as `author` does; others leave such numbers.
    """

    spec: str
    rules_of: Callable[[Graph], tuple[Rule, ...]] = field(compare=False, repr=False)
    version: int | None = None
    cites: tuple[str, ...] = ()
    calibrates: bool = False
    traces: bool = True
    remakes: bool = False

    def __str__(self) -> str:
        return self.spec


def recipe(*, version: int = 1, **facts: Any) -> Callable[..., Any]:
    """Enter a function of a Graph (and of numbers with defaults) that returns rules, under its own name."""

    def enter(function: Callable[..., tuple[Rule, ...]]) -> Callable[..., Recipe]:
        signature = inspect.signature(function)
        settings = signature.replace(parameters=list(signature.parameters.values())[1:])
        name = function.__name__

        @functools.wraps(function)
        def build(*args: Any, **kwargs: Any) -> Recipe:
            try:
                given = settings.bind(*args, **kwargs).arguments
            except TypeError as error:
                raise SpecError(f"Recipe `{name}{plain(settings)}`: {error}.") from None
            values = {key: checked(name, settings.parameters[key], value) for key, value in given.items()}
            spec = format_call(canonical(name, settings, values))
            return Recipe(spec, functools.partial(function, **values), version, **facts)

        setattr(build, "__signature__", settings)  # noqa: B010  for help(): the graph is given by whoever plans
        RECIPES[name] = build
        return build

    return enter


# What nearly every recipe says of parameters that are no matrix.
USUAL = (
    Rule(role="scale", operation="normalisation", start=used_as(1.0, "scale of a normalisation")),
    Rule(role="shift", start=used_as(0.0, "shift of a normalisation")),
    Rule(role="bias", start=used_as(0.0, "bias")),
    Rule(role="scale", start=framework()),
    Rule(role="kept", start=framework()),
    Rule(role="embedding", start=framework()),
    Rule(role="position", start=framework()),
    Rule(role="token", start=framework()),
)
