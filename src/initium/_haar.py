"""Haar: random matrices with orthonormal rows, uniform over all of them.

A product of Householder reflections of independent Gaussian vectors is Haar-distributed, as Q of a
Gaussian matrix is, and needs no factorisation of one. References: G. W. Stewart, "The efficient
generation of random orthogonal matrices", SIAM J. Numer. Anal. 17 (1980), theorem 3.3; the blocked
product by the UT transform: T. Joffrain et al., "Accumulating Householder transformations,
revisited", ACM TOMS 32 (2006).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._draw import run, tasks
from ._kernel import kernel
from .init._law import Normal

_STRIP = 512  # rows of an update that are held beside the matrix
_BATCH = 1 << 22  # elements of the small matrices that are worked on together


def haar(out: NDArray[Any], *, key: int, threads: int | None = None) -> None:
    """Write matrices of orthonormal rows in place.

    Reflection j acts on the last n - j coordinates. Its vector is elements j to n of row j of a
    `(num, rows, n)` tensor of standard normals under the key.

    Args:
        out: `(num, rows, n)` with rows <= n, float32 or float64, the matrices row-major or
            column-major.
        key: of the weight.
        threads: that draw; the products take those of NumPy's BLAS.
    """
    num, rows, n = out.shape
    at_once = max(1, _BATCH // max(1, rows * n))
    for start in range(0, num, at_once):
        _batch(out[start : start + at_once], start, key, threads)


def _batch(out: NDArray[Any], start: int, key: int, threads: int | None) -> None:
    num, rows, n = out.shape
    out[...] = 0
    _diagonal(out)[...] = 1
    signs = np.empty((num, rows), out.dtype)
    panel = _panel(n)
    for first in reversed(range(0, rows, panel)):
        last = min(first + panel, rows)
        x = np.empty((num, last - first, n - first), out.dtype)
        box = (slice(start, start + num), slice(first, last), slice(first, n))
        # Not `dtype.name`, for which NumPy imports: a fill may run while Python ends.
        law = kernel(Normal(0, 1), "float64" if out.dtype == np.float64 else "float32")
        run(tasks(x, law, key=key, shape=(start + num, rows, n), box=box, threads=threads), threads=threads)
        signs[:, first:last] = _to_reflections(x)
        _reflect(out[:, first:, first:], x)
    out *= signs[:, :, None]


def _panel(n: int) -> int:
    """How many reflections are applied at once, as matrix products: more where the matrix is large."""
    return min(max(n // 8, 64), 256)


def _to_reflections(x: NDArray[Any]) -> NDArray[Any]:
    """Turn Gaussian rows into reflection vectors of norm sqrt(2); the sign that each leaves on its row."""
    width, n = x.shape[1:]
    x[..., :width] = np.where(_upper(width), x[..., :width], 0)
    leading = _diagonal(x).astype(np.float64)
    norm = np.sqrt(np.einsum("gij,gij->gi", x, x, dtype=np.float64))
    sign = np.where(leading < 0, -1.0, 1.0)
    # v = x + sign |x| e1 turns x to -sign |x| e1; the matrix is Haar once its row is turned back.
    _diagonal(x)[...] = leading + sign * norm
    x *= (1 / np.sqrt(norm * (norm + np.abs(leading))))[..., None].astype(x.dtype)
    if width == n:  # one coordinate is left: no reflection, only its sign
        x[:, -1] = 0
        sign[:, -1] = -sign[:, -1]
    return -sign


def _reflect(out: NDArray[Any], vectors: NDArray[Any]) -> None:
    """Out <- out (I - V' T V), where the first rows are still those of I."""
    width = vectors.shape[1]
    factor = np.where(_upper(width), 0, vectors @ vectors.swapaxes(1, 2)).astype(np.float64)
    _diagonal(factor)[...] = 1  # |v|^2 / 2
    own, others = np.split(vectors.swapaxes(1, 2), [width], axis=1)
    left = np.concatenate([own, out[:, width:, width:] @ others], axis=1)
    _subtract_product(out, left @ _inverse(factor).astype(out.dtype), vectors)


def _inverse(lower: NDArray[Any]) -> NDArray[Any]:
    """Of lower triangular matrices, by halves: below the inverses of A and B in [[A, 0], [C, B]] stands -B' C A'."""
    half = lower.shape[1] // 2
    if half < 32:
        return np.linalg.inv(lower)
    first, last = slice(None, half), slice(half, None)
    inverse = np.zeros_like(lower)
    inverse[:, first, first], inverse[:, last, last] = (_inverse(lower[:, part, part]) for part in (first, last))
    inverse[:, last, first] = -inverse[:, last, last] @ lower[:, last, first] @ inverse[:, first, first]
    return inverse


def _subtract_product(out: NDArray[Any], left: NDArray[Any], right: NDArray[Any]) -> None:
    """Out -= left @ right, in strips along the memory, so that no second matrix is held."""
    if out.strides[1] < out.strides[2]:
        out, left, right = out.swapaxes(1, 2), right.swapaxes(1, 2), left.swapaxes(1, 2)
    for top in range(0, out.shape[1], _STRIP):
        strip = slice(top, top + _STRIP)
        out[:, strip] -= left[:, strip] @ right


def _upper(width: int) -> NDArray[np.bool]:
    """The diagonal and what is above it. Not `np.triu`, which imports: a fill may run while Python ends."""
    return np.arange(width)[:, None] <= np.arange(width)


def _diagonal(matrices: NDArray[Any]) -> NDArray[Any]:
    """The diagonals, to be written to."""
    width = min(matrices.shape[1:])
    return np.einsum("gii->gi", matrices[:, :width, :width])
