"""decide: which parameter begins from which tensor of a checkpoint, and all others from the recipe."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from .._decisions import Choice, Decisions, Origin
from .._decisions import decide as decide_by_rules
from .._errors import CheckpointError, ModelError, RuleError, counted, listed
from .._graph import Buffer, Graph, Made, Param
from .._recipes import Recipe
from .._rule import Decision, Rule
from .._setting import either, setting
from ._adapting import Adapt, Adapting, check_adapt
from ._checkpoint import Checkpoint
from ._fit import Fits, fit
from ._left_out import left_out
from ._match import Match, Matches
from ._matched import matched
from ._rename import check_used, renamed
from ._target import Target, targets_of


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a user says of names.

    Attributes:
        rename: a glob of names in the checkpoint, and what they are in the model.
        adapt: whether what has another shape is fitted, or how by globs.
        moments: E[x x^T] over the channels of the example.
        skip: globs of names in the model that take nothing from the checkpoint.
        structure: whether what has found nothing by its name is paired by its order and its shape.
        min_coverage: the share of the parameters, by elements, that must come from it.
    """

    rename: Mapping[str, str] = field(default_factory=dict)
    adapt: Adapt = True
    moments: NDArray[np.float64] | None = None
    skip: tuple[str, ...] = ()
    structure: bool = False
    min_coverage: float | None = None


def decide(
    graph: Graph,
    recipe: Recipe,
    rules: tuple[Rule, ...],
    checkpoint: Checkpoint,
    wish: Wish,
    *,
    untraced: ModelError | None = None,
) -> Decisions:
    """Copy what the checkpoint has, and decide the rest as ever; a rule of the user wins over both.

    Args:
        graph: of the model.
        recipe: of what the checkpoint lacks.
        rules: of the user.
        checkpoint: to copy from.
        wish: what the user says of names.
        untraced: why the graph is that of the layers' types alone, which is not enough for what is new.

    Raises:
        ModelError: that one, if something is new.
        CheckpointError: if nothing matches, something does not fit, or too little is covered.
        RuleError: if a glob matches nothing; as a plan's rules.
    """
    targets = [*targets_of(graph)]
    _check_skip(wish.skip, targets)
    ruled = {param.path for param in graph.params if any(rule.matches(param) for rule in rules)}
    wanted = [one for one in targets if one.path not in ruled and not one.is_named(wish.skip)]
    names = renamed([*checkpoint.tensors], wish.rename)
    found = matched(wanted, checkpoint.tensors, names, structure=wish.structure)
    unsaved = [name for buffer in graph.buffers if not buffer.is_saved for name in (buffer.path, *buffer.tied)]
    known = [*unsaved, *(name for target in targets for name in target.names)]
    check_used(names, (name for one in found.by_path.values() for name in one.names), known)
    _check_any(found, targets, wanted, checkpoint, wish)
    check_adapt(wish.adapt, targets)
    adapting = Adapting(
        graph=graph,
        adapt=wish.adapt,
        vocabularies=_vocabularies(wanted, found.by_path, checkpoint),
        moments=wish.moments,
    )
    fits = fit(wanted, found.by_path, checkpoint, adapting)
    _check_fit(fits, checkpoint, is_traced=untraced is None)
    _check_coverage(wish.min_coverage, graph.params, fits.starts, checkpoint)
    if untraced and any(param.path not in fits.starts and param.path not in ruled for param in graph.params):
        raise untraced
    made = decide_by_rules(_beside(graph, fits.starts), _warm(recipe, fits.starts, checkpoint), rules)
    return replace(
        made,
        choices=tuple(_told(choice, fits.new) for choice in made.choices),
        notes=(*checkpoint.tensors.notes, *found.notes, *fits.notes, *made.notes),
        buffers=tuple(_loaded(buffer, fits.starts) for buffer in made.buffers),
        origin=Origin(
            source=str(checkpoint),
            num_tensors=len(checkpoint.tensors),
            left_out=left_out(checkpoint, found.by_path, targets, graph, wish.skip, fits.new, found.called),
        ),
    )


def _vocabularies(
    targets: Sequence[Target], matches: Mapping[str, Match], checkpoint: Checkpoint
) -> frozenset[tuple[int, int]]:
    """How many rows each embedding has in the checkpoint, and how many in the model."""
    tables = [one for one in targets if one.param and one.param.role == "embedding" and one.path in matches]
    held = [(checkpoint.tensors[matches[one.path].names[0]].shape, one.shape) for one in tables]
    return frozenset((old[0], new[0]) for old, new in held if old and new)


@dataclass(frozen=True)
class _Copied(Rule):
    """Of all that a checkpoint has numbers for.

    Attributes:
        source: the checkpoint.
        starts: what is said of each, by its path.
    """

    source: str = ""
    starts: Mapping[str, Decision] = field(default_factory=dict)

    def matches(self, param: Param) -> bool:
        """Whether a parameter is among them."""
        return param.path in self.starts

    def decide(self, param: Param, usual: Decision | None = None) -> Decision:
        """What is said of it."""
        return self.starts[param.path]

    def __str__(self) -> str:
        return self.source


def _warm(recipe: Recipe, starts: Mapping[str, Decision], checkpoint: Checkpoint) -> Recipe:
    """The recipe, before whose rules the checkpoint is asked."""
    copied = _Copied(start="keep", source=f"from {checkpoint}", starts=starts)
    return replace(recipe, rules_of=lambda graph: (copied, *recipe.rules_of(graph)))


def _beside(graph: Graph, starts: Mapping[str, Decision]) -> Graph:
    """The graph without the running statistics that are loaded: nothing of those starts anew."""
    # How many batches were counted is no statistic, and older checkpoints lack it.
    held = [buffer for buffer in graph.buffers if buffer.is_saved and buffer.shape]
    anew = {buffer.path.rpartition(".")[0] for buffer in held if buffer.path not in starts}
    loaded = {path.rpartition(".")[0] for path in starts if path not in graph.by_path} - anew
    return replace(graph, statistics=tuple(one for one in graph.statistics if one.path not in loaded))


def _loaded(buffer: Buffer, starts: Mapping[str, Decision]) -> Buffer:
    said = starts.get(buffer.path)
    return replace(buffer, made=Made(init=said.init, because=said.because), draws_as="") if said else buffer


def _told(choice: Choice, new: Mapping[str, str]) -> Choice:
    """A choice of the recipe, with the reason why the checkpoint is not asked."""
    why = new.get(choice.path)
    return replace(choice, because=f"{why}; {choice.because}" if choice.because else why) if why else choice


def _check_skip(globs: Sequence[str], targets: Sequence[Target]) -> None:
    if idle := [f"'{glob}'" for glob in globs if not any(target.is_named([glob]) for target in targets)]:
        raise RuleError(
            f"{setting('skip')} matches nothing of the model by {', '.join(idle)}. Print a plan to see its names."
        )


def _check_any(
    found: Matches, targets: Sequence[Target], wanted: Sequence[Target], checkpoint: Checkpoint, wish: Wish
) -> None:
    params = [target.path for target in targets if target.param]
    if params and not any(target.param for target in wanted):
        raise CheckpointError(
            f"By {setting('skip')} and {setting('rules')} no parameter of the model begins from {checkpoint}. To start "
            f"it from a recipe alone: {either('`initium.plan(model)`', '`initium plan MODEL`')}."
        )
    if not any(path in found.by_path for path in params):
        some = [f"  model       {path}" for path in params[:3]]
        some += [f"  checkpoint  {name}" for name in [*checkpoint.tensors][:3]]
        more = "".join(f"\n{note[:1].upper()}{note[1:]}." for note in found.notes)
        fits = "found no order and shapes that fit" if wish.structure else "pairs them by their order and shapes"
        raise CheckpointError(
            f"None of the {counted(len(checkpoint.tensors), 'tensor')} in {checkpoint} is meant for this model by its "
            f"name. The first names are\n{chr(10).join(some)}{more}\n"
            f"Say how they go together, such as {setting('rename', {'encoder.*': 'bert.*'})}; "
            f"{setting('structure', True)} {fits}."
        )


def _check_fit(fits: Fits, checkpoint: Checkpoint, *, is_traced: bool) -> None:
    if fits.misfits:
        width = max(map(len, fits.misfits))
        lines = [f"  {path:<{width}}  {what}" for path, what in sorted(fits.misfits.items())]
        num_all = len(fits.misfits) + len(fits.starts)
        first = min(fits.misfits)
        example = either("example=inputs", "--example FILE.py:FUNCTION")
        hint = "" if is_traced else f"Pass {example} first: the model is run on them, and more can be adapted.\n"
        ruled = setting("rules", {first: "normal(0, 0.02)"})
        raise CheckpointError(
            f"{len(fits.misfits)} of {counted(num_all, 'tensor')} in {checkpoint} "
            f"{'does' if len(fits.misfits) == 1 else 'do'} not fit this model.\n{listed(lines)}\n"
            f"{hint}Pass {setting('skip', [first])} to start it from the recipe, or {ruled}."
        )


def _check_coverage(
    least: float | None, params: Sequence[Param], starts: Mapping[str, Decision], checkpoint: Checkpoint
) -> None:
    if least is None:
        return
    found, all_ = (sum(math.prod(p.shape) for p in params if is_in(p)) for is_in in (lambda p: p.path in starts, bool))
    if all_ and found / all_ < least:  # a quotient is rounded as the share was that somebody wrote
        asks = either("min_coverage", "--min-coverage")
        fresh = sorted((p for p in params if p.path not in starts), key=lambda p: -math.prod(p.shape))
        raise CheckpointError(
            f"{checkpoint} gives {found:,} of {all_:,} elements, {found / all_:.1%}, and {asks} asks for {least:.1%}. "
            f"The largest that it lacks are\n{listed([f'  {p.path}  {p.shape}' for p in fresh])}\n"
            f"Say how names go together by {setting('rename')}, or ask for less."
        )
