"""Runs of a study a second: one by one in one process and in two, and as replicas in two; what a study, and Ray, cost.

All ways of one line are measured in turn, three rounds, in processes of one thread that are there already; a run is
whole, with what is evaluated after each epoch. Ratios are medians over the rounds.
"""

import os
import pydoc_data.topics
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from processor import model_name

import initium
from initium._engine import Processes, decided
from initium._engine._replicas import _sizes, in_order
from initium._store._store import Store
from initium._study._study import Study

ROUNDS, JOBS = 3, 2
INITS = ["he_normal", "glorot_normal", "orthogonal", "framework"]
SGD = {"data": "digits", "batch_size": 64, "momentum": 0.9, "lr": 0.01}
# The study, how many runs one by one, and how many more as replicas.
STUDIES: dict[str, tuple[dict[str, Any], int, int]] = {
    "digits MLP 64-128-128-10": ({**SGD, "model": "mlp", "depth": 2, "width": 128, "steps": 440}, 8, 80),
    "30-layer tanh MLP, 32 wide": (
        {**SGD, "model": "mlp", "depth": 30, "width": 32, "activation": "tanh", "steps": 230},
        *(4, 48),
    ),
    "small CNN": ({**SGD, "model": "cnn", "steps": 115}, 4, 48),
    "char transformer, Adam": (
        {"model": "transformer", "width": 32, "optimizer": "adam", "lr": 0.003, "batch_size": 16, "steps": 100},
        *(4, 8),
    ),
}
MANY = "he_normal glorot_normal lecun_normal orthogonal uniform(-0.1,0.1) framework"
COMMAND = [sys.executable, "-m", "initium", "compare"]
FEW = ["he_normal", "zeros", "--data", "iris", "--seeds", "4", "--epochs", "1"]


def main() -> None:
    print(f"{model_name()}; {JOBS} processes of one thread; {time.strftime('%Y-%m-%d')}\n")
    print(f"{'':28} {'one by one':>12} {'in two':>8} {'replicas':>10} {'together':>9}   replicas are")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("topics.txt").write_text("\n".join(pydoc_data.topics.topics.values())[:120_000])
        for name, (asked, few, many) in STUDIES.items():
            print(line(name, {"data": "topics.txt", **asked}, few, many), flush=True)
        print()
        for told in (many_runs, few_runs, kept_runs, ray_runs):
            print(told(), flush=True)


def line(name: str, asked: dict[str, Any], few: int, many: int) -> str:
    """Steps a second in three ways, and two ratios."""
    study = Study(inits=INITS, seeds=max(few, many) // len(INITS), **asked)
    contenders = decided(study)
    sizes = dict(_sizes(contenders, JOBS, None, 2**30))
    together = [replace(one, way=replace(one.way, size=sizes[id(one)])) for one in contenders]
    alone = [replace(one, way=replace(one.way, size=1)) for one in contenders]
    size = sizes[id(contenders[0])]
    ways: list[Callable[[], float]] = [
        lambda: rate(study, alone, few, 1),
        lambda: rate(study, alone, 2 * few, JOBS),
        lambda: rate(study, together, many if size > 1 else 2 * few, JOBS),
    ]
    for jobs in (1, JOBS):  # processes are there, and have what they import
        rate(study, together, len(INITS) * jobs, jobs)
    found = [[way() for way in ways] for _ in range(ROUNDS)]
    one, two, three = (statistics.median(each) for each in zip(*found, strict=True))
    over, beside = (statistics.median(each[2] / each[at] for each in found) for at in (0, 1))
    how = str(size) if size > 1 else "none"
    return f"{name:28} {one:10.0f}/s {two:6.0f}/s {three:8.0f}/s {how:>9}   {over:.1f}x of one, {beside:.1f}x of two"


def rate(study: Study, contenders: list[Any], number: int, jobs: int) -> float:
    """Steps a second of so many runs."""
    runs = in_order(contenders, -(-number // len(contenders)))[:number]
    began = time.perf_counter()
    assert len(list(Processes(jobs)(study, runs))) == number
    return number * study.num_steps(len(study.data.x_train)) / (time.perf_counter() - began)


def many_runs() -> str:
    """360 runs by the command, everything included."""
    asked = [*MANY.split(), "--data", "digits", "--model", "mlp(64, 128, 128, 10)", "--lr", "0.01,0.03,0.1"]
    asked += ["--batch-size", "64", "--momentum", "0.9", "--steps", "440"]
    one, two, three = (seconds(asked, *how) for how in (["--jobs", "1", "--chunk", "1"], ["--chunk", "1"], []))
    return (
        f"360 MLP runs of 440 steps by the command: {one:.0f} s one by one, {two:.0f} s in two processes, "
        f"{three:.0f} s as replicas: {one / three:.1f}x and {two / three:.1f}x"
    )


def few_runs() -> str:
    """8 short runs by the command, everything included."""
    return f"8 short runs by the command: {statistics.median(seconds(FEW) for _ in range(ROUNDS)):.1f} s"


def seconds(asked: list[str], *how: str) -> float:
    began = time.perf_counter()
    done = subprocess.run([*COMMAND, *asked, *how], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return time.perf_counter() - began


def kept_runs() -> str:
    """What of a study of 1,000 short runs goes into its store."""
    with clocked(Store, ("claim", "finish", "finished", "rows", "facts", "say")) as spent:
        began = time.perf_counter()
        initium.compare("mlp", "iris", inits=["he_normal", "zeros"], seeds=500, epochs=5, progress=False, store="k.db")
        whole = time.perf_counter() - began
    return f"1,000 short runs: {whole:.1f} s, of which the store takes {100 * spent[0] / whole:.1f} %"


def ray_runs() -> str:
    """1,000 short runs in processes and on a Ray of this machine, both of which have trained something before."""
    asked: dict[str, Any] = {"model": "mlp", "data": "iris", "inits": ["he_normal", "zeros"], "progress": False}

    def clock(engine: str, seeds: int) -> float:
        began = time.perf_counter()
        initium.compare(**asked, seeds=seeds, epochs=5, engine=engine, jobs=JOBS)
        return time.perf_counter() - began

    begun = clock("ray", 20)
    clock("local", 20)
    found = [(clock("local", 500), clock("ray", 500)) for _ in range(ROUNDS)]
    here, there = (statistics.median(each) for each in zip(*found, strict=True))
    over = statistics.median(ray / local for local, ray in found)
    return (
        f"1,000 short runs: {here:.1f} s in {JOBS} processes, {there:.1f} s on Ray, {100 * (over - 1):+.0f} %; Ray's "
        f"first 40 take {begun:.0f} s, its start among them"
    )


@contextmanager
def clocked(kind: Any, names: tuple[str, ...]) -> Iterator[list[float]]:
    """How long some methods take, together."""
    spent, before = [0.0], {name: getattr(kind, name) for name in names}

    def clock(method: Any) -> Any:
        def clocked(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return method(*args, **kwargs)
            finally:
                spent[0] += time.perf_counter() - began

        return clocked

    for name, method in before.items():
        setattr(kind, name, clock(method))
    try:
        yield spent
    finally:
        for name, method in before.items():
            setattr(kind, name, method)


if __name__ == "__main__":
    main()
