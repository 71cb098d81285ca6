"""Laws: what numbers a weight receives, once its shape has settled every parameter.

A law is what a fill can draw. It knows no seed and no name.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ._weight import Weight


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


class Draw(Protocol):
    """Draws a law as an array of a weight's shape, in the number type of the fill.

    Draws under different names are independent; draws without a name are those of the whole weight's own key.
    """

    def __call__(self, law: "Law", weight: Weight, name: str = "") -> NDArray[Any]:
        """A law under a name."""
        ...

    def words(self, length: int, name: str) -> NDArray[np.uint32]:
        """Raw words under a name, the same whatever the number type."""
        ...


@dataclass(frozen=True)
class Composed:
    """A whole weight that is computed, from other draws or from none."""

    make: Callable[[Draw], NDArray[Any]]


@dataclass(frozen=True)
class Given(Composed):
    """A whole weight that is given, of whatever numbers: none of them is too large.

    Attributes:
        numbers: in the shape of the weight.
    """

    numbers: NDArray[Any] = field(compare=False, repr=False)


def given(numbers: NDArray[Any]) -> Given:
    """The law of given numbers."""
    return Given(make=lambda draw: numbers, numbers=numbers)


@dataclass(frozen=True)
class Rounded(Composed):
    """A whole weight that is computed by functions whose last bit depends on the machine, such as the sine."""


@dataclass(frozen=True)
class Packed:
    """One law for each block that is packed along the output axis."""

    laws: tuple["Law", ...]


Elementwise = Constant | Uniform | Normal | TruncatedNormal


@dataclass(frozen=True)
class Rows:
    """Runs of rows of the first axis, in the order in which elements are numbered: how many, and what each element is.

    An element is what it would be if its law were that of the whole weight.
    """

    parts: tuple[tuple[int, Elementwise], ...]


Law = Keep | Elementwise | Orthogonal | Composed | Packed | Rows
