"""A tensor's memory as NumPy sees it."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)  # what a fill can write


def memory(tensor: torch.Tensor) -> NDArray[Any]:
    """The tensor's own memory, not a copy; bfloat16, which NumPy cannot name, as uint16."""
    if tensor.dtype == torch.bfloat16:
        return tensor.data.view(torch.int16).numpy().view(np.uint16)
    return tensor.data.numpy()


def extent(tensor: torch.Tensor) -> int:
    """How many bytes lie from its first element to its last, both counted."""
    steps = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return (steps + 1) * tensor.element_size() if tensor.numel() else 0


def has_memory(tensor: torch.Tensor) -> bool:
    """Whether a fill can write this tensor in place."""
    return tensor.is_cpu and tensor.is_contiguous() and not tensor.is_neg()
