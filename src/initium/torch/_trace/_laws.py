"""Laws: how the numbers of one signal are spread, as their quantiles."""

import math
from functools import cache, lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._regions import Curve

_SIZE = 4001
_PLACES = (np.arange(_SIZE) + 0.5) / _SIZE

Law = NDArray[Any]  # ascending


@cache
def _gaussian() -> Law:
    z = np.array([NormalDist().inv_cdf(place) for place in _PLACES.tolist()])
    return z / math.sqrt(np.mean(z**2))


def gaussian(second: float) -> Law:
    """Of mean zero, with this second moment."""
    return math.sqrt(second) * _gaussian()


@lru_cache(256)
def law_of(curve: Curve, second: float) -> Law | None:
    """What a function makes of a Gaussian."""
    return through(curve, gaussian(second))


def through(curve: Curve, law: Law) -> Law | None:
    """What a function makes of a signal; None if it cannot be computed."""
    return None if curve.f is None else np.sort(curve.f(law))


def highest(law: Law, num: float) -> Law:
    """Of the highest of so many independent ones: its quantile at p is theirs at p^(1/num)."""
    return np.interp(_PLACES ** (1 / num), _PLACES, law)


def second_moment(law: Law) -> float:
    """E[x^2]."""
    return float(np.mean(law**2))
