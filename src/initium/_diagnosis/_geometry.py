"""The geometry of a start: singular values of weights, ranks of what they take in, the input-output Jacobian."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_POINTS = 64  # of a curve of singular values
_GRID = 4096
_FLOPS = 1e10  # a second, of one processor


@dataclass(frozen=True, kw_only=True)
class Spectrum:
    """Singular values of one weight, as a matrix of its units by all that each multiplies.

    Attributes:
        path: of the weight.
        shape: of that matrix.
        values: singular values, the largest first; of more than 64 as many, evenly chosen; none if it holds NaN.
        rms: root mean square of the weight's numbers.
        peak: how many standard deviations its farthest number lies from the mean; None if most are one number.
        rank: effective rank of what it takes in: exp of the entropy of the singular values' shares of their sum, of
            at most `rank_of`; None of a table.
        rank_of: how many there could be: samples or features, whichever are fewer.

    Reference: Roy and Vetterli, "The effective rank", EUSIPCO 2007, definition 1.
    """

    path: str
    shape: tuple[int, int]
    values: tuple[float, ...]
    rms: float
    peak: float | None = None
    rank: float | None = None
    rank_of: int | None = None

    @property
    def edges(self) -> tuple[float, float]:
        """Between what the singular values of a random matrix of this shape and size lie, if it is large.

        s = rms (sqrt(m) +- sqrt(n)).

        Reference: Marchenko and Pastur, Mathematics of the USSR-Sbornik 1, 1967.
        """
        m, n = self.shape
        return self.rms * abs(math.sqrt(m) - math.sqrt(n)), self.rms * (math.sqrt(m) + math.sqrt(n))

    @property
    def is_orthogonal(self) -> bool:
        """Whether its singular values are all the same, to a hundredth."""
        return bool(self.values) and self.values[0] <= 1.01 * self.values[-1]


@dataclass(frozen=True, kw_only=True)
class Jacobian:
    """What the derivative of all outputs by all inputs of a sample does to lengths, by random projections.

    Attributes:
        mean: mean of its squared singular values.
        variance: of them, over the square of that mean: 0 of an isometry; of L random square layers with a straight
            line between them L, of orthogonal ones 0; with ReLU 2 L and L.
        depth: how many layers read one another in the longest line; 0 if none do.
        probes: random vectors a sample.

    Reference: Pennington, Schoenholz and Ganguli, "Resurrecting the sigmoid in deep learning through dynamical
    isometry", NeurIPS 2017, equation 17: L (mu_2 / mu_1^2 - 1 - s_1), with s_1 = -1 of Gaussian layers and 0 of
    orthogonal ones.
    """

    mean: float
    variance: float
    depth: int
    probes: int


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """What `thorough` measures besides.

    Attributes:
        spectra: in the order of execution.
        jacobian: None where the inputs are no real numbers, or no derivative can be taken.
    """

    spectra: tuple[Spectrum, ...]
    jacobian: Jacobian | None


def chosen(values: NDArray[np.float64]) -> tuple[float, ...]:
    """Singular values, the largest first, as few as a curve needs, both ends among them."""
    places = np.linspace(0, len(values) - 1, min(len(values), _POINTS)).round().astype(int)
    return tuple(np.sort(values)[::-1][places].tolist())


def effective_rank(singular: NDArray[np.float64]) -> float:
    """The exponential of the entropy of the shares that singular values have of their sum; 0 if all are 0."""
    shares = singular[singular > 0] / singular.sum() if singular.any() else singular[:0]
    return float(np.exp(-(shares * np.log(shares)).sum())) if len(shares) else 0.0


def random_matrix_curve(shape: tuple[int, int], rms: float, num_points: int) -> NDArray[np.float64]:
    """What the singular values of a large random matrix are, the largest first, by the law of Marchenko and Pastur."""
    short, long = sorted(shape)
    ratio = short / long
    low, high = (1 - math.sqrt(ratio)) ** 2, (1 + math.sqrt(ratio)) ** 2
    # By x = middle - half cos(t), under which the density has no steep end.
    angles = (np.arange(_GRID) + 0.5) * math.pi / _GRID
    x = (low + high) / 2 - (high - low) / 2 * np.cos(angles)
    density = np.sin(angles) ** 2 / np.maximum(x, 1e-300)
    share = np.cumsum(density) / density.sum()
    at = 1 - (np.arange(num_points) + 0.5) / num_points
    return rms * np.sqrt(long * np.interp(at, share, x))


def seconds(shapes: Iterable[tuple[int, int]]) -> float:
    """About how long the singular values of such matrices take: their products, and the eigenvalues of those."""
    return sum(2 * m * n * min(m, n) + 10 * min(m, n) ** 3 for m, n in shapes) / _FLOPS
