"""Run by a test in several processes: models that are sharded, filled, and told by the digests of their weights.

Arguments: the rank, the number of ranks, the port of rank 0, a folder. Each rank reads from it the plans that the test
made, and leaves there what it found.
"""

import hashlib
import itertools
import json
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FullyShardedDataParallel, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, Partial, Replicate, Shard, distribute_tensor
from torch.distributed.tensor._dtensor_spec import DTensorSpec, ShardOrderEntry, TensorMeta
from torch.distributed.tensor.debug import CommDebugMode
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module
from torch.distributed.tensor.placement_types import _StridedShard
from zoo import library

from initium import InitiumError, Plan
from initium.torch import deferred
from initium.torch._path import plain_paths

SEED = 7
RULES = {
    "words.weight": "normal(std=0.5)",
    "down.weight": "he_normal",
    "few.weight": "truncated_normal(std=0.3)",
    "mix": "glorot_uniform",
    "*.bias": "uniform(-0.1, 0.1)",
}


class Net(nn.Module):
    """Rows that no four ranks share evenly, fewer rows than ranks, a weight stored input first."""

    def __init__(self, tied=True):
        super().__init__()
        self.words = nn.Embedding(90, 12, padding_idx=0)
        self.up, self.down = nn.Linear(12, 26), nn.Linear(26, 12)
        self.mix = nn.Parameter(torch.zeros(12, 12))
        self.norm, self.few, self.seven = nn.LayerNorm(12), nn.Linear(12, 3), nn.Linear(3, 7)
        self.back, self.head = nn.Linear(7, 12), nn.Linear(12, 90, bias=False)
        self.head.weight = self.words.weight if tied else self.head.weight

    def forward(self, tokens):
        x = self.norm(self.words(tokens))
        x = x + self.down(torch.relu(self.up(x)))
        x = x + x @ self.mix
        return self.head(x + self.back(torch.relu(self.seven(torch.tanh(self.few(x))))))


class Deeper(Net):
    """The same with another layer in the midst."""

    def __init__(self):
        super().__init__()
        self.between = nn.Linear(12, 12)

    def forward(self, tokens):
        return super().forward(tokens) + self.between(self.words(tokens)).sum()


class Recorded(nn.Module):
    """A table, a product of two draws and a buffer: what only the constructor's own operations make."""

    def __init__(self):
        super().__init__()
        self.words, self.fc = nn.Embedding(31, 8), nn.Linear(8, 8)
        self.product = nn.Parameter(torch.randn(7, 8) * torch.rand(7, 8))
        self.table = nn.Parameter(torch.arange(56.0).view(7, 8).sin(), requires_grad=False)
        self.register_buffer("angles", torch.arange(8.0).cos())

    def forward(self, tokens):
        x = self.fc(self.words(tokens))
        x = x * self.angles.to(x.dtype)
        return x @ (self.product + self.table).T


def even():
    """Two layers that a tensor-parallel forward can split in four."""
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 8))


def normed():
    return nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(8, 6)), nn.Linear(6, 5))


def spectral():
    return nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Linear(8, 6)))


def gpt2():
    transformers = library("transformers")
    sizes = {"n_layer": 2, "n_embd": 20, "n_head": 2, "vocab_size": 101, "n_positions": 16}
    config = transformers.GPT2Config(**sizes, bos_token_id=0, eos_token_id=0)
    return transformers.GPT2LMHeadModel(config)


BUILDERS = {
    "net": Net,
    "recorded": Recorded,
    "deeper": Deeper,
    "untied": lambda: Net(tied=False),
    "even": even,
    "normed": normed,
    "spectral": spectral,
    "gpt2": gpt2,
}


def digest(value):
    """Of a whole weight's bytes, with dtype and shape."""
    whole = (value.full_tensor() if isinstance(value, DTensor) else value).detach().contiguous()
    numbers = hashlib.sha256(whole.flatten().view(torch.uint8).clone().numpy().tobytes()).hexdigest()
    return f"{whole.dtype} {tuple(whole.shape)} {numbers[:16]}"


def digests(model):
    """Of all parameters and buffers, under each of their names."""
    held = itertools.chain(model.named_parameters(remove_duplicate=False), model.named_buffers())
    plain = plain_paths(model)
    return {plain(path): digest(value) for path, value in held}


def build(net, device="cpu", dtype=torch.float32):
    if device == "deferred":
        return deferred(BUILDERS[net]).to(dtype)
    with torch.device(device):
        return BUILDERS[net]().to(dtype)


def tokens():
    return torch.arange(20).view(4, 5)


def loss(model):
    return model(tokens()).square().mean()


# How a model is spread over the ranks


def fsdp(model, mesh=None, *inner, **options):
    mesh = mesh or init_device_mesh("cpu", (dist.get_world_size(),))
    for module in (*inner, model):
        fully_shard(module, mesh=mesh, **options)


def fsdp_of_one(model):
    """Each rank alone."""
    fsdp(model, init_device_mesh("cpu", (dist.get_world_size(), 1), mesh_dim_names=("all", "one"))["one"])


def fsdp_by_layer(model):
    fsdp(model, None, model.up, model.down)


def fsdp_by_column(model):
    """Matrices whose columns the ranks can share evenly, as FSDP asks; the others by rows."""

    def place(value):
        return Shard(int(value.ndim > 1 and value.shape[1] % dist.get_world_size() == 0))

    fsdp(model, shard_placement_fn=place)


def fsdp_in_mixed_precision(model):
    """Weights are float32, and bfloat16 while they are used."""
    fsdp(model, None, model.fc, mp_policy=MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32))


def fsdp_by_block(model):
    fsdp(model, None, *model.transformer.h)


def hsdp(model):
    fsdp(model, init_device_mesh("cpu", (2, 2), mesh_dim_names=("replicate", "shard")), model.up)


def tensor_parallel(model, mesh=None):
    """By rows, by columns and by words; what is not named stays whole on each rank."""
    styles = {"words": RowwiseParallel(input_layouts=Replicate()), "head": ColwiseParallel()}
    styles |= {"up": ColwiseParallel(), "few": ColwiseParallel(), "down": RowwiseParallel(), "seven": RowwiseParallel()}
    parallelize_module(model, mesh or init_device_mesh("cpu", (dist.get_world_size(),)), styles)


def words_by_column(model):
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    parallelize_module(model, mesh, {"words": ColwiseParallel(), "up": RowwiseParallel()})


def both(model):
    mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("data", "tensor"))
    tensor_parallel(model, mesh["tensor"])
    fsdp(model, mesh["data"], model.up, model.down)


def wrapped(model):
    """Activation checkpoints inside, a compiler's wrapper outside."""
    model.up, model.down = checkpoint_wrapper(model.up), checkpoint_wrapper(model.down)
    fsdp(model, None, model.up)
    return torch.compile(model)


def over_a_part_of_the_ranks(model):
    spread(model, DeviceMesh("cpu", [0, 1, 2]), lambda value: [Shard(0)])


def in_reversed_order(model):
    """Rows split by the second axis of the mesh first, then by the first."""
    mesh = init_device_mesh("cpu", (2, 2))
    order = (ShardOrderEntry(tensor_dim=0, mesh_dims=(1, 0)),)
    for module, name, value in owned(model):
        row = mesh.get_coordinate()[1] * 2 + mesh.get_coordinate()[0]
        held = torch.chunk(value.detach(), 4)[row]
        meta = TensorMeta(value.shape, value.stride(), value.dtype)
        spec = DTensorSpec(mesh, (Shard(0), Shard(0)), tensor_meta=meta, shard_order=order)
        ordered = DTensor(held, spec, requires_grad=True)
        ordered._is_param = True  # nn.Parameter(ordered) would forget the order
        setattr(module, name, ordered)


def in_strides(model):
    """Rows in several runs on each rank, uneven ones too; columns likewise."""
    mesh = init_device_mesh("cpu", (2, 2))
    rows, columns = _StridedShard(0, split_factor=3), _StridedShard(1, split_factor=2)
    spread(model, mesh, lambda value: [rows, columns if value.ndim > 1 else Replicate()])


def spread(model, mesh, placements):
    for module, name, value in owned(model):
        spread_out = distribute_tensor(value.detach(), mesh, placements(value), src_data_rank=None)
        setattr(module, name, nn.Parameter(spread_out))
    if hasattr(model, "head"):
        model.head.weight = model.words.weight


def owned(model):
    for path, value in list(model.named_parameters()):
        owner, _, name = path.rpartition(".")
        yield model.get_submodule(owner), name, value


# Of each number of ranks: a name, the net, its dtype, where it is built, and how it is spread.
CASES = {
    4: {
        "FSDP2 from meta": ("net", "float32", "meta", fsdp_by_layer),
        "FSDP2 over memory": ("net", "float32", "cpu", fsdp_by_layer),
        "FSDP2 in bfloat16": ("net", "bfloat16", "meta", fsdp_by_layer),
        "FSDP2 in float16": ("net", "float16", "meta", fsdp_by_layer),
        "FSDP2 by column": ("net", "float32", "meta", fsdp_by_column),
        "deferred": ("recorded", "float32", "deferred", fsdp),
        "deferred in float16": ("recorded", "float16", "deferred", fsdp),
        "deferred in bfloat16": ("recorded", "bfloat16", "deferred", fsdp),
        "deferred by column": ("recorded", "float32", "deferred", fsdp_by_column),
        "deferred in mixed precision": ("recorded", "float32", "deferred", fsdp_in_mixed_precision),
        "a layer more": ("deeper", "float32", "meta", fsdp_by_layer),
        "HSDP": ("net", "float32", "meta", hsdp),
        "HSDP in bfloat16": ("net", "bfloat16", "meta", hsdp),
        "tensor parallel": ("untied", "float32", "meta", tensor_parallel),
        "tensor parallel over memory": ("untied", "float32", "cpu", tensor_parallel),
        "words by column": ("untied", "bfloat16", "meta", words_by_column),
        "FSDP2 over tensor parallel": ("untied", "float32", "meta", both),
        "FSDP2 over tensor parallel in bfloat16": ("untied", "bfloat16", "meta", both),
        "FSDP2 over tensor parallel over memory": ("untied", "float32", "cpu", both),
        "wrapped": ("net", "float32", "meta", wrapped),
        "weight norm": ("normed", "float32", "meta", fsdp),
        "in strides": ("net", "float32", "cpu", in_strides),
        "an order of its own": ("even", "float32", "cpu", in_reversed_order),
    },
    2: {
        "FSDP2 from meta": ("net", "float32", "meta", fsdp_by_layer),
        "FSDP2 over memory": ("net", "float32", "cpu", fsdp_by_layer),
        "FSDP2 in bfloat16": ("net", "bfloat16", "meta", fsdp_by_layer),
        "FSDP2 of one rank": ("net", "float32", "meta", fsdp_of_one),
        "tensor parallel": ("untied", "float32", "meta", tensor_parallel),
        "tensor parallel in bfloat16": ("untied", "bfloat16", "meta", tensor_parallel),
        "GPT-2": ("gpt2", "float32", "meta", fsdp_by_block),
        "GPT-2 in bfloat16": ("gpt2", "bfloat16", "meta", fsdp_by_block),
        "DDP": ("net", "float32", "cpu", nn.parallel.DistributedDataParallel),
    },
}


def filled(folder, net, dtype, device, spread):
    """The digests of a case, how many collectives its fill cost, and whether parameters stayed the same objects."""
    model = build(net, device, getattr(torch, dtype))
    outer = spread(model)
    model = model if outer is None else outer
    before = [id(value) for value in model.parameters()]
    with CommDebugMode() as watched:
        Plan.load(folder / f"{net}.json").apply(model, seed=SEED)
    return {
        "digests": digests(model),
        "collectives": watched.get_total_counts(),
        "is same": [id(value) for value in model.parameters()] == before,
    }


# What else is asked of four ranks


def trained(plan, net, device, spread):
    """A model from meta learns; filled once more it is as at first, after a step and after an evaluation."""
    model = build(net, device)
    spread(model)
    step = torch.optim.SGD(model.parameters(), lr=0.1)  # it keeps the parameters that are on meta now
    plan.apply(model, seed=SEED)
    first = loss(model)
    first.backward()
    step.step()
    moved = digests(model)
    plan.apply(model, seed=SEED)
    again = digests(model)
    with torch.no_grad():
        loss(model)
    is_whole = not isinstance(
        next(model.parameters(recurse=False)), DTensor
    )  # FSDP leaves the root's weights whole after a forward pass
    plan.apply(model, seed=SEED + 1)
    model.reshard()
    return {"loss": first.item(), "moved": moved, "again": again, "was whole": is_whole, "after": digests(model)}


def outside(plan):
    """The fourth rank holds nothing."""
    model = build("even")
    over_a_part_of_the_ranks(model)
    plan.apply(model, seed=SEED)
    held = [value.to_local().numel() for value in model.parameters()]
    return {"digests": digests(model) if dist.get_rank() < 3 else {}, "held": sum(held)}


def computed(plan, folder):
    """Orthogonal weights, whole, as a file."""
    model = build("even", "meta")
    mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("data", "tensor"))
    parallelize_module(model, mesh["tensor"], {"0": ColwiseParallel(), "2": RowwiseParallel()})
    fsdp(model, mesh["data"])
    plan.apply(model, seed=SEED)
    whole = {path: value.full_tensor() for path, value in model.state_dict().items()}
    if dist.get_rank() == 0:
        torch.save(whole, folder / "orthogonal.pt")


def refused(plan, model):
    try:
        plan.apply(model, seed=SEED)
    except InitiumError as error:
        return str(error)
    return "nothing was refused"


def refusals(folder):
    mesh = init_device_mesh("cpu", (4,))
    summed, divided = build("even"), build("spectral")
    summed[0].weight = nn.Parameter(DTensor.from_local(summed[0].weight.detach(), mesh, [Partial()], run_check=False))
    fsdp(divided)
    return {
        "a sum": refused(Plan.load(folder / "even.json"), summed),
        "spectral norm": refused(Plan.load(folder / "spectral.json"), divided),
    }


def flat(folder):
    """FSDP of the first kind, whose weights are flat: what it says, and what it has once they are whole."""
    model = build("even")
    model = FullyShardedDataParallel(model, use_orig_params=True, device_id=torch.device("cpu"))
    plan = Plan.load(folder / "even.json")
    said = refused(plan, model)
    with FullyShardedDataParallel.summon_full_params(model):
        plan.apply(model, seed=SEED)
        whole = digests(model)
    return {"said": said, "digests": whole, "loss": model(torch.ones(2, 8)).square().mean().item()}


def main(rank, num_ranks, port, folder):
    torch.set_num_threads(1)
    address = f"tcp://127.0.0.1:{port}"
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=num_ranks)
    found = {name: filled(folder, *case) for name, case in CASES[num_ranks].items()}
    if num_ranks == 4:
        net, even = Plan.load(folder / "net.json"), Plan.load(folder / "even.json")
        found |= {"trained": trained(net, "net", "meta", fsdp_by_layer)}
        recorded = Plan.load(folder / "recorded.json")
        found |= {"trained from deferred": trained(recorded, "recorded", "deferred", fsdp_in_mixed_precision)}
        found |= {"outside": outside(even), "refused": refusals(folder)}
        computed(Plan.load(folder / "orthogonal.json"), folder)
    else:
        found |= {"flat": flat(folder)}
    (folder / f"{num_ranks}-{rank}.json").write_text(json.dumps(found))
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], Path(sys.argv[4]))
