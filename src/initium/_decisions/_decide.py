"""From a Graph, a recipe and a user's rules to a Plan."""

from collections.abc import Hashable, Iterable
from dataclasses import fields, replace

from .._errors import InitiumError, RuleError, ShapeError, counted, few, listed
from .._graph import Buffer, Graph, Made, Param
from .._recipes import Recipe
from .._rule import Decision, Rule, Rules, read_rules
from ..init import framework, zeros
from ..init._law import DTYPES
from ._anew import notes_of_building, notes_of_training
from ._choice import Choice
from ._decisions import Decisions
from ._depth import notes_of_depth
from ._fold import fold
from ._hint import hint


def decide(graph: Graph, recipe: Recipe, rules: Rules = ()) -> Decisions:
    """Decide every parameter of a model; touches no memory. A user's rule wins over the recipe.

    Raises:
        RuleError: if a rule of the user matches nothing, two of them disagree, or nobody decides a parameter.
        ShapeError: naming each parameter whose axes its initialiser cannot use.
    """
    rules = read_rules(rules)
    _check_matches(graph, rules)
    _check_agreement(graph, rules)
    usual = recipe.rules_of(replace(graph, params=tuple(param for param in graph.params if not _is_empty(param))))
    deciding = [(param, _first(param, rules), _first(param, usual)) for param in graph.params]
    _check_decided([param for param, own, found in deciding if not (own or found or _is_empty(param))])
    _check_drawable([(param, own) for param, own, _ in deciding if own])
    choices, misfits, undrawn = [], [], []
    for param, own, found in deciding:
        try:
            said, rule = _decided(param, own, found, recipe)
            # The choice says how it is made; what stays as it was built needs no word of what that was.
            word = "" if said.init == framework() else param.built
            told = param if param.made is None and param.built == word else replace(param, made=None, built=word)
            if _is_drawable(param, said):
                said = _as_made(said, param)
            else:
                said = _undrawn(param, said)
                undrawn.append(param)
            choices.append(_choice(told, _in_stream(said, graph), rule))
        except ShapeError as error:
            matched = f" Your rule `{own}` matched it." if own else ""
            misfits.append(f"{error}{matched}")
    if misfits:
        raise ShapeError(
            f"{listed(misfits)}\nGive it an initialiser that looks at no fan, such as `zeros` or `uniform(-0.1, 0.1)`."
        )
    choices, buffers = _copied(choices, graph)
    return Decisions(
        choices,
        recipe=str(recipe),
        notes=(
            *graph.notes,
            *_notes_of_undrawn(undrawn),
            *notes_of_building(choices),
            *notes_of_training(graph, choices),
            *notes_of_depth(choices),
        ),
        buffers=buffers,
        version=recipe.version,
        remakes=recipe.remakes,
    )


def _is_empty(param: Param) -> bool:
    """Whether it has no elements, as in a layer of 0 units; then there is no fan, and nothing to decide."""
    return 0 in param.shape


def _first(param: Param, rules: tuple[Rule, ...]) -> Rule | None:
    return next((rule for rule in rules if rule.matches(param)), None)


def _decided(param: Param, own: Rule | None, usual: Rule | None, recipe: Recipe) -> tuple[Decision, str]:
    """What is said of a parameter, by which rule: the user's, else the recipe's."""
    if _is_empty(param):
        return Decision(init=zeros(), because="has no elements"), "no elements"
    if own:
        said = own.decide(param, _tried(param, usual))
        return replace(said, because=said.because or own.reason, by="you"), f"your rule {own}"
    assert usual  # every parameter is decided by now
    said = usual.decide(param)
    return said, str(usual) if said.by == "checkpoint" else f"{recipe}: {usual}"


_SAID = tuple(field.name for field in fields(Decision))


def _choice(param: Param, said: Decision, rule: str) -> Choice:
    """The choice that a rule makes, once its initialiser has accepted the parameter's axes."""
    kept = {name: getattr(said, name) for name in _SAID}
    kept["because"] = said.because or param.because
    choice = Choice(param=param, rule=rule, **kept)
    _ = choice.law
    return choice


def _as_made(said: Decision, param: Param) -> Decision:
    """What `framework` stands for where it is known how the constructor is to make a parameter.

    Numbers that are there already it leaves.
    """
    if said.init != framework() or param.made is None or not param.made.is_pending:
        return said
    asked = f"{said.because}: " if said.by == "you" and said.because else ""
    return replace(said, init=param.made.init or said.init, because=f"{asked}{param.made.because}")


def _is_drawable(param: Param, said: Decision) -> bool:
    """Whether a parameter of that dtype can start so: complex or whole numbers only as their constructor makes them."""
    return param.dtype in DTYPES or said.init in (framework(), param.made.init if param.made else framework())


def _undrawn(param: Param, said: Decision) -> Decision:
    """What becomes of a start that no fill can write: the parameter stays as it is built."""
    as_made = _as_made(replace(said, init=framework(), because="", moment=None), param)
    return replace(as_made, because="; ".join(filter(None, (as_made.because, f"{param.dtype}, which no fill writes"))))


def _notes_of_undrawn(params: Iterable[Param]) -> tuple[str, ...]:
    """One line for what would be drawn, had it another dtype."""
    rows = fold((param.path, param.dtype) for param in params)
    lines = [f"`{row.paths}` ({row.kind})" for row in rows]
    return (f"left as built, since a fill writes {', '.join(DTYPES)} alone: {few(lines)}",) if lines else ()


def _in_stream(said: Decision, graph: Graph) -> Decision:
    """What is drawn as another parameter is, under the path where that one's numbers are."""
    other = graph.by_path.get(said.draws_as)
    return replace(said, draws_as=other.stream) if other and other.stream else said


def _copied(choices: list[Choice], graph: Graph) -> tuple[tuple[Choice, ...], tuple[Buffer, ...]]:
    """The choices and the saved buffers; what the constructor copied has the numbers of what it copied.

    Of parameters that is so where both start as recorded.
    """
    firsts: dict[Hashable, str] = {}

    def first(made: Made | None, path: str) -> str:
        origin = made.origin if made else None
        return path if origin is None else firsts.setdefault(origin, path)

    found = []
    for choice, param in zip(choices, graph.params, strict=True):
        is_as_made = param.made is not None and choice.init == (param.made.init or framework())
        path = first(param.made, param.path) if is_as_made else param.path
        copied = {"draws_as": path, "because": f"{choice.because}, a copy of {path}"} if path != param.path else {}
        found.append(replace(choice, **copied) if copied else choice)
    saved = [(buffer, first(buffer.made, buffer.path)) for buffer in graph.buffers if buffer.is_saved]
    buffers = [buffer if path == buffer.path else replace(buffer, draws_as=path) for buffer, path in saved]
    return tuple(found), tuple(buffers)


def _tried(param: Param, usual: Rule | None) -> Decision | None:
    """What the recipe would decide; nothing where it cannot, since then the user's rule is the remedy."""
    try:
        return usual.decide(param) if usual else None
    except InitiumError:
        return None


def _check_matches(graph: Graph, rules: tuple[Rule, ...]) -> None:
    idle = [rule for rule in rules if not any(rule.matches(param) for param in graph.params)]
    if idle:
        lines = [f"  {rule}\n    {hint(rule, graph)}" for rule in idle]
        raise RuleError(
            f"These rules match no parameter:\n{listed(lines)}\n"
            "A rule's name is a glob of dotted paths, as in 'h.*.attn.*'. Print the plan to see them all."
        )


def _check_agreement(graph: Graph, rules: tuple[Rule, ...]) -> None:
    """Of one user's rules none is above another, so none is dropped in silence."""
    torn = []
    for param in graph.params if len(rules) > 1 else ():
        meant = [rule for rule in rules if rule.matches(param)]
        if len({_said(rule.decide(param)) for rule in meant}) > 1:
            torn.append((param.path, "".join(f"\n    {rule}" for rule in meant)))
    if torn:
        lines = [f"  {row.paths}{row.kind}" for row in fold(torn)]
        raise RuleError(
            f"Your rules disagree about {counted(len(torn), 'parameter')}:\n{listed(lines)}\n"
            f"Narrow one of them, for instance with but='{torn[0][0]}'."
        )


def _check_drawable(own: Iterable[tuple[Param, Rule]]) -> None:
    """Refuse a rule that no fill can follow, before it is shown as a start."""
    misfits = [
        (param, rule) for param, rule in own if not (_is_empty(param) or _is_drawable(param, rule.decide(param)))
    ]
    if misfits:
        lines = [f"  {param.path}  {param.dtype}, by your rule {rule}" for param, rule in misfits]
        raise RuleError(
            f"A fill writes {', '.join(DTYPES)}, and these parameters are something else:\n{listed(lines)}\n"
            f"Leave them as built: narrow the rule, for instance with but='{misfits[0][0].path}'."
        )


def _said(decision: Decision) -> tuple[object, ...]:
    return decision.init, decision.lr, decision.moment, decision.draws_as


def _check_decided(undecided: list[Param]) -> None:
    if undecided:
        rows = fold((param.path, f"{param.role}: {param.because}") for param in undecided)
        lines = [f"  {row.paths}  ({row.kind})" for row in rows]
        raise RuleError(
            f"No rule decides {counted(len(undecided), 'parameter')}:\n{listed(lines)}\n"
            f"Add one: Rule('{undecided[0].path}', 'framework') leaves it as it was built."
        )
