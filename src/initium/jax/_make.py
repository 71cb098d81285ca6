"""Make: drawn numbers as a JAX array, at once or when a traced program runs, whole or shard by shard."""

import functools
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._errors import SettingError, ShapeError
from ._jax import jax, trace_state  # pyright: ignore[reportAttributeAccessIssue]
from ._key import key_words, stream_key
from ._memory import copied, to_jax

Box = tuple[slice, ...]


@dataclass(frozen=True)
class Draw:
    """What draws a weight.

    Attributes:
        numbers: of a stream key, all or a box of them; must not fail, a traced program calls it.
        needs_whole: a box costs as much as all.
    """

    numbers: Callable[[int, Box | None], NDArray[Any]]
    needs_whole: bool = False


@functools.cache
def _untraced() -> Any:
    """How things stand where nothing is traced: in a new thread, since this module may be imported inside a trace."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(trace_state()))
    thread.start()
    thread.join()
    return found[0]


def make(draw: Draw, key: Any, shape: tuple[int, ...], dtype: np.dtype[Any], out_sharding: Any = None) -> jax.Array:
    """What `draw` draws under a JAX key.

    Args:
        draw: the numbers.
        key: of JAX, typed or old-style; traced or not.
        shape: of the whole.
        dtype: as JAX would have it.
        out_sharding: a NamedSharding, or a PartitionSpec under a mesh; None is where the key lies.
    """
    words, at_once = key_words(key), trace_state() == _untraced()
    sharding = None if out_sharding is None else _named(out_sharding, shape, at_once)
    if not at_once and sharding is not None:
        return _map_shards(draw, words, shape, dtype, sharding)
    if not at_once:
        return _call_back(draw, words, shape, dtype)
    sharding = _spelled(sharding, len(shape)) if sharding else _place(words, len(shape))
    if isinstance(sharding, jax.sharding.NamedSharding):
        return _put_shards(draw, stream_key(words), shape, sharding)
    return to_jax(draw.numbers(stream_key(words), None), sharding)


def _place(words: Any, num_axes: int) -> Any:
    """Where JAX would put what a key makes: where it was put itself, or on all of the mesh; None is by default."""
    found = words.sharding if getattr(words, "committed", False) else None
    mesh = getattr(found, "mesh", None) if found else jax.sharding.get_mesh()
    if mesh is not None and not mesh.empty:
        return _spelled(jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec()), num_axes)
    return found


def _spelled(sharding: Any, num_axes: int) -> Any:
    """A sharding as JAX itself spells it, since `jax.jit` compiles anew for each spelling of the same.

    Of axes of the array that are whole, explicit axes of a mesh are told; automatic ones are left out at the end.
    """
    spec = [*sharding.spec, *[None] * (num_axes - len(sharding.spec))]
    if not any(kind == jax.sharding.AxisType.Explicit for kind in sharding.mesh.axis_types):
        while spec and spec[-1] is None:
            spec.pop()
    return jax.sharding.NamedSharding(sharding.mesh, jax.sharding.PartitionSpec(*spec))


def _call_back(draw: Draw, words: Any, shape: tuple[int, ...], dtype: np.dtype[Any], *starts: Any) -> jax.Array:
    """Draw when the traced program runs: all, or the box of this shape that starts there."""
    host = functools.partial(_called_back, draw, shape)

    def program(words: Any, *starts: Any) -> jax.Array:
        result = jax.ShapeDtypeStruct((*words.shape[:-1], *shape), dtype)
        # A callback's own result lies on the first device alone, which JAX cannot read back as a sharding.
        return jax.lax.optimization_barrier(jax.pure_callback(host, result, words, *starts))

    @jax.custom_batching.custom_vmap
    def each(words: Any, *starts: Any) -> jax.Array:
        return _where_the_keys_lie(program, words, len(shape), len(starts))(words, *starts)

    @each.def_vmap
    def _(num: int, batched: Any, words: Any, *starts: Any) -> tuple[jax.Array, bool]:
        del num, batched  # a batch is of keys: places are those of a device
        return each(words, *starts), True

    return each(words, *starts)


def _called_back(draw: Draw, shape: tuple[int, ...], words: Any, *starts: Any) -> NDArray[Any]:
    words = np.asarray(words)  # (*batch, word)
    places = [int(np.asarray(start)) for start in starts]
    box = tuple(slice(at, at + size) for at, size in zip(places, shape, strict=True)) if starts else None
    drawn = [draw.numbers(stream_key(each), box) for each in words.reshape(-1, words.shape[-1])]
    return drawn[0] if words.ndim == 1 else np.stack(drawn).reshape(*words.shape[:-1], *shape)


def _where_the_keys_lie(program: Callable[..., jax.Array], words: Any, num_axes: int, num_starts: int) -> Any:
    """The program; where explicit axes of a mesh cut a batch of keys, one on each device for the keys it has."""
    sharding = jax.typeof(words).sharding
    batch = sharding.spec[:-1]
    if any(name is not None for name in batch):
        ins, outs = (jax.sharding.PartitionSpec(*batch, *[None] * num) for num in (1, num_axes))
        ins = (ins, *[jax.sharding.PartitionSpec()] * num_starts)
        free = set(sharding.mesh.axis_names) - set(sharding.mesh.manual_axes)
        program = jax.shard_map(
            program, mesh=sharding.mesh, in_specs=ins, out_specs=outs, axis_names=free, check_vma=False
        )
    return jax.jit(program)  # as one, also under a `jax.vmap` that runs step by step


def _put_shards(draw: Draw, key: int, shape: tuple[int, ...], sharding: Any) -> jax.Array:
    whole = draw.numbers(key, None) if draw.needs_whole else None

    # Devices that hold the same shard share its memory. That is safe since XLA never writes to memory it took over
    # from NumPy, not even to a donated array's: see `_memory.py`.
    @functools.cache
    def shard(*ends: tuple[int, int]) -> NDArray[Any]:
        box = tuple(slice(*pair) for pair in ends)
        return draw.numbers(key, box) if whole is None else copied(whole[box])

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
    return jax.jit(jax.shard_map(shard, mesh=mesh, in_specs=spec, out_specs=sharding.spec, check_vma=False))(words)


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
