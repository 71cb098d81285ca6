"""From a spec to a recipe: the name of one, or an initialiser for all weights."""

import copyreg
import re
from collections.abc import Callable
from typing import Any

from .._errors import InitiumError, SpecError
from .._rule import Rule
from .._spec import Call, check_length, parse_call, unknown_name
from ..init import Initialiser, constant, framework, parse, zeros
from ..init._initialiser import ALIASES, CATALOGUE
from ..init._parse import of_another_library, uncalled
from ._recipe import RECIPES, USUAL, Recipe

_BIAS = re.compile(r"(?<!\s)\s+bias\s*=\s*(?=\S)")
# A word with `=` that is no argument: an argument follows a comma or a bracket.
_OTHER = re.compile(r"(?<![,(\s])\s+(\w+)\s*=")


def parse_recipe(spec: str | Initialiser | Recipe) -> Recipe:
    """Read a recipe's name, or an initialiser: `he_normal`, `he_normal bias=0.1`, `he_normal bias=uniform(-1, 1)`.

    Raises:
        SpecError: where the text breaks.
        UnknownNameError: with the nearest name there is.

    Example:
        >>> str(parse_recipe("kaiming_normal bias = 0.1"))
        'he_normal bias=0.1'
    """
    if isinstance(spec, Recipe):
        return spec
    spec = getattr(spec, "init", spec)  # an edge's start holds the initialiser that it is of
    if isinstance(spec, Initialiser):
        return _of_one(spec, _usual_bias(spec))
    if name := uncalled(spec):
        raise SpecError(f"{name} is a function; write `{name}()`, or the text '{name}'.")
    if told := of_another_library(spec):
        raise SpecError(told)
    if not isinstance(spec, str):
        raise SpecError(f"A start is a spec such as 'he_normal', or made by initium.init; got {spec!r}.")
    check_length(spec)
    weight, *bias = _BIAS.split(spec, maxsplit=1)
    if other := _OTHER.search(weight):
        raise SpecError(f"'{spec}': only `bias=` may follow an initialiser, not `{other[1]}=`.")
    if not bias and (found := _named(parse_call(weight))):
        return found
    if bias and _is_recipe(weight):
        raise SpecError(
            f"Recipe `{weight.strip()}` decides biases itself. For others take a rule: "
            f"plan(model, '{weight.strip()}', rules={{'*bias*': '{_bias(bias[0])}'}})."
        )
    start = parse(weight)
    return _of_one(start, _bias(bias[0]) if bias else _usual_bias(start))


def _reduced(recipe: Recipe) -> Any:
    return (parse_recipe, (recipe.spec,)) if _reads_back(recipe) else recipe.__reduce_ex__(4)


def _reads_back(recipe: Recipe) -> bool:
    try:
        return parse_recipe(recipe.spec) == recipe
    except InitiumError:
        return False


copyreg.pickle(Recipe, _reduced)


def by_name() -> dict[str, Callable[..., Recipe]]:
    """Every recipe. Their files are imported for whoever names one, not by `import initium`."""
    from . import _families  # noqa: F401

    return RECIPES


def _named(call: Call) -> Recipe | None:
    """The recipe that a call names. A name in the catalogue with arguments of the catalogue's is not one."""
    recipes, starts = by_name(), {**CATALOGUE, **ALIASES}
    if call.name not in {**recipes, **starts}:
        hint = "`initium list` shows all of them."
        raise unknown_name("recipe or initialiser", call.name, [*recipes, *starts], hint)
    if call.name not in recipes:
        return None
    try:
        return recipes[call.name](*call.args, **call.kwargs)
    except SpecError:
        if call.name not in CATALOGUE:
            raise
        return None


def _is_recipe(spec: str) -> bool:
    """Whether a text names a recipe, and no initialiser."""
    name = spec.partition("(")[0].strip()
    return name in by_name() and name not in CATALOGUE and name not in ALIASES


def _of_one(weight: Initialiser, bias: Initialiser) -> Recipe:
    """The recipe that starts all weights alike and the rest as is usual."""
    call = parse_call(bias.spec)
    text = str(call.args[0]) if call.name == "constant" else bias.spec
    spec = str(weight) if bias == _usual_bias(weight) else f"{weight} bias={text}"
    usual = (Rule(start=framework(), because="left as the framework made it"),) if weight == framework() else USUAL
    rules = (Rule(role="weight", start=weight), Rule(role="bias", start=bias), *usual)
    return Recipe(spec, lambda graph: rules)


def _usual_bias(weight: Initialiser) -> Initialiser:
    return framework() if weight == framework() else zeros()


def _bias(text: str) -> Initialiser:
    try:
        return constant(float(text))
    except ValueError:
        return parse(text)
