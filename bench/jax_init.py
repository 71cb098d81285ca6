"""Starting weights through JAX against jax.nn.initializers: medians and their ratios, all measured in one run.

`eager` is one call after another, `in jit` a compiled program that is run again, and `compiled first` the first run
of a program in a new shape, tracing and compiling included, as a model's start in `jax.jit` pays it.
"""

import itertools
import os
import statistics
import time
from collections.abc import Callable
from datetime import date
from typing import Any

# Before NumPy is loaded: its BLAS takes as many threads as the fills.
os.environ |= {"OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}

import jax  # pyright: ignore[reportMissingImports]
import jax.numpy as jnp  # pyright: ignore[reportMissingImports]
from flax import nnx  # pyright: ignore[reportMissingImports]
from jax.nn import initializers as theirs  # pyright: ignore[reportMissingImports]
from processor import model_name

import initium.jax
from initium.jax import initializers as ours

ROUNDS = 5
SIZES = {"64 x 64": 64, "1 M": 1024, "16 M": 4096}
KEY = jax.random.key(0)
Call = Callable[[], Any]

# Ours, and JAX's that it is measured against. The catalogue's he_normal is Gaussian, JAX's is cut.
PAIRS = {
    "he_normal": (initium.jax.he_normal(), theirs.variance_scaling(2.0, "fan_in", "normal")),
    "he_normal, drop-in": (ours.he_normal(), theirs.he_normal()),
    "glorot_uniform": (initium.jax.glorot_uniform(), theirs.glorot_uniform()),
    "glorot_uniform, drop-in": (ours.glorot_uniform(), theirs.glorot_uniform()),
    "orthogonal": (initium.jax.orthogonal(), theirs.orthogonal()),
    "orthogonal, drop-in": (ours.orthogonal(), theirs.orthogonal()),
}


def seconds(*calls: Call, rounds: int, times: int) -> list[float]:
    """The median time of each call, all of them in turn round after round, after one that warms up."""
    taken: list[list[float]] = [[] for _ in calls]
    for turn in range(rounds + 1):
        for call, each in zip(calls, taken, strict=True):
            start = time.perf_counter()
            for _ in range(times):
                jax.block_until_ready(call())
            each += [(time.perf_counter() - start) / times] if turn else []
    return [statistics.median(each) for each in taken]


def row(name: str, size: str, how: str, mine: float, other: float) -> None:
    """One line: both times in milliseconds and how many times faster ours is."""
    verdict = "" if other >= mine else "slower"
    times = f"{mine * 1e3:9.3f} | {other * 1e3:9.3f} | {other / mine:7.2f}"
    print(f"| {name:24} | {size:8} | {how:14} | {times} | {verdict:6} |", flush=True)


def weights(name: str, size: str, num: int) -> None:
    """One initialiser at one size."""
    pair, shape = PAIRS[name], (num, num)
    rounds = 3 if "orthogonal" in name and num > 64 else ROUNDS
    times = 30 if num == 64 else 1
    eager = [lambda init=init: init(KEY, shape) for init in pair]
    row(name, size, "eager", *seconds(*eager, rounds=rounds, times=times))
    compiled = [jax.jit(lambda key, init=init: init(key, shape)) for init in pair]
    row(name, size, "in jit", *seconds(*(lambda run=run: run(KEY) for run in compiled), rounds=rounds, times=times))
    row(name, size, "compiled first", *seconds(*(anew(init, num) for init in pair), rounds=3, times=1))


def anew(init: Any, num: int) -> Call:
    """Compiles and runs a program, each time for a shape that nothing was compiled for."""
    columns = itertools.count(num + 1)

    def call() -> jax.Array:
        shape = (num, next(columns))
        return jax.jit(lambda key: init(key, shape))(KEY)

    return call


class Network(nnx.Module):
    """An MLP of that many layers."""

    def __init__(self, init: Any, width: int, depth: int, rngs: nnx.Rngs):
        self.layers = nnx.List([nnx.Linear(width, width, kernel_init=init, rngs=rngs) for _ in range(depth)])


def networks(width: int, depth: int) -> None:
    """Building a Flax network, eagerly and in jit."""
    for name in ("he_normal", "he_normal, drop-in"):
        pair, size = PAIRS[name], f"{depth} x {width}"
        builds = [lambda init=init: nnx.state(Network(init, width, depth, nnx.Rngs(0))) for init in pair]
        programs = [jax.jit(build) for build in builds]
        first = [lambda build=build: jax.jit(lambda: build())() for build in builds]  # a new function each time
        for how, calls in {"eager": builds, "in jit": programs, "compiled first": first}.items():
            row(f"MLP, {name}", size, how, *seconds(*calls, rounds=3, times=1))


def main() -> None:
    """Print the table with the machine and the date."""
    print(f"{date.today()}, {model_name()}, {os.cpu_count()} cores, jax {jax.__version__} on {jax.default_backend()}")
    print(
        f"medians of {ROUNDS} (3 where a call is long), float32, one process; `jnp.zeros` of 16 M: {zeros():.1f} ms\n"
    )
    print("| what | size | how | ms | jax ms | times | |\n|---|---|---|---|---|---|---|")
    for name in PAIRS:
        for size, num in SIZES.items():
            if "orthogonal" not in name or num <= 1024:  # JAX's QR of 4096 x 4096 takes a minute
                weights(name, size, num)
    networks(64, 8)
    networks(1024, 8)


def zeros() -> float:
    """What fresh memory alone costs, in milliseconds."""
    return seconds(lambda: jnp.zeros((4096, 4096)), rounds=ROUNDS, times=1)[0] * 1e3


if __name__ == "__main__":
    main()
