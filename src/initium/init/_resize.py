"""resize_matrix: from samples on one grid to samples on another."""

import numpy as np
from numpy.typing import NDArray

# Of the cubic convolution of Keys, IEEE ASSP 1981, as image libraries resample with it.
_A = -0.5


def resize_matrix(old: int, new: int) -> NDArray[np.float64]:
    """`(new, old)`: each row gives one new sample, by cubic convolution; wider where there are fewer than before.

    Its rows sum to 1, so that what is constant stays so; the same number gives the identity.
    """
    scale = old / new
    wide = max(scale, 1.0)
    centres = (np.arange(new) + 0.5) * scale  # in samples of the old grid, whose first ends at 1
    found = _cubic((np.arange(old)[None] + 0.5 - centres[:, None]) / wide)
    return found / found.sum(axis=1, keepdims=True)


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    x = np.abs(x)
    near = ((_A + 2) * x - (_A + 3)) * x * x + 1
    far = ((_A * x - 5 * _A) * x + 8 * _A) * x - 4 * _A
    return np.where(x < 1, near, np.where(x < 2, far, 0))
