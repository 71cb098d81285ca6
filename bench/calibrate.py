"""The `lsuv` recipe against the lsuv package: what hidden layers give on the batch, and time, all in one run.

    python bench/calibrate.py

Each is brought to rms 1 by Initium, to std 1 by the package; printed is the range over the layers. Both start from
orthogonal weights, which the whole includes, and Initium's tracing as well; the last column is the rescaling alone.
"""

import os
import statistics
import time
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from itertools import pairwise
from typing import Any

# Before NumPy is loaded: its BLAS takes as many threads as torch has.
THREADS = 1
os.environ |= {"OPENBLAS_NUM_THREADS": str(THREADS), "OMP_NUM_THREADS": str(THREADS)}

import lsuv
import torch
from processor import model_name
from torch import nn

import initium

ROUNDS = 3
ROW = "{:<20} {:>15} {:>15} {:>15} {:>15} {:>14} {:>7} {:>6} {:>10}"


def mlp(depth: int, width: int, activation: type[nn.Module]) -> nn.Module:
    """As many layers of one width."""
    layers = [layer for _ in range(depth - 1) for layer in (nn.Linear(width, width), activation())]
    return nn.Sequential(*layers, nn.Linear(width, 10))


def cnn(depth: int, width: int, activation: type[nn.Module]) -> nn.Module:
    """As many convolutions of one width, the first on images, and a classifier."""
    channels = [3, *[width] * (depth - 1)]
    pairs = [(nn.Conv2d(i, o, 3, padding=1), activation()) for i, o in pairwise(channels)]
    layers = [layer for pair in pairs for layer in pair]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))


MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "MLP 20 x 256, relu": (lambda: mlp(20, 256, nn.ReLU), (256, 256)),
    "MLP 50 x 256, relu": (lambda: mlp(50, 256, nn.ReLU), (256, 256)),
    "MLP 50 x 256, gelu": (lambda: mlp(50, 256, nn.GELU), (256, 256)),
    "CNN 20 x 32, relu": (lambda: cnn(20, 32, nn.ReLU), (16, 3, 16, 16)),
    "CNN 50 x 32, silu": (lambda: cnn(50, 32, nn.SiLU), (16, 3, 16, 16)),
}


def hidden(model: nn.Module, batch: torch.Tensor) -> list[torch.Tensor]:
    """What every layer but the classifier gives."""
    found: list[Any] = []
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Linear | nn.Conv2d)][:-1]
    hooks = [layer.register_forward_hook(lambda _, __, y: found.append(y)) for layer in layers]
    with torch.no_grad():
        model(batch)
    for hook in hooks:
        hook.remove()
    return found


def ours(model: nn.Module, batch: torch.Tensor) -> float:
    """Start a model, and return the seconds that calibration alone took."""
    plan = initium.plan(model, "lsuv", example=batch)
    plan.apply(model, seed=0)
    start = time.perf_counter()
    plan.calibrate(model, batch)
    return time.perf_counter() - start


def theirs(model: nn.Module, batch: torch.Tensor) -> float:
    """The same with the package, in its own two steps."""
    for layer in model.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            nn.init.orthogonal_(layer.weight)
            nn.init.zeros_(layer.get_parameter("bias"))
    start = time.perf_counter()
    lsuv.lsuv_with_singlebatch(model, batch, do_orthonorm=False, verbose=False)
    return time.perf_counter() - start


def measured(build: Callable[[], nn.Module], batch: torch.Tensor) -> tuple[list[str], list[list[float]]]:
    """The range of std and of rms that each leaves in the last round, and its median seconds, whole and rescaling."""
    starts = (ours, theirs)
    times: list[list[tuple[float, float]]] = [[] for _ in starts]
    ranges: list[str] = []
    for seed in range(ROUNDS + 1):
        for start, taken in zip(starts, times, strict=True):
            torch.manual_seed(seed)
            model = build()
            begun = time.perf_counter()
            rescaling = start(model, batch)
            taken += [(time.perf_counter() - begun, rescaling)] if seed else []
            if seed == ROUNDS:
                given = hidden(model, batch)
                for each in ([y.std().item() for y in given], [y.square().mean().sqrt().item() for y in given]):
                    ranges.append(f"{min(each):.4f}-{max(each):.4f}")
    return ranges, [[statistics.median(part) for part in zip(*taken, strict=True)] for taken in times]


def main() -> None:
    """Print a row a model."""
    torch.set_num_threads(THREADS)
    print(f"{model_name()}, {THREADS} thread, torch {torch.__version__}, lsuv {version('lsuv')}, {date.today()}")
    print(ROW.format("", "initium", "", "lsuv", "", "seconds, whole", "", "", "rescaling"))
    print(ROW.format("model", "std", "rms", "std", "rms", "initium", "lsuv", "ratio", "ratio"))
    for name, (build, shape) in MODELS.items():
        torch.manual_seed(0)
        ranges, (mine, others) = measured(build, torch.randn(shape))
        ratios = [f"{other / own:.1f}" for own, other in zip(mine, others, strict=True)]
        print(ROW.format(name, *ranges, f"{mine[0]:.3f}", f"{others[0]:.3f}", *ratios))


if __name__ == "__main__":
    main()
