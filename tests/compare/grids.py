"""Grids of runs made by hand, whose truth is known."""

import itertools

import numpy as np
import scipy.stats

from initium._compare._comparison import Comparison
from initium._compare._grid import Grid
from initium._study._facts import Facts
from initium._study._run import Run
from initium._study._study import cell_name

NUM_SAMPLES = 120


def run(start, index, accuracy, *, seed, diverged=False, cell="{}"):
    """A run whose test samples are right with a given probability."""
    draws = scipy.stats.uniform.rvs(size=NUM_SAMPLES, random_state=seed)
    return run_of(start, index, (draws < accuracy).astype(float), diverged=diverged, cell=cell)


def run_of(start, index, merits, *, diverged=False, cell="{}"):
    loss = (2.3, float("nan") if diverged else 0.5)
    score = float(np.mean(merits))
    return Run(
        start,
        index,
        loss,
        loss,
        (0.1, score),
        np.asarray(merits),
        units_start=(8,),
        units_end=(8,),
        widths=(8,),
        cell=cell,
    )


def facts(settings, starts, seeds, **more):
    given = {"lr": 0.1, "batch_size": 32, "optimizer": "sgd", **settings}
    told = {"model": "mlp", "data": "made", "task": "classification", "preparation": "by hand"}
    counts = {"num_train": 4 * NUM_SAMPLES, "num_test": NUM_SAMPLES, "chance": 0.1, "score": "accuracy"}
    asked = {"starts": tuple(starts), "seeds": seeds, "length": "1 epoch of sgd", "settings": given}
    return Facts(**{"name": cell_name(given, settings), **told, **counts, **asked, **more})


def grid(axes, starts, truth, *, seeds=12, **more):
    """A grid in which `truth(start, **settings)` is the accuracy of a start's runs, or None where they diverge."""
    cells = {}
    for number, values in enumerate(itertools.product(*axes.values())):
        settings = dict(zip(axes, values, strict=True))
        runs = {}
        for place, start in enumerate(starts):
            accuracy = truth(start, **settings)
            runs[start] = [
                run(start, i, accuracy or 0.1, seed=10_007 * number + 503 * place + i, diverged=accuracy is None)
                for i in range(seeds)
            ]
        said = facts(settings, starts, seeds, **more)
        cells[said.name] = Comparison(said, runs)
    return Grid(cells, tuple(axes), num_asked=len(cells))
