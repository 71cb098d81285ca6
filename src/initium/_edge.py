"""Which edge knows a model's framework."""

from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

from ._errors import ModelError, with_article


def _torch() -> ModuleType:
    from . import torch

    return torch


def _jax() -> ModuleType:
    from .jax import _called

    return _called


def _nnx() -> ModuleType:
    from .jax import _nnx

    return _nnx


def _keras() -> Any:
    """Keras's, with the tracer of the backend that Keras runs on."""
    from . import keras

    return keras.edge(_TRACERS.get(keras.backend(), lambda: None)())


# The edges that can trace a model and fill it, a framework that stands on another before that one; none is imported
# before it is needed.
_EDGES: dict[str, Callable[[], Any]] = {"keras": _keras, "torch": _torch}
# Of Keras's backends, those that can trace a function.
_TRACERS: dict[str, Callable[[], Any]] = {"torch": _torch, "jax": _jax}

_JAX = """{what} is a function of parameters that lie beside it, and both are planned together:
    params = initium.jax.initialize({call}, seed=0)
`jax.eval_shape` of what makes the parameters is enough. See `initium.jax.plan`."""

# Whose models are started otherwise than as a whole.
_OTHERS = {
    "flax": _JAX.format(what="A model of Flax linen", call="model.apply, model.init(key, x), x"),
    "haiku": _JAX.format(what="A Haiku model", call="model.apply, model.init(key, x), key, x"),
    "equinox": _JAX.format(what="An Equinox model", call="lambda model, x: jax.vmap(model)(x), model, x"),
}


# By which a model is told from other things of its framework.
_HOLDS = ("named_parameters", "trainable_weights")


def edge_of(model: Any) -> Any:
    """The edge whose framework made a model.

    Raises:
        ModelError: if it is no model of a framework that is known here; of another framework, saying what works.
    """
    roots = [kind.__module__.partition(".")[0] for kind in type(model).__mro__]
    if any(kind.__module__.startswith("flax.nnx.") for kind in type(model).__mro__):
        return _nnx()
    if other := next((_OTHERS[root] for root in roots if root in _OTHERS), None):
        raise ModelError(other)
    found = next((_EDGES[name] for name in _EDGES if name in roots), None)
    if found is None or isinstance(model, type) or not any(hasattr(model, name) for name in _HOLDS):
        what = f"the class {model.__name__}" if isinstance(model, type) else with_article(type(model).__name__)
        raise ModelError(" ".join([f"A model is a torch.nn.Module, built; got {what}.", *_hint(model, roots)]))
    return found()


def edge_for(model: Any, verb: str) -> Any:
    """The edge of a model, for a verb that not every edge has.

    Raises:
        ModelError: as `edge_of`, or if this edge plans and fills models, and does no more yet.
    """
    edge = edge_of(model)
    if edge.__name__ in _PLANS_ALONE:
        raise ModelError(
            f"`{verb}` does not take a {_PLANS_ALONE[edge.__name__]} yet. "
            "`plan` and `initialize` do, and a plan's `apply`, `write` and `verify`."
        )
    return edge


# Edges that plan and fill a model, and do nothing else with it yet.
_PLANS_ALONE = {"initium.keras": "Keras model", "initium.jax._nnx": "model of Flax"}


def building_edge() -> ModuleType:
    """The edge of the one framework whose models are built and trained here."""
    return _torch()


def _hint(model: Any, roots: list[str]) -> Iterator[str]:
    """The way from what is often taken for a model to one."""
    if isinstance(model, Mapping | Iterator | list | tuple):
        yield "Pass the model itself; its parameters alone do not say what becomes of them."
    elif isinstance(model, str):
        yield "Names of models are for the command line; call the function that builds it."
    elif hasattr(model, "shape"):
        edge = "jax" if roots[0].startswith("jax") else "torch"
        yield f"One weight is started by `initium.{edge}.he_normal()`; see `initium.{edge}.Start`."
    elif callable(model):
        name = getattr(model, "__name__", "")
        yield f"Call it: {name if name.isidentifier() else 'build'}()."
