"""Given: what the numbers of an example say of the size of data."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._constants import Constants
from ._value import Value


class Given:
    """The sizes of what is made of an example alone."""

    def __init__(self, example: Constants) -> None:
        self._example = example
        self._sizes: dict[Value, tuple[float, bool]] = {}

    def moment(self, value: Value, moment: float | None) -> float | None:
        """A second moment, times the power of 256 that brings it next to an example's; of 16 where none is known.

        Another batch of the same data then gives the same plan.
        """
        if value not in self._sizes:
            self._sizes[value] = _size(self.numbers(value))
        given, is_exact = self._sizes[value]
        if not given or not math.isfinite(given):
            return moment
        if is_exact:
            return given
        known, step = (moment, 256.0) if moment else (1.0, 16.0)
        return known * step ** round(math.log(given / known, step))

    def numbers(self, value: Value) -> NDArray[Any] | None:
        """An example's numbers, as far as a signal is made of them alone."""
        try:
            numbers = self._example.numbers(value)
        except Exception:  # whatever an operation on numbers may raise
            return None
        return None if np.iscomplexobj(numbers) or not numbers.size else numbers


def _size(numbers: NDArray[Any] | None) -> tuple[float, bool]:
    """The second moment of an example, 0 if nothing is known, and whether another batch has the very same."""
    if numbers is None:
        return 0.0, False
    return float(np.square(numbers, dtype=np.float64).mean()), _is_one_of_many(numbers)


def _is_one_of_many(numbers: NDArray[Any]) -> bool:
    """Whether each row, or each pixel over the channels, is one 1 among zeros: as large in every batch."""
    if numbers.ndim < 2 or (numbers.min(), numbers.max()) != (0, 1) or bool(((numbers != 0) & (numbers != 1)).any()):
        return False
    return any(bool((numbers.sum(axis) == 1).all()) for axis in {1, numbers.ndim - 1})
