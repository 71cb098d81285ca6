"""Grids in which all starts are alike: how often anything is shown."""

from dataclasses import dataclass

import numpy as np
from made_runs import FOLDS, comparison

from initium._compare._comparison import Comparison
from initium._compare._contest import cell_contest, family
from initium._compare._grid import Grid
from initium._compare._standing import standing
from initium._compare._tuned import chooses
from initium._study._study import cell_name

STARTS, RATES, DEPTHS = 4, (0.01, 0.1, 1.0), (3, 10, 20)
_SHOWN = ("one ahead", "some behind", "mixed")


@dataclass(frozen=True)
class Kind:
    """What decides in a grid.

    Attributes:
        what: in words.
        rates: what each learning rate adds to the logit of a sample.
        suits: std of what single samples add for a start, in all runs.
        seeds: std of what a seed adds for all samples.
        has_splits: whether runs have splits of their own.
    """

    what: str
    rates: tuple[float, float, float]
    suits: float
    seeds: float
    has_splits: bool = False
    runs: int = 10


KINDS = (
    Kind("one split, only seeds decide, learning rates nearly alike", (0, -0.12, -0.12), 0, 0.6),
    Kind("the same, further apart", (0, -0.35, -0.35), 0, 0.6),
    Kind("the same, further still", (0, -0.6, -0.6), 0, 0.6),
    Kind("one split, starts suit its samples by chance", (0, -0.12, -0.12), 1, 0.3),
    Kind("the same, learning rates far from alike", (0, -0.5, -1.5), 1, 0.3),
    Kind("splits", (0, -0.12, -0.12), 1, 0.3, has_splits=True),
)


def simulate(job):
    """Of each grid whether anything is shown: in pairs of cells, at the best setting, by the chosen settings alone."""
    kind, studies = job
    rng = np.random.default_rng([2, *map(ord, repr(kind))])
    return np.array([_claims(made(rng, kind)) for _ in range(studies)])


def made(rng, kind):
    """A grid of 250 samples in five folds, or of one split that tests 200."""
    if kind.has_splits:
        dealt = np.array([rng.permutation(250) // 50 for _ in range(0, kind.runs, FOLDS)]).repeat(FOLDS, axis=0)
        test = (dealt == np.arange(len(dealt))[:, None] % FOLDS)[: kind.runs]
    else:
        test = np.tile(np.arange(1000) < 200, (kind.runs, 1))
    samples = test.shape[1]
    base = 1.5 + 1.5 * rng.normal(size=samples)
    suits = 0.8 * kind.suits * rng.normal(size=(STARTS, samples))
    cells = {}
    for depth in DEPTHS:
        there = base + suits + 0.5 * kind.suits * rng.normal(size=suits.shape)
        for lr, rate in zip(RATES, kind.rates, strict=True):
            settings = {"depth": depth, "lr": lr}
            seeds = kind.seeds * rng.normal(size=(STARTS, kind.runs, 1))
            logits = there[:, None] + rate + seeds + 0.7 * rng.normal(size=(STARTS, kind.runs, samples))
            name = cell_name(settings, list(settings))
            cells[name] = comparison(logits > 0, test, has_splits=kind.has_splits, name=name, settings=settings)
    return Grid(cells, ("depth", "lr"), num_asked=len(cells))


def _claims(grid):
    chosen = [_chosen_alone(place, found.tuned) for place, found in zip(grid.places, grid.contests, strict=True)]
    alone = family([cell_contest(one, place.at) for one, place in zip(chosen, grid.places, strict=True)], 1.0)
    return [standing(found).kind in _SHOWN for found in (grid.cell_contests, grid.contests, alone)]


def _chosen_alone(place, best):
    """Each start's judging runs at the setting chosen for it, as if nothing else had been tried."""
    runs = {start: [run for run in place.cells[at].runs[start] if not chooses(run.index)] for start, at in best.items()}
    return Comparison(next(iter(place.cells.values())).study, runs)
