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

Quantiles = NDArray[Any]  # ascending


@cache
def _gaussian() -> Quantiles:
    z = np.array([NormalDist().inv_cdf(place) for place in _PLACES.tolist()])
    return z / math.sqrt(np.mean(z**2))


def gaussian(second: float) -> Quantiles:
    """Of mean zero, with this second moment."""
    return math.sqrt(second) * _gaussian()


@lru_cache(256)
def quantiles_of(curve: Curve, second: float) -> Quantiles | None:
    """What a function makes of a Gaussian."""
    return through(curve, gaussian(second))


def through(curve: Curve, quantiles: Quantiles) -> Quantiles | None:
    """What a function makes of a signal; None if it cannot be computed."""
    return None if curve.f is None else np.sort(curve.f(quantiles))


def highest(quantiles: Quantiles, num: float) -> Quantiles:
    """Of the highest of so many independent ones: its quantile at p is theirs at p^(1/num)."""
    return np.interp(_PLACES ** (1 / num), _PLACES, quantiles)


def second_moment(quantiles: Quantiles) -> float:
    """E[x^2]."""
    return float(np.mean(quantiles**2))
