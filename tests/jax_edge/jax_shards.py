"""What holds where there are several devices; `test_jax_sharding.py` runs it with 4 and with 8 of them."""

import functools
import sys
import warnings

import jax
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import initium
import initium.jax
from initium._array import drawn
from initium.jax import _start, initializers

warnings.simplefilter("error")
KEY = initium.jax.key(0, "hidden.weight")
SPECS = [P("x", "y"), P("y", "x"), P(None, "y"), P("x"), P(("x", "y")), P(None, ("y", "x")), P()]
SHAPE = (16, 24)


def same(x, y):
    return x.dtype == y.dtype and x.shape == y.shape and np.asarray(x).tobytes() == np.asarray(y).tobytes()


def is_sharded(weight, whole, sharding):
    """Whether each device holds its slice of the whole, and the array says so."""
    slices = all(same(shard.data, np.asarray(whole)[shard.index]) for shard in weight.addressable_shards)
    return slices and weight.sharding.is_equivalent_to(sharding, weight.ndim)


def shards_equal_their_slices_of_the_whole(mesh):
    inits = [initium.jax.he_normal(), initium.jax.orthogonal(), initializers.he_normal(), initializers.orthogonal()]
    for spec in SPECS:
        sharding = NamedSharding(mesh, spec)
        for init in inits:
            whole = init(KEY, SHAPE)
            draw = functools.partial(init, KEY, SHAPE, jax.numpy.float32)
            assert is_sharded(draw(sharding), whole, sharding), (spec, init)
            assert is_sharded(jax.jit(lambda draw=draw, sharding=sharding: draw(sharding))(), whole, sharding), (
                spec,
                init,
            )


def a_spec_takes_the_mesh_that_is_set(mesh):
    init = initium.jax.he_normal()
    whole = init(KEY, SHAPE)
    with jax.set_mesh(mesh):
        for spec in SPECS:
            for draw in (init, jax.jit(init, static_argnums=(1, 2, 3))):
                assert is_sharded(draw(KEY, SHAPE, "float32", spec), whole, NamedSharding(mesh, spec)), spec


def a_convolution_is_cut_along_any_axis(mesh):
    init = initium.jax.he_normal(dtype="bfloat16")
    whole = init(KEY, (4, 2, 8, 16))
    for spec in (P(None, None, "x", "y"), P("y", "x"), P(None, None, None, ("x", "y"))):
        sharding = NamedSharding(mesh, spec)
        assert is_sharded(init(KEY, (4, 2, 8, 16), out_sharding=sharding), whole, sharding)


def only_boxes_are_drawn(mesh):
    boxes = []

    def spy(*args, **kwargs):
        out = drawn(*args, **kwargs)
        boxes.append(out.shape)
        return out

    _start.drawn = spy
    num = jax.device_count()
    init = initium.jax.he_normal()
    for spec, box in [(P("x", "y"), (SHAPE[0] // mesh.shape["x"], SHAPE[1] // mesh.shape["y"])),
                      (P(("x", "y")), (SHAPE[0] // num, SHAPE[1]))]:  # fmt: skip
        sharding = NamedSharding(mesh, spec)
        for draw in (init, jax.jit(init, static_argnums=(1, 2, 3))):
            boxes.clear()
            _start._settled.cache_clear()
            draw(KEY, SHAPE, "float32", sharding).block_until_ready()
            assert [shape for shape in boxes if 0 not in shape] == [box] * num, (spec, boxes)
    boxes.clear()
    init(KEY, SHAPE, None, NamedSharding(mesh, P("x")))  # devices that hold the same shard share one draw
    assert boxes == [(SHAPE[0] // mesh.shape["x"], SHAPE[1])] * mesh.shape["x"], boxes
    _start.drawn = drawn


def a_batch_of_keys_is_drawn_in_shards(mesh):
    init, keys = initium.jax.he_normal(), jax.random.split(KEY, 3)
    sharding = NamedSharding(mesh, P("x"))
    found = jax.jit(jax.vmap(lambda key: init(key, SHAPE, out_sharding=sharding)))(keys)
    for weight, key in zip(found, keys, strict=True):
        assert same(weight, init(key, SHAPE))


def a_compiled_start_may_be_sharded_by_jit(mesh):
    init = initium.jax.he_normal()
    sharding = NamedSharding(mesh, P("x", "y"))
    assert is_sharded(jax.jit(lambda: init(KEY, SHAPE), out_shardings=sharding)(), init(KEY, SHAPE), sharding)


def unequal_shards_are_refused(mesh):
    init = initium.jax.he_normal()
    for draw in (init, jax.jit(init, static_argnums=(1, 2, 3))):
        with jax.set_mesh(mesh):
            with pytest.raises(initium.ShapeError) as error:
                draw(KEY, (17, 24), "float32", P("x"))
            num = mesh.shape["x"]
            expected = f"{P('x')} cuts an axis of shape (17, 24) into {num}, but 17 is not a multiple of {num}."
            assert str(error.value) == expected


CHECKS = [
    shards_equal_their_slices_of_the_whole,
    a_spec_takes_the_mesh_that_is_set,
    a_convolution_is_cut_along_any_axis,
    only_boxes_are_drawn,
    a_batch_of_keys_is_drawn_in_shards,
    a_compiled_start_may_be_sharded_by_jit,
    unequal_shards_are_refused,
]

if __name__ == "__main__":
    rows, columns = map(int, sys.argv[1:])
    assert jax.device_count() == rows * columns
    for kind in (AxisType.Auto, AxisType.Explicit):
        mesh = jax.make_mesh((rows, columns), ("x", "y"), axis_types=(kind, kind))
        for check in CHECKS:
            check(mesh)
            sys.stdout.write(f"{kind.name} {check.__name__}\n")
