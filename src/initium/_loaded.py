"""Numbers that lie somewhere already, checked and in the dtype of the tensor that is to hold them."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import _fill
from ._errors import CheckpointError
from ._setting import setting
from ._stored import Box, number, widened
from .init._law import DTYPES, Loaded

if TYPE_CHECKING:
    from ._tensor import Tensor

_INTEGERS = ("int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8", "bool")


def check(tensor: "Tensor", law: Loaded) -> None:
    """Refuse what is not there, has another shape, or numbers of a kind that the tensor does not hold.

    Raises:
        CheckpointError: saying which; nothing but headers has been read.
    """
    stored = law.find()
    if stored.shape != tensor.shape:
        raise CheckpointError(f"has shape {stored.shape} there, and {tensor.shape} in the plan")
    if flaw := unfit(stored.dtype, tensor.dtype):
        raise CheckpointError(flaw)


def unfit(source: str, target: str) -> str:
    """Why numbers of a dtype are none for a tensor of another; empty if they are."""
    if source == target:
        return ""
    if source in DTYPES and target in DTYPES:
        return ""
    if source in _INTEGERS and target in _INTEGERS:
        return ""
    if source in _INTEGERS:
        return f"holds whole numbers there ({source}), as quantised weights do, and {target} in the model"
    if source in DTYPES:
        return f"holds {source} there, and whole numbers ({target}) in the model"
    return f"holds {source} there, which is no dtype that a model computes in"


def read(tensor: "Tensor", law: Loaded, box: Box) -> NDArray[Any]:
    """A box of it, as bits of the tensor's dtype.

    Raises:
        CheckpointError: if a number is none, or leaves the dtype.
    """
    stored = law.find()
    held = stored.read(box)
    found = _checked(tensor, _converted(tensor, held, stored.dtype), box)
    if tensor.is_buffer and stored.dtype != tensor.dtype and stored.dtype in DTYPES:
        _check_range(tensor, widened(held, stored.dtype), widened(found, tensor.dtype), box)
    return found if found.flags.writeable else found.copy()  # PyTorch takes no array that it may not write


def read_into(tensor: "Tensor", law: Loaded, out: NDArray[Any], box: Box) -> None:
    """The same into an array of the tensor's dtype, in place where its source has that too."""
    stored = law.find()
    if stored.dtype != tensor.dtype:
        out[...] = read(tensor, law, box)
        return
    stored.read_into(out, box)
    _checked(tensor, out, box)


def _converted(tensor: "Tensor", bits: NDArray[Any], source: str) -> NDArray[Any]:
    """In the tensor's dtype, rounded to the nearest if that has fewer digits."""
    if source == tensor.dtype:
        return bits
    if source in DTYPES:
        return _fill.rounded(widened(bits, source), tensor.dtype)
    made = bits.astype(number(tensor.dtype))
    if not np.array_equal(made, bits):
        raise CheckpointError(f"`{tensor.path}`: {source} numbers of the checkpoint leave {tensor.dtype}.")
    return made


def _check_range(tensor: "Tensor", held: NDArray[Any], made: NDArray[Any], box: Box) -> None:
    """Refuse what is infinite in the tensor's dtype alone; of a parameter anything infinite is refused."""
    wrong = np.isinf(made) & np.isfinite(held)
    if wrong.any():
        at, place = _place(wrong, box)
        raise CheckpointError(
            f"`{tensor.path}` would hold {made[at]} at {place}: {held[at]} of the checkpoint leaves {tensor.dtype}. "
            f"Build the model in another dtype, or leave it out: {setting('skip', [tensor.path])}."
        )


def _place(wrong: NDArray[Any], box: Box) -> tuple[tuple[Any, ...], tuple[int, ...]]:
    """Of the first that is wrong, in what was read and in the whole."""
    at = np.unravel_index(int(wrong.argmax()), wrong.shape)
    return at, tuple(int(here) + (cut.start or 0) for here, cut in zip(at, box, strict=True))


def _checked(tensor: "Tensor", bits: NDArray[Any], box: Box) -> NDArray[Any]:
    """The same, if each is a number; of a buffer some may be infinite, as in a mask."""
    if tensor.dtype not in DTYPES or _are_finite(bits, tensor.dtype):
        return bits
    numbers = widened(bits, tensor.dtype)
    wrong = np.isnan(numbers) if tensor.is_buffer else ~np.isfinite(numbers)
    if wrong.any():
        at, place = _place(wrong, box)
        raise CheckpointError(
            f"`{tensor.path}` would hold {numbers[at]} at {place}, from the checkpoint. Mend that, or leave it out: "
            f"{setting('skip', [tensor.path])}."
        )
    return bits


def _are_finite(bits: NDArray[Any], dtype: str) -> bool:
    """Whether all surely are, found in one pass that writes little; very large numbers are looked at once more."""
    if dtype in _EXPONENTS:
        words = bits.view(np.uint16)
        return int((words & 0x7FFF).max(initial=0)) < _EXPONENTS[dtype]
    line = bits.reshape(-1)
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(np.dot(line, line)))  # what is no number, or infinite, stays so in a sum of squares


# The bits from which on a number of two bytes is infinite or none.
_EXPONENTS = {"bfloat16": 0x7F80, "float16": 0x7C00}
