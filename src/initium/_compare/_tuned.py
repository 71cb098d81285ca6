"""tuned_contest: each start at the best of what one would tune, chosen on other runs than those that judge."""

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np

from ._by_run import by_run
from ._contest import Contest, Lead
from ._estimate import estimated
from ._places import At, Place
from ._statistics import LEVEL, Array, Interval, around, interval, sign_flip_p

if TYPE_CHECKING:
    from ._comparison import Comparison

# Run 0, 3, 6, ... choose and the others judge: a choice among learning rates needs fewer runs than a test.
EVERY = 3
_FEWEST = 2  # runs that judge: one has no variance


def chooses(index: int) -> bool:
    """Whether a run chooses; the others judge."""
    return index % EVERY == 0


def tuned_contest(place: Place) -> Contest | None:
    """All pairs of a place, each start at its own best setting, not corrected yet; None if runs are too few.

    A start is shown to be better at its best if, at the setting chosen for it, it beats the other at every setting
    that was tried: the largest p of these tests holds whatever the other's best is, and however it would be chosen.

    Reference: Berger, "Multiparameter hypothesis testing and acceptance sampling", Technometrics 1982, for tests of
        which all must reject.
    """
    settings = {start: _settings(place, start) for start in place.starts}
    best = {start: chosen(place, start, tried) for start, tried in settings.items() if tried}
    if len(best) < 2:
        return None
    pairs = itertools.combinations(best, 2)
    scores = {start: interval(np.array([*_judged(place.cells[at], start).values()])) for start, at in best.items()}
    return Contest(
        place.at,
        scores,
        tuple(_lead(place, pair, best, settings) for pair in pairs),
        place.starts,
        tuple(start for start in place.starts if _never_trained(place, start)),
        max(len(_judged(place.cells[at], start)) for start, at in best.items()),
        best,
    )


def chosen(place: Place, start: str, tried: tuple[At, ...]) -> At:
    """The setting with the best mean over the runs that choose."""
    return max(tried, key=lambda at: _mean_of_choosers(place.cells[at], start))


def _never_trained(place: Place, start: str) -> bool:
    """Whether no run did, at any setting; of settings with too few runs to judge as well."""
    return all(start in cell.failed for cell in place.cells.values() if start in cell.runs)


def _settings(place: Place, start: str) -> tuple[At, ...]:
    """Those at which a start has runs enough, in the order of the grid."""
    return tuple(
        at
        for at, cell in place.cells.items()
        if start in cell.runs
        and len(_judged(cell, start)) >= _FEWEST
        and not math.isnan(_mean_of_choosers(cell, start))
    )


def _lead(place: Place, pair: tuple[str, str], best: dict[str, At], settings: dict[str, tuple[At, ...]]) -> Lead:
    gap, _, _ = _gap(place, pair, (best[pair[0]], best[pair[1]]))
    first, second = pair if gap.mean >= 0 else pair[::-1]
    against = {at: _gap(place, (first, second), (best[first], at)) for at in settings[second]}
    # The tests are two-sided, and one direction alone counts; NaN, where runs in common are too few, shows nothing.
    p = float(np.max([1.0 if gap.mean <= 0 else p for gap, p, _ in against.values()]))
    gap, _, gaps = against[best[second]]
    return Lead(first, second, gap, float(sign_flip_p(gaps)) if len(gaps) > 1 else math.nan, p)


def _gap(place: Place, pair: tuple[str, str], at: tuple[At, At]) -> tuple[Interval, float, Array]:
    """Of two starts at a setting each: the mean gap with its interval, its p, and the gaps of the runs that judge."""
    cells = [place.cells[one] for one in at]
    one, other = (by_run(cell, start, cell.merits[start]) for cell, start in zip(cells, pair, strict=True))
    gaps = [one[index] - other[index] for index in one if index in other and not chooses(index)]
    means = np.array([gap.mean() for gap in gaps])
    if len(gaps) < _FEWEST:
        return Interval(math.nan, math.nan, math.nan), math.nan, means
    study = cells[0].study
    ratio = study.num_test / study.num_train if study.splits else None
    is_tested = ratio is not None or min(map(len, gaps)) > 1
    found = estimated(gaps, ratio=ratio)
    return around(found, LEVEL * cells[0].spent), found.p() if is_tested else math.nan, means


def _judged(cell: "Comparison", start: str) -> dict[int, float]:
    return {index: score for index, score in by_run(cell, start, cell.scores[start]).items() if not chooses(index)}


def _mean_of_choosers(cell: "Comparison", start: str) -> float:
    scores = [score for index, score in by_run(cell, start, cell.scores[start]).items() if chooses(index)]
    return float(np.mean(scores)) if scores else math.nan
