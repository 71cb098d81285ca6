"""Before Keras is imported: which backend it stands on. `KERAS_BACKEND=jax pytest tests/keras_edge` is another."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")


def pytest_collection_modifyitems(items):
    """Keras's variables and PyTorch's tensors do not know NumPy 2's `copy=`."""
    quiet = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(quiet)
