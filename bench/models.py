"""Whole models from nothing, against the memory they lie in and their own constructors: `python bench/models.py`.

Each measurement is a process of its own, since memory that was written before costs less. Seconds are medians of three,
of the constructor, which takes long, one. To touch is to allocate every parameter and set it to zero.
"""

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

# Before NumPy is loaded: all take as many threads.
THREADS = 2
os.environ |= {"OPENBLAS_NUM_THREADS": str(THREADS), "OMP_NUM_THREADS": str(THREADS)}

from processor import model_name

import initium

ROUNDS = 3
MODELS = {
    "GPT-2 medium": ("GPT2", {"n_embd": 1024, "n_layer": 24, "n_head": 16}),
    "Llama 1.2 B": (
        "Llama",
        {
            "hidden_size": 2048,
            "intermediate_size": 8192,
            "num_hidden_layers": 16,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "vocab_size": 128_256,
            "tie_word_embeddings": True,
        },
    ),
    "Llama 7 B": ("Llama", {}),  # what the library's own configuration says
}
BARS = {"float32": (1.5, 4), "bfloat16": (1.5, 6)}  # at most so many times the touch; so many times as fast as stock
FIRST = 4 * 10**9  # bytes of Llama 7 B that are written to disk
PIECE = 64 << 20


def initialised(name: str, dtype: str) -> dict[str, float]:
    """Built without memory, planned as the author meant it, and filled."""
    build = builder(name, dtype)
    from initium.torch import deferred

    before, start = memory("VmRSS"), time.perf_counter()
    model = deferred(build)
    built = time.perf_counter()
    plan = initium.plan(model, "author")
    planned = time.perf_counter()
    plan.apply(model, seed=0)
    end = time.perf_counter()
    size = sum(each.nbytes for each in [*model.parameters(), *model.buffers()])
    steps = {"build": built - start, "plan": planned - built, "apply": end - planned}
    return {"seconds": end - start, **steps, "peak": (memory("VmHWM") - before) / size}


def touched(name: str, dtype: str) -> dict[str, float]:
    """The same memory, allocated and written once."""
    build = builder(name, dtype)
    import torch

    from initium.torch import deferred

    shapes = [(each.shape, each.dtype) for each in deferred(build).parameters()]
    start = time.perf_counter()
    kept = [torch.empty(shape, dtype=dtype).zero_() for shape, dtype in shapes]
    return {"seconds": time.perf_counter() - start, "tensors": len(kept)}


def stock(name: str, dtype: str) -> dict[str, float]:
    """The model's own constructor."""
    build, start = builder(name, dtype), time.perf_counter()
    _ = build()
    return {"seconds": time.perf_counter() - start}


def planned(path: str) -> dict[str, float]:
    """The plan of what is to be written, of as many parameters as fit."""
    build = builder("Llama 7 B", "bfloat16")
    from initium.torch import deferred

    plan, size, kept = initium.plan(deferred(build), "author"), 0, []
    for choice in plan.choices:
        size += 2 * math.prod(choice.param.shape)
        kept += [choice] if size <= FIRST else []
    replace(plan, choices=tuple(kept), buffers=()).save(path)
    return {}


def written(path: str, out: str) -> dict[str, float]:
    """A checkpoint from a plan, without a framework."""
    plan, start = initium.Plan.load(path), time.perf_counter()
    done = plan.write(out, seed=0)
    return {"seconds": time.perf_counter() - start, "bytes": done.num_bytes, "peak": memory("VmHWM")}


def zeros(num: str, out: str) -> dict[str, float]:
    """As many zeros, in pieces, until they are on the disk."""
    piece, start = bytes(PIECE), time.perf_counter()
    with open(out, "wb", buffering=0) as file:
        for first in range(0, int(num), PIECE):
            file.write(piece[: int(num) - first])
        os.fsync(file.fileno())
    return {"seconds": time.perf_counter() - start}


def builder(name: str, dtype: str) -> Callable[[], Any]:
    """What constructs a model in a dtype, all that it needs imported; what writes to disk imports no framework."""
    import torch

    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    from torch_edge import zoo  # pyright: ignore[reportMissingImports]

    torch.set_num_threads(THREADS)
    family, options = MODELS[name]
    library = zoo.library("transformers")
    config = getattr(library, f"{family}Config")(**options)
    construct = getattr(library, f"{family}ForCausalLM" if family == "Llama" else f"{family}LMHeadModel")

    def build() -> Any:
        torch.set_default_dtype(getattr(torch, dtype))
        try:
            return construct(config)
        finally:
            torch.set_default_dtype(torch.float32)

    return build


def memory(field: str) -> int:
    """Bytes that this process holds (`VmRSS`), or held at most (`VmHWM`)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(field))


def measured(function: Callable[..., Any], *arguments: str) -> dict[str, float]:
    """What a function of this file returns in a new process."""
    command = [sys.executable, __file__, function.__name__, *arguments]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.splitlines()[-1])


def medians(*calls: tuple[Callable[..., Any], tuple[str, ...]]) -> list[dict[str, float]]:
    """The median of each number, the calls in turn round after round."""
    rounds = [[measured(function, *arguments) for function, arguments in calls] for _ in range(ROUNDS)]
    return [
        {key: statistics.median(each[key] for each in results) for key in results[0]}
        for results in zip(*rounds, strict=True)
    ]


def models() -> None:
    """From nothing to initialised."""
    heads = ["model", "dtype", "build + plan + apply, s", "together", "touch, s", "times touch (bar)", "stock, s"]
    heads += ["times as fast as stock (bar)", "peak / weights (bar 1.03)"]
    print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    for name in ("GPT-2 medium", "Llama 1.2 B"):
        for dtype, (most, least) in BARS.items():
            ours, touch = medians((initialised, (name, dtype)), (touched, (name, dtype)))
            constructor = measured(stock, name, dtype)["seconds"]
            steps = " + ".join(f"{ours[step]:.2f}" for step in ("build", "plan", "apply"))
            mine, other = ours["seconds"], touch["seconds"]
            cells = [name, dtype, steps, f"{mine:.2f}", f"{other:.2f}", f"{mine / other:.2f} ({most})"]
            cells += [f"{constructor:.1f}", f"{constructor / mine:.1f} ({least})", f"{ours['peak']:.3f}"]
            print(f"| {' | '.join(cells)} |", flush=True)


def checkpoint() -> None:
    """A checkpoint against zeros on the same disk."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        plan, out, plain = (str(Path(folder) / name) for name in ("plan.json", "w.safetensors", "zeros"))
        measured(planned, plan)
        num = str(int(measured(written, plan, out)["bytes"]))
        ours, peer = medians((written, (plan, out)), (zeros, (num, plain)))
        mine, other = ours["seconds"], peer["seconds"]
        size = f"{int(num) / 1e9:.2f} GB"
        print(f"\nwrite, the first {size} of Llama 7 B in bfloat16: {mine:.1f} s, as many zeros {other:.1f} s")
        print(f"{mine / other:.2f} times (bar 1.3), the whole process at most {ours['peak'] / 1e6:.0f} MB (bar 300)")


def main() -> None:
    """Print both with the machine and the date."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers"))
    print(f"{date.today()}, {model_name()}, {THREADS} threads, {libraries}")
    print(f"medians of {ROUNDS} (the constructor once), each in a new process, imports not counted\n")
    models()
    checkpoint()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
    else:
        main()
