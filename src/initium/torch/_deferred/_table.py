"""start_of_table: numbers that were computed without chance, as a start."""

from itertools import product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...init import Initialiser
from ...init._tables import sinusoidal, values_of, waves

# What float32 moves a sine by, for each position: a product of two rounded numbers is off by two of 2^-23 or so.
_ROUNDING = 2.0**-22


def start_of_table(table: torch.Tensor) -> Initialiser | None:
    """A start that computes or holds a table; None if none does.

    Args:
        table: of any number type, on the CPU.
    """
    if table.dtype.is_complex or not table.numel():
        return None
    plain = table.float() if table.dtype == torch.bfloat16 else table
    numbers = plain.contiguous().numpy()
    return _sinusoidal(numbers) or values_of(numbers)


def _sinusoidal(table: NDArray[Any]) -> Initialiser | None:
    """Sines and cosines of positions, if it is that to the rounding of its type."""
    shape = tuple(size for size in table.shape if size != 1)
    if table.dtype.kind != "f" or len(shape) != 2 or shape[0] < 2 or shape[1] < 4 or shape[1] % 2:
        return None
    rows, num = table.reshape(shape), shape[1] // 2
    slack = shape[0] * _ROUNDING + float(np.finfo(table.dtype).eps)
    for layout, slowest in product(("interleaved", "halves"), ("beyond", "reached")):
        base = _base(rows[1].astype(np.float64), num, layout, slowest)
        if base > 1 and np.abs(waves(shape[0], num, base, layout, slowest) - rows).max() <= slack:
            return sinusoidal(base, layout, slowest)
    return None


def _base(row: NDArray[np.float64], num: int, layout: str, slowest: str) -> float:
    """What the speed of the last pair in the row of position 1 says, to three digits."""
    sine, cosine = row[-2:] if layout == "interleaved" else row[[num - 1, -1]]
    speed = float(np.arctan2(sine, cosine))
    exponent = -num / (num - 1) if slowest == "beyond" else -1.0
    return float(f"{speed**exponent:.3g}") if speed > 0 else 0.0
