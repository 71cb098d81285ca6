"""The Recipe: rules for a whole model, under one name."""

import functools
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .._errors import SpecError
from .._graph import Graph
from .._rule import Rule
from .._spec import Call, format_call, parse_call, unknown_name
from ..init import Initialiser, constant, framework, ones, parse, zeros
from ..init._initialiser import ALIASES, CATALOGUE, canonical, checked, plain

_BIAS = re.compile(r"\s+bias\s*=\s*(?=\S)")
# A word with `=` that is no argument: an argument follows a comma or a bracket.
_OTHER = re.compile(r"(?<![,(\s])\s+(\w+)\s*=")

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
    """

    spec: str
    rules_of: Callable[[Graph], tuple[Rule, ...]] = field(compare=False, repr=False)
    version: int | None = None
    cites: tuple[str, ...] = ()
    calibrates: bool = False
    traces: bool = True

    @classmethod
    def parse(cls, spec: "str | Initialiser | Recipe") -> "Recipe":
        """Read a recipe's name, or an initialiser: `he_normal`, `he_normal bias=0.1`, `he_normal bias=uniform(-1, 1)`.

        Raises:
            SpecError: where the text breaks.
            UnknownNameError: with the nearest name there is.

        Example:
            >>> str(Recipe.parse("kaiming_normal bias = 0.1"))
            'he_normal bias=0.1'
        """
        if isinstance(spec, Recipe):
            return spec
        spec = getattr(spec, "init", spec)  # an edge's start holds the initialiser that it is of
        if isinstance(spec, Initialiser):
            return _of_one(spec, _usual_bias(spec))
        if not isinstance(spec, str):
            raise SpecError(f"A start is a spec such as 'he_normal', or made by initium.init; got {spec!r}.")
        weight, *bias = _BIAS.split(spec, maxsplit=1)
        if other := _OTHER.search(weight):
            raise SpecError(f"'{spec}': only `bias=` may follow an initialiser, not `{other[1]}=`.")
        if not bias and (found := _named(parse_call(weight))):
            return found
        if bias and is_recipe(weight):
            raise SpecError(
                f"Recipe `{weight.strip()}` decides biases itself. For others take a rule: "
                f"plan(model, '{weight.strip()}', rules={{'*bias*': '{_bias(bias[0])}'}})."
            )
        start = parse(weight)
        return _of_one(start, _bias(bias[0]) if bias else _usual_bias(start))

    def __str__(self) -> str:
        return self.spec


def recipe(
    *, version: int = 1, cites: tuple[str, ...] = (), calibrates: bool = False, traces: bool = True
) -> Callable[..., Any]:
    """Enter a function of a Graph (and of numbers with defaults) that returns rules under its own name."""

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
            return Recipe(spec, functools.partial(function, **values), version, cites, calibrates, traces)

        setattr(build, "__signature__", settings)  # noqa: B010  for help(): the graph is given by whoever plans
        RECIPES[name] = build
        return build

    return enter


def by_name() -> dict[str, Callable[..., Recipe]]:
    """Every recipe. Their files are imported for whoever names one, not by `import initium`."""
    from . import _families  # noqa: F401

    return RECIPES


def _named(call: Call) -> Recipe | None:
    """The recipe that a call names. A name in the catalogue with arguments of the catalogue's is not one."""
    recipes = by_name()
    if call.name not in recipes:
        known = call.name in CATALOGUE or call.name in ALIASES
        if not known:
            raise unknown_name(
                "recipe or initialiser",
                call.name,
                [*recipes, *CATALOGUE, *ALIASES],
                "`initium list` shows all of them.",
            )
        return None
    try:
        return recipes[call.name](*call.args, **call.kwargs)
    except SpecError:
        if call.name in CATALOGUE:
            return None
        raise


def is_recipe(spec: str) -> bool:
    """Whether a text names a recipe, and no initialiser."""
    name = spec.partition("(")[0].strip()
    return name in by_name() and name not in CATALOGUE and name not in ALIASES


def _of_one(weight: Initialiser, bias: Initialiser) -> Recipe:
    """The recipe that starts all weights alike."""
    is_usual = bias == _usual_bias(weight)
    text = str(bias).removeprefix("constant(").removesuffix(")") if bias.spec.startswith("constant(") else str(bias)
    spec = str(weight) if is_usual else f"{weight} bias={text}"
    return Recipe(spec, lambda graph: one_for_all(weight, bias))


def one_for_all(weight: Initialiser, bias: Initialiser) -> tuple[Rule, ...]:
    """Rules that start all weights alike and the rest as is usual."""
    usual = (Rule(start=framework(), because="left as the framework made it"),) if weight == framework() else USUAL
    return (Rule(role="weight", start=weight), Rule(role="bias", start=bias), *usual)


# What nearly every recipe says of parameters that are no matrix.
USUAL = (
    Rule(role="scale", operation="normalisation", start=ones(), because="scale of a normalisation"),
    Rule(role="shift", start=zeros(), because="shift of a normalisation"),
    Rule(role="bias", start=zeros(), because="bias"),
    Rule(role="scale", start=framework()),
    Rule(role="kept", start=framework()),
    Rule(role="embedding", start=framework()),
    Rule(role="position", start=framework()),
    Rule(role="token", start=framework()),
)


def _usual_bias(weight: Initialiser) -> Initialiser:
    return framework() if weight == framework() else zeros()


def _bias(text: str) -> Initialiser:
    try:
        return constant(float(text))
    except ValueError:
        return parse(text)
