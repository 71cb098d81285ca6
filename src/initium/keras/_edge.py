"""edge: how a Keras model is traced and filled, on the backend that Keras runs on."""

from functools import partial
from types import SimpleNamespace
from typing import Any, NoReturn

import keras  # pyright: ignore[reportMissingImports]

from .._errors import ModelError
from ._apply import apply
from ._trace import survey, trace


def backend() -> str:
    """What Keras runs on: `torch`, `jax` or `tensorflow`."""
    return keras.backend.backend()


def edge(below: Any) -> SimpleNamespace:
    """What an edge does, of a Keras model.

    Args:
        below: the edge of the backend, whose tracer is taken; None if it has none.
    """
    missing = {name: partial(_not_there, name) for name in _MISSING}
    return SimpleNamespace(trace=partial(trace, below=below), survey=survey, apply=apply, **missing)


# What is asked of an edge, and how a user calls it.
_MISSING = {
    "calibrate": "`calibrate`",
    "param_groups": "`param_groups`",
    "diagnose": "`diagnose`",
    "coordinates": "`coordinate_check`",
    "held": "`warm_start`",
}


def _not_there(name: str, *args: Any, **kwargs: Any) -> NoReturn:
    raise ModelError(
        f"{_MISSING[name]} does not take a Keras model yet. "
        "`plan`, `initialize`, and a plan's `apply`, `write` and `verify` do."
    )
