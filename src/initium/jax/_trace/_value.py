"""JaxValue: a value of a jaxpr, whose operation is done again by NumPy, or by JAX where NumPy has none."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._fill import fill_all
from ..._tensor import Tensor
from ..._trace._value import Value
from ...init import parse
from ...init._weight import Weight


@dataclass(frozen=True)
class Done:
    """What an operation does to arrays.

    Attributes:
        name: equal for equal functions; its arguments tell the rest.
        run: of arrays, numbers and whatever else it takes.
        given: the numbers, of what takes none.
    """

    name: str
    run: Callable[..., Any]
    given: Any = None

    def __str__(self) -> str:
        return self.name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Do it."""
        return self.run(*args, **kwargs)


class JaxValue(Value):
    """One array of a jaxpr."""

    __slots__ = ()

    @property
    def storage(self) -> Hashable:
        """What arrays that are views of one have in common."""
        return id(self.tensor.base)

    @property
    def held(self) -> Any:
        """The numbers of a constant."""
        return getattr(self.function, "given", None)

    def read(self, numbers: Any) -> NDArray[Any]:
        """The numbers of an array of JAX's; those without any raise."""
        if not hasattr(numbers, "__array__"):
            raise ValueError("has no numbers")
        return plain(np.asarray(numbers))

    def done(self, args: Any, kwargs: Any, *, is_wide: bool = False, seed: int = 0) -> NDArray[Any]:
        """The operation; what draws is not done again."""
        if self.function is None:
            raise ValueError("unknown")
        with np.errstate(all="ignore"):
            return plain(self._part(self.function(*args, **kwargs)))

    def moved(self, args: Any, kwargs: Any) -> NDArray[Any]:
        """The operation on whole numbers, which are copied only where NumPy has no view."""
        if self.function is None:
            raise ValueError("unknown")
        return np.asarray(self._part(self.function(*args, **kwargs)))

    def _part(self, given: Any) -> Any:
        return given[self.position] if isinstance(given, list | tuple) else given

    def noise(self, seed: int) -> Callable[[list[int]], NDArray[Any]]:
        """From the stream: one number from each of as many equally likely ranges, so that few have its moments."""
        drawn = 0

        def gaussian(shape: list[int]) -> NDArray[Any]:
            nonlocal drawn
            drawn += 1
            return _gaussian(shape, 2 * seed + drawn)

        return gaussian


def plain(array: Any) -> NDArray[Any]:
    """In 32 bits what NumPy has not."""
    array = np.asarray(array)
    return array if array.dtype.kind in "biufc" else array.astype(np.float32)


_MANY = 2**18  # numbers whose moments are their own


def _gaussian(shape: list[int], key: int) -> NDArray[Any]:
    num = int(np.prod(shape, dtype=int))
    if num > _MANY:
        return _drawn("normal(0, 1)", num, key).reshape(shape)
    return _quantiles(num)[np.argsort(_drawn("uniform(0, 1)", num, key), kind="stable")].reshape(shape)


def _drawn(spec: str, num: int, key: int) -> NDArray[Any]:
    tensor = Tensor.of(parse(spec), Weight(shape=(num,), axes="o"), dtype="float32", key=key)
    out = np.empty(num, np.float32)
    fill_all([tensor.job(out)])
    return out


@lru_cache(16)
def _quantiles(num: int) -> NDArray[Any]:
    inverse = NormalDist().inv_cdf
    half = np.array([inverse((place + 0.5) / num) for place in range(num // 2)])
    quantiles = np.concatenate([half, np.zeros(num % 2), -half[::-1]])
    return (quantiles / (np.sqrt(np.square(quantiles).mean()) or 1.0)).astype(np.float32)
