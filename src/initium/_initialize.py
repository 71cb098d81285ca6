"""Plan a model, and fill it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

from ._decisions import decide
from ._edge import edge_for, edge_of
from ._errors import ModelError, RuleError, SettingError, counted, few
from ._graph import Graph, Param
from ._paused import paused
from ._plan import Plan
from ._recipes import Recipe, parse_recipe
from ._rule import Rule, Rules, read_rules, shown
from ._turn import in_turn
from .init import Initialiser

_NEAR = 1.05  # what rounds to bfloat16 is within this factor


@in_turn
def plan(
    model: Any,
    recipe: str | Initialiser | Recipe = "auto",
    *,
    rules: Rules = (),
    example: Any = None,
    only_new: str | Iterable[str] | None = None,
) -> Plan:
    """Decide how every parameter of a model starts, and why. Nothing is filled.

    While it lasts, other threads may plan, build and train other models. To train or run the same one meanwhile fails
    in the thread that does: its layers hold stand-ins for their weights.

    Args:
        model: a torch.nn.Module, on any device, also meta; or a Graph.
        recipe: `auto`, another recipe's name, or any initialiser for all weights, as in `he_normal bias=0.1`.
        rules: the user's own, which win over the recipe: `{"head.*": "zeros"}`, pairs, or `Rule`s.
        example: inputs to trace the model with: a tensor, a tuple of arguments, or a dict of keyword arguments; None
            makes them up from the model's signature. Lazy layers get their shapes from it.
        only_new: globs of the parameters that are new in a model that was trained or loaded, as in `"head.*"`; all
            others are kept as they are. None if all are.

    Raises:
        ModelError: if the model cannot be run on the inputs.
        RuleError: if a rule matches nothing, two disagree, or a parameter remains undecided.
        ShapeError: if an initialiser cannot use a parameter's axes.

    Example:
        >>> from torch import nn
        >>> print(plan(nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 2)), "he_normal").choices[0].init)
        he_normal
    """
    recipe, rules = parse_recipe(recipe), read_rules(rules)
    with paused():
        graph = model if isinstance(model, Graph) else graph_of(model, recipe, rules, example)
        return Plan.of(decide(graph, recipe, (*rules, *_keeping(graph, only_new))))


def _keeping(graph: Graph, only_new: str | Iterable[str] | None) -> Iterator[Rule]:
    """The rule that keeps what is not new, if there is something.

    Raises:
        RuleError: naming what is said to be new and is not there.
    """
    if not isinstance(only_new, str | Iterable | None):
        raise RuleError(f"only_new is a glob of dotted names such as 'head.*', or several, not {shown(only_new)}.")
    globs = [only_new] if isinstance(only_new, str) else [*(only_new or ())]
    new = [Rule(glob, "keep") for glob in globs]
    if idle := [f"'{rule.paths}'" for rule in new if not any(map(rule.names, graph.params))]:
        raise RuleError(f"`only_new` matches no parameter by {few(idle)}. Print the plan to see them all.")

    kept = _Kept(start="keep", new=tuple(new), because="kept, since only_new names others")
    if only_new is not None and any(map(kept.matches, graph.params)):
        yield kept


@dataclass(frozen=True)
class _Kept(Rule):
    """Of all that `only_new` does not name.

    Attributes:
        new: what it names.
    """

    new: tuple[Rule, ...] = ()

    def matches(self, param: Param) -> bool:
        """Whether a parameter is not new."""
        return not any(rule.names(param) for rule in self.new)

    @property
    def conditions(self) -> str:
        """As it was typed."""
        globs = [rule.paths for rule in self.new]
        return f"only_new={shown(globs if len(globs) != 1 else globs[0])}"


def graph_of(model: Any, recipe: Recipe, rules: tuple[Rule, ...] = (), example: Any = None) -> Graph:
    """What is done with each parameter, as far as the recipe and the rules look at it."""
    edge = edge_of(model)
    if recipe.traces:
        return edge.trace(model, example)
    plain = edge.survey(model, example)
    if not rules:
        return plain
    try:
        traced = edge.trace(model, example)
    except ModelError as error:
        if example is not None:
            raise
        why = next(iter(str(error).splitlines()))
        return replace(plain, notes=(f"for your rules the layers' types speak alone, since it was not traced: {why}",))
    # What no rule matches stays as it is stored, so that a rule changes the bits of nothing else.
    params = [
        param if any(rule.matches(param) for rule in rules) else plain.by_path[param.path] for param in traced.params
    ]
    return replace(traced, params=tuple(params))


@in_turn
def initialize(
    model: Any,
    seed: int = 0,
    recipe: str | Initialiser | Recipe = "auto",
    *,
    rules: Rules = (),
    example: Any = None,
    only_new: str | Iterable[str] | None = None,
) -> Plan:
    """Start every parameter of a model, in place: `plan`, then `Plan.apply`.

    Args:
        model: a torch.nn.Module.
        seed: from 0 to 2^64 - 1. What is drawn for a parameter depends on it and on the parameter's path alone;
            what that is scaled by follows from the recipe, `auto` for one looks at the whole model.
        recipe: see `plan`, as are the others.
        rules: of the user.
        example: inputs to trace the model with; a recipe that measures, such as `lsuv`, needs real ones.
        only_new: globs of what alone is started, in a model that was trained or loaded.

    Returns:
        The plan, which prints as a table and explains every parameter; its notes tell what was calibrated. For a
        ledger of what was filled, do it in two steps: `ledger = plan(model).apply(model, seed=0)`.

    Raises:
        InitiumError: as `plan` and `Plan.apply`; then no weight has been touched.
        ModelError: if a recipe that measures fails on the example; then the model is filled, but not calibrated.
        SettingError: if a recipe that measures is given no example.

    Example:
        >>> from torch import nn
        >>> model = nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 2))
        >>> made = initialize(model, seed=0)
        >>> round(model[0].weight.std().item(), 2)  # 1 / sqrt(30): data comes with second moment 1
        0.18
    """
    if not isinstance(seed, Integral):
        hint = f"Write recipe={seed!r}." if isinstance(seed, str) else "Inputs are passed as example=."
        raise SettingError(f"A seed is a whole number, not a {type(seed).__name__}. {hint}")
    recipe = parse_recipe(recipe)
    if recipe.calibrates and example is None:
        raise SettingError(
            f"Recipe `{recipe}` rescales weights as real data reaches them and needs a batch: "
            f"initialize(model, recipe='{recipe}', example=batch)."
        )
    if recipe.calibrates:
        _ = edge_for(model, f"initialize(recipe='{recipe}')")
    made = plan(model, recipe, rules=rules, example=example, only_new=only_new)
    return begin(made, recipe, model, seed, example)


def begin(made: Plan, recipe: Recipe, model: Any, seed: int, example: Any) -> Plan:
    """Lay a plan into a model, which is then at step zero; the plan, with notes of what was calibrated."""
    made.apply(model, seed=seed)
    return _calibrated(made, model, example) if recipe.calibrates else made


def _calibrated(made: Plan, model: Any, example: Any) -> Plan:
    """The plan, with notes of which weights got the moment that it means, and which did not."""
    try:
        found = made.calibrate(model, example)
    except ModelError as error:
        raise ModelError(f"The model was filled, not calibrated. {error}") from error
    meant = {choice.path for choice in made.choices if choice.moment is not None}
    missed = [f"`{path}` ({why})" for path, why in found.left if path in meant]
    missed += [f"`{w.path}` (gives {w.after:.3g}, not {w.meant:.3g})" for w in found.weights if not w.off < _NEAR]
    notes = [f"calibrated on the example: {counted(len(found.weights), 'weight')}"]
    notes += [f"not calibrated: {few(missed)}"] if missed else []
    return replace(made, notes=(*made.notes, *notes))
