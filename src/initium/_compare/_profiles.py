"""Probability of improvement and performance profiles over the cells of a grid.

Reference: Agarwal, Schwarzer, Castro, Courville and Bellemare, "Deep reinforcement learning at the edge of the
    statistical precipice", NeurIPS 2021. A cell is what they call a task.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ._resample import draws, percentiles
from ._statistics import LEVEL, Array, Interval

_NUM_POINTS = 101


@dataclass(frozen=True)
class Profile:
    """At each of some scores, tau, the share of runs that exceed it.

    Attributes:
        share: runs above tau, the mean over cells.
        low: the lower end of its 95% band, at each tau by itself.
        high: the upper end.
    """

    share: Array
    low: Array
    high: Array


def improvement(one: Sequence[Array], other: Sequence[Array]) -> Interval:
    """P(X > Y): that a run of the one scores above a run of the other, ties counting half; the mean over cells.

    The interval resamples runs within each cell, of each start by itself.

    Args:
        one: the scores of its runs, in each cell.
        other: likewise, in the same cells.
    """
    estimates, resampled = [], []
    for number, (x, y) in enumerate(zip(one, other, strict=True)):
        above = (np.sign(x[:, None] - y) + 1) / 2  # (run of x, run of y)
        estimates.append(above.mean())
        resampled.append(np.einsum("bi,ij,bj->b", draws(len(x), 2 * number), above, draws(len(y), 2 * number + 1)))
    return percentiles(float(np.mean(estimates)), np.mean(resampled, axis=0))


def profile(cells: Sequence[Array], taus: Array) -> Profile:
    """The share of runs that score above each tau, the mean over cells, with bands as in `improvement`."""
    above = [scores[:, None] > taus for scores in cells]
    resampled = np.mean([draws(len(one), number) @ one for number, one in enumerate(above)], axis=0)
    low, high = np.quantile(resampled, [LEVEL / 2, 1 - LEVEL / 2], axis=0)
    return Profile(np.mean([one.mean(axis=0) for one in above], axis=0), low, high)


def taus_of(cells: Sequence[Array], lowest: float | None) -> Array:
    """Scores from the lowest worth drawing to the highest."""
    scores = np.concatenate([*cells])
    low = scores.min() if lowest is None else max(scores.min(), min(lowest, scores.max()))
    return np.linspace(low, scores.max(), _NUM_POINTS)
