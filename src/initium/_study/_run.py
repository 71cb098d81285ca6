"""One network trained once."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)  # two arrays are not equal or unequal as a whole
class Run:
    """What one training run showed, at step zero and after every epoch.

    Attributes:
        recipe: the start's spec.
        index: which of the paired runs.
        train_loss: over the whole training split, `(epochs + 1,)`; NaN once the run diverged.
        test_loss: likewise over the test split.
        test_score: accuracy or R^2, likewise.
        merits: of each test sample after the last epoch, `(sample,)`; their mean is the score.
        units_start: distinct hidden units of each hidden layer before the first step.
        units_end: the same after the last step.
        widths: units of each hidden layer, distinct or not.
        first_weights: the first layer's weights at start and end; in the first run only.
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
    first_weights: tuple[NDArray[Any], NDArray[Any]] | None = None

    @property
    def diverged(self) -> bool:
        """Whether a loss stopped being finite."""
        return not np.isfinite([self.train_loss, self.test_loss]).all()
