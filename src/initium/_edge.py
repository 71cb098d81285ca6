"""Which edge knows a model's framework."""

from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

from ._errors import ModelError, with_article


def _torch() -> ModuleType:
    from . import torch

    return torch


def _nnx() -> ModuleType:
    from .jax import _nnx

    return _nnx


# The edges that can trace a model and fill it; none is imported before it is needed.
_EDGES = {"torch": _torch}

_KERAS = """A Keras model is not planned: `plan` and `initialize` take a torch.nn.Module.
Give each layer its start as you write it, with `import initium.keras`:
    keras.layers.Dense(64, name="hidden", kernel_initializer=initium.keras.he_normal(seed=0))
or start what is built, weight by weight:
    for layer in model.layers:
        if hasattr(layer, "kernel"):
            layer.kernel.assign(initium.keras.he_normal(seed=0, path=layer.kernel.path)(layer.kernel.shape))"""
_JAX = """{what} is a function of parameters that lie beside it, and both are planned together:
    params = initium.jax.initialize({call}, seed=0)
`jax.eval_shape` of what makes the parameters is enough. See `initium.jax.plan`."""

# Whose models are started otherwise than as a whole. A Keras model may be one of torch's besides.
_OTHERS = {
    "keras": _KERAS,
    "flax": _JAX.format(what="A model of Flax linen", call="model.apply, model.init(key, x), x"),
    "haiku": _JAX.format(what="A Haiku model", call="model.apply, model.init(key, x), key, x"),
    "equinox": _JAX.format(what="An Equinox model", call="lambda model, x: jax.vmap(model)(x), model, x"),
}


def edge_of(model: Any) -> ModuleType:
    """The edge whose framework made a model.

    Raises:
        ModelError: if it is no model of a framework that is known here; of another framework, saying what works.
    """
    roots = [kind.__module__.partition(".")[0] for kind in type(model).__mro__]
    if any(kind.__module__.startswith("flax.nnx.") for kind in type(model).__mro__):
        return _nnx()
    if other := next((_OTHERS[root] for root in roots if root in _OTHERS), None):
        raise ModelError(other)
    found = next((_EDGES[root] for root in roots if root in _EDGES), None)
    if found is None or isinstance(model, type) or not hasattr(model, "named_parameters"):
        what = f"the class {model.__name__}" if isinstance(model, type) else with_article(type(model).__name__)
        raise ModelError(" ".join([f"A model is a torch.nn.Module, built; got {what}.", *_hint(model, roots)]))
    return found()


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
