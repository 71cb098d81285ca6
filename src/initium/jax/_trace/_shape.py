"""Shape: what stands for an array in a recording: sizes, strides and a dtype, and no numbers."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Shape:
    """An array without memory, as the core's trace asks it: by the names that PyTorch's tensors have.

    Attributes:
        shape: its sizes.
        dtype: as JAX names it.
        view: an array that nobody may read: it has these sizes, and one byte an element.
        base: the one that all views of the same memory begin with.
    """

    def __init__(self, shape: Sequence[int], dtype: str, view: NDArray[Any] | None = None, base: Any = None) -> None:
        self.shape, self.dtype = tuple(shape), dtype
        self.base = np.empty(1, np.int8) if base is None else base
        if view is None:
            strides = [math.prod(self.shape[axis + 1 :]) for axis in range(len(self.shape))]
            view = np.lib.stride_tricks.as_strided(self.base, self.shape, strides)
        self.view = view

    def moved(self, function: Callable[[NDArray[Any]], NDArray[Any]], shape: Sequence[int]) -> "Shape":
        """What a view of it is; new memory, where there is no such view."""
        try:
            return Shape(shape, self.dtype, function(self.view), self.base)
        except ValueError:  # NumPy would copy
            return Shape(shape, self.dtype)

    def in_dtype(self, dtype: str) -> "Shape":
        """The same place in another dtype."""
        return Shape(self.shape, dtype, self.view, self.base)

    @property
    def ndim(self) -> int:
        """How many axes it has."""
        return len(self.shape)

    def numel(self) -> int:
        """How many elements."""
        return math.prod(self.shape)

    def stride(self, axis: int | None = None) -> Any:
        """In elements, of one axis or all."""
        return self.view.strides if axis is None else self.view.strides[axis]

    def storage_offset(self) -> int:
        """Where in its memory it begins, in elements."""
        return self.view.__array_interface__["data"][0] - self.base.__array_interface__["data"][0]

    def is_floating_point(self) -> bool:
        """Whether it holds fractions."""
        return "float" in self.dtype

    def is_complex(self) -> bool:
        """Whether it holds complex numbers."""
        return self.dtype.startswith("complex")
