"""NumPy's edge: an initialiser's numbers as an array."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from . import _stream
from ._errors import SettingError, SpecError
from ._fill import bits, dtype_name
from ._tensor import Tensor
from .init import Initialiser, parse
from .init._weight import Weight, usual_weight


def array(
    init: Initialiser | str,
    shape: int | Sequence[int],
    *,
    seed: int,
    path: str,
    dtype: DTypeLike = np.float32,
    axes: str | None = None,
    groups: int = 1,
    stride: int = 1,
    transposed: bool = False,
    blocks: int | tuple[int, ...] = 1,
) -> NDArray[Any]:
    """Draw an initialiser's numbers for one weight.

    Element (output o, input i, position) is a function of seed, path and its place alone, so weights
    whose axes are stored in another order are each other's transposes, bit for bit.

    Args:
        init: an initialiser or its spec.
        shape: of the weight.
        seed: from 0 to 2^64 - 1.
        path: the weight's dotted name, which makes it independent of all others.
        dtype: float32, float64, float16, or the bfloat16 of ml_dtypes.
        axes: the role of each axis, see `fans`; None is (output, input, *space), or if transposed
            (input, output, *space).
        groups: see `fans`, as are the others.
        stride: product over the axes of space.
        transposed: a transposed convolution.
        blocks: packed along the output axis.

    Raises:
        SpecError: if the spec cannot be read or leaves the dtype.
        ShapeError: if the initialiser cannot use these axes.
        SettingError: if the seed is out of range.

    Example:
        >>> weight = array("he_normal", (300, 400), seed=0, path="hidden.weight")
        >>> bool((array("he_normal", (400, 300), seed=0, path="hidden.weight", axes="io") == weight.T).all())
        True
    """
    init = parse(init) if isinstance(init, str) else init
    if not isinstance(init, Initialiser):
        raise SpecError(f"`array` takes a spec such as 'he_normal', or `initium.init.he_normal()`; got {init!r}.")
    if not isinstance(path, str):
        raise SettingError(f"A path is the weight's dotted name, such as 'fc.weight', not {path!r}.")
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    windows = {"groups": groups, "stride": stride, "blocks": blocks}
    weight = usual_weight("torch", shape, axes, transposed=transposed, **windows)
    return drawn(init, weight, key=_stream.key(seed, path), dtype=dtype)


def drawn(
    init: Initialiser, weight: Weight, *, key: int, dtype: DTypeLike, box: Sequence[slice] | None = None
) -> NDArray[Any]:
    """The numbers of a weight, or of a box of it, as a new array whose memory lies in the order of numbering."""
    tensor = tensor_of(init, weight, key=key, dtype=dtype)
    return tensor.part(box).view(dtype)


def tensor_of(init: Initialiser, weight: Weight, *, key: int, dtype: DTypeLike) -> Tensor:
    """What is drawn where nothing lies yet.

    Raises:
        SpecError: if the initialiser would keep what is there.
    """
    number = np.dtype(dtype)
    tensor = Tensor.of(init, weight, dtype=dtype_name(bits(np.empty(0, number)).dtype), key=key)
    if tensor.law.how == "kept":
        raise SpecError(f"`{init}` keeps what is there, and here there is nothing yet. Name another start.")
    return tensor
