"""Is the stream random beyond its moments? 10^8 draws against theory, then the dieharder battery.

`make randomness` runs it all: about two minutes, then an hour or two of dieharder (a Debian package) on one
core. It prints what docs/randomness.md quotes.
"""

import argparse
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import scipy.stats
from numpy.typing import NDArray

from initium import _stream
from initium._draw import draw
from initium._kernel import kernel
from initium.init._law import Normal, TruncatedNormal, Uniform

NUM = 100_000_000
WORDS_PER_NAME = 4096
SEED = int(os.environ.get("SEED", "0"))  # another one repeats a test that looked odd


def drawn(law: Normal | Uniform | TruncatedNormal, path: str, seed: int = 0, num: int = NUM) -> NDArray[np.float32]:
    """A parameter's elements."""
    out = np.empty(num, np.float32)
    draw(out, kernel(law, "float32"), key=_stream.key(seed, path))
    return out


def z_of_moments(x: NDArray[np.float32]) -> list[float]:
    """How many of their standard errors the first four raw moments of N(0, 1) are off."""
    sums, blocks = np.zeros(4), np.array_split(x, 100)
    for block in blocks:
        powers = block.astype(np.float64)[:, None] ** np.arange(1, 5)
        sums += powers.sum(axis=0)
    theory, variance = np.array([0, 1, 0, 3]), np.array([1, 2, 15, 96])
    return list((sums / len(x) - theory) / np.sqrt(variance / len(x)))


def correlation(x: NDArray[np.float32], y: NDArray[np.float32]) -> float:
    """The z-score of the correlation of two standard normals."""
    pairs = zip(np.array_split(x, 100), np.array_split(y, 100), strict=True)
    return sum(float(np.dot(a.astype(np.float64), b)) for a, b in pairs) / math.sqrt(len(x))


def statistics() -> None:
    """Print KS, moments, tails and correlations."""
    x = drawn(Normal(0, 1), "weight")
    print("moments 1 to 4 of normal, z:", *(f"{z:+.2f}" for z in z_of_moments(x)))
    cut = scipy.stats.truncnorm(-2, 2)
    laws = {
        "normal": (x, scipy.stats.norm),
        "uniform": (drawn(Uniform(-1, 1), "uniform"), scipy.stats.uniform(-1, 2)),
        "truncated": (drawn(TruncatedNormal(0, cut.std(), 2), "truncated"), cut),
    }
    for name, (values, law) in laws.items():
        print(f"Kolmogorov-Smirnov of {name}, p: {scipy.stats.kstest(values, law.cdf, method='asymp').pvalue:.3f}")
    for bound in (1, 2, 3, 4, 4.5, 5, 5.5):
        found, expected = int((np.abs(x) > bound).sum()), NUM * float(scipy.stats.norm.sf(bound)) * 2
        p = scipy.stats.binomtest(found, NUM, expected / NUM).pvalue if expected < 1e5 else math.nan
        z = (found - expected) / math.sqrt(expected)
        print(
            f"beyond {bound} std: {found} of {expected:.1f} expected, z {z:+.2f}" + (f", p {p:.3f}" if p == p else "")
        )
    for lag in (1, 2, 3, 4, 5, 64):
        print(f"element i with i + {lag}, z: {correlation(x[:-lag], x[lag:]):+.2f}")
    for path, seed in [
        ("weight", 1),
        ("weight", 2**32),
        ("weigh", 0),
        ("weight1", 0),
        ("1.weight", 0),
        ("2.weight", 0),
    ]:
        print(f"with {path!r} of seed {seed}, z: {correlation(x, drawn(Normal(0, 1), path, seed)):+.2f}")


def raw() -> Iterator[NDArray[np.uint32]]:
    """The words of one key, one after another."""
    for start in range(0, 2**63, 1 << 20):
        yield _stream.words(_stream.key(SEED, "weight"), start, 1 << 20)


def names() -> Iterator[NDArray[np.uint32]]:
    """The first words of parameter after parameter, named as a deep model names them."""
    for layer in range(2**63):
        yield _stream.words(_stream.key(SEED, f"layers.{layer}.weight"), 0, WORDS_PER_NAME)


def main() -> None:
    """Print statistics and run the battery, or with an argument feed it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("feed", nargs="?", choices=["raw", "names", "statistics"])
    feed = parser.parse_args().feed
    if feed in ("raw", "names"):
        try:
            for block in {"raw": raw, "names": names}[feed]():
                sys.stdout.buffer.write(block.tobytes())
        except BrokenPipeError:
            sys.stderr.close()
        return
    statistics()
    if feed is None:
        if not shutil.which("dieharder"):
            sys.exit("dieharder is not installed; on Debian: apt-get install dieharder")
        for each in ("raw", "names"):
            print(f"\ndieharder -a, {each}:", flush=True)
            feeder = subprocess.Popen([sys.executable, __file__, each], stdout=subprocess.PIPE)
            subprocess.run(["dieharder", "-a", "-g", "200"], stdin=feeder.stdout, check=True)
            feeder.kill()


if __name__ == "__main__":
    main()
