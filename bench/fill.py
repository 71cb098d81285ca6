"""Filling against torch.nn.init and others: medians and their ratios, all measured in one run.

`make bench-fill` prints the table that the README quotes. Peers that are not installed are left out.
"""

import importlib.util
import os
import statistics
import time
from collections.abc import Callable
from datetime import date
from typing import Any

# Before NumPy is loaded: its BLAS takes as many threads as torch is given.
THREADS = 2
os.environ |= {"OPENBLAS_NUM_THREADS": str(THREADS), "OMP_NUM_THREADS": str(THREADS)}

import numpy as np
import torch
from processor import model_name

from initium import _native
from initium._draw import draw
from initium._kernel import Kernel, kernel, normal_between
from initium.init._law import Normal, Uniform
from initium.torch import init
from initium.torch._memory import memory

SHAPE = (8192, 4096)
ROUNDS = 7
Call = Callable[[], Any]


def seconds(*calls: Call, rounds: int = ROUNDS) -> list[float]:
    """The median time of each call, all of them in turn round after round, after one that warms up."""
    times: list[list[float]] = [[] for _ in calls]
    for turn in range(rounds + 1):
        for call, taken in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
            taken += [time.perf_counter() - start] if turn else []
    return [statistics.median(taken) for taken in times]


def row(name: str, ours: Call, peer: Call, num: int, bar: float, aim: float, *, rounds: int = ROUNDS) -> None:
    """One line: both speeds in 10^9 elements a second and how many times faster ours is."""
    mine, other = seconds(ours, peer, rounds=rounds)
    verdict = "meets the aim" if other / mine >= aim else "meets the bar" if other / mine >= bar else "BELOW THE BAR"
    speeds = f"{num / mine / 1e9:8.3f} | {num / other / 1e9:8.4f}"
    print(f"| {name:43} | {speeds} | {other / mine:7.2f} | {bar:5} | {aim:5} | {verdict} |", flush=True)


def touched(dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Memory that has been written before."""
    return torch.zeros(SHAPE, dtype=dtype)


def fills() -> None:
    """Random numbers against torch.nn.init and against a plain fill."""
    w, peer = torch.nn.init, touched()
    x, half, num = touched(), touched(torch.bfloat16), SHAPE[0] * SHAPE[1]

    def cut(module: Any, x: torch.Tensor) -> Call:
        return lambda: module.trunc_normal_(x, std=0.02, a=-0.04, b=0.04)

    row("uniform_ float32", lambda: init.uniform_(x), lambda: w.uniform_(peer), num, 10, 15)
    row("normal_ float32", lambda: init.normal_(x), lambda: w.normal_(peer), num, 6, 10)
    row("trunc_normal_ float32, 2 std", cut(init, x), cut(w, peer), num, 50, 120, rounds=3)
    row("normal_ bfloat16", lambda: init.normal_(half), lambda: w.normal_(half), num, 8, 12)
    wide, peer64 = (torch.zeros(2048, 4096, dtype=torch.float64) for _ in range(2))
    row("normal_ float64", lambda: init.normal_(wide), lambda: w.normal_(peer64), wide.numel(), 1, 1)
    row("uniform_ float64", lambda: init.uniform_(wide), lambda: w.uniform_(peer64), wide.numel(), 1, 1)
    row("uniform_ float32 / Tensor.fill_", lambda: init.uniform_(x), lambda: peer.fill_(0.5), num, 0.6, 0.8)
    row("normal_ float32 / Tensor.fill_", lambda: init.normal_(x), lambda: peer.fill_(0.5), num, 0.4, 0.6)


def orthogonal() -> None:
    """Against the QR of torch.nn.init."""
    for rows, columns in [(2048, 2048), (4096, 4096), (4096, 1024)]:
        x = torch.zeros(rows, columns)
        rounds = 3 if columns == 4096 else ROUNDS
        row(f"orthogonal_ {rows} x {columns}", lambda x=x: init.orthogonal_(x),
            lambda x=x: torch.nn.init.orthogonal_(x), x.numel(), 2.5, 4, rounds=rounds)  # fmt: skip


def others() -> None:
    """Against NumPy's generators, jax.random (which allocates its result anew) and anyinit, as far as installed."""
    x, num = touched(), SHAPE[0] * SHAPE[1]
    out = np.zeros(SHAPE, np.float32)
    for bits in (np.random.PCG64, np.random.SFC64, np.random.Philox):
        generator = np.random.Generator(bits(0))
        row(f"normal_ / numpy {bits.__name__} standard_normal", lambda: init.normal_(x),
            lambda g=generator: g.standard_normal(dtype=np.float32, out=out), num, 1, 1, rounds=3)  # fmt: skip
        row(f"uniform_ / numpy {bits.__name__} random", lambda: init.uniform_(x),
            lambda g=generator: g.random(dtype=np.float32, out=out), num, 1, 1, rounds=3)  # fmt: skip
    if importlib.util.find_spec("jax"):
        import jax  # pyright: ignore[reportMissingImports]

        key = jax.random.key(0)
        for name in ("normal", "uniform"):
            made = jax.jit(lambda key, name=name: getattr(jax.random, name)(key, SHAPE))
            mine = {"normal": init.normal_, "uniform": init.uniform_}[name]
            row(f"{name}_ / jax.random.{name}, jitted", lambda mine=mine: mine(x),
                lambda made=made: made(key).block_until_ready(), num, 1, 1)  # fmt: skip
    if importlib.util.find_spec("anyinit"):
        import anyinit  # pyright: ignore[reportMissingImports]

        layer = torch.nn.Linear(SHAPE[1], SHAPE[0], bias=False)
        model = torch.nn.Sequential(layer, torch.nn.ReLU())
        row("kaiming_normal_ / anyinit.init_model", lambda: init.kaiming_normal_(layer.weight),
            lambda: anyinit.initialize(model), num, 1, 1, rounds=3)  # fmt: skip


def threads_and_builds() -> None:
    """One thread against two, and each instruction set alone, in 10^9 elements a second."""
    out = memory(touched())
    laws = {"normal": kernel(Normal(0, 1), "float32"), "uniform": kernel(Uniform(-1, 1), "float32")}
    for name, law in laws.items():
        one, two = seconds(*(lambda n=n, law=law: draw(out, law, key=1, threads=n) for n in (1, 2)))
        speeds = f"one thread {out.size / one / 1e9:.2f}, two {out.size / two / 1e9:.2f}"
        print(f"{name}: {speeds}, {one / two:.2f} times (bar for normal: 1.6)")
    small = np.zeros(1 << 16, np.float32)
    for build in ("plain", "avx2", "avx512"):
        if hasattr(_native, build):
            print(
                f"{build}, one thread, in cache (bars for avx2: uniform 0.9, normal 0.4): "
                + ", ".join(in_cache(build, small, law) for law in kernels())
            )


def kernels() -> list[Kernel]:
    """What a build is timed on."""
    cut = normal_between(0, 1, -1, 2, "float32")
    return [kernel(Uniform(-1, 1), "float32"), kernel(Normal(0, 1), "float32"), cut]


def in_cache(build: str, out: np.ndarray, law: Kernel) -> str:
    """The best of many short runs: what the instructions take when nothing disturbs them."""
    function, start = getattr(getattr(_native, build), law.name), np.zeros(1, np.uint64)
    numbers = _native.Law(**law.numbers)
    best = min(seconds(lambda: function(out, start, 1, numbers), rounds=1)[0] for _ in range(60))
    return f"{law.name} {out.size / best / 1e9:.2f}"


def small_tensors() -> None:
    """Microseconds a call."""
    for num in (64, 1024, 2048, 4096, 65536):
        x = torch.zeros(num)
        for name in ("uniform_", "normal_"):
            calls = [getattr(module, name) for module in (init, torch.nn.init)]
            mine, other = (best_of(lambda call=call, x=x: call(x)) for call in calls)
            verdict = "" if mine <= other else ", slower than torch"
            print(f"{name} of {num}: {mine:.1f} us, torch {other:.1f} us{verdict}")


def best_of(call: Call) -> float:
    """The least of 30 averages of 200 calls."""
    return min(seconds(lambda: [call() for _ in range(200)], rounds=1)[0] for _ in range(30)) / 200 * 1e6


def first_touch() -> None:
    """Fresh memory: page faults count, once."""

    def fresh(fill: Callable[[torch.Tensor], Any]) -> Call:
        return lambda: fill(torch.empty(SHAPE))

    mine, other, zero = seconds(fresh(init.normal_), fresh(torch.nn.init.normal_), fresh(torch.zero_))
    num = SHAPE[0] * SHAPE[1] / 1e9
    print(f"fresh memory: normal_ {num / mine:.2f}, torch {num / other:.2f}, torch.zero_ {num / zero:.2f}")


def main() -> None:
    """Print the table with the machine and the date."""
    torch.set_num_threads(THREADS)
    best = str(getattr(_native.best, "__name__", "")).rpartition(".")[2]
    print(f"{date.today()}, {model_name()}, {os.cpu_count()} cores, build {best}, torch {torch.__version__}")
    print(f"medians of {ROUNDS} (3 where the peer is slow), {SHAPE[0]} x {SHAPE[1]} touched elements, in one process\n")
    print("| what | 10^9/s | peer 10^9/s | times | bar | aim | |\n|---|---|---|---|---|---|---|")
    fills()
    orthogonal()
    others()
    print()
    threads_and_builds()
    small_tensors()
    first_touch()


if __name__ == "__main__":
    main()
