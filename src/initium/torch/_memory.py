"""A tensor's memory as NumPy sees it."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

# What a fill can write, and how NumPy spells it; bfloat16, which it cannot name, as uint16.
_SPELLED = {torch.float32: "f4", torch.float64: "f8", torch.float16: "f2", torch.bfloat16: "u2"}
DTYPES = tuple(_SPELLED)


class _Shared:
    """Tells NumPy where a tensor's numbers lie, and holds the tensor as long as an array looks there.

    `tensor.numpy()` would do the same, but forbids for ever that the memory is given back, as FSDP does.
    """

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor
        self.__array_interface__ = {
            "version": 3,
            "typestr": numpy_dtype(tensor.dtype).str,
            "shape": tuple(tensor.shape),
            "strides": tuple(step * tensor.element_size() for step in tensor.stride()),
            "data": (tensor.data_ptr(), False),
        }


def numpy_dtype(dtype: torch.dtype) -> np.dtype[Any]:
    """The dtype of a tensor's memory as NumPy sees it."""
    return np.dtype(_SPELLED[dtype])


def memory(tensor: torch.Tensor) -> NDArray[Any]:
    """The tensor's own memory, not a copy; bfloat16, which NumPy cannot name, as uint16."""
    return np.asarray(_Shared(tensor))


def extent(tensor: torch.Tensor) -> int:
    """How many bytes lie from its first element to its last, both counted."""
    steps = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return (steps + 1) * tensor.element_size() if tensor.numel() else 0


def has_memory(tensor: torch.Tensor) -> bool:
    """Whether a fill can write this tensor in place."""
    return tensor.is_cpu and tensor.is_contiguous() and not tensor.is_neg()
