"""Laws: what numbers a weight receives, once its shape has settled every parameter.

A law is what a fill can draw. It knows no shape, no seed and no name.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Keep:
    """Leave what the framework put there."""


@dataclass(frozen=True)
class Constant:
    """Every element is `value`."""

    value: float


@dataclass(frozen=True)
class Uniform:
    """Uniform on the closed interval [`low`, `high`]."""

    low: float
    high: float


@dataclass(frozen=True)
class Normal:
    """Gaussian."""

    mean: float
    std: float


@dataclass(frozen=True)
class TruncatedNormal:
    """Gaussian cut at `cut` of its own stds, then widened so that the realised std is `std`."""

    mean: float
    std: float
    cut: float


@dataclass(frozen=True)
class Orthogonal:
    """`gain` times a matrix of orthonormal rows or columns, uniform over all of them (Haar)."""

    gain: float


Law = Keep | Constant | Uniform | Normal | TruncatedNormal | Orthogonal
