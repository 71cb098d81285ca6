"""Spread: how far apart the runs of a start lie, and how often they diverge, as results of their own."""

import itertools
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .._require import require
from ._by_run import by_run
from ._estimate import estimated
from ._places import At
from ._statistics import LEVEL, Array, Interval, holm, sign_flip_p

if TYPE_CHECKING:
    from ._comparison import Comparison

_NUM, _SEED = 2_000, 0


@dataclass(frozen=True)
class Spread:
    """The spread of one start somewhere in a grid.

    Attributes:
        at: where.
        start: the start.
        std: of its scores over runs, with its interval.
        narrower: the starts whose runs are shown to lie closer together.
    """

    at: At
    start: str
    std: Interval
    narrower: tuple[str, ...]


def spreads(groups: "Sequence[tuple[At, dict[str, Comparison]]]", spent: float = 1.0) -> tuple[Spread, ...]:
    """Of each start, in the cell that it is judged in; corrected over all pairs of all groups."""
    tests = {
        (at, frozenset(pair)): spread_p(*_paired(cells, *pair))
        for at, cells in groups
        for pair in itertools.combinations(cells, 2)
    }
    p = dict(zip(tests, holm([*tests.values()], spent), strict=True))
    stds = {(at, start): std_interval(cell.scores[start]) for at, cells in groups for start, cell in cells.items()}
    return tuple(
        Spread(
            at,
            start,
            stds[at, start],
            tuple(
                other
                for other in cells
                if other != start
                and p[at, frozenset((start, other))] < LEVEL
                and stds[at, other].mean < stds[at, start].mean
            ),
        )
        for at, cells in groups
        for start in cells
    )


def std_interval(scores: Array) -> Interval:
    """The standard deviation over runs with its 95% BCa bootstrap interval; too narrow with fewer than about twenty."""
    std = float(scores.std(ddof=1))
    if std == 0 or len(scores) < 3:
        return Interval(std, *((std, std) if std == 0 else (np.nan, np.nan)))
    bootstrap = require("scipy.stats", to="A bootstrap interval").bootstrap
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a nearly constant sample has no interval, which is then not shown
        found = bootstrap((scores,), _std, n_resamples=_NUM, confidence_level=1 - LEVEL, method="BCa", rng=_SEED)
    return Interval(std, float(found.confidence_interval.low), float(found.confidence_interval.high))


def spread_p(one: Array, other: Array) -> float:
    """Two-sided p that paired scores spread alike: the larger of two tests on how far each lies from its median.

    The paired form of Brown and Forsythe's test: of d = |x - median x| - |y - median y|, a t test and a permutation
    test.
    Reference: Grambsch, "Simple robust tests for scale differences in paired data", Biometrika 1994.
    """
    gaps = np.abs(one - np.median(one)) - np.abs(other - np.median(other)) if len(one) else np.zeros(0)
    return max(estimated(gaps).p(), float(sign_flip_p(gaps))) if len(gaps) > 1 else 1.0


def wilson(num: int, of: int) -> Interval:
    """A share of independent trials with its interval (Wilson, JASA 1927)."""
    found = require("scipy.stats", to="An interval").binomtest(num, of).proportion_ci(1 - LEVEL, method="wilson")
    return Interval(num / of, float(found.low), float(found.high))


def _paired(cells: "dict[str, Comparison]", a: str, b: str) -> tuple[Array, Array]:
    one, other = (by_run(cells[start], start, cells[start].scores[start]) for start in (a, b))
    common = [index for index in one if index in other]
    return np.array([one[index] for index in common]), np.array([other[index] for index in common])


def _std(scores: Array, axis: int = -1) -> Array:
    return scores.std(axis=axis, ddof=1)
