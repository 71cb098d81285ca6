"""Studies of which the truth is known, trained in closed form."""

from dataclasses import dataclass

import numpy as np
from made_runs import FOLDS

EPOCHS, RATE = 10, 0.3
FEATURES = 8  # that a start sees


@dataclass(frozen=True)
class Setting:
    """What a study is like."""

    task: str
    samples: int
    runs: int
    kept: int = 4
    starts: int = 2
    lift: float = 0.0
    is_shared: bool = False  # one split for all runs
    has_curves: bool = False


def data(rng, setting):
    """Features `(start, sample, feature)` and targets."""
    x = rng.normal(size=(setting.starts, setting.samples, FEATURES))
    size = np.full(setting.starts, 0.35)
    size[0] += setting.lift
    if setting.task == "classes":
        y = np.sign(rng.permutation(np.arange(setting.samples) % 2) - 0.5)
        return x + size[:, None, None] * y[:, None], y
    signal = (x.sum(axis=2) * size[:, None]).sum(axis=0) / np.sqrt(setting.starts)
    return x, signal + rng.normal(size=setting.samples)


def tested(rng, setting, y):
    """Which samples each run is tested on, `(run, sample)`: folds dealt anew for every five runs, or one for all."""
    found = np.zeros((setting.runs, len(y)), bool)
    for first in range(0, 1 if setting.is_shared else setting.runs, FOLDS):
        order = rng.permutation(len(y))
        order = order[np.argsort(y[order] > 0, kind="stable")] if setting.task == "classes" else order
        fold = np.empty(len(y), int)
        fold[order] = np.arange(len(y)) % FOLDS
        for run in range(first, min(first + FOLDS, setting.runs)):
            found[run] = fold == run - first
    return np.repeat(found[:1], setting.runs, axis=0) if setting.is_shared else found


def study(rng, setting):
    """Of each start the merits `(run, sample)` at each point of training, or after it; and what is tested."""
    x, y = data(rng, setting)
    test = tested(rng, setting, y)
    maps = rng.normal(size=(setting.runs, FEATURES, setting.kept)) / np.sqrt(FEATURES)  # run r shares its draws
    spread = np.array([y[row].var() for row in test])[:, None]
    found = []
    for one in x:
        z = one @ maps  # (run, sample, dimension)
        kept = np.swapaxes(z * ~test[..., None] / (~test).sum(axis=1)[:, None, None], 1, 2)
        weights = trained(kept @ z, kept @ y[:, None], setting)
        for guess in ((z @ each)[..., 0] for each in weights):
            right = np.where(guess == 0, 0.5, guess * y > 0)
            found.append(right if setting.task == "classes" else 1 - (guess - y) ** 2 / spread)
    return np.array(found).reshape(setting.starts, -1, *test.shape), test


def trained(second, onto, setting):
    """Least squares, or gradient descent from 0 after each step."""
    if not setting.has_curves:
        return [np.linalg.solve(second, onto)]
    roots, axes = np.linalg.eigh(second)
    inside = np.swapaxes(axes, 1, 2) @ onto
    return [axes @ (inside * ((1 - (1 - RATE * roots) ** t) / roots)[..., None]) for t in range(EPOCHS + 1)]
