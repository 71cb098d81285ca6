"""Which part of a tensor this process holds, and how that is written without asking the others."""

import itertools
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.autograd.graph import increment_version

from .._errors import ModelError, listed
from ._torch import is_split, spec_of, split

Box = tuple[slice, ...]


@dataclass(frozen=True)
class Part:
    """One box of a tensor, in this process's memory.

    Attributes:
        held: its numbers, in place.
        box: where they lie in the whole tensor, a slice an axis; None if they are the whole.
    """

    held: torch.Tensor
    box: Box | None = None

    def stretches(self, num_elements: int) -> "Iterator[Part]":
        """The same in parts of about so many elements, as they follow each other in memory."""
        if self.held.numel() <= num_elements:
            yield self
            return
        box = list(self.box or (slice(0, size) for size in self.held.shape))
        # The stride of an axis of size 1 says nothing.
        axis = max((axis for axis, size in enumerate(self.held.shape) if size > 1), key=self.held.stride)
        start, size = box[axis].start, self.held.shape[axis]
        step = -(-num_elements * size // self.held.numel())
        for first in range(0, size, step):
            held = self.held.narrow(axis, first, min(step, size - first))
            box[axis] = slice(start + first, start + first + held.shape[axis])
            yield Part(held, tuple(box))


def is_sharded(value: torch.Tensor) -> bool:
    """Whether it is a DTensor; a program that has none has not imported them."""
    distributed: Any = sys.modules.get("torch.distributed.tensor")
    return distributed is not None and isinstance(value, distributed.DTensor)


def local(value: torch.Tensor) -> torch.Tensor:
    """What this process holds of a tensor, which is all of one that is not sharded."""
    sharded: Any = value
    return sharded.to_local() if is_sharded(value) else value


def parts(value: torch.Tensor) -> list[Part]:
    """The boxes of a tensor that this process holds; none outside of its mesh, or if there are fewer rows than ranks.

    The memory is the tensor's own. Autograd does not see what is written there.
    """
    here = local(value).data
    if not is_sharded(value):
        return [Part(here)]
    held = indices(value)
    if held is None or not here.numel():
        return []
    if here.shape == value.shape:
        return [Part(here)]
    runs = [list(_runs(axis)) for axis in held]
    return [
        Part(here[tuple(inside for inside, _ in run)], tuple(outside for _, outside in run))
        for run in itertools.product(*runs)
    ]


def put(value: torch.Tensor, whole: torch.Tensor) -> None:
    """Write a whole tensor, of which each process takes its part."""
    for part in parts(value):
        part.held.copy_(whole if part.box is None else whole[part.box])
    notice(value)


def notice(value: torch.Tensor) -> None:
    """Let autograd know that a tensor's memory was written, as if an operation of its own had done it."""
    if not value.is_inference():
        increment_version(value)


def indices(value: torch.Tensor) -> list[NDArray[np.int64]] | None:
    """Which indices of each axis this process holds of a DTensor; None outside of its mesh.

    Each placement splits the indices that those before it have left, by DTensor's own function.
    """
    sharded: Any = value
    mesh, place = sharded.device_mesh, sharded.device_mesh.get_coordinate()
    if place is None:
        return None
    held = [torch.arange(size, device="cpu") for size in value.shape]
    for mesh_axis in _order(spec_of(sharded)):
        placement = sharded.placements[mesh_axis]
        if not placement.is_replicate():
            along = held[placement.dim].view([-1 if axis == placement.dim else 1 for axis in range(value.ndim)])
            shards = split(placement, along, mesh.size(mesh_axis))
            held[placement.dim] = shards[place[mesh_axis]].reshape(-1)
    return [axis.numpy() for axis in held]


def _order(spec: Any) -> list[int]:
    """The axes of the mesh in the order in which they split the tensor."""
    given = spec.shard_order  # None where _StridedShard says it
    return list(range(spec.mesh.ndim)) if given is None else [axis for entry in given for axis in entry.mesh_dims]


def _runs(held: NDArray[np.int64]) -> Iterator[tuple[slice, slice]]:
    """Each run of consecutive indices: where it lies in what is held, and in the whole."""
    start = 0
    for run in np.split(held, np.flatnonzero(np.diff(held) != 1) + 1):
        yield slice(start, start + len(run)), slice(int(run[0]), int(run[-1]) + 1)
        start += len(run)


def check_shards(values: dict[str, torch.Tensor]) -> None:
    """Refuse DTensors of which it cannot be said what this process holds.

    Raises:
        ModelError: naming all of them.
    """
    lines = [f"  {path}  {_placed(value)}" for path, value in values.items() if is_sharded(value) and not _fits(value)]
    if lines:
        raise ModelError(
            f"Of these parameters it cannot be said which part a process holds:\n{listed(sorted(lines))}\n"
            "Shard them by Shard and Replicate alone, or fill the model before it is sharded."
        )


def _fits(value: torch.Tensor) -> bool:
    sharded: Any = value
    if not all(placement.is_replicate() or is_split(placement) for placement in sharded.placements):
        return False
    held = indices(value)
    # Outside of the mesh nothing is held; of a tensor of no elements its shape does not matter.
    size = tuple(len(axis) for axis in held or ())
    here = local(value)
    return held is None or size == here.shape or (0 in size and not here.numel())


def _placed(value: torch.Tensor) -> str:
    sharded: Any = value
    return f"{tuple(local(value).shape)} of {tuple(value.shape)} by {', '.join(map(repr, sharded.placements))}"


def reshard(model: nn.Module) -> None:
    """Let FSDP take back the whole weights that a forward pass may have left with the model; they are but copies."""
    distributed: Any = sys.modules.get("torch.distributed.fsdp")
    modules: list[Any] = list(model.modules()) if distributed else []
    for module in modules:
        if isinstance(module, distributed.FSDPModule):
            module.reshard()


def is_flat(model: nn.Module) -> bool:
    """Whether the older FSDP wraps some of it, which joins weights to one flat one."""
    distributed: Any = sys.modules.get("torch.distributed.fsdp")
    modules: list[Any] = list(model.modules()) if distributed else []
    return any(isinstance(module, distributed.FullyShardedDataParallel) for module in modules)
