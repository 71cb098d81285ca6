"""give_shapes: what lazy layers would learn from their first batch, from an example."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from .._errors import ModelError
from ._inputs import Inputs, was_given
from ._random import own_draws
from ._read import named
from ._torch import tree_map


def give_shapes(model: nn.Module, inputs: Inputs) -> None:
    """Run a model that has lazy layers once, as one does by hand; nothing but their shapes is left of it.

    Raises:
        ModelError: if the model raises, or has no memory to run in.
    """
    lazy = [value for _, _, _, value in named(model) if nn.parameter.is_lazy(value)]
    if not lazy:
        return
    if any(value.is_meta for value in (*model.parameters(), *model.buffers())):
        raise ModelError(
            "The model has lazy layers, which get their shapes from a run, and no memory to run in. Build it with its "
            "sizes, `nn.Linear(8, 4)` for `nn.LazyLinear(4)`, or not on meta."
        )
    place = lazy[0].device
    args, kwargs = tree_map(
        lambda value: value.to(place) if isinstance(value, torch.Tensor) else value, (inputs.args, inputs.kwargs)
    )
    try:
        with _unharmed(model), torch.no_grad():
            model(*args, **kwargs)
    except Exception as error:  # whatever a user's own code may raise
        raise ModelError(
            f"{type(model).__name__} has lazy layers, which get their shapes from a run, and raises "
            f"{type(error).__name__}: {error}\n{was_given(model, inputs)}"
        ) from error


@contextmanager
def _unharmed(model: nn.Module) -> Iterator[None]:
    """In evaluation, with each buffer, and each mode as before afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    buffers = [(value, value.clone()) for value in model.buffers() if not nn.parameter.is_lazy(value)]
    with own_draws():
        try:
            model.eval()
            yield
        finally:
            for module, mode in modes:
                module.training = mode
            for value, numbers in buffers:
                value.copy_(numbers)
