"""Small models of each library, at once and compiled: their weights are those of `initium.array`."""

import equinox
import haiku
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

import initium
import initium.jax

HE, GLOROT = initium.jax.he_normal(), initium.jax.glorot_uniform()


def at(path):
    """An initialiser that takes its key from the weight's path, whatever key the library has for it."""
    return lambda key, shape, dtype=None, **how: HE(initium.jax.key(0, path), shape, dtype, **how)


def same(x, y):
    return x.dtype == y.dtype and x.shape == y.shape and np.asarray(x).tobytes() == np.asarray(y).tobytes()


def kernel(path, shape, dtype=np.float32):
    return initium.array("he_normal", shape, seed=0, path=path, dtype=dtype)


class NnxModel(nnx.Module):
    def __init__(self, rngs, first=HE, second=GLOROT, dtype=jnp.float32):
        self.conv = nnx.Conv(3, 8, (3, 3), kernel_init=first, param_dtype=dtype, rngs=rngs)
        self.dense = nnx.Linear(8, 5, kernel_init=second, param_dtype=dtype, rngs=rngs)


def test_flax_nnx_starts_as_array_says():
    model = NnxModel(nnx.Rngs(7), at("conv"), at("dense"), jnp.bfloat16)
    assert same(model.conv.kernel[...], kernel("conv", (8, 3, 3, 3), jnp.bfloat16).transpose(2, 3, 1, 0))
    assert same(model.dense.kernel[...], kernel("dense", (5, 8), jnp.bfloat16).T)


def test_flax_nnx_starts_alike_when_compiled():
    plain, compiled = NnxModel(nnx.Rngs(7)), nnx.jit(lambda: NnxModel(nnx.Rngs(7)))()
    for layer in ("conv", "dense"):
        assert same(getattr(plain, layer).kernel[...], getattr(compiled, layer).kernel[...])
    assert not same(plain.dense.kernel[...], NnxModel(nnx.Rngs(8)).dense.kernel[...])


def test_flax_nnx_knows_the_shapes_without_numbers():
    model = nnx.eval_shape(lambda: NnxModel(nnx.Rngs(7)))
    assert model.conv.kernel.get_value().shape == (3, 3, 3, 8)


def test_flax_nnx_makes_an_ensemble():
    @nnx.vmap
    def build(key):
        return nnx.Linear(4, 5, kernel_init=HE, rngs=nnx.Rngs(key))

    keys = jax.random.split(jax.random.key(0), 3)
    kernels = build(keys).kernel[...]
    for member, key in zip(kernels, keys, strict=True):
        assert same(member, nnx.Linear(4, 5, kernel_init=HE, rngs=nnx.Rngs(key)).kernel[...])


class LinenModel(linen.Module):
    start: object = HE

    @linen.compact
    def __call__(self, x):
        return linen.Dense(5, kernel_init=self.start, name="dense")(x)


def test_flax_linen_starts_as_array_says():
    x = jnp.zeros((1, 8))
    model = LinenModel(at("dense"))
    expected = kernel("dense", (5, 8)).T
    for init in (model.init_with_output, jax.jit(model.init_with_output)):
        _, variables = init(jax.random.key(7), x)
        assert same(variables["params"]["dense"]["kernel"], expected)


def test_flax_linen_starts_alike_when_compiled_and_compares_equal():
    assert LinenModel(initium.jax.he_normal()) == LinenModel()
    assert hash(LinenModel(initium.jax.he_normal())) == hash(LinenModel())
    x = jnp.zeros((1, 8))
    plain, compiled = (init(jax.random.key(7), x) for init in (LinenModel().init, jax.jit(LinenModel().init)))
    assert same(plain["params"]["dense"]["kernel"], compiled["params"]["dense"]["kernel"])


def test_equinox_starts_as_array_says():
    def build(key):
        linear = equinox.nn.Linear(8, 5, key=key)
        return equinox.tree_at(lambda layer: layer.weight, linear, initium.jax.he_normal(axes="oi")(key, (5, 8)))

    key = initium.jax.key(0, "dense")
    for made in (build(key), equinox.filter_jit(build)(key)):
        assert same(made.weight, kernel("dense", (5, 8)))
    ensemble = equinox.filter_vmap(build)(jax.random.split(key, 3))
    assert ensemble.weight.shape == (3, 5, 8)


def test_haiku_starts_as_array_says():
    def start(shape, dtype):
        assert haiku.next_rng_key() is not None
        return HE(initium.jax.key(0, "dense"), shape, dtype)

    net = haiku.transform(lambda x: haiku.Linear(5, w_init=start)(x))
    for init in (net.init, jax.jit(net.init)):
        assert same(init(jax.random.key(7), jnp.zeros((1, 8)))["linear"]["w"], kernel("dense", (5, 8)).T)


def test_equinox_stores_outputs_first():
    for axes, layer in [
        ("oi", equinox.nn.Linear(8, 5, key=jax.random.key(0))),
        ("oihw", equinox.nn.Conv2d(3, 8, 3, key=jax.random.key(0))),
    ]:
        found = initium.jax.he_normal(axes=axes)(initium.jax.key(0, "layer"), layer.weight.shape)
        assert same(found, kernel("layer", layer.weight.shape))


def test_haiku_without_a_key_is_told_how():
    net = haiku.transform(lambda x: haiku.Linear(5, w_init=HE)(x))
    with pytest.raises(initium.SettingError) as error:
        net.init(jax.random.key(7), jnp.zeros((1, 8)))
    assert str(error.value) == (
        "An initialiser needs a key, such as jax.random.key(0), not [8, 5]. "
        "Haiku passes none: give it lambda *how: init(haiku.next_rng_key(), *how)."
    )


def test_haiku_starts_alike_when_compiled():
    net = haiku.transform(lambda x: haiku.Linear(5, w_init=lambda *how: HE(haiku.next_rng_key(), *how))(x))
    plain, compiled = (init(jax.random.key(7), jnp.zeros((1, 8))) for init in (net.init, jax.jit(net.init)))
    assert same(plain["linear"]["w"], compiled["linear"]["w"])
