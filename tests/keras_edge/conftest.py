"""Keras's edge runs on each backend: `KERAS_BACKEND=jax pytest tests/keras_edge`."""

from pathlib import Path

import pytest


def pytest_collection_modifyitems(items):
    """Keras's variables and PyTorch's tensors do not know NumPy 2's `copy=`."""
    quiet = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(quiet)
