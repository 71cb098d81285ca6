"""What a warm start costs beside PyTorch's own loading: `python bench/warm_start.py [gigabytes]`, or 2.

A checkpoint is written once. Each way of reading it runs in processes of its own, five rounds of all in turn, with the
file in the system's cache: seconds, ratios within a round, and the most anonymous memory. A model that is built has
paid for its memory before it loads, and one on meta pays as it loads, by PyTorch's `to_empty` as by apply: so both ways
of PyTorch's stand beside. Then 10,000 names are matched, and four processes read what they hold of a model that FSDP2
shards: bytes counted by the system.
"""

import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import distributed, multiprocessing, nn
from torch.distributed.fsdp import fully_shard
from torch.multiprocessing.spawn import spawn

import initium
from initium._stored import Held
from initium._warm_start._matched import matched
from initium._warm_start._target import Target
from initium.torch import deferred

WIDTH, ROUNDS, RANKS = 2816, 5, 4
LAYER = 4 * (WIDTH * WIDTH + WIDTH)  # bytes


def build(count):
    return nn.Sequential(*(nn.Linear(WIDTH, WIDTH) for _ in range(count)))


def anonymous():
    """Bytes of memory that no file stands behind."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return 1024 * int(line.split()[1])
    return 0


class Watched:
    """The most anonymous memory beyond what there was, looked at every few milliseconds."""

    def __enter__(self):
        self.before = self.most = anonymous()
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self

    def _watch(self):
        while not self.is_over.wait(0.003):
            self.most = max(self.most, anonymous())

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()
        self.most = max(self.most, anonymous()) - self.before


def by_pytorch(file, count, pipe):
    """Build, then `load_file` and `load_state_dict`."""
    timed(pipe, lambda: build(count), lambda model: model.load_state_dict(safetensors.torch.load_file(file)))


def on_meta(file, count, pipe):
    """The same of a model that is built without memory, which it gets from `to_empty` as it loads."""

    def made():
        with torch.device("meta"):
            return build(count)

    def load(model):
        model.to_empty(device="cpu").load_state_dict(safetensors.torch.load_file(file))

    timed(pipe, made, load)


def by_initium(file, count, pipe):
    """Build without memory and plan, then apply."""
    plans = []

    def planned():
        model = deferred(lambda: build(count))
        plans.append(initium.warm_start(model, file))
        return model

    timed(pipe, planned, lambda model: plans[0].apply(model))


def timed(pipe, begin, load):
    """Send the seconds of both steps, the most memory that each took, and a number that tells what was loaded."""
    with Watched() as before:
        began = time.perf_counter()
        model = begin()
        begun = time.perf_counter()
    with Watched() as meanwhile:
        resumed = time.perf_counter()
        load(model)
        ended = time.perf_counter()
    pipe.send((begun - began, ended - resumed, before.most, meanwhile.most, checked(model)))


def checked(model):
    """A number that tells whether the same was loaded."""
    return float(sum(value.detach().double().sum() for value in model.parameters()))


def run(function, *args):
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=function, args=(*args, there))
    process.start()
    found = here.recv()
    process.join()
    return found


def loading(file, count, size):
    ways = (by_pytorch, on_meta, by_initium)
    rounds = [[run(way, file, count) for way in ways] for _ in range(ROUNDS)]
    assert len({one[-1] for found in rounds for one in found}) == 1
    steps = (
        ("PyTorch: build", "load"),
        ("PyTorch: build on meta", "to_empty and load"),
        ("Initium: warm_start", "apply"),
    )
    for (first, second), found in zip(steps, zip(*rounds, strict=True), strict=True):
        print(f"{first} {spread(one[0] for one in found)} s, {second} {spread(one[1] for one in found)} s")
    print(f"apply / load: {spread(ours[1] / built[1] for built, _, ours in rounds)} (bar: 1.3)")
    print(f"apply / to_empty and load: {spread(ours[1] / meta[1] for _, meta, ours in rounds)}")
    print(f"warm_start and apply / build and load: {spread(sum(o[:2]) / sum(b[:2]) for b, _, o in rounds)} (bar: 1)")
    planning, applying = (max(ours[step] for _, _, ours in rounds) / 1e6 for step in (2, 3))
    print(f"warm_start takes {planning:.0f} MB of anonymous memory, with what it imports")
    print(f"apply takes {applying - size / 1e6:+.0f} MB beside the model, and a tensor has {LAYER / 1e6:.0f} MB")


def spread(found):
    """The median, and from the least to the most."""
    found = sorted(found)
    return f"{statistics.median(found):.2f} ({found[0]:.2f} to {found[-1]:.2f})"


def names():
    shape = (4, 4)
    made = [f"blocks.{n}.{part}.{kind}" for n in range(1250) for part in "abcd" for kind in ("weight", "bias")]
    targets = [Target(names=(f"net.{name}",), shape=shape, dtype="float32") for name in made]
    held = Held(torch.zeros(shape).numpy())
    tensors = {f"module.{name}": held for name in made}
    began = time.perf_counter()
    found = matched(targets, tensors, {})
    print(f"{len(found.by_path):,} names {time.perf_counter() - began:.2f} s (bar: 1 s)")


def read_bytes():
    """How many bytes this process has read by now."""
    text = Path("/proc/self/io").read_text()
    return int(text.partition("rchar: ")[2].split()[0])


def rank(number, store, file, count, queue):
    distributed.init_process_group("gloo", init_method=f"file://{store}", rank=number, world_size=RANKS)
    model: Any = deferred(lambda: build(count))
    plan = initium.warm_start(model, file)
    for layer in model:
        fully_shard(layer)
    fully_shard(model)
    before = read_bytes()
    plan.apply(model)
    held = sum(value.to_local().nbytes for value in model.parameters())
    queue.put((number, read_bytes() - before, held))
    distributed.destroy_process_group()


def sharded(file, count, folder):
    queue = multiprocessing.get_context("spawn").Queue()
    spawn(rank, args=(f"{folder}/store", file, count, queue), nprocs=RANKS)
    for number, was_read, held in sorted(queue.get() for _ in range(RANKS)):
        print(f"rank {number} holds {held / 1e6:.1f} MB and read {was_read / 1e6:.1f} MB")


def main():
    count = max(1, round(float(sys.argv[1] if len(sys.argv) > 1 else 2) * 1e9 / LAYER))
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/w.safetensors"
        initium.plan(deferred(lambda: build(count)), "he_normal").write(file)
        print(f"{count} dense layers of {WIDTH}, {count * LAYER / 1e9:.2f} GB, {torch.get_num_threads()} threads")
        loading(file, count, count * LAYER)
        names()
        small = f"{folder}/small.safetensors"
        initium.plan(deferred(lambda: build(4)), "he_normal").write(small)
        sharded(small, 4, folder)


if __name__ == "__main__":
    main()
