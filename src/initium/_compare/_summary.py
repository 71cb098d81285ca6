"""What the runs of one start amount to."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .._require import require
from .._study._facts import Facts
from .._study._run import Run
from ._statistics import Interval, interval

# At any one epoch, a network that guesses beats the best constant answer by luck this rarely.
_LUCK = 0.001
# Of what there is to gain over chance: less is hardly training, however sure it is.
_SOME = 0.1


@dataclass(frozen=True)
class Summary:
    """One start over all its runs.

    Attributes:
        recipe: the start's spec.
        score: final test accuracy or R^2; a diverged run counts as the worst of the study.
        loss: final test loss over the runs that did not diverge.
        epochs: median epochs to the target training loss; None if more than half the runs never met it.
        num_reached: runs that met the target.
        num_diverged: runs with a loss that stopped being finite, or a score that ended so.
        num_stuck: other runs that never left chance.
        units_start: distinct units of each hidden layer before the first step (median run).
        units_end: the same after the last step, over runs that did not diverge.
        widths: units of each hidden layer, distinct or not.
    """

    recipe: str
    score: Interval
    loss: Interval
    epochs: float | None
    num_reached: int
    num_diverged: int
    num_stuck: int
    units_start: tuple[int, ...]
    units_end: tuple[int, ...]
    widths: tuple[int, ...]

    @property
    def num_failed(self) -> int:
        """Runs that came to nothing."""
        return self.num_diverged + self.num_stuck


def summarise(runs: Sequence[Run], scores: np.ndarray, *, target: float, beyond_chance: float) -> Summary:
    """One start's runs, given their scores, the target loss, and the score that luck cannot reach."""
    whole = [run for run in runs if not run.diverged]
    met = [epochs_to(run, target) for run in runs]
    # The lower of two middle runs: the best start meets its own median final loss in half its runs.
    median = float(np.quantile(met, 0.5, method="lower"))
    return Summary(
        recipe=runs[0].recipe,
        score=interval(scores),
        loss=interval(np.array([run.test_loss[-1] for run in whole])),
        epochs=median if np.isfinite(median) else None,
        num_reached=int(np.isfinite(met).sum()),
        num_diverged=len(runs) - len(whole),
        num_stuck=sum(has_failed(run, beyond_chance) for run in whole),
        units_start=_median([run.units_start for run in runs]),
        units_end=_median([run.units_end for run in whole]),
        widths=runs[0].widths,
    )


def has_failed(run: Run, beyond_chance: float) -> bool:
    """Whether a run diverged or never left chance."""
    return run.diverged or float(np.nanmax(run.test_score[1:])) <= beyond_chance


def epochs_to(run: Run, target: float) -> float:
    """The first epoch whose training loss is at most the target; infinite if there is none."""
    met = np.flatnonzero(np.asarray(run.train_loss) <= target) if np.isfinite(target) else []
    return float(met[0]) if len(met) else np.inf


def target_loss(runs: dict[str, list[Run]]) -> float:
    """The lowest median final training loss of any start."""
    return min(_median_final(group) for group in runs.values())


def final_merits(runs: dict[str, list[Run]], chance: float | None) -> dict[str, list[np.ndarray]]:
    """Of every start's runs the merits, `(test sample,)` each.

    A diverged run has none of its own: each is the study's worst score, or chance if that is known and worse.
    """
    known = [r.test_score[-1] for group in runs.values() for r in group if not r.diverged]
    worst = min([*([] if chance is None else [chance]), *known], default=0.0)
    return {
        recipe: [np.full(len(run.merits), worst) if run.diverged else run.merits for run in group]
        for recipe, group in runs.items()
    }


def luck_of(study: Facts, runs: dict[str, list[Run]]) -> float:
    """The highest score of a run that never left chance.

    By itself it is what luck reaches. A fold of few samples says little, and all runs of a start together say more:
    where the best start scores beyond what luck does in as many answers as its folds hold, and has gained something of
    what there is to gain, a run that lies nearer to that start than to chance has left it.
    """
    alone = beyond_chance(study)
    means = [np.mean([run.test_score[-1] for run in whole]) for group in runs.values()
             if (whole := [run for run in group if not run.diverged])]  # fmt: skip
    if study.chance is None or not means:
        return alone
    together = beyond_chance(study, len(next(iter(runs.values()))))
    best = float(max(means))
    trains = best > max(together, study.chance + _SOME * (1 - study.chance))
    return min(alone, (study.chance + best) / 2) if trains else alone


def beyond_chance(study: Facts, num_runs: int = 1) -> float:
    """The highest test score that shows nothing: R^2 of 0, or the accuracy of a lucky guess.

    Luck is binomial, at the share of the largest class. A perfect score always shows something.

    Args:
        study: the facts.
        num_runs: whose mean it is: with splits each answers another fold, until all are.
    """
    if study.chance is None:
        return -np.inf
    if not study.is_share:
        return study.chance
    binomial = require("scipy.stats", to="A comparison").binom
    num = min(num_runs, study.splits or 1) * (study.num_answers or study.num_test)
    return min(float(binomial.isf(_LUCK, num, study.chance)), num - 1) / num


def _median_final(runs: Sequence[Run]) -> float:
    last = np.array([run.train_loss[-1] for run in runs])
    return float(np.median(np.where(np.isfinite(last), last, np.inf)))


def _median(units: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(int(n) for n in np.median(np.array(units), axis=0)) if units else ()
