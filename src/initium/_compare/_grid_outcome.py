"""The Outcome: what several contests of a grid show together."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from typing import Literal

import numpy as np

from ._contest import Contest, Lead

Kind = Literal["nothing trains", "not tested", "alike", "one ahead", "some behind", "mixed"]


@dataclass(frozen=True)
class Outcome:
    """Who is ahead and who behind, over all the contests.

    Attributes:
        kind: one start beats all others; some are behind; each is behind somewhere; or nothing is told.
        ahead: the starts that are behind nowhere, the best mean first.
        behind: the others, and in how many contests they are.
        closest: the smallest lead that is shown, of the first of those ahead if it has one.
        num_shown: contests that show a lead; where one start beats all others, those that show that.
        num: contests in which anything trained.
    """

    kind: Kind
    ahead: tuple[str, ...] = ()
    behind: tuple[tuple[str, int], ...] = ()
    closest: Lead | None = None
    num_shown: int = 0
    num: int = 0

    @property
    def losers(self) -> tuple[str, ...]:
        """The starts that are behind."""
        return tuple(name for name, _ in self.behind)

    @property
    def says(self) -> tuple[object, ...]:
        """What two outcomes have in common that are told in one sentence."""
        first = self.ahead if len(self.ahead) == 1 else ()
        return self.kind, first, *((name, num == self.num) for name, num in self.behind), self.num_shown == self.num


def outcome(contests: Sequence[Contest]) -> Outcome:
    """What contests show together."""
    alive = [contest for contest in contests if not contest.is_dead]
    if not alive:
        return Outcome("nothing trains")
    leads = [lead for contest in alive for lead in contest.leads]
    if leads and all(isnan(lead.p) for lead in leads):
        return Outcome("not tested", num=len(alive))
    starts = _best_first(alive)
    shown = [lead for lead in leads if lead.is_shown]
    losers = {lead.second for lead in shown}
    ahead = tuple(start for start in starts if start not in losers)
    behind = tuple(
        (start, sum(any(lead.second == start for lead in contest.shown) for contest in alive))
        for start in starts
        if start in losers
    )
    told = ahead, behind, _closest(shown, ahead), sum(bool(contest.shown) for contest in alive), len(alive)
    if not shown:
        return Outcome("alike", *told)
    if not ahead:
        return Outcome("mixed", *told)
    swept = sum(_beaten(contest, ahead[0]) == set(starts) - {ahead[0]} for contest in alive)
    return Outcome("one ahead", *told[:3], swept, len(alive)) if swept else Outcome("some behind", *told)


def _beaten(contest: Contest, start: str) -> set[str]:
    return {lead.second for lead in contest.shown if lead.first == start}


def _best_first(contests: Sequence[Contest]) -> list[str]:
    scores: dict[str, list[float]] = {}
    for contest in contests:
        for start, score in contest.scores.items():
            scores.setdefault(start, []).append(score.mean)
    return sorted(scores, key=lambda start: -float(np.mean(scores[start])))


def _closest(shown: Sequence[Lead], ahead: Sequence[str]) -> Lead | None:
    of_first = [lead for lead in shown if lead.first in ahead[:1]]
    return min(
        of_first or [lead for lead in shown if lead.first in ahead] or shown, key=lambda x: x.gap.mean, default=None
    )
