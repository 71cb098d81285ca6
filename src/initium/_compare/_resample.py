"""Bootstraps over runs, as how often each is drawn: one matrix product resamples whatever is a mean over them."""

import functools

import numpy as np

from .._require import require
from ._statistics import LEVEL, Array, Interval

_NUM = 2_000
_SEED = 0


@functools.lru_cache(maxsize=256)
def draws(num_runs: int, stratum: int = 0) -> Array:
    """`(resample, run)`, the share of each run; those of two strata do not depend on each other."""
    multinomial = require("scipy.stats", to="A bootstrap interval").multinomial
    shares = [1 / num_runs] * num_runs
    return multinomial.rvs(num_runs, shares, size=_NUM, random_state=_SEED + 1 + stratum) / num_runs


def percentiles(estimate: float, resampled: Array) -> Interval:
    """The estimate with the interval that holds the middle of what resampling gave; infinite values are ordered too."""
    low, high = np.quantile(resampled, [LEVEL / 2, 1 - LEVEL / 2], method="inverted_cdf")
    return Interval(estimate, float(low), float(high))
