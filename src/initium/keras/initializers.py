"""`keras.initializers`, drawn faster: change the import, keep the code.

    from initium.keras import initializers  # instead of: from keras import initializers

Every public name of `keras.initializers` is here, with its arguments, defaults, errors and config, and with
Keras's own meaning of fans and of truncated normals: `TruncatedNormal(stddev=s)` has a std of 0.88 s, `HeNormal`
the one it is named for. The random ones are subclasses of Keras's and differ from them in the numbers alone; what
is not random is Keras's own object. What Keras alone can do, such as other dtypes than float32, float64, float16
and bfloat16, bounds the wrong way round or numbers that leave the dtype, it does. `get` and `deserialize` read Keras's
names and configs as this module's classes. Import this module before a saved model is loaded: without it Keras reads
the saved names as its own classes and says nothing.

Differs: the numbers depend on the path of the weight as well as on the seed, so that two layers which share one
    object start differently (Keras: alike). The path is that of `initium.keras.Start`, and what is said there of
    the names of layers holds here. So `keras.utils.set_random_seed` alone does not repeat a start within one
    process, as it does in Keras: the second model's unnamed layers are called dense_2 and dense_3 where the first
    one's were dense and dense_1, and a name met again is counted if one object starts both. Call
    `keras.utils.clear_session()` before the model is built anew, or name the layers and make the initialisers anew.
    Another process repeats it as it is, and so does a model that is cloned or read from its config. A uniform interval
    is closed, and may hold its upper end.

Example:
    >>> import keras
    >>> weight = HeNormal(seed=0)((400, 300))
    >>> round(float(keras.ops.std(weight)) / (2 / 400) ** 0.5, 2)
    1.0
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import keras  # pyright: ignore[reportMissingImports]
import numpy as np
from keras import initializers as _keras  # pyright: ignore[reportMissingImports]
from numpy.typing import NDArray

from .. import _stream
from .._errors import SpecError
from .._fill import DTYPES, bits, fill
from ..init import _law as law
from ..init._weight import Weight
from ._caller import caller
from ._keras import ALL_OBJECTS_DICT, compute_fans
from ._paths import Rebuilt
from ._seed import number
from ._tensor import tensor

# The std of a standard Gaussian cut at two stds, sqrt(1 - 4 phi(2) / (2 Phi(2) - 1)); Keras has the same digits.
_CUT_AT_2 = 0.87962566103423978
_get = _keras.get  # as it is now: who puts this module's in its place must not make a circle
_register = keras.saving.register_keras_serializable(package="initium")


class _Drawn(Rebuilt):
    """What replaces the `__call__` of a class of Keras."""

    seed: Any

    def __call__(self, shape: Sequence[int], dtype: Any = None, layout: Any = None) -> Any:
        dtype = keras.backend.standardize_dtype(dtype)
        numbers = self._law(tuple(shape)) if dtype in DTYPES and _is_plain(shape) else None
        if numbers is not None:
            try:
                return self._drawn(numbers, tuple(shape), dtype, layout)
            except SpecError:  # the numbers leave the dtype, where Keras draws infinities
                pass
        return super().__call__(shape, dtype=dtype)  # pyright: ignore[reportAttributeAccessIssue]

    def _drawn(self, numbers: law.Law, shape: tuple[int, ...], dtype: str, layout: Any) -> Any:
        asker = caller(shape, self)
        if asker.is_placeholder:
            return keras.ops.zeros(shape, dtype)
        draw = partial(_draw, numbers, shape, dtype, _stream.key(number(self.seed), asker.path))
        return tensor(draw, shape, dtype, layout)

    def _law(self, shape: tuple[int, ...]) -> law.Law | None:
        """What to draw; None is left to Keras."""
        raise NotImplementedError


def _is_plain(shape: Any) -> bool:
    """Whether a shape is what every backend takes, and not what one of them makes of it (JAX of 5: one axis)."""
    return hasattr(shape, "__iter__") and all(isinstance(size, int | np.integer) and size >= 0 for size in shape)


def _draw(
    numbers: law.Law, shape: tuple[int, ...], dtype: str, key: int, box: Sequence[slice] | None = None
) -> NDArray[Any]:
    # Numbered in the order of memory; the axes matter to what is orthogonal alone.
    weight = Weight(shape=shape, axes="i" * (len(shape) - 1) + "o" if shape else "")
    cuts = [slice(None)] * len(shape) if box is None else box
    out = np.empty([len(range(*cut.indices(size))) for cut, size in zip(cuts, shape, strict=True)], dtype)
    fill(bits(out), numbers, weight, key=key, box=box)
    return out


def _finite(*values: Any) -> list[float] | None:
    """Numbers, or scalar tensors, as numbers; None if one of them is beyond what a fill draws."""
    numbers = [float(value) for value in values]
    return numbers if all(abs(value) < 1e38 for value in numbers) else None


@_register
class RandomNormal(_Drawn, _keras.RandomNormal):
    """Gaussian: `keras.initializers.RandomNormal`."""

    def _law(self, shape: tuple[int, ...]) -> law.Law | None:
        numbers = _finite(self.mean, self.stddev)
        return law.Normal(*numbers) if numbers and numbers[1] >= 0 else None


@_register
class TruncatedNormal(_Drawn, _keras.TruncatedNormal):
    """Gaussian cut at two of its stds and not widened again: `keras.initializers.TruncatedNormal`."""

    def _law(self, shape: tuple[int, ...]) -> law.Law | None:
        numbers = _finite(self.mean, self.stddev)
        return law.TruncatedNormal(numbers[0], numbers[1] * _CUT_AT_2, 2.0) if numbers and numbers[1] > 0 else None


@_register
class RandomUniform(_Drawn, _keras.RandomUniform):
    """Uniform between two bounds: `keras.initializers.RandomUniform`."""

    def _law(self, shape: tuple[int, ...]) -> law.Law | None:
        numbers = _finite(self.minval, self.maxval)
        return law.Uniform(*numbers) if numbers and numbers[0] <= numbers[1] else None


@_register
class VarianceScaling(_Drawn, _keras.VarianceScaling):
    """Variance scale / fan, with Keras's fans and modes: `keras.initializers.VarianceScaling`."""

    def _law(self, shape: tuple[int, ...]) -> law.Law | None:
        fan_in, fan_out = compute_fans(shape, input_axes=self.input_axes, output_axes=self.output_axes)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        std = math.sqrt(self.scale / max(1.0, fan))
        if not _finite(std):
            return None
        match self.distribution:
            case "truncated_normal":
                return law.TruncatedNormal(0.0, std, 2.0)
            case "untruncated_normal":
                return law.Normal(0.0, std)
        return law.Uniform(-math.sqrt(3) * std, math.sqrt(3) * std)


@_register
class GlorotNormal(VarianceScaling, _keras.GlorotNormal):
    """Std sqrt(2 / (fan_in + fan_out)), truncated: `keras.initializers.GlorotNormal`."""


@_register
class GlorotUniform(VarianceScaling, _keras.GlorotUniform):
    """Uniform on +-sqrt(6 / (fan_in + fan_out)): `keras.initializers.GlorotUniform`."""


@_register
class HeNormal(VarianceScaling, _keras.HeNormal):
    """Std sqrt(2 / fan_in), truncated: `keras.initializers.HeNormal`."""


@_register
class HeUniform(VarianceScaling, _keras.HeUniform):
    """Uniform on +-sqrt(6 / fan_in): `keras.initializers.HeUniform`."""


@_register
class LecunNormal(VarianceScaling, _keras.LecunNormal):
    """Std sqrt(1 / fan_in), truncated: `keras.initializers.LecunNormal`."""


@_register
class LecunUniform(VarianceScaling, _keras.LecunUniform):
    """Uniform on +-sqrt(3 / fan_in): `keras.initializers.LecunUniform`."""


@_register
class Orthogonal(_Drawn, _keras.Orthogonal):
    """Orthonormal rows or columns of all axes but the last against the last: `keras.initializers.Orthogonal`."""

    def _law(self, shape: tuple[int, ...]) -> law.Law | None:
        numbers = _finite(self.gain)
        return law.Orthogonal(*numbers) if numbers and len(shape) > 1 and 0 not in shape else None


def law_of(init: Any, shape: tuple[int, ...]) -> law.Law | None:
    """What one of Keras's initialisers draws for a shape; None of any that is not drawn here."""
    ours = _OURS.get(type(init).__name__)
    if ours is None or type(init) not in ours.__mro__:
        return None
    return ours.from_config(init.get_config())._law(tuple(shape))


_OURS = {
    one.__name__: one
    for one in (
        RandomNormal, TruncatedNormal, RandomUniform, VarianceScaling, GlorotNormal, GlorotUniform, HeNormal,
        HeUniform, LecunNormal, LecunUniform, Orthogonal,
    )
}  # fmt: skip


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """`keras.initializers.deserialize`, by which a bare name such as "HeNormal" is one of this module."""
    known = {name: _OURS.get(one.__name__, one) for name, one in ALL_OBJECTS_DICT.items()}
    return keras.saving.deserialize_keras_object(config, custom_objects=custom_objects, module_objects=known)


def get(identifier: Any) -> Any:
    """`keras.initializers.get`, by which a bare name such as "he_normal" is one of this module.

    Example:
        >>> type(get("he_normal")) is HeNormal
        True
    """
    if isinstance(identifier, str):
        identifier = {"class_name": identifier, "config": {}}
    return _get(deserialize(identifier) if isinstance(identifier, dict) else identifier)


def __getattr__(name: str) -> Any:
    """Keras's own objects, and the other names of the classes here (`he_normal`, `OrthogonalInitializer`)."""
    if name.startswith("__") or not hasattr(_keras, name):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(_keras, name)
    return _OURS.get(found.__name__, found)


def __dir__() -> list[str]:
    return sorted({name for name in dir(_keras) if not name.startswith("_")} | {"get", "serialize", "deserialize"})
