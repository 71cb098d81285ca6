"""Speed: how soon each start gets to a score that most of them reach, and how much it scores on the way."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .._study._run import Run
from ._estimate import Array, estimated
from ._statistics import LEVEL, Interval, around, holm, interval, sign_flip_p

# Of the best start's gain over chance; the first that most of the starts that trained reach in most of their runs.
_SHARES = (0.9, 0.8, 0.7, 0.6, 0.5)


@dataclass(frozen=True)
class Pace:
    """How fast one start is.

    Attributes:
        recipe: the start's spec.
        steps: to the target; a run that never reaches it, or diverges, counts with all of its steps.
        num_reached: runs that reach it.
        area: the mean score over training.
    """

    recipe: str
    steps: Interval
    num_reached: int
    area: Interval


@dataclass(frozen=True)
class Lead:
    """How much faster `first` is than `second`, over paired runs.

    Attributes:
        first: the one start's spec.
        second: the other's.
        steps: that the second takes longer.
        p_steps: that it takes as many, corrected by Holm over all pairs.
        area: that the first scores more over training, on average.
        p_area: that they score alike, likewise.
    """

    first: str
    second: str
    steps: Interval
    p_steps: float
    area: Interval
    p_area: float


@dataclass(frozen=True)
class Speed:
    """How fast the starts are, the fastest first.

    Attributes:
        target: the score that is raced to.
        share: of the best start's gain over chance, the median of its runs, that it stands for.
        num_steps: of a whole training.
        num_runs: of each start.
        paces: of each start.
        leads: of each pair of starts, the faster first.
        is_tested: whether there are enough runs to tell.
    """

    target: float
    share: float
    num_steps: int
    num_runs: int
    paces: tuple[Pace, ...]
    leads: tuple[Lead, ...]
    is_tested: bool

    @property
    def behind(self) -> dict[str, Lead]:
        """The starts that are shown to take more steps than the first."""
        first = self.paces[0].recipe
        return {lead.second: lead for lead in self.leads if lead.first == first and lead.p_steps < LEVEL}

    @property
    def level(self) -> tuple[Pace, ...]:
        """The first, and those that are not."""
        return tuple(pace for pace in self.paces if pace.recipe not in self.behind)


def speed(
    runs: Mapping[str, Sequence[Run]],
    *,
    failed: Sequence[str],
    chance: float | None,
    steps: Array,
    ratio: float | None,
    is_enough: bool,
    spent: float = 1.0,
) -> Speed | None:
    """How fast the starts are; None where none ends above chance in most runs, so that there is nothing to race to.

    Args:
        runs: of each start, paired.
        failed: the starts that never trained, which no target waits for, and which reach it by luck alone: never.
        chance: the score of the best constant answer; None is the median one before training.
        steps: done at each point of a curve, from 0 on.
        ratio: of test to training samples, if runs have splits of their own; else only other seeds are asked about.
        is_enough: whether there are enough runs to tell.
        spent: of the error that may be made; less than 1 where the runs are looked at more than once.
    """
    curves = {recipe: np.array([_whole(run, len(steps)) for run in group]) for recipe, group in runs.items()}
    base = _median([curve[0] for curve in itertools.chain(*curves.values())]) if chance is None else chance
    worst = min([base, *(value for each in curves.values() for value in each[:, -1] if np.isfinite(value))])
    share, target = target_of({recipe: each for recipe, each in curves.items() if recipe not in failed}, base)
    if not base < target < np.inf:
        return None
    goals = {recipe: np.inf if recipe in failed else target for recipe in curves}
    taken = {recipe: np.array([steps_to(one, goals[recipe], steps) for one in each]) for recipe, each in curves.items()}
    areas = {recipe: mean_score(np.where(np.isfinite(each), each, worst), steps) for recipe, each in curves.items()}
    order = sorted(curves, key=lambda recipe: (taken[recipe].mean(), recipe in failed, -areas[recipe].mean()))
    paces = tuple(
        Pace(one, interval(taken[one]), sum(_reaches(run, goals[one]) for run in curves[one]), interval(areas[one]))
        for one in order
    )
    pairs = list(itertools.combinations(order, 2))
    by_steps = _tested([taken[b] - taken[a] for a, b in pairs], ratio, spent=spent if is_enough else 0.0)
    by_area = _tested([areas[a] - areas[b] for a, b in pairs], ratio, spent=spent if is_enough else 0.0)
    leads = tuple(Lead(*pair, *one, *other) for pair, one, other in zip(pairs, by_steps, by_area, strict=True))
    return Speed(target, share, int(steps[-1]), len(areas[order[0]]), paces, leads, is_enough)


def target_of(curves: Mapping[str, Array], base: float) -> tuple[float, float]:
    """A share of the best start's median gain over `base` that most starts reach in most runs, and the score."""
    best = max(_median(each[:, -1]) for each in curves.values())
    found = [(share, base + share * (best - base)) for share in _SHARES]
    return next((one for one in found if _most_reach(curves, one[1])), found[-1])


def _most_reach(curves: Mapping[str, Array], target: float) -> bool:
    reached = [np.mean([_reaches(run, target) for run in each]) > 0.5 for each in curves.values()]
    return bool(np.mean(reached) > 0.5)


def steps_to(curve: Array, target: float, steps: Array) -> float:
    """When a curve first meets the target, straight between its points; the whole training if it never does."""
    if not _reaches(curve, target):
        return float(steps[-1])
    after = int(np.argmax(curve >= target))
    if after == 0:
        return float(steps[0])
    low, high = curve[after - 1 : after + 1]
    return float(steps[after - 1] + (target - low) / (high - low) * (steps[after] - steps[after - 1]))


def mean_score(curves: Array, steps: Array) -> Array:
    """The area under each learning curve, over the length of training: `(run, point)` to `(run,)`."""
    return np.trapezoid(curves, steps, axis=1) / steps[-1]


def _reaches(curve: Array, target: float) -> bool:
    return bool(np.isfinite(curve).all() and (curve >= target).any())


def _whole(run: Run, num_points: int) -> Array:
    """The score at each point; of a run that diverged nothing from there on."""
    curve = np.array(run.test_score, np.float64)[:num_points]
    is_whole = np.isfinite([run.train_loss, run.test_loss, run.test_score]).all(axis=0)
    return np.where(np.logical_and.accumulate(is_whole)[:num_points], curve, np.nan)


def _median(values: Sequence[float] | Array) -> float:
    known = np.asarray(values, np.float64)
    return float(np.median(np.where(np.isfinite(known), known, -np.inf)))


def _tested(gaps: Sequence[Array], ratio: float | None, *, spent: float) -> list[tuple[Interval, float]]:
    """Of each pair the difference with its interval, and its corrected p."""
    found = [estimated(gap, ratio=ratio) for gap in gaps]
    p = sign_flip_p(np.array(gaps)) if ratio is None else [one.p() for one in found]
    corrected = holm(p, spent) if spent else [1.0] * len(found)
    return [(around(one, LEVEL * (spent or 1)), each) for one, each in zip(found, corrected, strict=True)]
