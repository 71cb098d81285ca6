"""How a module of Flax NNX is traced and filled, in place: the edge of such models."""

from collections.abc import Mapping
from typing import Any

from .._decisions import Decisions
from .._errors import ModelError, SettingError
from .._graph import Graph
from .._ledger import Ledger
from ._initialize import applied
from ._jax import jax
from ._trace import trace as _trace
from ._tree import Leaves, leaves_in


def trace(model: Any, example: Any = None) -> Graph:
    """What a module does with each of its parameters, in evaluation; its own numbers are not needed.

    Args:
        model: of `flax.nnx`, also from `nnx.eval_shape`.
        example: inputs: an array, a tuple of arguments or a dict of keyword arguments; shapes are enough.

    Raises:
        ModelError: if there is no example, or the module raises on it.
    """
    from flax import nnx  # pyright: ignore[reportMissingImports]

    if example is None:
        raise ModelError(
            f"{type(model).__name__} does not say what it takes. Pass an input, or its shape: "
            'initium.initialize(model, example=jax.ShapeDtypeStruct((1, 30), "float32")).'
        )
    graph, leaves = _apart(model)

    def function(states: Any, *args: Any, **kwargs: Any) -> Any:
        module = nnx.merge(graph, *states)
        module.eval()
        return module(*args, **kwargs)

    if isinstance(example, Mapping):
        return _trace(function, leaves, (), example)
    return _trace(function, leaves, example if isinstance(example, tuple) else (example,), {})


survey = trace  # its layers' types say nothing that the trace does not


def apply(plan: Decisions, model: Any, *, seed: int = 0, device: Any = None, partial: bool = False) -> Ledger:
    """Fill a module's parameters, in place. See `Plan.apply`."""
    from flax import nnx  # pyright: ignore[reportMissingImports]

    if device is not None or partial:
        raise SettingError("A module of Flax is filled whole, where its arrays lie: leave `device` and `partial` out.")
    _, leaves = _apart(model)
    (params, _), ledger = applied(plan, leaves, seed)
    nnx.update(model, params)
    return ledger


def _apart(model: Any) -> tuple[Any, Leaves]:
    """How a module is put together, and its arrays: those of `nnx.Param` first, then all others."""
    from flax import nnx  # pyright: ignore[reportMissingImports]

    graph, *states = nnx.split(model, nnx.Param, ...)
    if not jax.tree_util.tree_leaves(states[0]):
        raise ModelError(f"{type(model).__name__} has no `nnx.Param`, so there is nothing to start.")
    return graph, leaves_in(tuple(states), lambda keys: keys[0].idx == 0, _named)


def _named(keys: Any) -> str:
    """`layers.0.kernel`."""
    names = [str(getattr(key, "key", getattr(key, "name", ""))) for key in keys[1:]]
    return ".".join(names[:-1] if names[-1] in ("value", "raw_value") and len(names) > 1 else names)
