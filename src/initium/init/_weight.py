"""The shape of a weight with the role of each axis, and the fans that follow from it."""

import math
from dataclasses import dataclass
from typing import NamedTuple

from .._errors import ShapeError


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
        raise ValueError(f"mode is 'in', 'out', 'avg' or 'geo', not {mode!r}")


@dataclass(frozen=True, kw_only=True)
class Weight:
    """A weight's shape and what its axes mean.

    Attributes:
        shape: as the framework stores it.
        axes: one letter an axis: `o` output, `i` input, `d` `h` `w` space.
        groups: of a grouped convolution; the stored input axis (output axis if transposed)
            is already divided by it.
        stride: of a convolution, multiplied over its spatial axes.
        transposed: a transposed convolution.
    """

    shape: tuple[int, ...]
    axes: str
    groups: int = 1
    stride: int = 1
    transposed: bool = False

    @property
    def fans(self) -> Fans:
        """The true fans, from axis roles.

        With k the number of kernel positions, g the groups and s the stride:
        convolution fan_in = (in/g) k, fan_out = (out/g) k / s;
        transposed convolution fan_in = (in/g) k / s, fan_out = (out/g) k.

        Raises:
            ShapeError: if there is no input or no output axis.
        """
        if not {"i", "o"} <= set(self.axes):
            raise ShapeError(
                f'needs an input and an output axis, but {self} has shape {self.shape} with axes "{self.axes}".'
            )
        size = dict(zip(self.axes, self.shape, strict=True))
        kernel = math.prod(self.shape) // (size["i"] * size["o"]) if math.prod(self.shape) else 0
        narrow = Fans(size["i"] * kernel, size["o"] * kernel)
        if self.transposed:
            return Fans(narrow.fan_in / self.groups / self.stride, narrow.fan_out)
        return Fans(narrow.fan_in, narrow.fan_out / self.groups / self.stride)

    def __str__(self) -> str:
        return "the weight"
