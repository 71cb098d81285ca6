"""What Keras keeps private and Initium uses: named here alone, so that a new version of Keras breaks one file.

`tests/test_private_api.py` names whatever a version lacks.
"""
# ruff: noqa: F401  What is imported here is for other files.

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras  # pyright: ignore[reportMissingImports]
from keras.src.backend.common.name_scope import current_path  # pyright: ignore[reportMissingImports]
from keras.src.backend.common.stateless_scope import (  # pyright: ignore[reportMissingImports]
    StatelessScope,
    in_stateless_scope,
)
from keras.src.initializers import ALL_OBJECTS_DICT  # pyright: ignore[reportMissingImports]
from keras.src.initializers.random_initializers import (  # pyright: ignore[reportMissingImports]
    RandomInitializer,
    compute_fans,
)
from keras.src.layers.rnn.conv_lstm import ConvLSTMCell  # pyright: ignore[reportMissingImports]
from keras.src.utils.naming import to_snake_case  # pyright: ignore[reportMissingImports]


def with_layers_within(layer: Any) -> Iterator[Any]:
    """A layer and those within it, at any depth."""
    return layer._flatten_layers()


def own_variables(layer: Any) -> list[Any]:
    """Those that a layer itself made."""
    return [*layer._trainable_variables, *layer._non_trainable_variables]


def trained_variables(layer: Any) -> list[Any]:
    """Those that a layer itself made to be trained, though they may be frozen."""
    return list(layer._trainable_variables)


def within(layer: Any) -> list[Any]:
    """The layers that one holds itself, in the order in which its user sees them."""
    if isinstance(layer, keras.Model):
        return list(layer.layers)
    return list(layer._flatten_layers(include_self=False, recursive=False))


def auto_name_of(layer: Any) -> str:
    """What Keras calls a layer that has no name of its own, before it counts; empty of any other.

    A name that somebody has chosen just so cannot be told from it.
    """
    stem = re.sub(r"_\d+$", "", layer.name)
    kind = to_snake_case(type(layer).__name__)
    return stem if stem in (kind, f"forward_{kind}", f"backward_{kind}") else ""


def build_shapes(layer: Any) -> Mapping[str, Any]:
    """The shapes that a layer was built for, by the names of its inputs."""
    return layer._build_shapes_dict or {}


@contextmanager
def called_as(calls: Mapping[Any, Callable[..., Any]]) -> Iterator[None]:
    """While it lasts, these layers do this in place of their own `call`."""
    for layer, call in calls.items():
        vars(layer)["call"] = call
    try:
        yield
    finally:
        for layer in calls:
            del vars(layer)["call"]


def inputs_of(model: Any) -> Any:
    """The symbolic inputs of a functional model, nested as it takes them; None of any other."""
    inner = getattr(model, "_functional", None) or model
    return getattr(inner, "_inputs_struct", None)


def takers_of(symbol: Any) -> list[Any]:
    """The layers and operations that take a symbolic input in."""
    return [node.operation for node in symbol._keras_history.operation._outbound_nodes]
