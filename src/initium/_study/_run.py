"""One network trained once."""

from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._store import Key, Row
from ._weights import Weights, from_arrays, to_arrays


@dataclass(frozen=True, eq=False)  # two arrays are not equal or unequal as a whole
class Run:
    """What one training run showed, at step zero and after every epoch.

    Attributes:
        recipe: the start's name, as a rule its spec.
        index: which of the paired runs.
        train_loss: over the whole training split, `(epochs + 1,)`; NaN once the run diverged.
        test_loss: likewise over the test split.
        test_score: accuracy or R^2, likewise.
        merits: of each test sample after the last epoch, `(sample,)`; their mean is the score.
        units_start: distinct hidden units of each hidden layer before the first step.
        units_end: the same after the last step.
        widths: units of each hidden layer, distinct or not.
        weights: how each lies at start and end; in the first run only.
        cell: the settings of its place in the grid, as JSON.
        split: the fold that it was tested on; 0 where there is one split.
        seconds: that it took.
    """

    recipe: str
    index: int
    train_loss: tuple[float, ...]
    test_loss: tuple[float, ...]
    test_score: tuple[float, ...]
    merits: NDArray[Any]
    units_start: tuple[int, ...]
    units_end: tuple[int, ...]
    widths: tuple[int, ...]
    weights: tuple[Weights, ...] = ()
    cell: str = "{}"
    split: int = 0
    seconds: float = 0.0

    @property
    def diverged(self) -> bool:
        """Whether a loss stopped being finite, or the score that it ended with is no finite number."""
        return not np.isfinite([*self.train_loss, *self.test_loss, self.test_score[-1]]).all()

    def lasting(self, seconds: float) -> "Run":
        """The run, said to have taken so long."""
        return replace(self, seconds=seconds)

    @property
    def row(self) -> Row:
        """The run as it is kept."""
        arrays: dict[str, Any] = {"merits": self.merits} | {
            name: np.array(getattr(self, name), np.int64) for name in _UNITS
        }
        if self.weights:
            arrays |= to_arrays(self.weights)
        detail = BytesIO()
        np.savez_compressed(detail, **arrays)
        key = Key(self.recipe, self.cell, self.index)
        curve = tuple(zip(self.train_loss, self.test_loss, self.test_score, strict=True))
        return Row(key, self.split, *curve[-1], self.diverged, self.seconds, curve, detail.getvalue())

    @classmethod
    def of(cls, row: Row) -> "Run":
        """A run that was kept.

        Raises:
            ValueError: if it is damaged.
        """
        try:
            with np.load(BytesIO(row.detail), allow_pickle=False) as found:
                arrays = {name: found[name] for name in found.files}
        except Exception as error:  # whatever Python's own readers raise of a damaged archive: a dozen kinds of error
            raise ValueError("no arrays") from error
        units = {name: tuple(map(int, arrays[name])) for name in _UNITS}
        train_loss, test_loss, test_score = zip(*row.curve, strict=True)
        place = {"recipe": row.key.start, "index": row.key.number, "cell": row.key.cell}
        curves = {"train_loss": train_loss, "test_loss": test_loss, "test_score": test_score}
        more = {"merits": arrays["merits"], "weights": from_arrays(arrays), "split": row.split, "seconds": row.seconds}
        return cls(**place, **curves, **units, **more)


_UNITS = ("units_start", "units_end", "widths")
