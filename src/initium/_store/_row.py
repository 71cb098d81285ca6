"""Row: one finished run, as it is kept and exported."""

from dataclasses import dataclass, field
from typing import NamedTuple


class Key(NamedTuple):
    """Which run it is.

    Attributes:
        start: the name of what is compared.
        cell: the settings of its place in the grid, as JSON with sorted names.
        number: of the run, from 0; those of one number are paired.
    """

    start: str
    cell: str
    number: int


@dataclass(frozen=True)
class Row:
    """What a run came to. What did not stay finite is NaN.

    Attributes:
        key: which run it is.
        split: the fold that it was tested on; 0 where there is one split.
        train_loss: over the training split, after the last epoch.
        test_loss: over the test split.
        score: accuracy, R^2 or the metric that was asked for.
        diverged: whether a loss stopped being finite, or the score ended so.
        seconds: that it took.
        curve: of each epoch from 0 on, the training loss, the test loss and the score.
        detail: whatever else belongs to it, for whoever wrote it to read.
    """

    key: Key
    split: int
    train_loss: float
    test_loss: float
    score: float
    diverged: bool
    seconds: float
    curve: tuple[tuple[float, float, float], ...] = ()
    detail: bytes = field(default=b"", repr=False)
