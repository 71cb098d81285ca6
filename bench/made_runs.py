"""Comparisons of made runs: what `compare` would say had training given these merits."""

import functools
import math

import numpy as np

from initium import _stream
from initium._compare import _statistics, _summary, _tuned
from initium._compare._comparison import Comparison
from initium._compare._estimate import Estimate
from initium._compare._statistics import Interval
from initium._study._facts import Facts
from initium._study._run import Run

FOLDS = 5


def comparison(merits, test, *, score="accuracy", has_splits=True, name="", margin=None, settings=(), **seen):
    """What starts come to, of merits `(start, run, sample)` and of which samples each run is tested on.

    Nobody knows what chance scores, so that no run counts as one that never trained.
    """
    starts = [f"start {at}" for at in range(len(merits))]
    num_test = int(test[0].sum())
    facts = Facts(
        *(name, "made", "made", "made", "made", test.shape[1] - num_test, num_test, None, score, tuple(starts)),
        *(len(test), "1 epoch", {"lr": 0.1, "batch_size": 32, **dict(settings)}),
        splits=FOLDS if has_splits else 0,
        **seen,
    )
    runs = {start: [_run(start, at, *one) for at, one in enumerate(zip(of, test, strict=True))]
            for start, of in zip(starts, merits, strict=True)}  # fmt: skip
    return Comparison(facts, runs, margin=margin)


def _run(start, index, merits, test):
    own = merits[test].astype(float)
    return Run(start, index, (1.0, 0.5), (1.0, 0.5), (0.0, own.mean()), own, (), (), (), split=index % FOLDS)


def decide_only():
    """Leave out what no decision reads and most time goes to; flip 9,999 signs in the place of 99,999, drawn once."""
    _summary.interval = _tuned.interval = _mean
    Estimate.runs_needed = Estimate.samples_needed = lambda self, level: math.inf
    _statistics._NUM_FLIPS = 9_999
    _stream.words = functools.lru_cache(64)(_stream.words)


def _mean(values):
    return Interval(float(np.mean(values)), math.nan, math.nan)
