"""Adapting: which adapter is asked for a tensor, the user's or the one that is meant for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._errors import RuleError, SpecError
from .._graph import Graph
from .._rule import shown
from .._setting import setting
from .._spec import parse_call, unknown_name
from .._stored import TURNED
from ..init._fitted import BUILDS
from ._adapters import Case, Fitted, adapted
from ._checkpoint import Checkpoint
from ._match import Match
from ._target import Target

Adapt = bool | Mapping[str, Any]
NEW = "new"


@dataclass(frozen=True, kw_only=True)
class Adapting:
    """What is done where shapes differ.

    Attributes:
        graph: of the model.
        adapt: whether anything is; or the user's adapters by globs, beside those that are meant.
        vocabularies: how many rows embeddings have in the checkpoint, and how many in the model.
        moments: E[x x^T] over the channels of the example.
    """

    graph: Graph
    adapt: Adapt = True
    vocabularies: frozenset[tuple[int, int]] = frozenset()
    moments: NDArray[np.float64] | None = None

    def is_asked(self, target: Target) -> bool:
        """Whether the user names an adapter for it."""
        return isinstance(self.adapt, Mapping) and target.is_named(self.adapt)

    def adapted(self, target: Target, one: Match, checkpoint: Checkpoint) -> Fitted | None:
        """What becomes of it; None if nothing is meant for it, or asked for."""
        [name, *others] = one.names
        if self.adapt is False or target.param is None or others or one.part:
            return None
        case = Case(
            param=target.param,
            name=name,
            checkpoint=checkpoint,
            graph=self.graph,
            vocabularies=self.vocabularies,
            moments=self.moments,
        )
        asked = self.adapt if isinstance(self.adapt, Mapping) else {}
        said = next((asked[glob] for glob in asked if target.is_named([glob])), None)
        return adapted(case) if said is None else _by_user(case, said)


def check_adapt(adapt: Any, targets: Sequence[Target]) -> None:
    """Refuse what is no adapter, or is meant for nothing.

    Raises:
        RuleError: saying which.
    """
    if isinstance(adapt, bool):
        return
    if not isinstance(adapt, Mapping) or not all(isinstance(glob, str) for glob in adapt):
        raise RuleError(f"adapt is True, False, or adapters by globs such as {{'head.*': 'new'}}, not {shown(adapt)}.")
    idle = [glob for glob in adapt if not any(target.is_named([glob]) for target in targets)]
    if idle:
        raise RuleError(
            f"{setting('adapt')} matches nothing of the model by '{idle[0]}'. Print a plan to see its names."
        )


def _by_user(case: Case, said: Any) -> Fitted:
    """An adapter that is named; or rows, picked by the names that they have there and here."""
    if isinstance(said, tuple | list) and len(said) == 2:
        return _picked(case, *said)
    if not isinstance(said, str):
        raise RuleError(
            f"An adapter is the text 'new', 'transposed', 'grown', 'patches', 'channels' or "
            f"'resampled((14, 14), (16, 16))', or two lists of names, not {shown(said)}."
        )
    if said == NEW:
        return Fitted(None, "you want it new")
    if said == TURNED:
        return Fitted(case.checkpoint.start((case.name,), (TURNED,)), "transposed, as you say")
    call = parse_call(said)
    if call.name not in BUILDS:
        raise unknown_name("adapter", call.name, [*BUILDS, NEW, TURNED], "")
    try:
        start = case.checkpoint.fitted(call.name, case.name, *call.args, **call.kwargs)
    except SpecError as error:
        raise RuleError(f"The adapter `{said}` cannot be read. {error}") from None
    return Fitted(start, f"{case.old} there, by your adapter {said}")


def _picked(case: Case, there: Any, here: Any) -> Fitted:
    """Rows by the names of what they stand for."""
    there, here = list(there), list(here)
    if len(there) != case.old[0] or len(here) != case.new[0] or len(set(there)) < len(there):
        raise RuleError(
            f"`{case.param.path}` has {case.old[0]:,} rows in the checkpoint and {case.new[0]:,} in the model; the "
            f"names say {len(there):,} and {len(here):,}. Give each row its own name."
        )
    places = {name: row for row, name in enumerate(there)}
    rows = tuple(places.get(name, -1) for name in here)
    num_new = rows.count(-1)
    if num_new == len(rows):
        raise RuleError(
            f"None of the names here is one of those there, such as {shown(there[0])}; see `{case.param.path}`."
        )
    new = f", and {num_new:,} new ones like the mean" if num_new else ""
    told = f"{len(rows) - num_new:,} of {case.old[0]:,} rows by their names{new}"
    return Fitted(case.checkpoint.fitted("picked", case.name, rows=rows), told)
