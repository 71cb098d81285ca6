"""Precision: when a comparison has runs enough, and what looking at it more than once costs."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._errors import SettingError
from ._estimate import MOST_RUNS

if TYPE_CHECKING:
    from ._comparison import Comparison
    from ._statistics import Difference

# An interval within a tenth of the narrowest there can be is not worth twice the runs.
_NEAR = 1.1
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600}


@dataclass(frozen=True)
class Precision:
    """How narrow the intervals of a comparison are to be, and how long that may take.

    Runs are added, as many as there are, until every interval that matters is that narrow, or as narrow as any number
    of runs makes it. Each look at them costs: see `share`.

    Attributes:
        points: half the width of an interval, in points of a score in percent, else in the score's own unit.
        budget: seconds after which no run is added; None is no limit.
    """

    points: float
    budget: float | None = None

    def lacks(self, comparison: "Comparison") -> tuple["Difference", ...]:
        """The intervals that matter and are too wide, though more runs would narrow them."""
        return tuple(
            one for one in _mattering(comparison) if not self.is_met(comparison, one) and not is_near_floor(one)
        )

    def is_met(self, comparison: "Comparison", one: "Difference") -> bool:
        """Whether an interval is narrow enough."""
        return _half(one) <= self.points / (100 if comparison.study.is_share else 1)

    def more(self, num_runs: int, comparisons: Iterable["Comparison"], seconds: float, spent: float) -> int:
        """How many runs each start is to have next; as many as it has if they are enough.

        Args:
            num_runs: that each start has.
            comparisons: what they say, at each place of a grid.
            seconds: that as many runs as there are take.
            spent: seconds that went by.
        """
        left = math.inf if self.budget is None else self.budget - spent
        added = min(
            num_runs, MOST_RUNS - num_runs, int(num_runs * left / seconds) if seconds and left < math.inf else MOST_RUNS
        )
        return num_runs + added if added > 0 and any(self.lacks(one) for one in comparisons) else num_runs


def share(looks: int) -> float:
    """The part of the error that a look may spend: 1 / (k (k + 1)) of the k-th, which add up to 1 however many come.

    So the chance of a false claim at any look stays what it would be of one, whatever the looks have in common.
    Reference: Lan and DeMets, "Discrete sequential boundaries for clinical trials", Biometrika 1983, for spending the
        error over looks whose number nobody knows beforehand; this one spends it by Bonferroni's inequality.

    Args:
        looks: how many there were, this one included; 0 where one alone was meant from the beginning.
    """
    return 1 / (looks * (looks + 1)) if looks else 1.0


def is_near_floor(one: "Difference") -> bool:
    """Whether more runs hardly narrow an interval."""
    return _half(one) <= _NEAR * one.floor


def looked(*comparisons: "Comparison") -> tuple[str, ...]:
    """What to know of how often the runs were looked at, and of how precise they are; of all places of a grid once."""
    study = comparisons[0].study
    if study.precision is not None:
        return _ending(comparisons, study.precision)
    if len(study.looks) < 2:
        return ()
    return (
        f"The runs were looked at before there were {study.looks[-1]} of each start, and the tests do not allow for "
        "that; --precision (from Python: precision=0.5) does.",
    )


def _ending(comparisons: Sequence["Comparison"], points: float) -> tuple[str, ...]:
    asked = Precision(points)
    every = [one for comparison in comparisons for one in _mattering(comparison)]
    if not every:
        return ()
    lacking = [one for comparison in comparisons for one in asked.lacks(comparison)]
    wide = max(lacking or every, key=_half)
    num_runs = max(comparison.num_runs for comparison in comparisons)
    scale, unit = (100, " points") if comparisons[0].study.is_share else (1, "")
    where = f" at the place that {'lacks most' if lacking else 'is least precise'}" if len(comparisons) > 1 else ""
    told = f"+-{scale * _half(wide):.2g}{unit}{where} after {num_runs} runs, where +-{points:g} was asked"
    if lacking:
        way = (
            "--resume with the same --precision adds runs"
            if num_runs < MOST_RUNS
            else f"{MOST_RUNS:,} runs are the most"
        )
        return (f"Less precise than asked: {told}; {way}.",)
    if asked.is_met(comparisons[0], wide):
        return (f"Precise enough: {told}.",)
    least = f"+-{scale * wide.floor:.2g}{unit}"
    return (
        f"As precise as runs can be: {told}; however many there are, it stays above {least}. More data would narrow "
        "it.",
    )


def seconds_of(budget: Any) -> float | None:
    """A time as `90`, `"90s"`, `"10m"` or `"1.5h"`, in seconds.

    Raises:
        SettingError: if it is none.
    """
    if budget is None:
        return None
    text = str(budget).strip().lower()
    number = text.rstrip("abcdefghijklmnopqrstuvwxyz ")
    unit = text[len(number) :].strip() or "s"
    try:
        seconds = float(number) * _SECONDS[unit]
    except (KeyError, ValueError):
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise SettingError(f"budget is a time as in 90s, 10m or 1h, not {budget!r}.")
    return seconds


def precision_of(points: Any, budget: Any) -> Precision | None:
    """What was asked for; None if nothing was.

    Raises:
        SettingError: if it is no number above 0, or a budget without a precision.
    """
    if points is None:
        if budget is not None:
            raise SettingError("budget says how long runs are added for a precision; ask for one, as in precision=0.5.")
        return None
    if isinstance(points, bool) or not isinstance(points, int | float) or not 0 < points < math.inf:
        raise SettingError(f"precision is a number above 0, in points of the score, not {points!r}.")
    return Precision(float(points), seconds_of(budget))


def _mattering(comparison: "Comparison") -> list["Difference"]:
    """From the best start to each other one that trained."""
    leader, failed = comparison.summaries[0].recipe, comparison.failed
    return [one for one in comparison.differences if one.first == leader and one.second not in failed]


def _half(one: "Difference") -> float:
    return (one.gap.high - one.gap.low) / 2
