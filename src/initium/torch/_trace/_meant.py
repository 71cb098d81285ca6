"""seen_of: what a module's parameters were built with, for whoever keeps what their author meant."""

from collections.abc import Sequence
from functools import partial

from torch import nn

from ..._graph import Param
from ..._trace._built import Built
from ..._trace._meant import Seen, unused_as_meant
from .._built import built, is_zero
from .._read import is_layers, named

UNRECORDED = "on meta without a record of what they were built with (initium.torch.deferred keeps one)"


def seen_of(model: nn.Module) -> dict[int, Seen]:
    """What can be seen of each parameter under its first name, in the model's order."""
    seen: dict[int, Seen] = {}
    for _, module, name, value in named(model):
        if id(value) not in seen:
            seen[id(value)] = Seen(
                built=partial(_built, module, name, value),
                is_zero=partial(is_zero, module, name, value),
                num_axes=value.ndim,
                is_layers=is_layers(module, name),
                is_free=value.requires_grad,
            )
    return seen


def _built(module: nn.Module, name: str, value: nn.Parameter, padding: int | None) -> Built:
    return built(module, name, value, padding=padding)


def meant_by_type(model: nn.Module, params: Sequence[Param]) -> tuple[Param, ...]:
    """The same where a model was not run: whatever somebody's own code was built with on purpose stays."""
    return tuple(unused_as_meant(*pair) for pair in zip(params, seen_of(model).values(), strict=True))
