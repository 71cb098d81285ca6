"""Same seed, same path, same shape: the same weights in NumPy, PyTorch, Keras and JAX."""

import functools

import keras
import numpy as np
import pytest

import initium
import initium.keras

jnp = pytest.importorskip("jax.numpy")
nnx = pytest.importorskip("flax.nnx")
torch = pytest.importorskip("torch")
nn = torch.nn
initium_jax, initium_torch = pytest.importorskip("initium.jax"), pytest.importorskip("initium.torch")

SEED = 7
# Layers of an MLP and of a CNN: the path of each weight, its start, and the axes in which torch stores it.
MLP = {
    "0.weight": ("lecun_normal", "oi"),
    "2.weight": ("he_normal", "oi"),
    "4.weight": ("glorot_uniform(gain=0.1)", "oi"),
}
CNN = {
    "0.weight": ("lecun_truncated_normal", "oihw"),
    "2.weight": ("he_uniform(mode='out')", "oihw"),  # grouped
    "4.weight": ("delta_orthogonal(gain='relu')", "oihw"),
    "7.weight": ("sparse(num_incoming=4)", "oi"),
}
GROUPS = {"2.weight": 2}


def in_torch(model, starts):
    for path, (spec, _) in starts.items():
        start = initium_torch.Start(initium.parse(spec))
        start(model.get_parameter(path), seed=SEED, path=path, groups=GROUPS.get(path, 1))
        initium_torch.zeros()(model.get_parameter(path.replace("weight", "bias")))
    return model


def in_keras(path, starts):
    return {"kernel_initializer": initium.keras.Start(starts[path][0], seed=SEED, path=path), "name": path[0]}


def in_jax(path, starts):
    start = initium_jax.parse(starts[path][0], groups=GROUPS.get(path, 1))
    key = initium_jax.key(SEED, path)
    return {"kernel_init": lambda _, shape, dtype: start(key, shape, dtype), "rngs": nnx.Rngs(0)}


def torch_mlp():
    return in_torch(nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 5)), MLP)


def keras_mlp():
    of = functools.partial(in_keras, starts=MLP)
    return keras.Sequential(
        [
            keras.Input((20,)),
            keras.layers.Dense(32, activation="relu", **of("0.weight")),
            keras.layers.Dense(32, activation="relu", **of("2.weight")),
            keras.layers.Dense(5, **of("4.weight")),
        ]
    )


def jax_mlp():
    of = functools.partial(in_jax, starts=MLP)
    return [
        nnx.Linear(20, 32, **of("0.weight")),
        nnx.Linear(32, 32, **of("2.weight")),
        nnx.Linear(32, 5, **of("4.weight")),
    ]


def torch_cnn():
    return in_torch(
        nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 12, (3, 2), groups=2), nn.ReLU(),
            nn.Conv2d(12, 16, 2), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 5 * 6, 4),
        ),
        CNN,
    )  # fmt: skip


def keras_cnn():
    of = functools.partial(in_keras, starts=CNN)
    return keras.Sequential(
        [
            keras.Input((10, 10, 3)),
            keras.layers.Conv2D(8, 3, activation="relu", **of("0.weight")),
            keras.layers.Conv2D(12, (3, 2), groups=2, activation="relu", **of("2.weight")),
            keras.layers.Conv2D(16, 2, activation="relu", **of("4.weight")),
            keras.layers.Permute((3, 1, 2)),  # channels first, so that the last layer sees torch's order
            keras.layers.Flatten(),
            keras.layers.Dense(4, **of("7.weight")),
        ]
    )


def jax_cnn():
    of = functools.partial(in_jax, starts=CNN)
    conv = functools.partial(nnx.Conv, padding="VALID")
    return [
        conv(3, 8, (3, 3), **of("0.weight")),
        conv(8, 12, (3, 2), feature_group_count=2, **of("2.weight")),
        conv(12, 16, (2, 2), **of("4.weight")),
        nnx.Linear(16 * 5 * 6, 4, **of("7.weight")),
    ]


def run_jax(layers, x):
    for layer in layers[:-1]:
        x = nnx.relu(layer(x))
    x = x.transpose(0, 3, 1, 2).reshape(len(x), -1) if x.ndim == 4 else x
    return layers[-1](x)


def test_the_path_that_keras_makes_is_the_one_to_name_elsewhere():
    keras.utils.clear_session()
    init, path = initium.keras.he_normal(seed=SEED), "net/hidden/kernel"
    model = keras.Sequential([keras.layers.Dense(30, kernel_initializer=init, name="hidden")], name="net")
    model.build((None, 40))
    kernel = keras.ops.convert_to_numpy(model.layers[0].kernel.value)
    assert model.layers[0].kernel.path == path
    numpys = initium.array("he_normal", (40, 30), seed=SEED, path=path, axes="io")
    np.testing.assert_array_equal(kernel, numpys)
    jaxs = initium_jax.he_normal()(initium_jax.key(SEED, path), (40, 30))
    np.testing.assert_array_equal(kernel, np.asarray(jaxs))
    torchs = torch.empty(30, 40)
    initium_torch.Start(initium.parse("he_normal"))(torchs, seed=SEED, path=path)
    np.testing.assert_array_equal(kernel, torchs.numpy().T)


@pytest.mark.parametrize(
    ("starts", "in_torch", "in_keras", "in_jax", "shape"),
    [(MLP, torch_mlp, keras_mlp, jax_mlp, (6, 20)), (CNN, torch_cnn, keras_cnn, jax_cnn, (6, 10, 10, 3))],
    ids=["MLP", "CNN"],
)
def test_a_net_has_the_same_weights_and_outputs_in_every_framework(starts, in_torch, in_keras, in_jax, shape):
    torchs, keras_, jaxs = in_torch(), in_keras(), in_jax()
    for (path, (spec, axes)), jax_layer in zip(starts.items(), jaxs, strict=True):
        expected = torchs.get_parameter(path).detach().numpy()
        shape_ = expected.shape
        numpys = initium.array(spec, shape_, seed=SEED, path=path, axes=axes, groups=GROUPS.get(path, 1))
        order = [*range(2, len(axes)), 1, 0]
        np.testing.assert_array_equal(numpys, expected)
        kernel = keras.ops.convert_to_numpy(keras_.get_layer(path[0]).kernel.value)
        np.testing.assert_array_equal(kernel, expected.transpose(order))
        np.testing.assert_array_equal(np.asarray(jax_layer.kernel[...]), expected.transpose(order))
        assert expected.any()
    x = initium.array("normal", shape, seed=0, path="data", axes="b" * len(shape))
    with torch.no_grad():
        wanted = torchs(torch.from_numpy(x if x.ndim == 2 else x.transpose(0, 3, 1, 2).copy())).numpy()
    np.testing.assert_allclose(keras.ops.convert_to_numpy(keras_(x)), wanted, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(np.asarray(run_jax(jaxs, jnp.asarray(x))), wanted, rtol=1e-5, atol=1e-5)
