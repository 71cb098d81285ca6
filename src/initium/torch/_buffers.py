"""What a model on meta keeps beside its parameters, computed."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase  # pyright: ignore[reportPrivateUsage]

from .._errors import ModelError, listed
from ._deferred import record_of
from ._path import plain_path

# What `reset_running_stats` of every batch norm writes.
_RUNNING = {"running_mean": 0, "running_var": 1, "num_batches_tracked": 0}


@dataclass(frozen=True)
class Remade:
    """A buffer on meta.

    Attributes:
        path: its dotted name.
        value: the buffer itself.
        make: computes its numbers.
    """

    path: str
    value: torch.Tensor
    make: Callable[[], torch.Tensor]


def remade_buffers(model: nn.Module) -> tuple[Remade, ...]:
    """Every buffer that is on meta, with how its numbers are computed.

    Raises:
        ModelError: naming those of which nobody knows.
    """
    found, unknown = [], []
    for full, value in model.named_buffers():
        if value.is_meta:
            owner, _, name = full.rpartition(".")
            module, path = model.get_submodule(owner), plain_path(full)
            make = _maker(module, name, value)
            found += [Remade(path, value, make)] if make else []
            unknown += [] if make else [f"  {path}  of {type(module).__name__}"]
    if unknown:
        raise ModelError(
            f"These buffers would stay uninitialised; they are on meta, and nothing says how they are computed:\n"
            f"{listed(sorted(unknown))}\n"
            "Build the model by `initium.torch.deferred(build)`, which remembers it, or give them their values first."
        )
    return tuple(found)


def _maker(module: nn.Module, name: str, value: torch.Tensor) -> Callable[[], torch.Tensor] | None:
    if recorded := record_of(module).get(name):
        return lambda: recorded.value(0)
    if isinstance(module, _NormBase) and name in _RUNNING:
        return lambda: torch.full(value.shape, _RUNNING[name], dtype=value.dtype, device="cpu")
    return None
