"""Starts that are made kernel by kernel."""

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from .._errors import ShapeError
from ._initialiser import Initialiser
from ._law import Composed, Draw, Law
from ._parse import parse
from ._weight import Weight

Shape = tuple[int, ...]


def kernels(make: Callable[[Draw, Weight], NDArray[Any]], check: Callable[[Weight], None] | None = None) -> Initialiser:
    """An initialiser from what makes the kernels of a weight, whatever its layout, groups and packed blocks.

    Args:
        make: from a Draw and the kernels as a weight of shape `(num_kernels, output, input, *space)` to an array
            of that shape.
        check: of the weight itself; raises ShapeError if such kernels cannot be made, before anything is drawn.
    """

    def law(weight: Weight) -> Law:
        stack = stacked((weight.num_kernels, *weight.kernel_shape), like=weight)
        if check:
            check(weight)
        return Composed(lambda draw: weight.join(make(draw, stack)))

    return Initialiser(law)


def stacked(shape: Shape, *, like: Weight | None = None) -> Weight:
    """Kernels `(num_kernels, output, input, *space)` as a weight that can be drawn, with the fans of another's."""
    axes = "boi" + ("", "w", "hw", "dhw")[len(shape) - 3]
    return (
        Weight(shape=shape, axes=axes)
        if like is None
        else Weight(shape=shape, axes=axes, stride=like.stride, transposed=like.transposed)
    )


def check_sum(weight: Weight) -> None:
    """Refuse an embedding."""
    if "v" in weight.axes:
        raise ShapeError("counts the inputs of a sum, and an embedding picks one of them. Give it `normal`.")


def check_matrix(weight: Weight) -> None:
    """Refuse a kernel with axes of space."""
    if len(weight.kernel_shape) > 2:
        raise ShapeError(f"is a matrix, but {weight} has a kernel of shape {weight.kernel_shape}. See `dirac`.")


def check_space(weight: Weight) -> None:
    """Refuse a matrix."""
    if len(weight.kernel_shape) == 2:
        shape = weight.kernel_shape
        raise ShapeError(f"needs axes of space, but {weight} is a matrix of shape {shape}. See `identity`.")


def start_of(spec: str) -> Initialiser:
    """The initialiser from which another one is made."""
    init = parse(spec)
    if init.spec == "framework":
        raise ValueError("start draws numbers, and `framework` draws none")
    return init
