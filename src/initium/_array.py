"""NumPy's edge: an initialiser's numbers as an array."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from . import _stream
from ._errors import SpecError
from ._fill import bits, fill
from .init import Initialiser, parse
from .init._law import Keep
from .init._weight import Weight, usual_axes


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
    if not isinstance(init, Initialiser) or not isinstance(path, str):
        raise SpecError(
            f"`array` takes a spec or `he_normal()`, and a path such as 'fc.weight'; got {init!r}, {path!r}."
        )
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    weight = Weight(
        shape=shape,
        axes=usual_axes("torch", len(shape), transposed=transposed) if axes is None else axes,
        groups=groups,
        stride=stride,
        transposed=transposed,
        blocks=blocks,
    )
    return drawn(init, weight, key=_stream.key(seed, path), dtype=dtype)


def drawn(
    init: Initialiser,
    weight: Weight,
    *,
    key: int,
    dtype: DTypeLike,
    box: Sequence[slice] | None = None,
) -> NDArray[Any]:
    """The numbers of a weight, or of a box of it, as a new array whose memory lies in the order of numbering."""
    dtype, weight = np.dtype(dtype), init.sees(weight)
    ordered, order = weight.in_order, weight.order
    law = init.law(ordered)
    if isinstance(law, Keep):
        raise SpecError(f"`{init}` keeps what is there, and here there is nothing yet. Name another start.")
    part = None if box is None else [box[axis] for axis in order]
    shape = ordered.shape if part is None else [len(range(n)[cut]) for n, cut in zip(ordered.shape, part, strict=True)]
    out = np.empty(shape, dtype)
    fill(bits(out), law, ordered, key=key, box=part)
    return out.transpose(np.argsort(order))
