"""verdict: an outcome in sentences, of which the first answers the question."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .._study._cause import Cause
from ._estimate import MOST_RUNS
from ._listed import listed
from ._outcome import Kind, Outcome
from ._scale import Scale
from ._speed import Pace, Speed
from ._statistics import Difference, Interval
from ._summary import Summary


@dataclass(frozen=True)
class Measured:
    """What a verdict speaks of.

    Attributes:
        scale: how its score is written.
        margin: the difference that is too small to matter.
        num_samples: that are tested.
        has_splits: whether runs have splits of their own.
        enough: the fewest runs of each start that can show anything.
    """

    scale: Scale
    margin: float
    num_samples: int
    has_splits: bool
    enough: int

    def gap(self, value: Interval) -> str:
        """A difference with its interval."""
        return self.scale.gap(value, is_fine=True)

    def size(self, value: float) -> str:
        """A difference."""
        return self.scale.gap(Interval(value, math.nan, math.nan), is_fine=True)

    @property
    def what(self) -> str:
        """The score in words."""
        return f"test {self.scale.score}"

    @property
    def bound(self) -> str:
        """The margin in words."""
        size = self.scale.factor * self.margin
        return f"{size:g}{self.scale.unit if size != 1 else self.scale.unit.removesuffix('s')} of {self.what}"

    def goal(self, value: float) -> str:
        """A score."""
        return f"{self.scale.number(value)}{self.scale.percent.removeprefix(',')}"


def verdict(
    outcome: Outcome, measured: Measured, *, summaries: Sequence[Summary], num_runs: int, causes: Mapping[str, Cause]
) -> str:
    """What a comparison comes to, and what to take."""
    match outcome.kind:
        case Kind.NOTHING_TRAINED:
            return _nothing(summaries, num_runs, causes)
        case Kind.TOO_FEW_RUNS:
            return (
                f"Too few runs to tell: {num_runs} of each start cannot show any difference among {len(summaries)} "
                f"starts, however large; {measured.enough} or more can."
            )
        case Kind.NOT_TESTED:
            return (
                f"No winner is named: the {measured.what} is one number a run, and whether other test samples would "
                "tell the same needs one of each sample, or splits. Data without a split of its own has them, unless "
                "splits=1."
            )
        case Kind.WINNER:
            return _winner(outcome, measured)
        case _:
            return f"{_choice(outcome)} {_AMONG[outcome.kind](outcome, measured, num_runs)}"


def _nothing(summaries: Sequence[Summary], num_runs: int, causes: Mapping[str, Cause]) -> str:
    text = f"Nothing trained: none of {num_runs} runs of any start left chance without diverging, so none is ranked."
    by_cause: dict[str, list[str]] = {}
    for summary in summaries:
        if summary.recipe in causes:
            by_cause.setdefault(causes[summary.recipe].what, []).append(summary.recipe)
    if not by_cause:
        return text
    is_one = len(by_cause) == 1 and len(next(iter(by_cause.values()))) == len(summaries)
    found = [what if is_one else f"{what} ({listed(names)})" for what, names in by_cause.items()]
    return f"{text} A diagnosis at step zero finds: {'; '.join(found)}."


def _winner(outcome: Outcome, measured: Measured) -> str:
    tested = [pair for pair in outcome.pairs if pair.is_significant]
    lost = f" {_lost(outcome)}" if outcome.lost else ""
    if not tested:
        return f"Use {outcome.best[0]}: no other trained.{lost}"
    closest = min(tested, key=lambda pair: pair.gap.mean)
    p = f"corrected p <= {max(pair.p for pair in tested):.2g}"
    whom, by = f"that of {closest.second}", measured.gap(closest.gap)
    beaten = [pair.second for pair in tested]
    through = [name for name in outcome.behind if name not in beaten]  # beaten by what the best beats
    if len(tested) > 1:
        whom = f"that of {listed(beaten)}" if outcome.lost or through else "every other's"
        by, p = f"{by} or more", f"{p}; the closest is {closest.second}"
    rest = f" {listed(through)} {'is' if len(through) == 1 else 'are'} behind one of these." if through else ""
    return f"Use {outcome.best[0]}: its {measured.what} beats {whom}, by {by} ({p}).{rest}{lost}"


def _choice(outcome: Outcome) -> str:
    """What to take where no single start wins."""
    text = f"Use {'either' if len(outcome.best) == 2 else f'any of these {len(outcome.best)}'}: "
    text += listed(outcome.best, last="or")
    if outcome.behind:
        text += f"; not {listed(outcome.behind, last='or')}"
    return f"{text}." + (f" {_lost(outcome)}" if outcome.lost else "")


def _lost(outcome: Outcome) -> str:
    return f"Never trained: {listed(outcome.lost)}."


def _same(outcome: Outcome, measured: Measured, num_runs: int) -> str:
    p = max(pair.p_same for pair in outcome.pairs)
    return f"They differ by less than {measured.bound}, which is too little to matter (corrected p <= {p:.2g})."


def _seen(outcome: Outcome, measured: Measured, num_runs: int) -> str:
    pair = max((pair for pair in outcome.pairs if pair.is_seen), key=lambda pair: pair.gap.mean)
    seen = [one for one in outcome.pairs if one.is_seen and one.first == pair.first]
    won = "every run" if pair.num_won == num_runs else f"{pair.num_won} of {num_runs} runs"
    won += f" against {pair.second}" if len(seen) > 1 else ""
    return (
        f"On these {measured.num_samples:,} samples {pair.first} beat {listed([one.second for one in seen])} "
        f"({won}, by {measured.gap(pair.gap)}), but they are too few to say it of other data"
        f"{_samples(pair, measured)}.{_floor(pair, measured)}"
    )


def _open(outcome: Outcome, measured: Measured, num_runs: int) -> str:
    pair = max(outcome.pairs, key=lambda pair: pair.gap.mean)
    gap = f"between {pair.first} and {pair.second}, {measured.gap(pair.gap)}"
    if math.isfinite(pair.runs_needed):
        return (
            f"{num_runs} runs are too few to tell them apart: a difference as large as that {gap}, would take about "
            f"{pair.runs_needed:,.0f}."
        )
    if pair.gap.mean > pair.floor:
        return (
            f"No difference is shown: one as large as that {gap}, would take more than {MOST_RUNS:,} runs"
            f"{_samples(pair, measured)}."
        )
    return (
        f"No difference is shown, and more runs would not show one as large as that {gap}{_samples(pair, measured)}."
        f"{_floor(pair, measured)}"
    )


_AMONG = {Kind.SAME: _same, Kind.SEEN: _seen, Kind.OPEN: _open}


def _samples(pair: Difference, measured: Measured) -> str:
    if not math.isfinite(pair.samples_needed):
        return ""
    num = float(f"{pair.samples_needed * measured.num_samples:.2g}")
    return f"; about {num:,.0f} samples would do" if num > measured.num_samples else ""


def _floor(pair: Difference, measured: Measured) -> str:
    if math.isfinite(pair.runs_needed):
        return f" About {pair.runs_needed:,.0f} runs would do as well."
    if pair.gap.mean > pair.floor:
        return f" More than {MOST_RUNS:,} runs would do as well."
    return f" No number of runs narrows that interval to less than {measured.size(pair.floor)} either way."


def fastest(speed: Speed, measured: Measured) -> str:
    """Which start is the fastest, in a sentence; nothing where there are too few runs to tell."""
    most = [pace.recipe for pace in speed.paces if 2 * pace.num_reached > speed.num_runs]
    if not speed.is_tested or speed.paces[0].recipe not in most:
        return ""
    first, goal = speed.paces[0], measured.goal(speed.target)
    level = [pace for pace in speed.level if pace.recipe in most]
    slower = [pace for pace in speed.paces if pace.recipe in speed.behind and pace.recipe in most]
    where = "" if measured.has_splits else ", on these test samples"
    p = f"corrected p <= {max((speed.behind[pace.recipe].p_steps for pace in slower), default=1):.2g}{where}"
    rest = _seldom([pace for pace in speed.paces if pace.recipe not in most], speed.num_runs)
    if len(level) == 1 and not slower:
        only = "Only " if not any(pace.num_reached for pace in speed.paces[1:]) else ""
        return f"{only}{first.recipe} reaches {goal}{',' if only else ''} in {_steps(first.steps)}{where}." + (
            "" if only else rest
        )
    if len(level) == 1:
        return (
            f"Fastest: {first.recipe} reaches {goal} in {_steps(first.steps)}, {_faster(first, slower[0])} "
            f"{slower[0].recipe}, the next ({p}).{rest}"
        )
    few, many = (f"{one(pace.steps.mean for pace in level):,.0f}" for one in (min, max))
    took = f"{few}{f' to {many}' if few != many else ''} step{'' if few == many == '1' else 's'}"
    text = f"{_none([pace.recipe for pace in level])} is shown to be the fastest: they reach {goal} in {took}"
    if not slower:
        return f"{text}{where}.{rest}"
    names = listed([pace.recipe for pace in slower])
    by = _steps(slower[0].steps) if len(slower) == 1 else f"{slower[0].steps.mean:,.0f} steps or more"
    return f"{text}. Slower than {first.recipe}: {names}, in {by} ({p}).{rest}"


def _seldom(paces: Sequence[Pace], num_runs: int) -> str:
    never = [pace.recipe for pace in paces if not pace.num_reached]
    text = f" {listed(never)} never {'does' if len(never) == 1 else 'do'}." if never else ""
    some = [f"{pace.recipe} does in {pace.num_reached} of {num_runs} runs" for pace in paces if pace.num_reached]
    return f"{text} {listed(some)}." if some else text


def _none(names: Sequence[str]) -> str:
    return f"Neither {names[0]} nor {names[1]}" if len(names) == 2 else f"None of {listed(names)}"


def _steps(steps: Interval) -> str:
    mean = f"{steps.mean:,.0f}"
    return f"{mean} step{'' if mean == '1' else 's'} [{steps.low:,.0f}, {steps.high:,.0f}]"


def _faster(fast: Pace, slow: Pace) -> str:
    ratio = slow.steps.mean / fast.steps.mean if fast.steps.mean else math.inf
    times = f"{ratio:.2g}" if ratio < 10 else f"{ratio:,.0f}" if ratio < math.inf else "many"
    return "a little faster than" if times == "1" else f"{times} times as fast as"
