"""`jax.nn.initializers`, drawn by Initium: change the import, keep the code.

    from initium.jax import initializers  # instead of: from jax.nn import initializers

Every public name of `jax.nn.initializers` is here, with its arguments, defaults and errors, and with JAX's own
meaning: `he_normal` is a truncated Gaussian of the std asked for, plain `truncated_normal` one of 0.88 of it, and
fans come from `in_axis`, `out_axis` and `batch_axis`. The same laws are drawn, from other numbers than JAX's for
the same key: every element is a function of the key and its place alone. float32, float64, float16 and bfloat16
are drawn here; JAX's own function takes whatever else there is: complex numbers, empty weights, scales that are
traced, and arguments that it refuses.

Differs: equal arguments make equal initialisers; `out_sharding` works over axes of a mesh of any type and draws each
shard alone, but an orthogonal weight once as a whole, and inside `jax.jit` on each device. The limits of a callback
are those of `initium.jax`.

Example:
    >>> import jax
    >>> weight = he_normal()(jax.random.key(0), (400, 300))
    >>> round(float(weight.std()) / (2 / 400) ** 0.5, 2), weight.dtype
    (1.0, dtype('float32'))
"""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .._draw import draw, run, tasks
from .._errors import SpecError
from .._fill import DTYPES, bits, fill
from .._kernel import Kernel, kernel, normal_between
from ..init._law import Normal, Orthogonal, TruncatedNormal, Uniform
from ..init._weight import Weight
from ._jax import Initializer as Initializer  # pyright: ignore[reportAttributeAccessIssue]
from ._jax import Tracer, jax  # pyright: ignore[reportAttributeAccessIssue]
from ._key import is_one_key
from ._make import Box, Draw, make
from ._memory import empty

constant = jax.nn.initializers.constant
ones = jax.nn.initializers.ones
zeros = jax.nn.initializers.zeros

Axes = int | Sequence[int]
Mode = Literal["fan_in", "fan_out", "fan_avg", "fan_geo_avg"]
Distribution = Literal["truncated_normal", "normal", "uniform"]
Shape = tuple[int, ...]
DType = np.dtype[Any]
# What draws a weight of a shape in a dtype; None where JAX has to.
Chosen = Callable[[Shape, DType], Draw | None]

# JAX's own, as they are now: who puts this module's in their place must not make a circle.
_theirs = SimpleNamespace(**vars(jax.nn.initializers))
_UNTOLD = object()


def uniform(scale: Any = 1e-2, dtype: Any = None) -> Initializer:
    """Uniform from 0 to `scale`, which may be drawn (JAX: almost never)."""
    if (number := _number(scale)) is None:
        return _theirs.uniform(scale, dtype)
    law = Uniform(min(0.0, number), max(0.0, number))
    return _drop_in("uniform", (number,), dtype, lambda shape, dtype: _elements(shape, dtype, kernel, law))


def normal(stddev: Any = 1e-2, dtype: Any = None) -> Initializer:
    """Gaussian of mean 0 and this std."""
    if (number := _number(stddev)) is None:
        return _theirs.normal(stddev, dtype)
    law = Normal(0.0, abs(number))
    return _drop_in("normal", (number,), dtype, lambda shape, dtype: _elements(shape, dtype, kernel, law))


def truncated_normal(stddev: Any = 1e-2, dtype: Any = None, lower: Any = -2.0, upper: Any = 2.0) -> Initializer:
    """Gaussian of mean 0 and this std before it is cut at `lower` and `upper` stds: 0.88 of it after."""
    std, low, high = (_number(value) for value in (stddev, lower, upper))
    if std is None or low is None or high is None:
        return _theirs.truncated_normal(stddev, dtype, lower, upper)
    if std < 0:
        low, high = -high, -low

    def chosen(shape: Shape, dtype: DType) -> Draw | None:
        # Ends that are near each other or far out leave too few numbers to one inverse.
        if not (std and high - low >= 1 / 64 and low <= 2 and high >= -2):
            return None
        return _elements(shape, dtype, normal_between, 0.0, abs(std), low * abs(std), high * abs(std))

    return _drop_in("truncated_normal", (_number(stddev),), dtype, chosen, lower=_number(lower), upper=_number(upper))


def variance_scaling(
    scale: Any,
    mode: Mode,
    distribution: Distribution,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: Axes = (),
    dtype: Any = None,
) -> Initializer:
    """Mean 0 and variance `scale` / fan of `mode`; a truncated Gaussian has the std asked for."""
    if (number := _number(scale)) is None:
        return _theirs.variance_scaling(scale, mode, distribution, in_axis, out_axis, batch_axis, dtype)
    axes = tuple(axis if isinstance(axis, int) else tuple(axis) for axis in (in_axis, out_axis, batch_axis))

    def chosen(shape: Shape, dtype: DType) -> Draw | None:
        variance = number / _fan(mode, *_fans(shape, *axes))
        if variance < 0:
            return None
        std = math.sqrt(variance)
        law = {
            "normal": Normal(0.0, std),
            "truncated_normal": TruncatedNormal(0.0, std, 2.0),
            "uniform": Uniform(-math.sqrt(3) * std, math.sqrt(3) * std),
        }[distribution]
        return _elements(shape, dtype, kernel, law)

    return _drop_in("variance_scaling", (number, mode, distribution, *axes), dtype, chosen)


def glorot_uniform(in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), dtype: Any = None) -> Initializer:
    """Uniform on +-sqrt(6 / (fan_in + fan_out))."""
    return variance_scaling(1.0, "fan_avg", "uniform", in_axis, out_axis, batch_axis, dtype)


def glorot_normal(in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), dtype: Any = None) -> Initializer:
    """Truncated Gaussian of std sqrt(2 / (fan_in + fan_out))."""
    return variance_scaling(1.0, "fan_avg", "truncated_normal", in_axis, out_axis, batch_axis, dtype)


def lecun_uniform(in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), dtype: Any = None) -> Initializer:
    """Uniform on +-sqrt(3 / fan_in)."""
    return variance_scaling(1.0, "fan_in", "uniform", in_axis, out_axis, batch_axis, dtype)


def lecun_normal(in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), dtype: Any = None) -> Initializer:
    """Truncated Gaussian of std sqrt(1 / fan_in)."""
    return variance_scaling(1.0, "fan_in", "truncated_normal", in_axis, out_axis, batch_axis, dtype)


def he_uniform(in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), dtype: Any = None) -> Initializer:
    """Uniform on +-sqrt(6 / fan_in)."""
    return variance_scaling(2.0, "fan_in", "uniform", in_axis, out_axis, batch_axis, dtype)


def he_normal(in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), dtype: Any = None) -> Initializer:
    """Truncated Gaussian of std sqrt(2 / fan_in)."""
    return variance_scaling(2.0, "fan_in", "truncated_normal", in_axis, out_axis, batch_axis, dtype)


xavier_uniform, xavier_normal = glorot_uniform, glorot_normal
kaiming_uniform, kaiming_normal = he_uniform, he_normal


def orthogonal(scale: Any = 1.0, column_axis: int = -1, dtype: Any = None) -> Initializer:
    """`scale` times a matrix of orthonormal rows or columns, whichever are fewer, uniform over all of them (Haar).

    `column_axis` against all others together.
    """
    if (number := _number(scale)) is None:
        return _theirs.orthogonal(scale, column_axis, dtype)

    def chosen(shape: Shape, dtype: DType) -> Draw | None:
        fits = abs(number) <= _most(dtype)
        return Draw(functools.partial(_draw_orthogonal, shape, dtype, number, column_axis), True) if fits else None

    return _drop_in("orthogonal", (number,), dtype, chosen, column_axis=column_axis)


def delta_orthogonal(scale: Any = 1.0, column_axis: int = -1, dtype: Any = None) -> Initializer:
    """An orthogonal matrix at the centre of a convolution's kernel, (size - 1) // 2, and zeros around it."""
    if (number := _number(scale)) is None:
        return _theirs.delta_orthogonal(scale, column_axis, dtype)

    def chosen(shape: Shape, dtype: DType) -> Draw | None:
        fits = abs(number) <= _most(dtype)
        return Draw(functools.partial(_draw_delta, shape, dtype, number, column_axis), True) if fits else None

    return _drop_in("delta_orthogonal", (number,), dtype, chosen, column_axis=column_axis)


@dataclass(frozen=True, repr=False)
class _DropIn:
    """One of JAX's initialisers, drawn here where that is possible."""

    name: str
    args: tuple[Any, ...]
    kwargs: tuple[tuple[str, Any], ...]
    theirs: Initializer = field(compare=False)
    chosen: Chosen = field(compare=False)

    def __call__(self, key: Any, shape: Any, dtype: Any = _UNTOLD, out_sharding: Any = None) -> jax.Array:
        told = () if dtype is _UNTOLD else (("dtype", dtype),)
        own = functools.partial(self.theirs, key, shape, **dict(told), out_sharding=out_sharding)
        if not is_one_key(key) or not _is_plain(shape):
            return own()
        shape = tuple(map(int, shape))
        real, chosen = _settled(self, shape, told, jax.dtypes.result_type(float))
        return own() if chosen is None else make(chosen, key, shape, real, out_sharding)

    def __repr__(self) -> str:
        words = [*map(repr, self.args), *(f"{name}={value!r}" for name, value in self.kwargs)]
        return f"initium.jax.initializers.{self.name}({', '.join(words)})"


def _drop_in(name: str, args: tuple[Any, ...], dtype: Any, chosen: Chosen, **kwargs: Any) -> Initializer:
    dtype = None if dtype is None else jax.numpy.dtype(dtype)
    theirs = getattr(_theirs, name)(*args, **kwargs, dtype=dtype)
    kwargs |= {} if dtype is None else {"dtype": dtype.name}
    return _DropIn(name, args, tuple(kwargs.items()), theirs, chosen)


@functools.lru_cache(maxsize=1024)
def _settled(init: _DropIn, shape: Shape, told: Any, usual: Any) -> tuple[DType, Draw | None]:
    """The dtype, and what draws it. JAX's own function is traced first, so that it refuses what it refuses."""
    del usual  # JAX's float type, which the answer depends on
    dtype = jax.eval_shape(lambda: init.theirs(jax.random.key(0), shape, **dict(told))).dtype
    if dtype.name not in DTYPES or 0 in shape:
        return dtype, None
    return dtype, init.chosen(shape, dtype)


def _number(value: Any) -> float | None:
    """A finite number that is known now."""
    if isinstance(value, Tracer) or np.ndim(value) or isinstance(value, str | complex | None):
        return None
    return float(value) if math.isfinite(value) else None


def _is_plain(shape: Any) -> bool:
    return isinstance(shape, tuple | list) and all(isinstance(size, int | np.integer) and size >= 0 for size in shape)


def _most(dtype: DType) -> float:
    return float(jax.numpy.finfo(dtype).max)


def _fans(shape: Shape, in_axis: Axes, out_axis: Axes, batch_axis: Axes) -> tuple[float, float]:
    """As JAX counts them: an axis that is neither input, output nor batch is space."""
    num_in, num_out, num_batch = (
        math.prod(shape[axis] for axis in ([axes] if isinstance(axes, int) else axes))
        for axes in (in_axis, out_axis, batch_axis)
    )
    kernel_size = math.prod(shape) / num_in / num_out / num_batch
    return num_in * kernel_size, num_out * kernel_size


def _fan(mode: str, fan_in: float, fan_out: float) -> float:
    return {
        "fan_in": fan_in,
        "fan_out": fan_out,
        "fan_avg": (fan_in + fan_out) / 2,
        "fan_geo_avg": math.sqrt(fan_in * fan_out),
    }[mode]


def _elements(shape: Shape, dtype: DType, find: Callable[..., Kernel], *law: Any) -> Draw | None:
    """What draws a law element by element, unless its numbers leave the dtype or are too near each other."""
    try:
        found = find(*law, dtype.name)
    except SpecError:
        return None
    return Draw(functools.partial(_draw_elements, shape, dtype, found)) if found.reach <= _most(dtype) else None


def _draw_elements(shape: Shape, dtype: DType, found: Kernel, key: int, box: Box | None) -> NDArray[Any]:
    if box is None:
        out = empty(shape, dtype)
        draw(bits(out), found, key=key)
    else:
        out = empty(tuple(len(range(*cut.indices(size))) for cut, size in zip(box, shape, strict=True)), dtype)
        run(tasks(bits(out), found, key=key, shape=shape, box=box))
    return out


def _draw_orthogonal(
    shape: Shape, dtype: DType, scale: float, column_axis: int, key: int, box: Box | None
) -> NDArray[Any]:
    rest = [size for axis, size in enumerate(shape) if axis != column_axis % len(shape)]
    weight = Weight(shape=(math.prod(rest), shape[column_axis]), axes="oi")
    matrix = empty(weight.shape, dtype)
    fill(bits(matrix), Orthogonal(scale), weight, key=key)
    whole = np.moveaxis(matrix.reshape(*rest, shape[column_axis]), -1, column_axis)
    return whole if box is None else whole[box]


def _draw_delta(shape: Shape, dtype: DType, scale: float, column_axis: int, key: int, box: Box | None) -> NDArray[Any]:
    whole = empty(shape, dtype)
    whole[...] = 0
    centre = tuple((size - 1) // 2 for size in shape[:-2])
    whole[centre] = _draw_orthogonal(shape[-2:], dtype, scale, column_axis, key, None)
    return whole if box is None else whole[box]
