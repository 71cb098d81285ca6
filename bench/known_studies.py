"""What `compare` decides of studies of which the truth is known: rows of truths, one a study."""

from dataclasses import dataclass

import numpy as np
from closed_form import study, tested
from made_runs import comparison

from initium._compare._outcome import Kind
from initium._compare._precision import Precision
from initium._compare._statistics import LEVEL, holm

MARGIN, LOOKS = 0.01, (5, 40)  # runs at the first look, and the most


def judged(merits, test, setting, **given):
    """What `compare` decides, of merits `(start, run, sample)`."""
    score = "accuracy" if setting.task == "classes" else "R^2"
    return comparison(merits, test, score=score, has_splits=not setting.is_shared, **given)


def verdicts(job):
    """Of each study of starts that are alike: whether any is called behind, and which kind of sentence it gets."""
    setting, studies = job
    rng = np.random.default_rng([3, *map(ord, repr(setting))])
    found = []
    for _ in range(studies):
        merits, test = study(rng, setting)
        outcome = judged(merits[:, -1], test, setting).outcome
        found.append([bool(outcome.behind), *(outcome.kind is one for one in (Kind.SAME, Kind.SEEN, Kind.OPEN))])
    return np.array(found)


@dataclass(frozen=True)
class Margin:
    """Two starts of which the first gets one sample in a hundred right that the second never does.

    All other samples are alike to both, but for what each gets wrong, or right, by itself.
    """

    samples: int
    runs: int
    noise: float
    is_shared: bool = False
    task: str = "classes"


def at_the_margin(job):
    """Of each study whether its starts are called the same, and whether one is called behind."""
    setting, studies = job
    rng = np.random.default_rng([4, *map(ord, repr(setting))])
    found = []
    for _ in range(studies):
        test = tested(rng, setting, rng.normal(size=setting.samples))
        right, alone = (rng.random((2, setting.samples)).T < (0.9, MARGIN)).T
        flips = rng.random((2, setting.runs, setting.samples)) < setting.noise
        merits = np.stack([right | alone, right & ~alone])[:, None] ^ flips
        outcome = judged(merits, test, setting, margin=MARGIN * (1 - 2 * setting.noise)).outcome
        found.append([outcome.kind is Kind.SAME, bool(outcome.behind)])
    return np.array(found)


def sequential(job):
    """Of each study whether any look calls a start behind, if looks are paid for and if not; the last interval; looks.

    Runs are doubled, as `compare` does it, for a precision that is never met.
    """
    setting, studies = job
    rng = np.random.default_rng([5, *map(ord, repr(setting))])
    never, found = Precision(1e-9), []
    for _ in range(studies):
        merits, test = study(rng, setting)
        looks, runs = [], LOOKS[0]
        while True:
            seen = (*(one.num_runs for one in looks), runs)
            one = judged(merits[:, -1, :runs], test[:runs], setting, looks=seen, precision=never.points)
            looks.append(one)
            runs = never.more(runs, [one], 0.0, 0.0)
            if runs == one.num_runs or runs > LOOKS[-1]:
                break
        gap = looks[-1].differences[0].gap
        named = [any(one.outcome.behind for one in looks), any(map(_would_err, looks))]
        found.append([*named, gap.low <= 0 <= gap.high, len(looks)])
    return np.array(found)


def _would_err(found):
    """Whether the test shows anything at the whole level."""
    shared = not found.study.splits
    return min(holm([max(one.p_both, one.p_runs if shared else 0) for one in found.differences])) < LEVEL
