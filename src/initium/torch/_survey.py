"""survey: a model's parameters as they are stored, without running it."""

from typing import Any

from torch import nn

from .._graph import Graph
from ._history import history_of
from ._inputs import given
from ._lazy import give_shapes
from ._read import Facts, buffers_of, check, check_shapes, facts_of, kept, params_of
from ._undisturbed import undisturbed


@undisturbed
def survey(model: nn.Module, example: Any = None) -> Graph:
    """Every parameter with its shape, its layer and how its constructor made it; what is done with it is left open.

    For a recipe that needs no more. Unlike `read` it knows every layer, since it claims nothing of those it does not
    know.

    Args:
        model: of which nothing is run, unless it has lazy layers.
        example: inputs from which lazy layers get their shapes.

    Raises:
        ModelError: if it is compiled by torch.jit or quantised, or a parameter has no shape yet.

    Example:
        >>> [(param.path, param.role, param.dtype) for param in survey(nn.LayerNorm(3)).params]
        [('weight', 'scale', 'float32'), ('bias', 'shift', 'float32')]
    """
    check(model, "survey")
    if example is not None:
        give_shapes(model, given(model, example))
    check_shapes(model, is_run=example is not None)
    return Graph(tuple(params_of(model, _facts).values()), buffers_of(model), **history_of(model))


def _facts(module: nn.Module, name: str, value: nn.Parameter) -> Facts:
    return facts_of(module, name, value) or kept(value, "of a layer that is not known")
