"""The shape of a weight with the role of each axis, and the fans that follow from it."""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._errors import ShapeError

# What each letter of `axes` means.
ROLES = {
    "o": "output",
    "i": "input, summed over",
    "h": "height",
    "w": "width",
    "d": "depth",
    "g": "group: a kernel of its own for each",
    "b": "stacked block, such as an expert: a weight of its own for each",
    "v": "vocabulary: one is picked, not summed over",
}
_MOST_AXES = 64  # NumPy's and PyTorch's
_MOST_NUMBERS = (2**63 - 1) // 8  # of 8 bytes; where the last of them lies is a number of 64 bits
# Each packed block is looked at by itself, and a model packs some dozens.
_MOST_BLOCKS = 10_000
# The order in which elements are numbered, whatever the order in which a framework stores them.
_OUTPUT_FIRST, _INPUT_FIRST = "bgovidhw", "bgviodhw"


class Fans(NamedTuple):
    """How many inputs are summed into one output, and how many outputs one input reaches."""

    fan_in: float
    fan_out: float

    def of(self, mode: str) -> float:
        """The fan called `in`, `out`, `avg` (arithmetic mean) or `geo` (geometric mean)."""
        match mode:
            case "in":
                return self.fan_in
            case "out":
                return self.fan_out
            case "avg":
                return (self.fan_in + self.fan_out) / 2
            case "geo":
                return math.sqrt(self.fan_in * self.fan_out)
        hint = f"; what others call so is '{mode[4:]}' here" if mode in ("fan_in", "fan_out", "fan_avg") else ""
        raise ValueError(f"mode is 'in', 'out', 'avg' or 'geo', not {mode!r}{hint}")


def check_shape(shape: tuple[int, ...]) -> None:
    """Refuse a shape that no array can have, whether a rule or a file says it.

    Raises:
        ShapeError: saying why none can.
    """
    if len(shape) > _MOST_AXES:
        raise ShapeError(f"a shape of {len(shape)} axes is that of no array: {_MOST_AXES} are the most.")
    if min(shape, default=0) < 0:
        raise ShapeError(f"shape {shape} has a negative axis.")
    # An axis of size 0 hides no other that is too large.
    if math.prod(filter(None, shape)) > _MOST_NUMBERS:
        raise ShapeError(f"shape {shape} is that of no array: {_MOST_NUMBERS:,} numbers are the most.")


@dataclass(frozen=True, kw_only=True)
class Weight:
    """A weight's shape and what its axes mean.

    Attributes:
        shape: as the framework stores it.
        axes: one letter an axis: `o` output, `i` input, `d` `h` `w` space, `g` group, `b` stacked block,
            `v` vocabulary. A letter may come twice: heads and their widths are both outputs.
        groups: of a grouped convolution; the stored input axis (output axis if transposed)
            is already divided by it.
        stride: of a convolution, multiplied over its spatial axes.
        transposed: a transposed convolution.
        blocks: matrices packed one after another along the (first) output axis, such as q, k and v:
            how many equal ones, or the size of each.
    """

    shape: tuple[int, ...]
    axes: str
    groups: int = 1
    stride: int = 1
    transposed: bool = False
    blocks: int | tuple[int, ...] = 1

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if len(self.axes) != len(self.shape):
            raise ShapeError(f'shape {self.shape} needs {len(self.shape)} letters of axes, not "{self.axes}".')
        if unknown := [letter for letter in self.axes if letter not in ROLES]:
            raise ShapeError(f'axes "{self.axes}": {unknown[0]!r} is no role; the letters are {", ".join(ROLES)}.')
        check_shape(self.shape)
        if self.groups != 1 or self.stride != 1:
            _check_windows(self)
        if self.blocks != 1:
            _check_blocks(self)

    @cached_property
    def fans(self) -> Fans:
        """The true fans, from axis roles.

        With k the number of kernel positions, g the groups, s the stride and p the equal blocks that are packed:
        dense and convolution fan_in = (in/g) k, fan_out = (out/p/g) k / s;
        transposed convolution fan_in = (in/g) k / s, fan_out = (out/p/g) k;
        embedding fan_in = 1, fan_out = out.

        Raises:
            ShapeError: if there is no input or no output axis, or if packed blocks differ in size.
        """
        if "o" not in self.axes or not {"i", "v", "g"} & set(self.axes):
            raise ShapeError(
                f'needs an input and an output axis, but {self} has shape {self.shape} with axes "{self.axes}".'
            )
        if len(set(self.sizes)) > 1:
            raise ShapeError(
                f"needs one pair of fans, but the blocks of {self}, of {self.sizes} outputs, have one each."
            )
        kernel = self.size("h") * self.size("w") * self.size("d")
        fan_in, fan_out = self.size("i") * kernel, self.size("o") * kernel / len(self.sizes)
        if self.transposed:
            return Fans(_whole(fan_in / self.groups / self.stride), _whole(fan_out))
        return Fans(fan_in, _whole(fan_out / self.groups / self.stride))

    def size(self, letter: str) -> int:
        """How large the axes of one role are together; 1 if there are none."""
        return math.prod(size for axis, size in zip(self.axes, self.shape, strict=True) if axis == letter)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """How much of the output axis each packed block takes."""
        if isinstance(self.blocks, tuple):
            return self.blocks
        outputs = self.shape[self.axes.index("o")] if "o" in self.axes else 1
        return (outputs // self.blocks,) * self.blocks

    @property
    def parts(self) -> tuple["Weight", ...]:
        """Each packed block as a weight of its own."""
        axis = self.axes.index("o")
        shapes = [(*self.shape[:axis], size, *self.shape[axis + 1 :]) for size in self.sizes]
        return tuple(replace(self, shape=shape, blocks=1) for shape in shapes)

    @cached_property
    def order(self) -> tuple[int, ...]:
        """The axes in the order in which elements are numbered, which is PyTorch's: (output, input, space).

        The input comes first in transposed convolutions and embeddings.
        """
        rank = (_INPUT_FIRST if self._is_input_first else _OUTPUT_FIRST).index
        return tuple(sorted(range(len(self.axes)), key=lambda axis: rank(self.axes[axis])))

    @cached_property
    def in_order(self) -> "Weight":
        """The same weight with its axes in that order."""
        axes = "".join(self.axes[axis] for axis in self.order)
        return replace(self, shape=tuple(self.shape[axis] for axis in self.order), axes=axes)

    @property
    def num_kernels(self) -> int:
        """Of how many independent kernels it consists: stacked, packed or grouped."""
        return self.size("b") * self.size("g") * len(self.sizes) * self.groups

    @property
    def kernel_shape(self) -> tuple[int, ...]:
        """The shape `(output, input, *space)` of each of them; the words of an embedding are its inputs.

        Raises:
            ShapeError: as `fans`.
        """
        _ = self.fans
        outputs, inputs = self.size("o") // len(self.sizes), self.size("i") * self.size("v")
        outputs, inputs = (outputs, inputs // self.groups) if self.transposed else (outputs // self.groups, inputs)
        return (outputs, inputs, *(self.size(axis) for axis in "dhw" if axis in self.axes))

    def join(self, kernels: NDArray[Any]) -> NDArray[Any]:
        """All kernels, `(num_kernels, output, input, *space)`, as one array of this weight's shape."""
        if self._is_input_first:
            stacks = self.size("b") * self.size("g")
            kernels = kernels.reshape(stacks, len(self.sizes), self.groups, *self.kernel_shape)
            # (stack, block, group, output, input) -> (stack, group, input, block, output)
            kernels = kernels.transpose(0, 2, 4, 1, 3, *range(5, kernels.ndim))
        return kernels.reshape(self.in_order.shape).transpose(np.argsort(self.order))

    @property
    def _is_input_first(self) -> bool:
        return self.transposed or "v" in self.axes

    def __str__(self) -> str:
        return "the weight"


def _whole(fan: float) -> float:
    return int(fan) if fan.is_integer() else fan


def _check_windows(weight: Weight) -> None:
    groups, stride, shape = weight.groups, weight.stride, weight.shape
    if not isinstance(groups, int) or groups < 1 or weight.size("i" if weight.transposed else "o") % groups:
        raise ShapeError(f"{groups} groups do not divide the channels of shape {shape}.")
    if not isinstance(stride, int) or stride < 1:
        raise ShapeError(f"a stride is a whole number, the product over the axes of space, not {stride!r}.")
    if stride > 1 and not {"d", "h", "w"} & set(weight.axes):
        raise ShapeError(f'a stride of {stride} needs axes of space, but shape {shape} has axes "{weight.axes}".')


def _check_blocks(weight: Weight) -> None:
    outputs = weight.shape[weight.axes.index("o")] if "o" in weight.axes else 0
    blocks = weight.blocks
    if (len(blocks) if isinstance(blocks, tuple) else blocks) > _MOST_BLOCKS:
        raise ShapeError(f"a weight packs at most {_MOST_BLOCKS:,} blocks.")
    if isinstance(blocks, tuple):
        fits = sum(blocks) == outputs and min(blocks, default=0) >= 0
    else:
        fits = blocks > 0 and outputs % blocks == 0
    if "o" not in weight.axes or not fits:
        raise ShapeError(f"{blocks} blocks do not fill the {outputs} outputs of shape {weight.shape}.")
    if not weight.transposed and any(size % weight.groups for size in weight.sizes):
        raise ShapeError(f"{weight.groups} groups do not divide blocks of {weight.sizes} outputs.")


def fans(
    shape: tuple[int, ...],
    axes: str,
    *,
    groups: int = 1,
    stride: int = 1,
    transposed: bool = False,
    blocks: int | tuple[int, ...] = 1,
) -> Fans:
    """How many inputs are summed into one output value, and how many outputs one input value reaches.

    With i and o the sizes of the input and output axes, k the number of kernel positions, g groups, stride
    s and p packed blocks:

        dense, convolution      fan_in = (i/g) k        fan_out = (o/p/g) k / s
        transposed convolution  fan_in = (i/g) k / s    fan_out = (o/p/g) k
        embedding               fan_in = 1              fan_out = o

    Args:
        shape: as it is stored.
        axes: a letter an axis: `o` output, `i` input, `d` `h` `w` space, `g` group, `b` stacked block (an
            expert), `v` vocabulary. A letter may come twice. PyTorch stores `oihw` (transposed `iohw`),
            Keras and JAX `hwio`; see `layout`.
        groups: of a grouped convolution whose shape holds i/g (transposed: o/g).
        stride: the product over the axes of space.
        transposed: a transposed convolution.
        blocks: how many equal matrices are packed along the output axis (q, k and v; gates).

    Raises:
        ShapeError: if the axes do not fit the shape or lack an input or an output.

    Differs: torch's fan_out forgets groups and its fans are swapped for transposed convolutions; no framework
        has the stride, and all count packed matrices as one.

    Example:
        >>> fans((64, 1, 3, 3), "oihw", groups=64)  # depthwise; torch says fan_out=576
        Fans(fan_in=9, fan_out=9)
    """
    weight = Weight(shape=shape, axes=axes, groups=groups, stride=stride, transposed=transposed, blocks=blocks)
    return weight.fans


def usual_axes(framework: str, num_axes: int, *, transposed: bool = False) -> str:
    """The letters of a weight of which only the number of axes is known: a bias, a matrix or a kernel.

    Raises:
        ShapeError: if there are more axes than a kernel has.
    """
    if num_axes > 5:
        raise ShapeError(f"a weight of {num_axes} axes is no usual kernel; say with `axes=` what each of them is.")
    if num_axes < 2:
        return "o" * num_axes
    if num_axes == 2 and not transposed:
        return layout(framework, "dense", 2)
    return layout(framework, "transposed" if transposed else "convolution", num_axes)


def usual_weight(
    framework: str, shape: tuple[int, ...], axes: str | None, *, transposed: bool, **packed: Any
) -> Weight:
    """A weight whose axes were told, or are the usual ones."""
    letters = usual_axes(framework, len(shape), transposed=transposed) if axes is None else axes
    return Weight(shape=shape, axes=letters, transposed=transposed, **packed)


# Roles of the axes in which each framework stores a kernel; `*` is its space.
_LAYOUTS = {
    "torch": {"dense": "oi", "convolution": "oi*", "transposed": "io*", "embedding": "vo", "bilinear": "oii"},
    "keras": {"dense": "io", "convolution": "*io", "transposed": "*oi", "depthwise": "*go", "embedding": "vo"},
    "jax": {"dense": "io", "convolution": "*io", "transposed": "*io", "embedding": "vo"},
}


def layout(framework: str, layer: str, num_axes: int) -> str:
    """The axis letters in which a framework stores a layer's weight.

    Args:
        framework: `torch`, `keras` or `jax` (Flax, Haiku).
        layer: `dense`, `convolution`, `transposed`, `embedding`; Keras has `depthwise` (input channel, multiplier),
            torch `bilinear`.
        num_axes: of the weight.

    Raises:
        ShapeError: if there is no such layer or it has no weight of so many axes.

    Example:
        >>> layout("keras", "transposed", 4)
        'hwoi'
    """
    letters = _LAYOUTS.get(framework, {}).get(layer)
    if letters is None:
        known = "; ".join(f"{name}: {', '.join(layers)}" for name, layers in _LAYOUTS.items())
        raise ShapeError(f"no layout is known of {framework!r} {layer!r}. Known are {known}.")
    num_space = num_axes - len(letters.replace("*", ""))
    if num_space != 0 if "*" not in letters else not 1 <= num_space <= 3:
        raise ShapeError(f"a {framework} {layer} weight is stored as {letters}, not with {num_axes} axes.")
    return letters.replace("*", ("", "w", "hw", "dhw")[num_space])
