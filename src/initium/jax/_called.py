"""trace_called: a function of parameters that lie elsewhere, as those of a model of Keras on JAX."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from .._errors import ModelError
from .._graph import Graph
from ._jax import jax
from ._trace import trace
from ._tree import leaves_in


class Called(NamedTuple):
    """A function of parameters and of inputs.

    Attributes:
        name: by which messages call its type.
        function: of a mapping of all that follows, by path, and of the inputs.
        params: arrays or shapes, by path.
        buffers: likewise.
    """

    name: str
    function: Callable[..., Any]
    params: Mapping[str, Any]
    buffers: Mapping[str, Any]


def trace_called(called: Called, example: Any, tries: Iterable[Sequence[Any]] = ()) -> Graph:
    """What a function does with each of its parameters. A recurrence is a loop, of which each step is followed.

    Args:
        called: the function.
        example: an array, a tuple of arguments or a dict of keyword arguments; None to try others.
        tries: arrays or shapes in the place of inputs, the likeliest first.

    Raises:
        ModelError: if it raises on the example, or on all that is tried.
    """
    tree = (dict(called.params), dict(called.buffers))
    leaves = leaves_in(tree, lambda keys: keys[0].idx == 0, lambda keys: str(keys[1].key))

    def function(held: Any, *args: Any, **kwargs: Any) -> Any:
        return called.function({**held[0], **held[1]}, *args, **kwargs)

    if isinstance(example, Mapping):
        return trace(function, leaves, (), example)
    if example is not None:
        return trace(function, leaves, example if isinstance(example, tuple) else (example,), {})
    failed: ModelError | None = None
    for inputs in tries:
        try:
            graph = trace(function, leaves, tuple(inputs), {})
        except ModelError as error:
            failed = failed or error
            continue
        return replace(graph, notes=(f"the input was made up: {_described(inputs)}", *graph.notes))
    raise failed or ModelError(f"{called.name} does not say what it takes: pass example=.")


def _described(inputs: Sequence[Any]) -> str:
    """Dtype and shape of each array, and what is assumed of data."""
    arrays = jax.tree.leaves(tuple(inputs))
    is_data = any(jax.numpy.issubdtype(one.dtype, jax.numpy.floating) for one in arrays)
    told = ", ".join(f"{one.dtype} {tuple(one.shape)}" for one in arrays)
    return f"{told}{'; data are taken to have second moment 1' if is_data else ''}"
