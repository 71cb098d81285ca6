"""The stream, version 1: value = f(seed, path, index), in NumPy.

Every element consumes one 32-bit Philox word and nothing else, so any slice of a weight costs what
it holds and equals its part of the whole. Only exactly rounded float32 operations touch a drawn
value (add, multiply, fused multiply-add, square root), so every machine draws the same bits.
"""

import hashlib
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint32]
Floats = NDArray[np.float32]

_F = np.float32
_MAGNITUDE = np.uint32(0x7FFFFFFF)
_SIGN = np.uint32(0x80000000)


def key(seed: int, path: str) -> int:
    """The 64-bit Philox key of one parameter: BLAKE2b over version, seed and path."""
    message = b"initium/1\0" + seed.to_bytes(8, "little") + path.encode()
    return int.from_bytes(hashlib.blake2b(message, digest_size=8).digest(), "little")


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


def uniform(words: Words, low: float, high: float) -> Floats:
    """Uniform on the closed interval [low, high]."""
    middle = _F((low + high) / 2)
    # Ends that float32 has, so that rounding carries no word past them.
    ends = -float(_at_most(-low)), float(_at_most(high))
    half = _at_most(max(0.0, min(ends[1] - float(middle), float(middle) - ends[0])))
    # An odd integer: exactly symmetric about 0, never 0.
    odd = ((words & _MAGNITUDE) | np.uint32(1)).astype(_F) * _F(2.0**-31)
    return _fma(_signed(odd, words), half, middle)


def _at_most(value: float) -> np.float32:
    """The largest float32 that is not above a value."""
    rounded = _F(value)
    return rounded if float(rounded) <= value else np.nextafter(rounded, _F(-np.inf))


def normal(words: Words, mean: float, std: float) -> Floats:
    """Gaussian, by the inverse distribution function."""
    return truncated_normal(words, mean, std, math.inf)


def truncated_normal(words: Words, mean: float, std: float, cut: float) -> Floats:
    """Gaussian cut at `cut` of its own stds and widened to the realised std `std`."""
    inside, width = _within(cut)
    z = _quantile(words, _F(inside), _F(1 - inside))
    # z is short of the factor `inside`, taken here once instead of for each element.
    return _fma(_signed(z, words), _F(std / width * inside), _F(mean))


def permutation(key: int, length: int) -> NDArray[np.int64]:
    """An order of `length` things, by sorting their words."""
    return np.argsort(words(key, 0, length), kind="stable")


def _within(cut: float) -> tuple[float, float]:
    """P(|z| <= cut), and the std of z given that, for z ~ N(0, 1)."""
    if math.isinf(cut):
        return 1.0, 1.0
    inside = math.erf(cut / math.sqrt(2))
    if cut < 0.01:
        # The series to cut^2 of what the formula below loses to cancellation.
        return inside, cut / math.sqrt(3) * (1 - cut**2 / 15)
    density = math.exp(-(cut**2) / 2) / math.sqrt(2 * math.pi)
    return inside, math.sqrt(1 - 2 * cut * density / inside)


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


def _quantile(words: Words, inside: np.float32, outside: np.float32) -> Floats:
    """|z| with P(|Z| < |z|) = (n + 1/2) 2^-31, n the low 31 bits; times 1 / inside when cut.

    Both ends keep their relative precision: x is the distance from the middle, u = 1 - x the
    distance from the far end, each computed from the integer. A cut maps u to outside + inside u.
    """
    n = words & _MAGNITUDE
    x = (n.astype(_F) + _F(0.5)) * _F(2.0**-31)
    u = ((n ^ _MAGNITUDE).astype(_F) + _F(0.5)) * _F(2.0**-31)
    u = _fma(u, inside, outside)
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
