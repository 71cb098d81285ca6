"""runs_needed: the fewest paired runs that can carry a difference, which is known before any is trained."""

import itertools

LEVEL = 0.05
# Of fewer runs all gaps are often alike where scores are shares of few samples, which a t test takes for certainty: of
# two it errs 12 times in 100 (`make bench-error-rates`).
_WITH_SPLITS = 5


def runs_needed(num_starts: int, *, has_splits: bool, spent: float = 1.0) -> int:
    """The fewest runs of each start that can show a difference.

    Runs on one split are tested by flipping signs too: all of one sign have p = 2 / 2^runs, times the number of pairs
    by Holm.

    Args:
        num_starts: that are compared.
        has_splits: whether runs have splits of their own.
        spent: of the error that may be made; less than 1 where the runs are looked at more than once.
    """
    if has_splits:
        return _WITH_SPLITS
    num_pairs = num_starts * (num_starts - 1) // 2
    return next(runs for runs in itertools.count(2) if num_pairs * 2 / 2**runs < LEVEL * spent)
