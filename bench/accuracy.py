"""How far the normal quantile is from the true one: what docs/stream.md quotes.

Float32: every word of a dense grid and of both ends against SciPy in float64, a part of them against mpmath.
Float64: against mpmath in 40 digits.
"""

import sys
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import scipy.special
from numpy.typing import NDArray

sys.path.append(str(Path(__file__).parents[1] / "tests"))
import reference  # pyright: ignore[reportMissingImports]

DENSE = 4_000_000
ENDS = 1_000_000
CHECKED = 3_000
NORMAL = {"scale": 1.0, "shift": 0.0}


def true(n: int, total: int) -> Any:
    """|z| with P(|Z| < |z|) = (n + 1/2) / total, from the nearer end."""
    x = (mpmath.mpf(n) + 0.5) / total
    if x < 0.5:
        return mpmath.sqrt(2) * mpmath.erfinv(x)
    z = mpmath.mpf(float(-scipy.special.ndtri(float((1 - x) / 2))))
    for _ in range(3):  # Newton; the guess is good to 1e-15
        z += (mpmath.erfc(z / mpmath.sqrt(2)) - (1 - x)) / (mpmath.sqrt(2 / mpmath.pi) * mpmath.exp(-z * z / 2))
    return z


def in_scipy(n: NDArray[np.int64]) -> NDArray[np.float64]:
    """The same for 2^31 words, in float64."""
    x, u = (n + 0.5) / 2**31, (2**31 - 1 - n + 0.5) / 2**31
    return np.where(x < 0.5, np.sqrt(2) * scipy.special.erfinv(x), -scipy.special.ndtri(u / 2))


def points(total: int) -> list[int]:
    """Words at both ends, at geometric steps from either, and evenly between."""
    num = CHECKED // 5
    steps = [int(step) for step in np.geomspace(1, total // 2, num)]
    even = [i * (total - 1) // num for i in range(num)]
    return sorted({*range(num), *(total - 1 - i for i in range(num)), *steps, *(total - step for step in steps), *even})


def main() -> None:
    """Print the worst and the mean relative errors."""
    mpmath.mp.dps = 40
    top = 2**31 - 1
    words = {
        "dense grid": np.linspace(0, top, DENSE).astype(np.int64),
        "lower end": np.arange(ENDS),
        "upper end": top - np.arange(ENDS),
    }
    for name, n in words.items():
        error = np.abs(reference.normal(n.astype(np.uint32), **NORMAL) / in_scipy(n) - 1)
        print(f"float32, {name}, {len(n)} words, SciPy: worst {error.max():.2e}, mean {error.mean():.2e}")
    n = np.array(points(2**31))
    found = reference.normal(n.astype(np.uint32), **NORMAL)
    errors = [abs(float(z) / true(int(i), 2**31) - 1) for i, z in zip(n, found, strict=True)]
    print(f"float32, {len(n)} words, mpmath: worst {float(max(errors)):.2e}")
    scipys = [abs(z / true(int(i), 2**31) - 1) for i, z in zip(n, in_scipy(n), strict=True)]
    print(f"SciPy itself on these, mpmath: worst {float(max(scipys)):.2e}")
    errors = []
    for i in points(2**52):
        z = reference.float64("normal", i >> 21, (i & (2**21 - 1)) << 11, NORMAL)
        errors.append(abs(mpmath.mpf(z) / true(i, 2**52) - 1))
    mean = float(sum(errors) / len(errors))
    print(f"float64, {len(errors)} words, mpmath: worst {float(max(errors)):.2e}, mean {mean:.2e}")


if __name__ == "__main__":
    main()
