"""NumPy's arrays as JAX's, with as few copies as there can be.

XLA on the CPU takes over aligned memory of NumPy's as it is, and never writes to it. The cost: a step that donates
such a weight gets new memory for its result the first time, where it would reuse an array of JAX's own.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._jax import jax

_ALIGNMENT = 64  # bytes: memory so aligned XLA takes as it is, and copies other
_LARGE = 1 << 23  # bytes: below, JAX's own copy costs no more
_BAND = 8  # rows that become columns at once; measured, powers of two share the cache badly


def to_jax(x: NDArray[Any], sharding: Any = None) -> jax.Array:
    """A drawn array, which nobody else will write to, where it is to lie; None is JAX's default device."""
    is_taken = x.flags.c_contiguous and x.ctypes.data % _ALIGNMENT == 0
    return jax.device_put(x if is_taken or x.nbytes < _LARGE else copied(x), sharding)


def copied(x: NDArray[Any]) -> NDArray[Any]:
    """The same numbers in memory of their own, which XLA takes over."""
    out = empty(x.shape, x.dtype)
    _copy(out, x)
    return out


def empty(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """New memory that XLA on the CPU takes over without a copy."""
    num = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(num + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + num].view(dtype).reshape(shape)


def _copy(out: NDArray[Any], x: NDArray[Any]) -> None:
    """Band by band of the axis that lies outermost in memory, so that a transposed copy stays in the cache."""
    axis = int(np.argmax(x.strides))
    to, source = np.moveaxis(out, axis, 0), np.moveaxis(x, axis, 0)
    for start in range(0, len(source), _BAND):
        to[start : start + _BAND] = source[start : start + _BAND]
