"""Leaves: the arrays of a pytree under the paths that its framework's user sees, and which of them are parameters."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._errors import ModelError, with_article
from ._jax import jax

_BOXED = ("value", "raw_value")  # what a box of Flax's, such as Partitioned, calls what it holds


@dataclass(frozen=True)
class Leaf:
    """One array of a pytree.

    Attributes:
        path: as the framework's user sees it.
        array: with a shape and a dtype, and perhaps with numbers.
        place: among all leaves.
        is_param: whether it is trained; else it is kept beside the parameters.
    """

    path: str
    array: Any
    place: int
    is_param: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """Its sizes."""
        return tuple(self.array.shape)

    @property
    def dtype(self) -> str:
        """As JAX names it."""
        return str(self.array.dtype)

    @property
    def has_numbers(self) -> bool:
        """Whether it is an array, and neither a shape alone nor one that is traced."""
        return not isinstance(self.array, jax.ShapeDtypeStruct | jax.core.Tracer)


@dataclass(frozen=True)
class Leaves:
    """A pytree, taken apart."""

    arrays: tuple[Leaf, ...]
    rest: tuple[Any, ...]
    structure: Any

    @property
    def params(self) -> tuple[Leaf, ...]:
        """Those that are trained."""
        return tuple(leaf for leaf in self.arrays if leaf.is_param)

    def with_arrays(self, arrays: Mapping[int, Any]) -> Any:
        """The same tree with other arrays in some places."""
        leaves = [arrays.get(place, leaf) for place, leaf in enumerate(self.rest)]
        return jax.tree_util.tree_unflatten(self.structure, leaves)


def leaves_of(tree: Any) -> Leaves:
    """The arrays of a pytree.

    Of a mapping of collections that has one called `params`, as Flax's, the parameters are in that; else every array
    of fractions is one.

    Raises:
        ModelError: if there is none.
    """
    found, structure = jax.tree_util.tree_flatten_with_path(tree)
    collections = isinstance(tree, Mapping) and isinstance(tree.get("params"), Mapping)
    arrays = []
    for place, (keys, leaf) in enumerate(found):
        if is_array(leaf):
            is_fraction = jax.numpy.issubdtype(leaf.dtype, jax.numpy.inexact)
            is_beside = collections and getattr(keys[0], "key", None) != "params"
            arrays.append(Leaf(_path(keys), leaf, place, bool(is_fraction) and not is_beside))
    if not any(leaf.is_param for leaf in arrays):
        what = with_article(type(tree).__name__)
        raise ModelError(
            f"There is no parameter: {what} without an array of fractions. Pass what `init` gives, "
            "or `jax.eval_shape` of it: initium.jax.plan(model.apply, params, x)."
        )
    return Leaves(tuple(arrays), tuple(leaf for _, leaf in found), structure)


def is_array(leaf: Any) -> bool:
    """Whether a leaf has a shape and a dtype: an array, or what stands for one."""
    return hasattr(leaf, "shape") and hasattr(leaf, "dtype")


def _path(keys: tuple[Any, ...]) -> str:
    """`params/Dense_0/kernel` of mappings, `layers.0.weight` of attributes and sequences."""
    path = ""
    for place, key in enumerate(keys):
        name, mark = _name(key)
        if place == len(keys) - 1 and place and mark == "." and name in _BOXED:
            continue
        path += f"{mark if path else ''}{name}"
    return path or "params"


def _name(key: Any) -> tuple[str, str]:
    if isinstance(key, jax.tree_util.DictKey):
        return str(key.key), "/"
    name = getattr(key, "name", getattr(key, "idx", getattr(key, "key", key)))
    return str(name), "."
