"""Building a model through Keras with Initium's initialisers against Keras's own: medians, all measured in one run.

    KERAS_BACKEND=torch python bench/keras_init.py

A Sequential model of Dense layers is built, which makes and initialises its kernels; the same model with kernels
of zeros says what Keras takes for all the rest.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable
from datetime import date
from typing import Any

# Before NumPy is loaded: its BLAS takes as many threads as the backend has.
THREADS = 2
os.environ |= {"OPENBLAS_NUM_THREADS": str(THREADS), "OMP_NUM_THREADS": str(THREADS)}
os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
from processor import model_name

import initium.keras

MODELS = {"64-32-1": (64, 32, 1), "about 10^6": (768, 768, 512), "about 16 x 10^6": (3072, 3072, 2048)}
NAMES = ("he_normal", "glorot_uniform", "orthogonal")
ROUNDS = {"64-32-1": 201, "about 10^6": 11, "about 16 x 10^6": 3}
Call = Callable[[], Any]


def build(units: tuple[int, ...], start: Callable[[], Any]) -> Call:
    """A call that builds the model, its input as wide as its first layer, and waits for every kernel."""

    def call() -> None:
        layers = [keras.layers.Dense(n, kernel_initializer=start(), name=f"layer_{i}") for i, n in enumerate(units)]
        model = keras.Sequential(layers, name="model")
        model.build((None, units[0]))
        for weight in model.weights:
            wait(weight.value)

    return call


def wait(tensor: Any) -> None:
    """JAX fills while the program goes on."""
    if keras.backend.backend() == "jax":
        tensor.block_until_ready()


def milliseconds(*calls: Call, rounds: int) -> list[float]:
    """The median time of each call, all of them in turn round after round, after one that warms up."""
    times: list[list[float]] = [[] for _ in calls]
    for turn in range(rounds + 1):
        for call, taken in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
            taken += [(time.perf_counter() - start) * 1e3] if turn else []
    return [statistics.median(taken) for taken in times]


def main() -> None:
    """Print the table with the machine and the date."""
    backend = keras.backend.backend()
    version = getattr(sys.modules[backend], "__version__", "")
    print(f"{date.today()}, {model_name()}, {os.cpu_count()} cores, Keras {keras.__version__} on {backend} {version}")
    print("building a model, medians in ms; in brackets how many times faster than Keras\n")
    print(
        "| weights | start | Keras | initium.keras | keras.initializers of Initium | zeros |\n|---|---|---|---|---|---|"
    )
    for weights, units in MODELS.items():
        for name in NAMES:
            starts = [
                getattr(module, name) for module in (keras.initializers, initium.keras, initium.keras.initializers)
            ]
            calls = [build(units, start) for start in (*starts, keras.initializers.zeros)]
            peer, *mine, zeros = milliseconds(*calls, rounds=ROUNDS[weights])
            cells = " | ".join(f"{one:.1f} ({peer / one:.2f})" for one in mine)
            print(f"| {weights} | {name} | {peer:.1f} | {cells} | {zeros:.1f} |", flush=True)


if __name__ == "__main__":
    main()
