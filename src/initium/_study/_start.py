"""Start: one of the things that a study compares."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._decisions import Decisions
from .._errors import SettingError
from .._recipes import Recipe, parse_recipe
from .._rule import Rule, read_rules
from ..init import Initialiser


@dataclass(frozen=True)
class Start:
    """A recipe, with rules perhaps, or a plan; of the study's model, or of one of its own.

    Attributes:
        name: as it is reported.
        recipe: what decides; of a plan, what decided it.
        rules: which win over the recipe.
        plan: decided already; None if the recipe decides.
        model: what is built; None is the study's.
    """

    name: str
    recipe: Recipe
    rules: tuple[Rule, ...] = ()
    plan: Decisions | None = None
    model: Callable[..., Any] | None = None

    def __str__(self) -> str:
        return self.name

    @property
    def definition(self) -> str:
        """What the name stands for, so that a store holds no two things under one."""
        if self.plan is not None:
            import hashlib

            return hashlib.sha256(repr(self.plan.choices).encode()).hexdigest()[:16]
        text = f"{self.recipe} version {self.recipe.version}" if self.recipe.version else str(self.recipe)
        return "; ".join([text, *map(str, self.rules)])


def read_starts(asked: Any, rules: Any, models: Sequence[Callable[..., Any]]) -> tuple[Start, ...]:
    """What is compared.

    Args:
        asked: recipes, starts or plans; pairs of one of these and rules; a dict gives them names.
        rules: for all of them.
        models: constructors that are compared; empty if the study has one model.

    Raises:
        InitiumError: if one is none of that, or is there twice.
    """
    if asked and isinstance(asked, tuple) and all(isinstance(one, Start) for one in asked):
        return asked
    common = read_rules(rules)
    if not asked and models:
        asked = ["framework"]
    pairs: Iterable[tuple[str | None, Any]]
    if isinstance(asked, Mapping):
        pairs = asked.items()
    else:
        pairs = [(None, one) for one in ([asked] if isinstance(asked, str | Initialiser | Decisions) else asked)]
    found = [_start(name, one, common) for name, one in pairs]
    if models:
        found = [
            Start(name if len(found) == 1 else f"{name} with {one.name}", one.recipe, one.rules, one.plan, model)
            for model, name in zip(models, names_of(models), strict=True)
            for one in found
        ]
    _check(found)
    return tuple(found)


def _start(name: Any, one: Any, common: tuple[Rule, ...]) -> Start:
    if isinstance(one, Start):
        return one
    if isinstance(one, tuple) and len(one) == 2 and not isinstance(one[1], str):
        start, own = _start(None, one[0], ()), read_rules(one[1])
        told = f"{start.name} with {', '.join(map(str, own))}"
        return _ruled(Start(name or told, start.recipe, own, start.plan), common)
    if isinstance(one, str) and one.endswith(".json"):
        from .._checkpoint import read  # only for whoever has one

        plan, _ = read(one)
        return _ruled(Start(name or Path(one).stem, parse_recipe("framework"), plan=plan), common)
    if isinstance(one, Decisions):
        return _ruled(Start(name or f"plan by {one.recipe or 'hand'}", parse_recipe("framework"), plan=one), common)
    recipe = parse_recipe(one)  # pyright: ignore[reportArgumentType]  what is none it refuses
    return _ruled(Start(name or str(recipe), recipe), common)


def _ruled(start: Start, common: tuple[Rule, ...]) -> Start:
    rules = (*start.rules, *common)
    if rules and start.plan is not None:
        raise SettingError(f"'{start.name}' is a plan, in which all is decided; rules go with recipes.")
    return Start(start.name, start.recipe, rules, start.plan)


def names_of(models: Sequence[Callable[..., Any]]) -> list[str]:
    """The constructors as they are reported."""
    names = [name if (name := getattr(one, "__name__", "")).isidentifier() else "model" for one in models]
    return [f"{name} {index + 1}" if names.count(name) > 1 else name for index, name in enumerate(names)]


def _check(starts: Sequence[Start]) -> None:
    names = [start.name for start in starts]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SettingError(f"`{twice[0]}` is asked for more than once (Xavier is Glorot, Kaiming is He).")
    if len(names) < 2:
        raise SettingError(
            f"A comparison needs at least 2 initialisers; got {len(names)}. Name another, or `framework`."
        )
