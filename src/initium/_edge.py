"""Which edge knows a model's framework."""

from types import ModuleType
from typing import Any

from ._errors import ModelError, with_article


def _torch() -> ModuleType:
    from . import torch

    return torch


# The edges that can trace a model and fill it; none is imported before it is needed.
_EDGES = {"torch": _torch}


def edge_of(model: Any) -> ModuleType:
    """The edge whose framework made a model.

    Raises:
        ModelError: if it is no model of a framework that is known here.
    """
    roots = [kind.__module__.partition(".")[0] for kind in type(model).__mro__]
    found = next((_EDGES[root] for root in roots if root in _EDGES), None)
    if found is None or isinstance(model, type):
        what = f"the class {model.__name__}" if isinstance(model, type) else with_article(type(model).__name__)
        hint = f" Call it: {getattr(model, '__name__', 'build')}()." if callable(model) else ""
        raise ModelError(f"A model is a torch.nn.Module, built; got {what}.{hint}")
    return found()
