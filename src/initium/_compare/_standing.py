"""The Standing: what several contests of a grid show together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isnan
from typing import Literal

import numpy as np

from ._contest import Contest, Lead
from ._places import At

Kind = Literal["nothing trains", "none judged", "not tested", "alike", "only one", "one ahead", "some behind", "mixed"]


@dataclass(frozen=True)
class Standing:
    """Who is ahead and who behind, over all the contests.

    Attributes:
        kind: one start beats all others; some are behind; each is behind somewhere; or nothing is told.
        ahead: the starts that trained and are behind nowhere, the best mean first.
        behind: those that are behind, and in how many contests they are.
        lost: those that are not shown to be, and never trained.
        lapses: where a start that is ahead never trained, though others did.
        closest: the smallest lead that is shown, of the first of those ahead if it has one.
        num_shown: contests that show a lead; where one start beats all others, those that show that.
        num: contests in which anything trained.
    """

    kind: Kind
    ahead: tuple[str, ...] = ()
    behind: tuple[tuple[str, int], ...] = ()
    lost: tuple[str, ...] = ()
    lapses: tuple[tuple[str, tuple[At, ...]], ...] = ()
    closest: Lead | None = None
    num_shown: int = 0
    num: int = 0

    @property
    def says(self) -> tuple[object, ...]:
        """What two standings have in common that are told in one sentence."""
        first = self.ahead if len(self.ahead) == 1 else ()
        behind = tuple((name, num == self.num) for name, num in self.behind)
        return self.kind, first, behind, self.lost, self.num_shown == self.num


def standing(contests: Sequence[Contest]) -> Standing:
    """What contests show together."""
    alive = [contest for contest in contests if not contest.is_dead]
    if not alive:
        return Standing("nothing trains")
    leads = [lead for contest in alive for lead in contest.leads]
    if leads and all(isnan(lead.p) for lead in leads):
        return Standing("not tested", num=len(alive))
    starts = _best_first(alive)
    shown = [lead for lead in leads if lead.is_shown]
    failing = {start: [contest.at for contest in alive if start in contest.failed] for start in starts}
    never = [start for start in starts if len(failing[start]) == sum(start in contest.scores for contest in alive)]
    losers = {lead.second for lead in shown}
    ahead = tuple(start for start in starts if start not in losers and start not in never)
    told = Standing(
        "some behind",
        ahead,
        tuple((start, sum(_is_behind(contest, start) for contest in alive)) for start in starts if start in losers),
        tuple(start for start in never if start not in losers),
        tuple((start, tuple(failing[start])) for start in ahead if failing[start]),
        _closest(shown, ahead),
        sum(bool(contest.shown) for contest in alive),
        len(alive),
    )
    if len(never) == len(starts):
        return replace(told, kind="none judged")
    if not shown:
        return replace(told, kind="only one" if len(ahead) == 1 else "alike")
    if not ahead:
        return replace(told, kind="mixed")
    rest = {*starts} - {ahead[0], *told.lost}
    swept = sum(_beaten(contest, ahead[0]) >= rest for contest in alive)
    return replace(told, kind="one ahead", num_shown=swept) if swept else told


def _is_behind(contest: Contest, start: str) -> bool:
    return any(lead.second == start for lead in contest.shown)


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
