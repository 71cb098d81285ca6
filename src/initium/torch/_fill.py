"""fill: drawn tensors into PyTorch's memory."""

from collections.abc import Iterable
from contextlib import closing

import torch

from .._fill import fill_all
from .._tensor import Box, Tensor
from ..init._law import Loaded
from ._at_once import at_once
from ._memory import has_memory, memory
from ._shards import Part

# How many elements are drawn beside a weight at a time: 4 MB of float32 stay in the cache, and add nothing to the peak.
_STRETCH = 1 << 20


def fill(pairs: Iterable[tuple[Tensor, Part]]) -> None:
    """In this machine's memory all at once; elsewhere one beside the other, and copied."""
    pairs = list(pairs)
    _load([(tensor, part) for tensor, part in pairs if isinstance(tensor.law, Loaded)])
    made = [(tensor, part) for tensor, part in pairs if not isinstance(tensor.law, Loaded)]
    placed = [(tensor, part, _in_order(part.held, tensor.weight.order)) for tensor, part in made]
    here = [tensor.job(memory(out), part.box) for tensor, part, out in placed if has_memory(out)]
    fill_all(here, threads=torch.get_num_threads())
    for tensor, part, out in placed:
        if not has_memory(out):
            for stretch in _stretches(tensor, part):
                stretch.held.copy_(drawn(tensor, stretch.box))


def _stretches(tensor: Tensor, part: Part) -> Iterable[Part]:
    return part.stretches(_STRETCH) if tensor.comes_in_parts else [part]


def _load(pairs: Iterable[tuple[Tensor, Part]]) -> None:
    """What lies in a file, stretch by stretch, straight into memory where the system can write there."""
    work = [(tensor, stretch) for tensor, part in pairs for stretch in _stretches(tensor, part)]
    with closing(at_once(_load_one, work, threads=torch.get_num_threads())) as done:
        for _ in done:
            pass


def _load_one(tensor: Tensor, stretch: Part) -> None:
    box = stretch.box or (slice(None),) * len(tensor.shape)
    if has_memory(stretch.held):
        tensor.write(memory(stretch.held), box)
    else:
        stretch.held.copy_(drawn(tensor, box))


def scan(pairs: Iterable[tuple[Tensor, Part]]) -> None:
    """Read all of what lies in a file, and keep nothing.

    Raises:
        CheckpointError: if it cannot be read, or holds what is no number.
    """
    for tensor, part in pairs:
        for stretch in _stretches(tensor, part):
            _ = tensor.part(stretch.box)


def drawn(tensor: Tensor, box: Box | None = None) -> torch.Tensor:
    """The numbers of a tensor, or of a box of it, on the CPU."""
    made = tensor.part(box, threads=torch.get_num_threads())
    return torch.from_numpy(made).view(getattr(torch, tensor.dtype))


def _in_order(held: torch.Tensor, order: tuple[int, ...]) -> torch.Tensor:
    """A view only where there must be one: PyTorch aborts where one is freed while Python ends."""
    return held if order == tuple(range(len(order))) else held.permute(order)
