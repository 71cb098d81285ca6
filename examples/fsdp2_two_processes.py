"""One plan and one seed give the same bits in one process and, sharded, in two.

Each process builds the model without memory, shards it with FSDP2, and draws its own rows of every weight: nothing is
sent, no checkpoint is read. Then the digests of the whole weights are compared with those of a model in one process.
"""

import hashlib
import tempfile

import torch
from torch import distributed, nn
from torch.distributed.fsdp import fully_shard

from initium import plan
from initium.torch import deferred

SEED = 0


def build():
    """A stack with a row count that two processes cannot share evenly."""
    blocks = [nn.Sequential(nn.LayerNorm(64), nn.Linear(64, 64), nn.GELU()) for _ in range(4)]
    return nn.Sequential(nn.Embedding(1001, 64), *blocks, nn.Linear(64, 7))


def digests(model):
    """SHA-256 of every whole parameter, by name."""
    found = {}
    for path, weight in model.named_parameters():
        whole = weight.full_tensor() if hasattr(weight, "full_tensor") else weight
        found[path] = hashlib.sha256(whole.detach().numpy().tobytes()).hexdigest()
    return found


def rank(number, size, store, expected):
    """What one process does."""
    distributed.init_process_group("gloo", init_method=f"file://{store}", rank=number, world_size=size)
    model = deferred(build)
    decided = plan(model, "author")
    for block in model:
        fully_shard(block)
    fully_shard(model)
    decided.apply(model, seed=SEED)  # each rank its own rows, without a word to the other
    rows = model[0].weight.to_local().shape[0]
    found = digests(model)
    assert found == expected
    if number == 0:
        print(f"{size} processes, {rows} of 1001 rows in the first: {len(found)} digests equal")
    distributed.destroy_process_group()


def main():
    """Fill in one process, then in two."""
    model = deferred(build)
    plan(model, "author").apply(model, seed=SEED)
    expected = digests(model)
    print(f"1 process: 0.weight is {expected['0.weight'][:16]}")
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(rank, args=(2, f"{folder}/store", expected), nprocs=2)


if __name__ == "__main__":
    main()
