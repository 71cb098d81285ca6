"""An initialiser of the catalogue as JAX calls it."""

import functools
import inspect
import operator
from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._array import tensor_of
from .._errors import SettingError
from .._fill import DTYPES
from .._tensor import Tensor
from ..init import Initialiser
from ..init import parse as read
from ..init._offered import offered
from ..init._weight import Weight, usual_weight
from . import initializers
from ._jax import jax
from ._key import key_words
from ._make import Box, Draw, make


@dataclass(frozen=True, repr=False)
class Start:
    """An initialiser that follows the protocol of `jax.nn.initializers`: call it with a key and a shape.

    Two that are equal, and then hash alike, give the same numbers. `parse` makes one, and says what its attributes are.
    """

    spec: str
    axes: str | None = None
    groups: int = 1
    stride: int = 1
    transposed: bool = False
    blocks: int | tuple[int, ...] = 1
    dtype: Any = None

    def __call__(self, key: Any, shape: Sequence[int], dtype: Any = None, out_sharding: Any = None) -> jax.Array:
        """Draw the numbers of one weight; inside `jax.jit`, when the compiled program runs.

        Args:
            key: of JAX, typed or old-style. A key of two words is the 64-bit key of the stream, high word
                first; one of more words is hashed by BLAKE2b.
            shape: of the weight.
            dtype: float32, float16, bfloat16, or float64 where JAX has it.
            out_sharding: a NamedSharding, or a PartitionSpec under a mesh: each shard is drawn alone. An
                orthogonal weight, or another that is computed as a whole, is drawn once and cut; inside `jax.jit`
                each device draws it all.

        Raises:
            ShapeError: if the initialiser cannot use this shape, or the shards are unequal.
            SettingError: if the key, the dtype or the sharding cannot be used.
            SpecError: if the numbers leave the dtype.
        """
        key_words(key)  # a call without a key is told so, not that its shape is no dtype
        dtype = _real(self.dtype if dtype is None else dtype)
        shape = tuple(operator.index(size) for size in shape)
        windows = {"groups": self.groups, "stride": self.stride, "blocks": self.blocks}
        weight = usual_weight("jax", shape, self.axes, transposed=self.transposed, **windows)
        return make(_settled(self.spec, weight, dtype), key, shape, dtype, out_sharding)

    def __repr__(self) -> str:
        chosen = ((each.name, getattr(self, each.name), each.default) for each in fields(self))
        words = [
            f"{name}={str(value) if name == 'dtype' else value!r}"
            for name, value, usual in chosen
            if usual is not MISSING and value != usual
        ]
        return f"initium.jax.parse({', '.join([repr(self.spec), *words])})"


def parse(
    init: Initialiser | str,
    *,
    axes: str | None = None,
    groups: int = 1,
    stride: int = 1,
    transposed: bool = False,
    blocks: int | tuple[int, ...] = 1,
    dtype: Any = None,
) -> Start:
    """Read an initialiser from its spec, to be called as JAX calls it.

    Args:
        init: a spec or an initialiser that has one.
        axes: the role of each axis, see `initium.fans`; None is by their number: `o`, `io`, `wio`, `hwio`, `dhwio`.
            An embedding is `vo`.
        groups: see `initium.fans`, as are the others.
        stride: product over the axes of space.
        transposed: a transposed convolution.
        blocks: packed along the output axis.
        dtype: unless the call names one; None is JAX's default.

    Raises:
        SpecError: if the spec cannot be read.
        UnknownNameError: with the nearest name there is.

    Example:
        >>> parse("he_normal(mode='out')", axes="hwio")
        initium.jax.parse("he_normal(mode='out')", axes='hwio')
    """
    spec = str(read(str(init)))
    dtype = None if dtype is None else str(jax.numpy.dtype(dtype))
    blocks = blocks if isinstance(blocks, int) else tuple(blocks)
    return Start(spec, axes, groups, stride, transposed, blocks, dtype)


def _real(dtype: Any) -> np.dtype[Any]:
    """A dtype as JAX has it now: without 64 bits float64 is float32."""
    if dtype is None:
        return np.dtype(jax.dtypes.result_type(float))
    asked = jax.numpy.dtype(dtype)
    if asked.name not in DTYPES:
        raise SettingError(f"initium.jax draws {', '.join(DTYPES)}, not {asked.name}. Draw one of them and convert it.")
    dtype = jax.dtypes.canonicalize_dtype(asked)
    if dtype != asked:
        jax.numpy.empty((), asked)  # JAX warns of it
    return dtype


@functools.lru_cache(maxsize=1024)
def _settled(spec: str, weight: Weight, dtype: np.dtype[Any]) -> Draw:
    """What draws, the law for this weight found once. What does not fit is refused before a program compiles."""
    init = read(spec)
    init.law(weight)  # refuses what it cannot use in the shape that was asked for
    tensor = tensor_of(init, weight, key=0, dtype=dtype)
    if tensor.comes_in_parts:
        tensor.check()
    return Draw(functools.partial(draw, tensor, dtype), needs_whole=not tensor.comes_in_parts)


def draw(tensor: Tensor, dtype: np.dtype[Any], key: int, box: Box | None) -> NDArray[Any]:
    """A tensor's numbers under another key, all or a box of them."""
    return replace(tensor, key=key).part(box).view(dtype)


# What every function of this edge takes beside the catalogue's arguments.
_ADDED = [each for each in inspect.signature(parse).parameters.values() if each.kind is each.KEYWORD_ONLY]


def named(name: str) -> Callable[..., Start]:
    """The function of that name: the arguments of the catalogue's entry, then those of `parse`."""
    return offered(name, parse, *_ADDED, drop_in=initializers)  # pyright: ignore[reportArgumentType]  a module hashes
