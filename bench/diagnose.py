"""What a diagnosis costs beside a plain forward and backward pass: time, and memory at its peak.

Each is run in turn, so that a busy machine slows all alike; a line has the median of the ratios. Memory is the
process's own highest, each in a process of its own.
"""

import multiprocessing
import resource
import statistics
import sys
import time
from pathlib import Path

import torch
from torch import nn

import initium

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from torch_edge import zoo  # pyright: ignore[reportMissingImports]

ROUNDS = 5


def mlp():
    layers = [layer for _ in range(20) for layer in (nn.Linear(512, 512), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(512, 10)), torch.randn(128, 512)


def resnet():
    return zoo.resnet50(), torch.randn(32, 3, 64, 64)


def gpt2():
    return zoo.gpt2(), {"input_ids": torch.randint(0, 50257, (4, 128))}


MODELS = {"ResNet-50, 32 x 64 x 64": resnet, "GPT-2 small, 4 x 128": gpt2, "MLP 20 x 512, 128 samples": mlp}


def plain(model, batch):
    """Forward and backward with the same loss, as a training step has them."""
    outputs = model(**batch) if isinstance(batch, dict) else model(batch)
    outputs = getattr(outputs, "logits", outputs)
    (outputs * torch.randn_like(outputs)).sum().backward()
    model.zero_grad()


WAYS = {
    "plain": plain,
    "default": lambda model, batch: initium.diagnose(model, batch),
    "quick": lambda model, batch: initium.diagnose(model, batch, quick=True),
}


def seconds(name):
    """What the plain way takes, and the median ratio of each way to it."""
    torch.manual_seed(0)
    model, batch = MODELS[name]()
    rounds = [{way: timed(run, model, batch) for way, run in WAYS.items()} for _ in range(ROUNDS + 1)][
        1:
    ]  # one to warm up
    median = statistics.median
    ratios = {way: median(took[way] / took["plain"] for took in rounds) for way in WAYS}
    return median(took["plain"] for took in rounds), ratios


def timed(run, model, batch):
    began = time.perf_counter()
    run(model, batch)
    return time.perf_counter() - began


def peak(name, way, queue):
    """The memory that a process of its own takes at its highest, in MB."""
    torch.manual_seed(0)
    model, batch = MODELS[name]()
    WAYS[way](model, batch)
    queue.put(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def memory(name, way):
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=peak, args=(name, way, queue))
    process.start()
    found = queue.get()
    process.join()
    return found


def main():
    print(f"{'':<28}{'plain':>8}{'default':>9}{'quick':>7}{'memory':>9}")
    for name in MODELS:
        took, ratios = seconds(name)
        more = memory(name, "default") / memory(name, "plain")
        print(f"{name:<28}{took:>6.2f} s{ratios['default']:>9.2f}{ratios['quick']:>7.2f}{more:>9.2f}", flush=True)


if __name__ == "__main__":
    main()
