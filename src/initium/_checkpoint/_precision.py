"""precision: how much of a law's numbers another machine repeats."""

from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._fill import fill
from .._stream import child, words
from ..init._law import Composed, Given, Law, Orthogonal, Packed, Rounded
from ..init._weight import Weight


class Precision(IntEnum):
    """What another machine may have otherwise."""

    BITS = 0  # nothing
    STEP = 1  # the last bit, of functions such as the sine
    PRODUCTS = 2  # the last bits of matrix products


def precision(law: Law, weight: Weight, key: int) -> Precision:
    """Found by drawing it once more where it is computed: what it is computed from, only that tells."""
    match law:
        case Orthogonal():
            return Precision.PRODUCTS
        case Packed(laws):
            return max(precision(one, part, key) for one, part in zip(laws, weight.parts, strict=True))
        case Given():
            return Precision.BITS
        case Composed(make):
            noted = _Noting(key, Precision.STEP if isinstance(law, Rounded) else Precision.BITS)
            make(noted)
            return noted.found
    return Precision.BITS


class _Noting:
    """Draws, and notes the least precise of what is drawn."""

    def __init__(self, key: int, found: Precision) -> None:
        self.key, self.found = key, found

    def __call__(self, law: Law, weight: Weight, name: str = "") -> NDArray[Any]:
        key = child(self.key, name) if name else self.key
        self.found = max(self.found, precision(law, weight, key))
        out = np.empty(weight.shape, np.float32)
        fill(out, law, weight, key=key)
        return out

    def words(self, length: int, name: str) -> NDArray[np.uint32]:
        return words(child(self.key, name), 0, length)
