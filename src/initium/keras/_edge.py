"""edge: how a Keras model is traced and filled, on the backend that Keras runs on."""

from functools import partial
from types import SimpleNamespace
from typing import Any

import keras  # pyright: ignore[reportMissingImports]

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
    return SimpleNamespace(__name__="initium.keras", trace=partial(trace, below=below), survey=survey, apply=apply)
