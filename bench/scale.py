"""What a model of very many small parameters costs: `python bench/scale.py [parameters ...]`, or 50,000 to 200,000.

Each is planned by a run of its own, then filled, in a process of its own: seconds of the wall and of the processor, and
the memory that each took beyond the model at its highest. Twice as many parameters are to take twice as much.
"""

import multiprocessing
import resource
import sys
import time

import torch
from torch import nn

import initium

SIZES = (50_000, 100_000, 200_000)


class Scaled(nn.Module):
    """A list of parameters, each of which multiplies the signal."""

    def __init__(self, count):
        super().__init__()
        self.scales = nn.ParameterList(nn.Parameter(torch.ones(4)) for _ in range(count))

    def forward(self, x):
        for scale in self.scales:
            x = x * scale
        return x


class Residual(nn.Module):
    """A list of modules, each of which adds to the signal."""

    def __init__(self, count):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(count // 2))

    def forward(self, x):
        for layer in self.layers:
            x = x + layer(x).relu()
        return x


MODELS = {
    "Sequential of Linear(4, 4)": lambda count: nn.Sequential(*(nn.Linear(4, 4) for _ in range(count // 2))),
    "ParameterList, x * p": Scaled,
    "ModuleList, x + f(x)": Residual,
}


def megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measured(step):
    """What a step gives, and its seconds of the wall, of the processor, and megabytes beyond what was there before."""
    before, wall, processor = megabytes(), time.perf_counter(), time.process_time()
    found = step()
    return found, (time.perf_counter() - wall, time.process_time() - processor, megabytes() - before)


def tell(name, count):
    model, example = MODELS[name](count), torch.randn(2, 4)
    initium.plan(MODELS[name](2), example=example)  # what is imported and found once
    made, planned = measured(lambda: initium.plan(model, example=example))
    _, applied = measured(lambda: made.apply(model, seed=0))
    cells = "".join(f"{wall:>9.1f} s{processor:>7.1f} s{more:>7.0f} MB" for wall, processor, more in (planned, applied))
    print(f"{name:<28}{count:>8,}{cells}", flush=True)


def main():
    print(f"{'':<28}{'':>8}{'plan: wall':>11}{'cpu':>9}{'memory':>10}{'apply: wall':>11}{'cpu':>9}{'memory':>10}")
    for name in MODELS:
        for count in [int(size) for size in sys.argv[1:]] or SIZES:
            process = multiprocessing.get_context("spawn").Process(target=tell, args=(name, count))
            process.start()
            process.join()


if __name__ == "__main__":
    main()
