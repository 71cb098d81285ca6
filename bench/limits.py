"""What a start cannot mend: the figures of docs/auto.md that are of no formula.

    python bench/limits.py [SEED]

Each is a geometric mean over forty starts, the first under SEED (0), its 95 % interval and the range of nine in ten.
"""

import math
import sys
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional

import initium
from initium._compare._statistics import interval

STARTS, BATCH = 40, 256


class Masked(nn.Module):
    """A layer whose output i sees the inputs up to i, as in a masked autoencoder."""

    mask: torch.Tensor

    def __init__(self, num_units: int):
        super().__init__()
        self.dense = nn.Linear(num_units, num_units)
        self.register_buffer("mask", torch.tril(torch.ones(num_units, num_units)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.linear(x, self.dense.weight * self.mask, self.dense.bias)


class Recurrent(nn.Module):
    """LSTM layers, the last state into a layer that is no head."""

    def __init__(self, num_layers: int, num_units: int = 128):
        super().__init__()
        self.lstm = nn.LSTM(num_units, num_units, num_layers, batch_first=True)
        self.hidden, self.head = nn.Linear(num_units, num_units), nn.Linear(num_units, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.hidden(self.lstm(x)[0][:, -1])))


def stack(layer: Callable[[], nn.Module], depth: int, num_units: int) -> nn.Sequential:
    """So many layers, each with a ReLU behind it, and a head."""
    return nn.Sequential(*(part for _ in range(depth) for part in (layer(), nn.ReLU())), nn.Linear(num_units, 10))


@torch.no_grad()
def given(build: Callable[[], nn.Module], path: str, inputs: Callable[[], torch.Tensor], first: int) -> np.ndarray:
    """The second moment of what one layer gives, start by start."""
    found = []
    for seed in range(first, first + STARTS):
        torch.manual_seed(seed)
        model, batch = build(), inputs()
        initium.initialize(model, seed=seed, example=batch[:2])
        model.get_submodule(path).register_forward_hook(lambda _, __, out: found.append(out.square().mean().item()))
        model(batch)
    return np.array(found)


def told(what: str, moments: np.ndarray) -> None:
    mean, low, high = (math.exp(part) for part in vars(interval(np.log(moments))).values())
    least, most = np.quantile(moments, (0.05, 0.95))
    print(f"{what:<44} {mean:8.3g} [{low:.3g}, {high:.3g}]   nine in ten: {least:.2g} to {most:.2g}", flush=True)


def main(seed: int) -> None:
    print(f"second moment where 1 is meant, seeds from {seed}")

    def show(what: str, build: Callable[[], nn.Module], path: str, inputs: Callable[[], torch.Tensor]) -> None:
        told(what, given(build, path, inputs, seed))

    def steps() -> torch.Tensor:
        return torch.randn(64, 32, 128)

    show("50 ReLU layers of 64", lambda: stack(lambda: nn.Linear(64, 64), 50, 64), "98", lambda: torch.randn(BATCH, 64))
    masked = (lambda: stack(lambda: Masked(256), 4, 256), "6", lambda: torch.randn(BATCH, 256))
    show("4 ReLU layers of 256, triangular masks", *masked)
    show("behind one LSTM layer, independent inputs", lambda: Recurrent(1), "hidden", steps)
    show("behind two LSTM layers, independent inputs", lambda: Recurrent(2), "hidden", steps)
    again = (lambda: Recurrent(2), "hidden", lambda: steps()[:, :1].expand(-1, 32, -1))
    show("behind two LSTM layers, one input 32 times", *again)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
