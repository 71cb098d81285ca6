"""Run by a test in two processes: each reads what it holds of a model that FSDP2 shards."""

from pathlib import Path

import torch
from torch import distributed, nn
from torch.distributed.fsdp import fully_shard

import initium
from initium.torch import deferred


def build():
    """Rows that two ranks share evenly, of a megabyte each."""
    return nn.Sequential(nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 512))


def _read():
    return int(Path("/proc/self/io").read_text().partition("rchar: ")[2].split()[0])


def rank(number, folder):
    """Load a part, and leave the whole and what was read in a file."""
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=number, world_size=2)
    model = deferred(build)
    plan = initium.warm_start(model, f"{folder}/w.safetensors")
    for layer in model:
        fully_shard(layer)
    fully_shard(model)
    before = _read()
    plan.apply(model)
    was_read = _read() - before
    held = sum(value.to_local().nbytes for value in model.parameters())
    whole = {name: value.full_tensor().detach() for name, value in model.named_parameters()}
    torch.save({"read": was_read, "held": held, "whole": whole}, f"{folder}/{number}.pt")
    distributed.destroy_process_group()
