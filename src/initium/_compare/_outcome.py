"""The Outcome of a comparison: what its tests carry, as data."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from ._statistics import Difference
from ._summary import Summary


class Kind(Enum):
    """What a comparison comes to."""

    NOTHING_TRAINED = auto()
    TOO_FEW_RUNS = auto()  # to show anything at all
    NOT_TESTED = auto()  # one number for all test samples, all of one split
    WINNER = auto()
    SAME = auto()  # the best differ by less than the margin
    SEEN = auto()  # they differ on these samples, which are too few to say it of others
    OPEN = auto()  # neither a difference nor that there is none


@dataclass(frozen=True)
class Outcome:
    """What was decided.

    Attributes:
        kind: what it comes to.
        best: of the starts that trained those that no other is shown to beat, the best mean first.
        behind: those that one that trained is shown to beat.
        lost: those that are not shown to be beaten, and never trained.
        pairs: of a winner with all others that it scores above; else of the best with each other.
    """

    kind: Kind
    best: tuple[str, ...] = ()
    behind: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    pairs: tuple[Difference, ...] = ()


def decided(
    summaries: Sequence[Summary],
    differences: Sequence[Difference],
    *,
    failed: Sequence[str],
    num_runs: int,
    enough: int,
) -> Outcome:
    """What the tests carry.

    `summaries` come best first, those that never trained last, and each difference names its better start first;
    fewer than `enough` runs can show nothing.
    """
    names = [summary.recipe for summary in summaries]
    if len(failed) == len(names):
        return Outcome(Kind.NOTHING_TRAINED)
    if num_runs < enough:
        return Outcome(Kind.TOO_FEW_RUNS)
    if any(math.isnan(pair.p) for pair in differences):
        return Outcome(Kind.NOT_TESTED)
    beaten = {pair.second for pair in differences if pair.is_significant and pair.first not in failed}
    behind = tuple(name for name in names if name in beaten)
    lost = tuple(name for name in failed if name not in beaten)
    best = tuple(name for name in names if name not in (*behind, *lost))
    if len(best) == 1:
        return Outcome(Kind.WINNER, best, behind, lost, tuple(pair for pair in differences if pair.first == best[0]))
    among = tuple(pair for pair in differences if pair.first in best and pair.second in best)
    kind = Kind.SEEN if any(pair.is_seen for pair in among) else Kind.OPEN
    return Outcome(Kind.SAME if all(pair.is_same for pair in among) else kind, best, behind, lost, among)
