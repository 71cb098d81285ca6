"""Starts that are made kernel by kernel."""

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from ._initialiser import Initialiser
from ._law import Composed, Draw, Law
from ._parse import parse
from ._weight import Weight

Shape = tuple[int, ...]


def kernels(make: Callable[[Draw, Shape], NDArray[Any]], check: Callable[[Shape], None] | None = None) -> Initialiser:
    """An initialiser from what makes the kernels of a weight, whatever its layout, groups and packed blocks.

    Args:
        make: from a Draw and the shape `(num_kernels, output, input, *space)` to an array of that shape.
        check: raises ShapeError if such kernels cannot be made, before anything is drawn.
    """

    def law(weight: Weight) -> Law:
        shape = (weight.num_kernels, *weight.kernel_shape)
        if check:
            check(shape)
        return Composed(lambda draw: weight.join(make(draw, shape)))

    return Initialiser(law)


def stacked(shape: Shape) -> Weight:
    """Kernels of a shape `(num_kernels, output, input, *space)` as a weight that can be drawn."""
    return Weight(shape=shape, axes="boi" + ("", "w", "hw", "dhw")[len(shape) - 3])


def start_of(spec: str) -> Initialiser:
    """The initialiser from which another one is made."""
    init = parse(spec)
    if init.spec == "framework":
        raise ValueError("start draws numbers, and `framework` draws none")
    return init
