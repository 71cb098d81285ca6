"""What holds where there are several devices; `test_jax_sharding.py` runs it with 4 and with 8 of them."""

import functools
import sys
import warnings
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import initium
import initium.jax
from initium._tensor import Tensor
from initium.jax import _start, initializers

warnings.simplefilter("error")
KEY = initium.jax.key(0, "hidden.weight")
SPECS = [P("x", "y"), P("y", "x"), P(None, "y"), P("x"), P(("x", "y")), P(None, ("y", "x")), P()]
SHAPE = (16, 24)
INITS = [initium.jax.he_normal(), initium.jax.orthogonal(), initializers.he_normal(), initializers.orthogonal()]


def same(x, y):
    return x.dtype == y.dtype and x.shape == y.shape and np.asarray(x).tobytes() == np.asarray(y).tobytes()


def is_sharded(weight, whole, sharding):
    """Whether each device holds its slice of the whole, and the array says so."""
    slices = all(same(shard.data, np.asarray(whole)[shard.index]) for shard in weight.addressable_shards)
    return slices and weight.sharding.is_equivalent_to(sharding, weight.ndim)


def shards_equal_their_slices_of_the_whole(mesh):
    for spec in SPECS:
        sharding = NamedSharding(mesh, spec)
        for init in INITS:
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
    boxes, part = [], Tensor.part

    def spy(*args, **kwargs):
        out = part(*args, **kwargs)
        boxes.append(out.shape)
        return out

    Tensor.part = spy
    init = initium.jax.he_normal()
    packed = initium.jax.parse("he_normal(mode='out')", blocks=(8, 16))  # each block has a law of its own
    a_box_for_each_device(mesh, init, boxes)
    a_box_for_each_device(mesh, packed, boxes)
    boxes.clear()
    init(KEY, SHAPE, None, NamedSharding(mesh, P("x")))  # devices that hold the same shard share one draw
    assert boxes == [(SHAPE[0] // mesh.shape["x"], SHAPE[1])] * mesh.shape["x"], boxes
    Tensor.part = part


def a_box_for_each_device(mesh, init, boxes):
    num = jax.device_count()
    for spec, box in [(P("x", "y"), (SHAPE[0] // mesh.shape["x"], SHAPE[1] // mesh.shape["y"])),
                      (P(("x", "y")), (SHAPE[0] // num, SHAPE[1]))]:  # fmt: skip
        sharding = NamedSharding(mesh, spec)
        for draw in (init, jax.jit(init, static_argnums=(1, 2, 3))):
            boxes.clear()
            _start._settled.cache_clear()
            draw(KEY, SHAPE, "float32", sharding).block_until_ready()
            assert [shape for shape in boxes if 0 not in shape] == [box] * num, (spec, boxes)


def a_batch_of_keys_is_drawn_in_shards(mesh):
    init, keys = initium.jax.he_normal(), jax.random.split(KEY, 3)
    sharding = NamedSharding(mesh, P("x"))
    found = jax.jit(jax.vmap(lambda key: init(key, SHAPE, out_sharding=sharding)))(keys)
    for weight, key in zip(found, keys, strict=True):
        assert same(weight, init(key, SHAPE))
    columns, plain = NamedSharding(mesh, P(None, "y")), jax.random.split(KEY, mesh.shape["x"])
    many = jax.vmap(lambda key: init(key, SHAPE, out_sharding=columns))
    for draw in (many, jax.jit(many)):
        found = draw(jax.device_put(plain, sharding))
        for weight, key in zip(np.asarray(found), plain, strict=True):
            assert same(weight, init(key, SHAPE))


def a_compiled_start_may_be_sharded_by_jit(mesh):
    init = initium.jax.he_normal()
    sharding = NamedSharding(mesh, P("x", "y"))
    assert is_sharded(jax.jit(lambda: init(KEY, SHAPE), out_shardings=sharding)(), init(KEY, SHAPE), sharding)


def a_compiled_start_under_a_mesh_lies_on_all_of_it(mesh):
    everywhere = NamedSharding(mesh, P())
    for init in INITS:
        whole = init(KEY, SHAPE)
        with jax.set_mesh(mesh):
            assert is_sharded(jax.jit(lambda key, init=init: init(key, SHAPE))(KEY), whole, everywhere), init
            assert is_sharded(jax.jit(init, static_argnums=(1, 2))(KEY, SHAPE, "float32"), whole, everywhere), init


def libraries_compile_under_a_mesh(mesh):
    dense = linen.Dense(5, use_bias=False, kernel_init=initium.jax.he_normal())
    linear = lambda: nnx.Linear(8, 5, kernel_init=initium.jax.he_normal(), rngs=nnx.Rngs(7))  # noqa: E731
    expected = [dense.init(KEY, jnp.zeros((1, 8)))["params"]["kernel"], linear().kernel[...]]
    with jax.set_mesh(mesh):
        found = [jax.jit(dense.init)(KEY, jnp.zeros((1, 8)))["params"]["kernel"], nnx.jit(linear)().kernel[...]]
    for weight, whole in zip(found, expected, strict=True):
        assert is_sharded(weight, whole, NamedSharding(mesh, P()))


def a_replicated_key_gives_a_weight_to_compute_with(mesh):
    key = jax.device_put(KEY, NamedSharding(mesh, P()))
    x = jax.device_put(jnp.ones(SHAPE), NamedSharding(mesh, P("x")))
    for init in INITS:
        weight = jax.jit(lambda key, init=init: init(key, SHAPE))(key)
        assert is_sharded(weight, init(KEY, SHAPE), NamedSharding(mesh, P()))
        for total in (weight + x, jax.jit(jnp.add)(weight, x)):
            assert total.sharding.is_equivalent_to(x.sharding, 2)
        assert same(weight[0], init(KEY, SHAPE)[0])


def a_batch_of_keys_keeps_its_sharding(mesh):
    """Where the axis is explicit; JAX tells nobody of an automatic one while it traces."""
    plain = jax.random.split(KEY, 2 * mesh.shape["x"])
    keys = jax.device_put(plain, NamedSharding(mesh, P("x")))
    x = jax.device_put(jnp.ones((len(keys), 3, SHAPE[0])), NamedSharding(mesh, P("x")))
    is_explicit = AxisType.Explicit in mesh.axis_types
    for init in INITS:
        many = jax.vmap(lambda key, init=init: init(key, SHAPE))
        wanted = np.stack([init(key, SHAPE) for key in plain])
        for draw in (many, jax.jit(many)):
            assert is_sharded(draw(keys), wanted, NamedSharding(mesh, P("x" if is_explicit else None)))
            assert not is_explicit or str(jax.typeof(draw(keys))) == f"float32[{len(keys)}@x,16,24]"
        product = jax.jit(jax.vmap(lambda key, x, init=init: x @ init(key, SHAPE)))(keys, x)
        assert np.allclose(product, np.asarray(x) @ wanted, atol=1e-5)
    nested = jax.device_put(plain.reshape(-1, mesh.shape["x"]).T, NamedSharding(mesh, P("x")))
    both = jax.jit(jax.vmap(jax.vmap(lambda key: INITS[0](key, SHAPE)), in_axes=1))(nested)
    assert same(np.asarray(both).reshape(-1, *SHAPE), jax.vmap(lambda key: INITS[0](key, SHAPE))(plain))


def a_weight_lies_where_its_key_lies(mesh):
    last = jax.devices()[-1]
    for init in INITS:
        whole = init(KEY, SHAPE)
        assert whole.sharding.device_set == {jax.devices()[0]}
        for key in (KEY, jax.random.key_data(KEY)):
            alone = init(jax.device_put(key, last), SHAPE)
            assert is_sharded(alone, whole, jax.sharding.SingleDeviceSharding(last))
            assert alone.committed
            spread = init(jax.device_put(key, NamedSharding(mesh, P())), SHAPE)
            assert is_sharded(spread, whole, NamedSharding(mesh, P()))
        with jax.set_mesh(mesh):
            assert is_sharded(init(KEY, SHAPE), whole, NamedSharding(mesh, P()))


def a_weight_that_is_computed_as_a_whole_is_drawn_once_and_cut(mesh):
    wholes, part = [], Tensor.part

    def spy(*args, **kwargs):
        out = part(*args, **kwargs)
        wholes.append(weakref.ref(out if out.base is None else out.base))
        return out

    Tensor.part = spy
    for spec, blocks in [("orthogonal", 1), ("dirac", 1), ("orthogonal", (8, 24))]:
        init = initium.jax.parse(spec, axes="wio", blocks=blocks)
        whole = init(KEY, (3, 32, 32))
        wholes.clear()
        _start._settled.cache_clear()
        sharding = NamedSharding(mesh, P(None, "x", "y"))
        weight = init(KEY, (3, 32, 32), None, sharding)
        assert len(wholes) == 1, spec
        assert wholes[0]() is None, f"{spec}: a shard keeps the whole alive"
        assert is_sharded(weight, whole, sharding)
    Tensor.part = part


def a_step_on_a_donated_replicated_weight_leaves_every_copy_right(mesh):
    weight = initializers.he_normal()(KEY, (512, 512), out_sharding=NamedSharding(mesh, P()))
    whole = np.array(weight)
    pointers = {shard.data.unsafe_buffer_pointer() for shard in weight.addressable_shards}
    assert len(pointers) == 1  # all devices read the memory that was drawn once
    weight = jax.jit(lambda x: x + 1, donate_argnums=0)(weight)
    weight = jax.jit(lambda x: x + 1, donate_argnums=0)(weight)
    assert is_sharded(weight, whole + np.float32(1) + np.float32(1), NamedSharding(mesh, P()))


def unequal_shards_are_refused(mesh):
    init = initium.jax.he_normal()
    for draw in (init, jax.jit(init, static_argnums=(1, 2, 3))):
        with jax.set_mesh(mesh):
            with pytest.raises(initium.ShapeError) as error:
                draw(KEY, (17, 24), "float32", P("x"))
            num = mesh.shape["x"]
            expected = f"{P('x')} cuts an axis of shape (17, 24) into {num}, but 17 is not a multiple of {num}."
            assert str(error.value) == expected


def a_whole_model_is_drawn_shard_by_shard(mesh):
    boxes, part = [], Tensor.part

    def spy(*args, **kwargs):
        out = part(*args, **kwargs)
        boxes.append(out.shape)
        return out

    def dense(params, x):
        return jax.nn.relu(x @ params["fc"]["kernel"]) @ params["head"]["kernel"]

    x, specs = jax.ShapeDtypeStruct((2, 16), "float32"), {"fc": P("x", "y"), "head": P("y")}
    shapes = {"fc": {"kernel": (16, 24)}, "head": {"kernel": (24, 8)}}
    shapes = jax.tree.map(
        lambda shape: jax.ShapeDtypeStruct(shape, "float32"), shapes, is_leaf=lambda x: type(x) is tuple
    )
    whole = initium.jax.initialize(dense, shapes, x, seed=0)
    cut = {
        name: {
            "kernel": jax.ShapeDtypeStruct(layer["kernel"].shape, "float32", sharding=NamedSharding(mesh, specs[name]))
        }
        for name, layer in shapes.items()
    }
    Tensor.part = spy
    found = initium.jax.initialize(dense, cut, x, seed=0)
    Tensor.part = part
    for name, spec in specs.items():
        assert is_sharded(found[name]["kernel"], whole[name]["kernel"], NamedSharding(mesh, spec)), name
    num_rows, num_columns = mesh.shape["x"], mesh.shape["y"]
    drawn = [(16 // num_rows, 24 // num_columns)] * jax.device_count() + [(24 // num_columns, 8)] * num_columns
    assert sorted(boxes) == sorted(drawn), boxes
    compiled = jax.jit(lambda: initium.jax.initialize(dense, cut, x, seed=0))()
    assert is_sharded(compiled["fc"]["kernel"], whole["fc"]["kernel"], NamedSharding(mesh, specs["fc"]))


def a_model_lies_where_it_lay(mesh):
    last = jax.devices()[-1]
    params = jax.device_put({"kernel": jnp.ones((16, 24))}, last)
    found = initium.jax.initialize(lambda params, x: x @ params["kernel"], params, jnp.ones((2, 16)))
    assert found["kernel"].devices() == {last}


CHECKS = [
    a_whole_model_is_drawn_shard_by_shard,
    a_model_lies_where_it_lay,
    shards_equal_their_slices_of_the_whole,
    a_spec_takes_the_mesh_that_is_set,
    a_convolution_is_cut_along_any_axis,
    only_boxes_are_drawn,
    a_batch_of_keys_is_drawn_in_shards,
    a_compiled_start_may_be_sharded_by_jit,
    a_compiled_start_under_a_mesh_lies_on_all_of_it,
    libraries_compile_under_a_mesh,
    a_replicated_key_gives_a_weight_to_compute_with,
    a_batch_of_keys_keeps_its_sharding,
    a_weight_lies_where_its_key_lies,
    a_weight_that_is_computed_as_a_whole_is_drawn_once_and_cut,
    a_step_on_a_donated_replicated_weight_leaves_every_copy_right,
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
