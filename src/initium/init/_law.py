"""Laws: what numbers a weight receives, once its shape has settled every parameter.

A law answers for itself: how its numbers come about, whether a part of them costs what it holds, how much of them
another machine repeats, and what a reader is told. It knows no seed and no name. A new one says how it is made
(`make`), and otherwise where it differs from one that is computed as a whole.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ._weight import Weight

if TYPE_CHECKING:
    from .._stored import Stored

# Of the numbers that a fill writes.
DTYPES = ("float32", "float64", "float16", "bfloat16")

How = Literal["drawn", "computed", "constant", "loaded", "adapted", "kept"]


# Below it a cut Gaussian is a uniform one but for cut^4, and its variance a difference of two numbers that cancel.
_SMALL = 1e-3


class Precision(IntEnum):
    """What another machine may have otherwise."""

    BITS = 0  # nothing
    STEP = 1  # the last bit, of functions such as the sine
    PRODUCTS = 2  # the last bits of matrix products


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


class Law:
    """What numbers a weight receives.

    Attributes:
        how: how its numbers come about.
        precision: of its own operations, whatever it draws.
        is_whole: whether a part of it costs as much as all; not so of what the fill draws by itself, or is given.
    """

    how: ClassVar[How] = "computed"
    precision: ClassVar[Precision] = Precision.BITS
    is_whole: ClassVar[bool] = True

    @property
    def is_loaded(self) -> bool:
        """Whether its numbers exist already, in a file or a model, as they are or adapted."""
        return self.how in ("loaded", "adapted")

    def make(self, draw: Draw, weight: Weight) -> NDArray[Any]:
        """The whole weight; never asked of what the fill draws by itself."""
        raise NotImplementedError

    def comes_in_parts(self, weight: Weight) -> bool:
        """Whether a part of the weight costs what it holds."""
        return not self.is_whole

    def words(self, weight: Weight) -> str:
        """The law in words and numbers."""
        return "computed as a whole"

    def rms(self, weight: Weight) -> float | None:
        """The root mean square of its elements; None if it is not known before they are made."""
        return None


@dataclass(frozen=True)
class Keep(Law):
    """Leave what is there."""

    how = "kept"
    is_whole = False

    def words(self, weight: Weight) -> str:
        return "left as it is in the model"


class Elementwise(Law):
    """Each element from its own word; the native part draws these."""

    how = "drawn"
    is_whole = False


@dataclass(frozen=True)
class Constant(Elementwise):
    """Every element is `value`."""

    value: float
    how = "constant"

    def words(self, weight: Weight) -> str:
        return f"every element is {self.value:.6g}"

    def rms(self, weight: Weight) -> float | None:
        return abs(self.value)


@dataclass(frozen=True)
class Uniform(Elementwise):
    """Uniform on the closed interval [`low`, `high`]."""

    low: float
    high: float

    def words(self, weight: Weight) -> str:
        std = (self.high - self.low) / math.sqrt(12)
        return f"uniform from {self.low:.6g} to {self.high:.6g}, std {std:.6g}"

    def rms(self, weight: Weight) -> float | None:
        return math.sqrt((self.low**2 + self.low * self.high + self.high**2) / 3)


@dataclass(frozen=True)
class Normal(Elementwise):
    """Gaussian."""

    mean: float
    std: float

    def words(self, weight: Weight) -> str:
        return f"Gaussian, mean {self.mean:.6g}, std {self.std:.6g}"

    def rms(self, weight: Weight) -> float | None:
        return math.hypot(self.mean, self.std)


@dataclass(frozen=True)
class TruncatedNormal(Elementwise):
    """Gaussian cut at `cut` of its own stds, then widened so that the realised std is `std`."""

    mean: float
    std: float
    cut: float

    def words(self, weight: Weight) -> str:
        limit = self.std * _reach(self.cut)
        ends = f"{self.mean - limit:.6g} .. {self.mean + limit:.6g}"
        return f"Gaussian cut to {ends}, mean {self.mean:.6g}, std {self.std:.6g} as cut"

    def rms(self, weight: Weight) -> float | None:
        return math.hypot(self.mean, self.std)


def _reach(cut: float) -> float:
    """The end of a Gaussian that is cut at +-`cut` of its own stds, in units of its std as cut."""
    if math.isinf(cut):
        return math.inf
    if cut < _SMALL:
        return math.sqrt(3) * (1 + cut * cut / 15)
    density = math.exp(-cut * cut / 2) / math.sqrt(2 * math.pi)
    return cut / math.sqrt(1 - 2 * cut * density / math.erf(cut / math.sqrt(2)))


@dataclass(frozen=True)
class Orthogonal(Law):
    """`gain` times a matrix of orthonormal rows or columns, uniform over all of them (Haar)."""

    gain: float
    how = "drawn"
    precision = Precision.PRODUCTS

    def words(self, weight: Weight) -> str:
        return f"orthonormal rows or columns times {self.gain:.6g}, std {self.rms(weight):.6g}"

    def rms(self, weight: Weight) -> float:
        outputs, *rest = weight.kernel_shape
        return self.gain / math.sqrt(max(outputs, math.prod(rest)))


@dataclass(frozen=True)
class Composed(Law):
    """A whole weight that is computed, from other draws or from none."""

    compute: Callable[[Draw], NDArray[Any]]

    def make(self, draw: Draw, weight: Weight) -> NDArray[Any]:
        return self.compute(draw)


@dataclass(frozen=True)
class Rounded(Composed):
    """A whole weight that is computed by functions whose last bit depends on the machine, such as the sine."""

    precision = Precision.STEP


@dataclass(frozen=True, eq=False)
class Given(Law):
    """Given numbers, whatever they are: none of them is too large.

    Attributes:
        numbers: in the shape of the weight.
    """

    numbers: NDArray[Any] = field(repr=False)
    is_whole = False

    def make(self, draw: Draw, weight: Weight) -> NDArray[Any]:
        return self.numbers


@dataclass(frozen=True)
class From:
    """Tensors that exist already.

    Attributes:
        find: gives what goes by a name; a file is opened no sooner.
        names: of those that are meant.
    """

    find: Callable[[str], "Stored"] = field(compare=False, repr=False)
    names: tuple[str, ...]


@dataclass(frozen=True)
class Loaded(Law):
    """Numbers that exist already, each as it is.

    Attributes:
        source: the tensors that hold them.
        find: gives them as they are wanted.
        told: which, in words.
        views: how they are laid out otherwise.
    """

    source: From
    find: Callable[[], "Stored"] = field(compare=False, repr=False)
    told: str
    views: tuple[str, ...] = ()
    how = "loaded"
    is_whole = False

    def make(self, draw: Draw, weight: Weight) -> NDArray[Any]:
        from .._stored import widened  # which reads files: rarely needed

        stored = self.find()
        return widened(stored.read(), stored.dtype)

    def words(self, weight: Weight) -> str:
        return self.told


@dataclass(frozen=True)
class Adapted(Composed):
    """Numbers that exist already, fitted to another shape.

    Attributes:
        told: which and how, in words.
        source: the tensors that hold them.
        fit: what is done to them, by its name.
    """

    told: str
    source: From
    fit: str = ""
    how = "adapted"
    precision = Precision.PRODUCTS

    def words(self, weight: Weight) -> str:
        return self.told


@dataclass(frozen=True)
class Packed(Law):
    """One law for each block that is packed along the output axis."""

    laws: tuple[Law, ...]
    how = "drawn"

    def make(self, draw: Draw, weight: Weight) -> NDArray[Any]:
        blocks = [draw(law, part, block_name(index)) for index, (law, part) in enumerate(self._blocks(weight))]
        return np.concatenate(blocks, axis=weight.axes.index("o"))

    def comes_in_parts(self, weight: Weight) -> bool:
        return weight.axes[0] == "o" and all(law.comes_in_parts(part) for law, part in self._blocks(weight))

    def words(self, weight: Weight) -> str:
        blocks = enumerate(self._blocks(weight), start=1)
        return "; ".join(f"block {number}: {law.words(part)}" for number, (law, part) in blocks)

    def __str__(self) -> str:
        return ", ".join(map(str, self.laws))

    def _blocks(self, weight: Weight) -> Iterator[tuple[Law, Weight]]:
        return zip(self.laws, weight.parts, strict=True)


def block_name(index: int) -> str:
    """Under which a packed block is drawn."""
    return f"block {index}"


@dataclass(frozen=True)
class Rows(Law):
    """Runs of rows of the first axis, in the order in which elements are numbered: how many, and what each element is.

    An element is what it would be if its law were that of the whole weight.
    """

    parts: tuple[tuple[int, Elementwise], ...]
    how = "drawn"
    is_whole = False

    def words(self, weight: Weight) -> str:
        told, first = [], 0
        for num, law in self.parts:
            rows = f"row {first}" if num == 1 else f"rows {first} to {first + num - 1}"
            told.append(f"{rows}: {law.words(weight)}")
            first += num
        return "; ".join(told)
