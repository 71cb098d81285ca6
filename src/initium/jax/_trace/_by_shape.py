"""by_shape: what an array's shape and name say of it, where nobody could see what is done with it."""

from typing import Any

from ..._graph import Graph, Param, Use
from ...init._weight import usual_axes
from .._tree import Leaf, Leaves

_TABLES = ("embedding", "embeddings")


def by_shape(leaves: Leaves, why: str) -> Graph:
    """Every parameter by its shape and its name alone; a note says why."""
    params = [
        Param(path=leaf.path, shape=leaf.shape, dtype=leaf.dtype, stream=leaf.stream, **facts_of(leaf))
        for leaf in leaves.params
    ]
    return Graph(tuple(params), notes=(f"shapes and names speak alone, because {why}",))


def facts_of(leaf: Leaf) -> dict[str, Any]:
    """A matrix or a kernel has its inputs before its outputs, as JAX's libraries store them."""
    own, alike = (path.replace("/", ".").rpartition(".")[2] for path in (leaf.path, leaf.stream))
    num_axes = len(leaf.shape)
    if own in _TABLES and num_axes == 2:
        return _read("embedding", "vo", "embedding", "a table by its name")
    if 2 <= num_axes <= 5:
        letters, operation = usual_axes("jax", num_axes), "dense" if num_axes == 2 else "convolution"
        return _read("weight", letters, operation, "read by its shape as (space, input, output)")
    if num_axes == 1 and alike in ("bias", "weight"):
        role, operation = ("bias", "addition") if alike == "bias" else ("scale", "multiplication")
        return _read(role, "o", operation, f"a {role} by its name")
    return _read("kept", "o" * num_axes, "other", "no weight by its shape")


def _read(role: str, axes: str, operation: Any, because: str) -> dict[str, Any]:
    return {"role": role, "axes": axes, "because": because, "by_type": Use(operation=operation)}
