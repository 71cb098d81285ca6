"""Shared by all tests."""

import os
import sys
import tempfile
from pathlib import Path

from hypothesis import settings

# The same examples at every run: a test that fails now and then teaches nobody.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")
# Studies that are given no file of their own stay out of the cache of whoever runs the tests.
os.environ["INITIUM_CACHE"] = tempfile.mkdtemp(prefix="initium-tests-")
os.environ.setdefault("KERAS_BACKEND", "torch")  # before anything imports Keras, which would take TensorFlow
sys.path.insert(0, str(Path(__file__).parent))  # `from cases import CASES`
sys.path.append(str(Path(__file__).parent / "torch_edge"))  # `from zoo import library`, elsewhere too
sys.path.append(str(Path(__file__).parent / "checkpoint"))  # `from checkpoints import choice`
sys.path.append(str(Path(__file__).parent / "compare"))  # `from grids import grid`
