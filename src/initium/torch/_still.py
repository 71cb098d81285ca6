"""still: what is read while a model is written, where both lie in the same memory."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch

from .._stored import Held, Stored
from .._tensor import Tensor
from ..init._law import Adapted, Loaded
from ._shards import local
from ._write import Write

Memory = Mapping[tuple[torch.device, int], int]  # where each piece begins, and how many bytes it has


@contextmanager
def still(writes: Sequence[Write]) -> Iterator[None]:
    """Read from a copy what one of these tensors would be written over before it is read, as in a swap of layers.

    What is only written over itself needs none.
    """
    from ._warm_held import Living  # rarely needed, and it opens files

    pieces = [local(write.value).untyped_storage() for write in writes if not write.value.is_meta]
    memory = {(piece.device, piece.data_ptr()): piece.nbytes() for piece in pieces}
    living: dict[int, tuple[Living, torch.Tensor]] = {}
    held: dict[int, tuple[Held, object]] = {}
    for write, stored in _read(writes):
        if isinstance(stored, Living):
            piece = stored.value.untyped_storage()
            if (piece.device, piece.data_ptr()) in memory and not _is_itself(stored.value, local(write.value)):
                living[id(stored)] = stored, stored.value
        elif isinstance(stored, Held) and _is_within(stored.numbers.__array_interface__["data"][0], memory):
            held[id(stored)] = stored, stored.numbers
    try:
        for stored, value in living.values():
            stored.value = value.clone()
        for stored, _ in held.values():
            object.__setattr__(stored, "numbers", stored.numbers.copy())
        yield
    finally:
        for stored, value in living.values():
            stored.value = value
        for stored, numbers in held.values():
            object.__setattr__(stored, "numbers", numbers)


def _read(writes: Sequence[Write]) -> Iterator[tuple[Write, Stored]]:
    for write in writes:
        law = write.numbers.law if isinstance(write.numbers, Tensor) else None
        if isinstance(law, Loaded | Adapted):
            yield from ((write, law.source.find(name)) for name in law.source.names)


def _is_itself(source: torch.Tensor, out: torch.Tensor) -> bool:
    def place(one: torch.Tensor) -> tuple[object, ...]:
        return one.data_ptr(), one.dtype, one.shape, one.stride()

    return place(source) == place(out)


def _is_within(address: int, memory: Memory) -> bool:
    return any(where.type == "cpu" and begin <= address < begin + size for (where, begin), size in memory.items())
