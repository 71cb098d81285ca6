"""Digests and the manifest of a plan."""

import platform
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from .._errors import PlanError
from .._plan import Plan
from .._plan._manifest import SHA256, Manifest
from .._plan._store import text
from ._digest import digest as digest_of
from ._digest import sums
from ._tensors import tensors_of

# What a start may follow from, where it was there.
_LIBRARIES = ("torch", "transformers", "timm")


def digest(plan: Plan, *, seed: int = 0) -> str:
    """One hash of all that a plan draws. See `Plan.digest`."""
    tensors, _ = tensors_of(plan, seed)
    return digest_of(tensors, sums(tensors))


def manifest(plan: Plan, *, seed: int = 0, sha256: Mapping[str, str] | None = None) -> str:
    """A plan with its seed and its digests, as JSON. See `Plan.manifest`."""
    tensors, _ = tensors_of(plan, seed)
    sha256 = sums(tensors) if sha256 is None else sha256
    _check(sha256, {tensor.path for tensor in tensors})
    return text(plan, Manifest(seed=int(seed), digest=digest_of(tensors, sha256), versions=_versions(), sha256=sha256))


def _check(sha256: Any, paths: set[str]) -> None:
    is_whole = isinstance(sha256, Mapping) and sha256.keys() == paths
    if not is_whole or not all(isinstance(one, str) and SHA256.fullmatch(one) for one in sha256.values()):
        raise PlanError("`sha256` is that of each tensor, as `write` returns it: a mapping from its path to 64 digits.")


def _versions() -> dict[str, str]:
    loaded = {name: str(sys.modules[name].__version__) for name in _LIBRARIES if name in sys.modules}
    return {"initium": _own_version(), "python": platform.python_version(), "numpy": np.__version__} | loaded


def _own_version() -> str:
    try:
        return version("initium")
    except PackageNotFoundError:  # a copy of the source that was not installed
        return "unknown"
