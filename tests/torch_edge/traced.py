"""A small model for a mechanism of the tracer, and what is found of it."""

import pytest
import torch
from torch import nn

from initium import ModelError
from initium.torch._trace import trace


def of(function, **parts):
    """A module with these parts and parameters, called with itself and its inputs.

    Zeros and ones are numbers drawn around zero instead, as far as these say nothing: a constant may be meant.
    """
    generator = torch.Generator().manual_seed(0)
    for name, part in parts.items():
        if isinstance(part, torch.Tensor) and part.numel() > 4 and part.unique().numel() == 1 and part.max() in (0, 1):
            parts[name] = torch.randn(part.shape, generator=generator)

    class Made(nn.Module):
        def __init__(self):
            super().__init__()
            for name, part in parts.items():
                setattr(self, name, nn.Parameter(part) if isinstance(part, torch.Tensor) else part)

        def forward(self, x, *others):
            return function(self, x, *others)

    return Made()


def use(model, path, example=None):
    return trace(model, example).by_path[path].use


def refusal(model, example=None):
    """What is said of a model or an example that is not taken."""
    with pytest.raises(ModelError) as error:
        trace(model, example)
    return str(error.value)


X = torch.zeros(2, 5, 8)
