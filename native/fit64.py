"""How coefficients64.h was made: Chebyshev interpolation at 80 nodes in 45 digits. Prints the tables."""

from collections.abc import Callable

import mpmath as mp
from scipy.special import ndtri

mp.mp.dps = 45
NODES = 80


def ratio(y2: mp.mpf) -> mp.mpf:
    """The quotient z / x, where 1 - x^2 = 2^-y2 and P(|Z| < z) = x."""
    if y2 == 0:
        return mp.sqrt(mp.pi / 2)
    x = mp.sqrt(-mp.expm1(-y2 * mp.log(2)))
    u = mp.power(2, -y2) / (1 + x)  # 1 - x
    if x < 0.3:
        return mp.sqrt(2) * mp.erfinv(x) / x
    z = mp.mpf(-float(ndtri(float(u / 2))))
    for _ in range(4):  # Newton
        z += (mp.erfc(z / mp.sqrt(2)) - u) / (mp.sqrt(2 / mp.pi) * mp.exp(-z * z / 2))
    return z / x


def chebyshev(f: Callable[[mp.mpf], mp.mpf], low: mp.mpf, high: mp.mpf, degree: int) -> list[mp.mpf]:
    """The polynomial in v, where low <= (low + high) / 2 + v (high - low) / 2 <= high, lowest power first."""
    angles = [mp.pi * (j + mp.mpf(1) / 2) / NODES for j in range(NODES)]
    values = [f((low + high) / 2 + (high - low) / 2 * mp.cos(angle)) for angle in angles]
    total = [mp.mpf(0)] * (degree + 1)
    before, now = [mp.mpf(0)], [mp.mpf(1)]  # the Chebyshev polynomials T(k - 1) and T(k)
    for k in range(degree + 1):
        weight = (
            mp.fsum(y * mp.cos(k * angle) for y, angle in zip(values, angles, strict=True)) * (2 if k else 1) / NODES
        )
        total = [t + weight * c for t, c in zip(total, now + [mp.mpf(0)] * (degree + 1 - len(now)), strict=True)]
        double = [mp.mpf(0), *((1 if k == 0 else 2) * c for c in now)]
        padded = before + [mp.mpf(0)] * (len(double) - len(before))
        before, now = now, [d - (0 if k == 0 else b) for d, b in zip(double, padded, strict=True)]
    return total


def substitute(polynomial: list[mp.mpf], scale: mp.mpf, offset: mp.mpf) -> list[mp.mpf]:
    """p(scale w + offset) as a polynomial in w."""
    result = [mp.mpf(0)]
    for coefficient in reversed(polynomial):
        shifted = [mp.mpf(0), *(scale * c for c in result)]
        result = [s + offset * c for s, c in zip(shifted, [*result, mp.mpf(0)], strict=True)]
        result[0] += coefficient
    return result[: len(polynomial)]


def table(name: str, f: Callable, low: mp.mpf, high: mp.mpf, degree: int, scale: float = 1, offset: float = 0) -> None:
    """Print the fit of f(scale w + offset), low <= scale w + offset <= high, as a polynomial in w."""
    low, high = mp.mpf(low), mp.mpf(high)
    half, middle = (high - low) / 2, (low + high) / 2
    found = substitute(chebyshev(f, low, high, degree), scale / half, (offset - middle) / half)
    print(f"constexpr double {name}[] = {{{', '.join(repr(float(c)) for c in found)}}};")


table("LOG2_64", lambda f: mp.log1p(f) / f / mp.log(2), mp.sqrt(0.5) - 1, mp.sqrt(2) - 1, 22)
table("CENTRE64", lambda log: ratio(-log), -8, 0, 23, scale=4, offset=-4)
table("TAIL64", lambda y: ratio(y * y), mp.sqrt(8) - mp.mpf("0.0001"), mp.mpf("4.751"), 19, offset=3.796875)
table("FAR64", lambda y: ratio(y * y), mp.mpf("4.75"), mp.sqrt(53), 17, offset=6)
