"""The Contest: starts tested against each other somewhere in a grid, corrected over all of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from ._places import At
from ._statistics import LEVEL, Interval, holm

if TYPE_CHECKING:
    from ._comparison import Comparison


@dataclass(frozen=True)
class Lead:
    """How much better one start scored than another.

    Attributes:
        first: the better.
        second: the other.
        gap: the mean difference with its interval, not corrected.
        p_runs: of the permutation test over runs.
        p: of the t test over other seeds and other data; corrected once it is in a family.
    """

    first: str
    second: str
    gap: Interval
    p_runs: float
    p: float

    @property
    def is_shown(self) -> bool:
        """Whether the corrected test carries it; NaN carries nothing."""
        return self.p < LEVEL


@dataclass(frozen=True)
class Contest:
    """What is told of all starts at once, at one cell or at one place with each start tuned.

    Attributes:
        at: where.
        scores: every start's score, in the runs that judge.
        leads: all pairs, the better first.
        starts: all that have runs there, those that are too few to be scored included.
        failed: the starts that never trained there.
        num_runs: the most runs that judge a pair.
        tuned: what each start is tuned to, if it was.
    """

    at: At
    scores: dict[str, Interval]
    leads: tuple[Lead, ...]
    starts: tuple[str, ...]
    failed: tuple[str, ...]
    num_runs: int
    tuned: dict[str, At] = field(default_factory=dict)

    @property
    def is_dead(self) -> bool:
        """Whether nothing trained."""
        return set(self.failed) >= set(self.starts)

    @property
    def shown(self) -> tuple[Lead, ...]:
        """The leads that the tests carry."""
        return tuple(lead for lead in self.leads if lead.is_shown)


def cell_contest(cell: "Comparison", at: At) -> Contest:
    """All pairs of one cell, not corrected yet."""
    return Contest(
        at,
        {row.recipe: row.score for row in cell.summaries},
        tuple(Lead(one.first, one.second, one.gap, one.p_runs, one.p_both) for one in cell.differences),
        tuple(cell.runs),
        cell.failed,
        cell.num_runs,
    )


def family(contests: Sequence[Contest], spent: float) -> tuple[Contest, ...]:
    """The same, corrected by Holm over all pairs of all of them.

    The permutation test has as few values as there are runs, 2 / 2^R the least, and could not carry a correction over
    a grid; it has to agree at 5 % by itself.

    Args:
        contests: all that are told at once.
        spent: of the error that may be made; less than 1 where the runs are looked at more than once.
    """
    leads = [lead for contest in contests for lead in contest.leads]
    raw = np.array([lead.p for lead in leads])
    tested = ~np.isnan(raw)
    p = np.full(len(raw), np.nan)
    p[tested] = np.maximum(
        holm(raw[tested], spent),
        [min(lead.p_runs / spent, 1.0) for lead, is_in in zip(leads, tested, strict=True) if is_in],
    )
    corrected = iter(p.tolist())
    return tuple(
        replace(contest, leads=tuple(replace(lead, p=next(corrected)) for lead in contest.leads))
        for contest in contests
    )
