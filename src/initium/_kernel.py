"""Kernel: which native function draws a law, and the numbers it takes.

Decided once for a tensor. Only IEEE-exact operations and decimal arithmetic compute them: a drawn
value must not depend on a machine's mathematics library.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._errors import SpecError
from ._native import Law
from ._native import best as native
from .init._law import Constant, Normal, TruncatedNormal, Uniform

# What a dtype computes in: its type, and the unit of its integer variate.
_UNITS: dict[str, tuple[Any, float]] = {"float64": (np.float64, 2.0**-52)}
_NARROW: tuple[Any, float] = (np.float32, 2.0**-31)
_REACH = {"float64": 8.3}  # |z| of the last word; float32, bfloat16 and float16 end at 6.4


@dataclass(frozen=True)
class Kernel:
    """A native function and its numbers.

    Attributes:
        name: of the function.
        numbers: the constants of the law.
        reach: no drawn number is further from 0.
    """

    name: str
    numbers: dict[str, float]
    reach: float

    @cached_property
    def fill(self) -> Callable[[NDArray[Any], NDArray[np.uint64], int], None]:
        """The function of the fastest build, to be called with an array, starts of spans and a key."""
        function, law = getattr(native, self.name), Law(**self.numbers)
        return lambda out, starts, key: function(out, starts, key, law)


@lru_cache
@np.errstate(over="ignore", invalid="ignore")  # what leaves the dtype is refused by its reach
def kernel(law: Constant | Uniform | Normal | TruncatedNormal, dtype: str) -> Kernel:
    """What draws a law in a dtype."""
    match law:
        case Constant(value):
            # 0.0 and -0.0 are one entry of the cache, so they must be one number.
            return Kernel("constant", {"shift": value + 0.0}, abs(value))
        case Uniform(low, high):
            return _uniform(low, high, dtype)
        case Normal(mean, std):
            reach = abs(mean) + _REACH.get(dtype, 6.4) * std
            return Kernel("normal", {"scale": std, "shift": mean + 0.0}, reach)
        case TruncatedNormal(mean, std, cut) if cut >= _REACH["float64"]:
            return kernel(Normal(mean, std), dtype)
        case TruncatedNormal(mean, std, cut):
            return _truncated_normal(mean, std, cut, dtype)


@lru_cache
def normal_between(mean: float, std: float, low: float, high: float, dtype: str) -> Kernel:
    """A Gaussian of this mean and std before the cut, within any two ends."""
    # Beyond 9 stds no word reaches; all far ends share one entry of the cache.
    ends = (min(max((end - mean) / std, -9.0), 9.0) for end in (low, high))
    below, between, above = _probabilities(*ends)
    numbers = {"scale": std, "shift": mean + 0.0, "below": below, "between": between, "above": above}
    return Kernel("normal_between", numbers | _ends(low, high, dtype), max(abs(low), abs(high)))


def _uniform(low: float, high: float, dtype: str) -> Kernel:
    number, unit = _UNITS.get(dtype, _NARROW)
    ends = _ends(low, high, dtype)
    middle = float(number(low / 2 + high / 2)) + 0.0
    half = min(ends["high"] - middle, middle - ends["low"])
    # The difference of two float64 was rounded; one step down, no word is carried past an end.
    half = math.nextafter(half, 0) if number is np.float64 else half
    scale = max(0.0, _at_most(half * unit, number))
    if half > 0 and scale < float(np.finfo(number).tiny):
        raise SpecError(f"uniform({low}, {high}) is too narrow for {dtype}. Widen it, or give it equal ends.")
    return Kernel("uniform", {"scale": scale, "shift": middle}, max(abs(low), abs(high)))


def _truncated_normal(mean: float, std: float, cut: float, dtype: str) -> Kernel:
    inside, outside, width = _within(cut)
    wide = std / width
    numbers = {"scale": wide * inside, "shift": mean + 0.0, "below": outside, "between": inside}
    ends = _ends(mean - cut * wide, mean + cut * wide, dtype)
    return Kernel("truncated_normal", numbers | ends, abs(mean) + cut * wide)


def _ends(low: float, high: float, dtype: str) -> dict[str, float]:
    """The outermost numbers of the computation that are still inside."""
    number, _ = _UNITS.get(dtype, _NARROW)
    return {"low": -_at_most(-low, number), "high": _at_most(high, number)}


def _at_most(value: float, number: Any) -> float:
    """The largest number of a type that is not above a value."""
    rounded = number(value)
    return float(rounded if float(rounded) <= value else np.nextafter(rounded, number(-np.inf)))


@lru_cache
def _within(cut: float) -> tuple[float, float, float]:
    """P(|z| <= cut), its complement, and the std of z given that, for z ~ N(0, 1)."""
    # 80 digits are left after the cancellation in the variance, about cut^2.
    with localcontext(Context(prec=80 + 2 * max(0, -math.frexp(cut)[1]))):
        c = Decimal(cut)
        inside = _erf(c / Decimal(2).sqrt())
        density = (-c * c / 2).exp() / (2 * _PI).sqrt()
        return float(inside), float(1 - inside), float((1 - 2 * c * density / inside).sqrt())


@lru_cache
def _probabilities(low: float, high: float) -> tuple[float, float, float]:
    """Twice P(z < low), P(low < z < high), twice P(z > high)."""
    with localcontext(Context(prec=80)):
        root = Decimal(2).sqrt()
        lower, upper = (_erf(Decimal(end) / root) for end in (low, high))
        return float(1 + lower), float((upper - lower) / 2), float(1 - upper)


_PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803482534")


def _erf(x: Decimal) -> Decimal:
    """The error function, erf x = 2 / sqrt(pi) * sum of (-1)^n x^(2n+1) / (n! (2n+1)); DLMF 7.6.1."""
    total = term = x
    n = 0
    while abs(term) > Decimal("1e-75") * abs(x):
        n += 1
        term *= -x * x / n
        total += term / (2 * n + 1)
    return 2 * total / _PI.sqrt()
