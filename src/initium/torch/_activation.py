"""Activations that take tensors, for `initium.gain`."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from ..init._gain import ADAPTERS


def on_arrays(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function of tensors as one of float64 arrays."""
    double = copy.deepcopy(f).double().eval() if isinstance(f, nn.Module) else f

    @torch.no_grad()
    def called(z: NDArray[Any]) -> NDArray[Any]:
        return double(torch.tensor(z)).numpy()

    return called


ADAPTERS.append(on_arrays)
