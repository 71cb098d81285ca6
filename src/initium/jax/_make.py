"""Make: drawn numbers as a JAX array, at once or when a traced program runs, whole or shard by shard."""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._errors import SettingError, ShapeError
from ._jax import jax, trace_state  # pyright: ignore[reportAttributeAccessIssue]
from ._key import key_words, stream_key
from ._memory import to_jax

Box = tuple[slice, ...]
Draw = Callable[[int, Box | None], NDArray[Any]]  # the numbers of a stream key, all or a box of them

with jax.ensure_compile_time_eval():
    _AT_ONCE = trace_state()  # how things stand where nothing is traced


def make(draw: Draw, key: Any, shape: tuple[int, ...], dtype: np.dtype[Any], out_sharding: Any = None) -> jax.Array:
    """What `draw` draws under a JAX key.

    Args:
        draw: called with the 64 bits of the key and a box; must not fail, a traced program runs it.
        key: of JAX, typed or old-style; traced or not.
        shape: of the whole.
        dtype: as JAX would have it.
        out_sharding: a NamedSharding, or a PartitionSpec under a mesh; each shard is drawn alone.
    """
    words = key_words(key)
    at_once = trace_state() == _AT_ONCE
    sharding = None if out_sharding is None else _named(out_sharding, shape, at_once)
    if sharding is not None and at_once:
        return _put_shards(draw, stream_key(words), shape, sharding)
    if sharding is not None:
        return _map_shards(draw, words, shape, dtype, sharding)
    return to_jax(draw(stream_key(words), None)) if at_once else _call_back(draw, words, shape, dtype)


def _call_back(draw: Draw, words: Any, shape: tuple[int, ...], dtype: np.dtype[Any], *starts: Any) -> jax.Array:
    """Draw when the traced program runs: all, or the box of this shape that starts there."""

    def call(words: Any, *starts: Any) -> NDArray[Any]:
        words = np.asarray(words)  # (*batch, word)
        places = [int(np.asarray(start).reshape(-1)[0]) for start in starts]
        box = tuple(slice(at, at + size) for at, size in zip(places, shape, strict=True)) if starts else None
        drawn = [draw(stream_key(each), box) for each in words.reshape(-1, words.shape[-1])]
        return drawn[0] if words.ndim == 1 else np.stack(drawn).reshape(*words.shape[:-1], *shape)

    result = jax.ShapeDtypeStruct(shape, dtype)
    return jax.pure_callback(call, result, words, *starts, vmap_method="expand_dims")


def _put_shards(draw: Draw, key: int, shape: tuple[int, ...], sharding: Any) -> jax.Array:
    @functools.cache  # devices that hold the same shard
    def shard(*ends: tuple[int, int]) -> NDArray[Any]:
        return draw(key, tuple(slice(*pair) for pair in ends))

    def part(index: Any) -> NDArray[Any]:
        return shard(*(cut.indices(size)[:2] for cut, size in zip(index, shape, strict=True)))

    return jax.make_array_from_callback(shape, sharding, part)


def _map_shards(draw: Draw, words: Any, shape: tuple[int, ...], dtype: np.dtype[Any], sharding: Any) -> jax.Array:
    mesh, names = sharding.mesh, _axis_names(sharding, len(shape))
    local = tuple(size // _num_shards(mesh, name) for size, name in zip(shape, names, strict=True))

    def shard(words: Any) -> jax.Array:
        indices = [jax.lax.axis_index(name) if name else 0 for name in names]
        starts = [jax.numpy.uint32(index) * jax.numpy.uint32(size) for index, size in zip(indices, local, strict=True)]
        return _call_back(draw, words, local, dtype, *starts)

    spec = jax.sharding.PartitionSpec()
    return jax.shard_map(shard, mesh=mesh, in_specs=spec, out_specs=sharding.spec, check_vma=False)(words)


def _named(out_sharding: Any, shape: tuple[int, ...], at_once: bool) -> Any:
    """A NamedSharding that fits the shape; of a PartitionSpec, with the mesh that is set."""
    if isinstance(out_sharding, jax.sharding.PartitionSpec):
        mesh = jax.sharding.get_mesh() if at_once else jax.sharding.get_abstract_mesh()
        if mesh.empty:
            raise SettingError(f"{out_sharding} needs a mesh: set one with jax.set_mesh, or pass a NamedSharding.")
        out_sharding = jax.sharding.NamedSharding(mesh, out_sharding)
    if not isinstance(out_sharding, jax.sharding.NamedSharding):
        raise SettingError(f"out_sharding is a NamedSharding or a PartitionSpec, not {out_sharding!r}.")
    if len(out_sharding.spec) > len(shape):
        raise ShapeError(f"{out_sharding.spec} names {len(out_sharding.spec)} axes, but the weight has shape {shape}.")
    for size, name in zip(shape, _axis_names(out_sharding, len(shape)), strict=True):
        if size % (num := _num_shards(out_sharding.mesh, name)):
            raise ShapeError(
                f"{out_sharding.spec} cuts an axis of shape {shape} into {num}, but {size} is not a multiple of {num}."
            )
    return out_sharding


def _axis_names(sharding: Any, num_axes: int) -> list[tuple[str, ...]]:
    """Which axes of the mesh cut each axis of the array."""
    spec = [*sharding.spec, *[None] * (num_axes - len(sharding.spec))]
    return [() if part is None else part if isinstance(part, tuple) else (part,) for part in spec]


def _num_shards(mesh: Any, names: tuple[str, ...]) -> int:
    return math.prod(mesh.shape[name] for name in names)
