"""held: a module or a state dict as a checkpoint."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from .._errors import CheckpointError, with_article
from .._fill import bits
from .._rule import shown
from .._stored import Box, Held, Stored
from .._warm_start import Checkpoint
from ._path import plain_paths
from ._read import dtype_name
from ._shards import is_sharded


class Living(Stored):
    """A tensor in PyTorch's memory, as it is when it is read."""

    def __init__(self, value: torch.Tensor) -> None:
        self.value, self.shape, self.dtype = value.detach(), tuple(value.shape), dtype_name(value)

    def read(self, box: Box | None = None) -> NDArray[Any]:
        found = (self.value if box is None else self.value[(*box, ...)]).cpu().resolve_neg().resolve_conj()
        return (found.view(torch.uint16) if found.dtype == torch.bfloat16 else found).numpy()


def held(source: Any) -> Checkpoint:
    """What a module or a state dict holds, by name.

    Raises:
        CheckpointError: if it is neither, or holds what has no numbers.
    """
    if isinstance(source, nn.Module):
        plain = plain_paths(source)
        tensors = {plain(name): value for name, value in source.state_dict().items()}
        return Checkpoint(tensors=stored_by_name(tensors), what=with_article(type(source).__name__))
    if isinstance(source, Mapping):
        return Checkpoint(tensors=stored_by_name(source), what="a state dict")
    raise CheckpointError(
        f"A checkpoint is the path of a file or a folder, a module, or a dict of tensors by name, not {shown(source)}."
    )


def stored_by_name(tensors: Mapping[Any, Any]) -> dict[str, Stored]:
    """Tensors and arrays by their names, in their order.

    Raises:
        CheckpointError: naming what is none, or has no numbers here.
    """
    wrong = [
        f"`{name}` is {with_article(type(value).__name__)}"
        for name, value in tensors.items()
        if not _is_one(name, value)
    ]
    if wrong:
        raise CheckpointError(f"A state dict holds tensors by name, and {wrong[0]}. Pass those alone.")
    return {name: _stored(value) for name, value in tensors.items()}


def _is_one(name: Any, value: Any) -> bool:
    if isinstance(value, torch.Tensor):
        is_plain = (
            value.layout is torch.strided and not value.is_meta and not value.is_quantized and not is_sharded(value)
        )
        return isinstance(name, str) and is_plain
    return isinstance(name, str) and isinstance(value, np.ndarray) and not value.dtype.hasobject


def _stored(value: Any) -> Stored:
    if isinstance(value, torch.Tensor):
        return Living(value)
    found = bits(value)
    return Held(found, "bfloat16" if found is not value else "")
