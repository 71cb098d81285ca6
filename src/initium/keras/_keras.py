"""What Keras keeps private and Initium uses: named here alone, so that a new version of Keras breaks one file.

`tests/test_private_api.py` names whatever a version lacks.
"""
# ruff: noqa: F401  What is imported here is for other files.

from collections.abc import Iterator
from typing import Any

from keras.src.backend.common.name_scope import current_path  # pyright: ignore[reportMissingImports]
from keras.src.backend.common.stateless_scope import in_stateless_scope  # pyright: ignore[reportMissingImports]
from keras.src.initializers import ALL_OBJECTS_DICT  # pyright: ignore[reportMissingImports]
from keras.src.initializers.random_initializers import (  # pyright: ignore[reportMissingImports]
    RandomInitializer,
    compute_fans,
)
from keras.src.layers.rnn.conv_lstm import ConvLSTMCell  # pyright: ignore[reportMissingImports]


def with_layers_within(layer: Any) -> Iterator[Any]:
    """A layer and those within it, at any depth."""
    return layer._flatten_layers()


def own_variables(layer: Any) -> list[Any]:
    """Those that a layer itself made."""
    return [*layer._trainable_variables, *layer._non_trainable_variables]
