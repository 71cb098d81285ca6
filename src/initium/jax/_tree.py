"""Leaves: the arrays of a pytree under the paths that its framework's user sees, and which of them are parameters."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from .._errors import ModelError, with_article
from .._stream_path import stream_path
from ._jax import Tracer, jax

_BOXED = ("value", "raw_value")  # what a box of Flax's, such as Partitioned, calls what it holds


@dataclass(frozen=True)
class Leaf:
    """One array of a pytree.

    Attributes:
        path: as the framework's user sees it.
        array: with a shape and a dtype, and perhaps with numbers.
        place: among all leaves.
        is_param: whether it is trained; else it is kept beside the parameters.
        stream: the path under which it draws, which is PyTorch's for what is called alike.
    """

    path: str
    array: Any
    place: int
    is_param: bool
    stream: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its sizes."""
        return tuple(self.array.shape)

    @property
    def dtype(self) -> str:
        """As JAX names it."""
        return str(self.array.dtype)

    @property
    def is_shape(self) -> bool:
        """Whether it is a shape alone."""
        return isinstance(self.array, jax.ShapeDtypeStruct)

    @property
    def has_numbers(self) -> bool:
        """Whether it is an array, and neither a shape alone nor one that is traced."""
        return not (self.is_shape or isinstance(self.array, Tracer))


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
    collections = isinstance(tree, Mapping) and isinstance(tree.get("params"), Mapping)
    return leaves_in(tree, lambda keys: not collections or getattr(keys[0], "key", None) == "params")


def leaves_in(tree: Any, is_trained: Callable[[Any], bool], named: Callable[[Any], str] | None = None) -> Leaves:
    """The same, where somebody else knows by the keys to an array what it is, and how its path is written."""
    named = named or _path
    found, structure = jax.tree_util.tree_flatten_with_path(tree)
    arrays = []
    for place, (keys, leaf) in enumerate(found):
        if is_array(leaf):
            is_fraction = bool(jax.numpy.issubdtype(leaf.dtype, jax.numpy.inexact))
            arrays.append(Leaf(named(keys), leaf, place, is_fraction and is_trained(keys)))
    if not any(leaf.is_param for leaf in arrays):
        what = with_article(type(tree).__name__)
        raise ModelError(
            f"There is no parameter: {what} without an array of fractions. Pass what `init` gives, "
            "or `jax.eval_shape` of it: initium.jax.plan(model.apply, params, x)."
        )
    return Leaves(tuple(_in_stream(arrays)), tuple(leaf for _, leaf in found), structure)


def _in_stream(leaves: list[Leaf]) -> Iterator[Leaf]:
    """Each with the path under which it draws; where two would draw alike, with its own."""
    paths = [stream_path(leaf.path.removeprefix("params/").replace(".", "/")) for leaf in leaves]
    counts = Counter(paths)
    for leaf, path in zip(leaves, paths, strict=True):
        yield replace(leaf, stream=path if counts[path] == 1 else leaf.path)


def is_array(leaf: Any) -> bool:
    """Whether a leaf has a shape and a dtype: an array, or what stands for one."""
    return hasattr(leaf, "shape") and hasattr(leaf, "dtype")


def is_key(array: Any) -> bool:
    """Whether it is a key of JAX's, typed or old-style."""
    dtype = getattr(array, "dtype", None)
    is_old = str(dtype) == "uint32" and tuple(array.shape) in ((2,), (4,))
    return is_old or (dtype is not None and jax.numpy.issubdtype(dtype, jax.dtypes.prng_key))


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
