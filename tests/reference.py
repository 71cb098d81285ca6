"""The stream, version 1, in NumPy alone: what the native fill must give bit for bit.

It is the contract written down to be read, so it folds nothing and hurries nowhere.
"""

import math
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint32]
Floats = NDArray[np.float32]

_F = np.float32
_MAGNITUDE = np.uint32(0x7FFFFFFF)
_SIGN = np.uint32(0x80000000)


def philox(counter: tuple[Any, ...], key: int) -> list[NDArray[np.uint64]]:
    """Philox4x32-10 of counters given as four arrays of 32-bit words (in uint64).

    Reference: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
    """
    low = np.uint64(0xFFFFFFFF)
    half = np.uint64(32)
    c0, c1, c2, c3 = (np.asarray(word, np.uint64) for word in counter)
    k0, k1 = key & 0xFFFFFFFF, key >> 32
    for _ in range(10):
        # The multipliers and, below, the Weyl increments of the paper's table 2.
        p0, p1 = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
        c0, c1 = (p1 >> half) ^ c1 ^ np.uint64(k0), p1 & low
        c2, c3 = (p0 >> half) ^ c3 ^ np.uint64(k1), p0 & low
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return [c0, c1, c2, c3]


def words(key: int, start: int, length: int, *, stream: int = 0) -> Words:
    """The words of elements `start` to `start + length` of the whole, flattened tensor."""
    first, last = start // 4, -(-(start + length) // 4)
    block = np.arange(first, last, dtype=np.uint64)
    counter = (block & np.uint64(0xFFFFFFFF), block >> np.uint64(32), np.uint64(stream), np.uint64(0))
    drawn = np.stack(philox(counter, key), axis=-1).astype(np.uint32).ravel()
    return drawn[start - 4 * first : start - 4 * first + length]


def uniform(words: Words, scale: float, shift: float) -> Floats:
    """An odd integer, exactly symmetric about 0 and never 0, times `scale` plus `shift`."""
    odd = ((words & _MAGNITUDE) | np.uint32(1)).astype(_F)
    return _fma(_signed(odd, words), _F(scale), _F(shift))


def normal(words: Words, scale: float, shift: float) -> Floats:
    """Gaussian, by the inverse distribution function."""
    return truncated_normal(words, scale, shift, 1.0, 0.0, -math.inf, math.inf)


def truncated_normal(
    words: Words, scale: float, shift: float, between: float, below: float, low: float, high: float
) -> Floats:
    """Gaussian within a cut whose probability is `between`, held in [low, high]."""
    x, u = from_middle(words), _fma(from_end(words), _F(between), _F(below))
    return np.clip(_fma(_signed(_quantile(x, u), words), _F(scale), _F(shift)), _F(low), _F(high))


def normal_between(
    words: Words, scale: float, shift: float, below: float, between: float, above: float, low: float, high: float
) -> Floats:
    """Gaussian between two ends, with twice the probabilities below and above them, held in [low, high]."""
    x, u, negative = from_middle(words), from_end(words), words >= _SIGN
    above_it = _fma(np.where(negative, _F(1) + x, u), _F(between), _F(above))
    below_it = _fma(np.where(negative, u, _F(1) + x), _F(between), _F(below))
    u = np.minimum(above_it, below_it)
    z = _quantile(_F(1) - u, u)
    return np.clip(_fma(np.where(below_it < above_it, -z, z), _F(scale), _F(shift)), _F(low), _F(high))


# fmt: off
# log2(1 + f) / f on sqrt(1/2) - 1 <= f <= sqrt(2) - 1, lowest power first. The three minimax
# fits were made together, so that the quantile stays within 3e-7 relative; a test measures it.
_LOG2 = [
    1.4426948, -0.7213571, 0.4809394, -0.3600881,
    0.28670856, -0.25006127, 0.23688231, -0.1457571,
]
# z / x as a polynomial in log2(1 - x^2) + 4, for log2(1 - x^2) >= -8.
_CENTRE = [
    2.2179198, -0.23928215, -0.0034693, 0.00048026117, 6.7973895e-05,
    2.2225715e-06, -4.0597916e-07, -5.1821093e-08, 4.639896e-10, 3.784134e-10,
]
# z / x as a polynomial in sqrt(-log2(1 - x^2)) - 4.1875 beyond that.
_TAIL = [
    4.697604, 1.1859801, 0.003301341, -0.0017412571, 0.00075371756,
    -0.00038674363, 0.00024577454, -0.000110627916, 6.480765e-06, 8.2377965e-06,
]
# fmt: on


def from_middle(words: Words) -> Floats:
    """(n + 1/2) 2^-31, n the low 31 bits: the distance from the middle of the distribution."""
    return ((words & _MAGNITUDE).astype(_F) + _F(0.5)) * _F(2.0**-31)


def from_end(words: Words) -> Floats:
    """1 minus that, from the integer: the distance from the far end keeps its relative precision as well."""
    return (((words & _MAGNITUDE) ^ _MAGNITUDE).astype(_F) + _F(0.5)) * _F(2.0**-31)


def _quantile(x: Floats, u: Floats) -> Floats:
    """|z| with P(|Z| < |z|) = 1 - u, short of the factor by which 1 - u exceeds x."""
    centred = _log2(u * _fma(u, _F(-1), _F(2))) + _F(4)  # u (2 - u) = 1 - x^2
    ratio = _polynomial(_CENTRE, centred)
    far = centred < _F(-4)
    ratio[far] = _polynomial(_TAIL, np.sqrt(_F(4) - centred[far]) - _F(4.1875))
    return x * ratio


def _log2(t: Floats) -> Floats:
    """log2 of positive numbers: the exponent plus a polynomial of a mantissa in [0.707, 1.414)."""
    bits = t.view(np.int32)
    exponent = (bits - np.int32(0x3F3504F3)) >> np.int32(23)  # 0x3f3504f3 is the float sqrt(1/2)
    f = (bits - (exponent << np.int32(23))).view(_F) - _F(1)
    return _fma(_polynomial(_LOG2, f), f, exponent.astype(_F))


def _polynomial(coefficients: list[float], x: Floats) -> Floats:
    value = np.full_like(x, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        value = _fma(value, x, _F(coefficient))
    return value


def _signed(magnitude: Floats, words: Words) -> Floats:
    return (magnitude.view(np.uint32) ^ (words & _SIGN)).view(_F)


def _fma(a: Any, b: Any, c: Any) -> Floats:
    """round(a b + c) to float32, rounded once.

    The product is exact in float64. The sum is rounded to odd there (its error, by Knuth's two-sum,
    sets the last bit), so that the second rounding to float32 sees on which side of a tie it lies.
    Reference: Boldo, Melquiond, "Emulation of FMA and correctly rounded sums", IEEE TC 57 (2008).
    """
    product, c = np.multiply(a, b, dtype=np.float64), np.float64(c)
    total = product + c
    back = total - product
    error = (product - (total - back)) + (c - back)
    bits = np.asarray(total).view(np.int64)
    toward = np.where((error > 0) == (total > 0), 1, -1)
    is_even_and_inexact = (error != 0) & (bits & 1 == 0)
    return (bits + np.where(is_even_and_inexact, toward, 0)).view(np.float64).astype(_F)


def bfloat16(x: Floats) -> NDArray[np.uint16]:
    """The bits of the nearest bfloat16, ties to even."""
    bits = x.view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def float64(name: str, first: int, second: int, numbers: dict[str, float]) -> float:
    """One float64 of a distribution from its two words, every operation rounded once."""
    n = (first & 0x7FFFFFFF) << 21 | second >> 11
    sign = -1 if first >> 31 else 1
    if name == "uniform":
        return _fma64(sign * (n | 1), numbers["scale"], numbers["shift"])
    x, u = (n + 0.5) * 2.0**-52, (2**52 - 1 - n + 0.5) * 2.0**-52
    if name == "truncated_normal":
        u = _fma64(u, numbers["between"], numbers["below"])
    if name == "normal_between":
        to_high, to_low = (u, 1 + x) if sign > 0 else (1 + x, u)
        above = _fma64(to_high, numbers["between"], numbers["above"])
        below = _fma64(to_low, numbers["between"], numbers["below"])
        u, sign = min(above, below), -1 if below < above else 1
        x = 1 - u
    value = _fma64(sign * x * _ratio64(u), numbers["scale"], numbers["shift"])
    return min(max(value, numbers.get("low", -math.inf)), numbers.get("high", math.inf))


def _ratio64(u: float) -> float:
    t = u * _fma64(u, -1.0, 2.0)
    mantissa, exponent = math.frexp(t)
    if mantissa < float.fromhex("0x1.6a09e667f3bcdp-1"):  # sqrt(1/2)
        mantissa, exponent = 2 * mantissa, exponent - 1
    f = mantissa - 1
    log = _fma64(_polynomial64("LOG2_64", f), f, exponent)
    if log >= -8:
        return _polynomial64("CENTRE64", log * 0.25 + 1)
    y = math.sqrt(-log)
    return _polynomial64("TAIL64", y - 3.796875) if y < 4.75 else _polynomial64("FAR64", y - 6.0)


def _polynomial64(name: str, x: float) -> float:
    coefficients = FITS64[name]
    value = coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        value = _fma64(value, x, coefficient)
    return value


def _fma64(a: float, b: float, c: float) -> float:
    return float(Fraction(a) * Fraction(b) + Fraction(c))


def _fits64() -> dict[str, list[float]]:
    """The coefficients as the native source has them; their accuracy is a test of its own."""
    source = (Path(__file__).parents[1] / "native" / "coefficients64.h").read_text()
    found = re.findall(r"constexpr double (\w+)\[\] = \{(.*?)\};", source, re.DOTALL)
    return {name: [float(number) for number in numbers.split(",") if number.strip()] for name, numbers in found}


FITS64 = _fits64()
