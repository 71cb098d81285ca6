"""decide: which parameter begins from which tensor of a checkpoint, and all others from the recipe."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from .._decisions import Choice, Decisions, Origin
from .._decisions import decide as decide_by_rules
from .._errors import ModelError
from .._graph import Buffer, Graph, Made, Param
from .._recipes import Recipe
from .._rule import Decision, Rule
from ._adapting import Adapt, Adapting, check_adapt
from ._checkpoint import Checkpoint
from ._checks import check_any, check_coverage, check_fit, check_skip
from ._fit import fit
from ._left_out import left_out
from ._match import Match
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
    check_skip(wish.skip, targets)
    ruled = {param.path for param in graph.params if any(rule.matches(param) for rule in rules)}
    wanted = [one for one in targets if one.path not in ruled and not one.is_named(wish.skip)]
    names = renamed([*checkpoint.tensors], wish.rename)
    found = matched(wanted, checkpoint.tensors, names, structure=wish.structure)
    unsaved = [name for buffer in graph.buffers if not buffer.is_saved for name in (buffer.path, *buffer.tied)]
    known = [*unsaved, *(name for target in targets for name in target.names)]
    check_used(names, (name for one in found.by_path.values() for name in one.names), known)
    check_any(found, targets, wanted, checkpoint, structure=wish.structure)
    check_adapt(wish.adapt, targets)
    adapting = Adapting(
        graph=graph,
        adapt=wish.adapt,
        vocabularies=_vocabularies(wanted, found.by_path, checkpoint),
        moments=wish.moments,
    )
    fits = fit(wanted, found.by_path, checkpoint, adapting)
    check_fit(fits, checkpoint, graph, is_run=untraced is None)
    check_coverage(wish.min_coverage, graph.params, fits.starts, checkpoint)
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
