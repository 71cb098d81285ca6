"""The catalogue in Keras's layers."""

import gc
import inspect
import json
import math
import os
import pickle
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import keras
import numpy as np
import pytest

import initium
import initium.keras
from initium.init._parse import names
from initium.keras._caller import caller

BACKEND = keras.backend.backend()
L = keras.layers


ADDED = ["seed", "path", "axes", "groups", "stride", "transposed", "blocks"]


def numbers(x):
    return np.asarray(keras.ops.convert_to_numpy(x))


def built(layer, *shapes):
    layer.build(*shapes)
    return layer


def dense(init, *, name="hidden", inputs=40, units=30):
    return numbers(built(L.Dense(units, kernel_initializer=init, name=name), (None, inputs)).kernel)


@pytest.fixture(autouse=True)
def fresh_names():
    keras.utils.clear_session()


def test_every_name_of_the_catalogue_and_its_aliases_is_there():
    assert set(dir(initium.keras)) == {*names(), "Start", "initializers"}
    for name, build in names().items():
        made = getattr(initium.keras, name)
        assert (made.__name__, made.__module__, made.__doc__) == (name, "initium.keras", build.__doc__)
        assert list(inspect.signature(made).parameters)[-7:] == ADDED


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"No initialiser is called 'he_norml'; the closest is 'he_normal'\."):
        initium.keras.he_norml  # noqa: B018
    with pytest.raises(AttributeError) as error:
        initium.keras.RandomUniform  # noqa: B018
    assert str(error.value) == (
        "`RandomUniform` is `initium.keras.initializers.RandomUniform`; `initium.keras` has the names of "
        "`initium list`."
    )


def test_arguments_are_those_of_the_catalogue():
    init = initium.keras.he_normal(0.2, mode="out", seed=1, path="p", axes="io")
    told = {"spec": "he_normal(slope=0.2, mode='out')", "seed": 1, "path": "p", "axes": "io"}
    assert init.get_config() == told | dict.fromkeys(ADDED[3:])


def test_numbers_are_those_of_initium_array():
    kernel = dense(initium.keras.he_normal(seed=3))
    for axes, shape, turn in (("io", (40, 30), lambda x: x), ("oi", (30, 40), lambda x: x.T)):
        same = initium.array("he_normal", shape, seed=3, path="hidden/kernel", axes=axes)
        np.testing.assert_array_equal(kernel, turn(same))


def test_a_convolution_has_the_numbers_of_the_torch_layout_transposed():
    layer = built(L.Conv2D(8, 3, kernel_initializer=initium.keras.he_normal(seed=3), name="c"), (None, 9, 9, 5))
    torch_layout = initium.array("he_normal", (8, 5, 3, 3), seed=3, path="c/kernel")
    np.testing.assert_array_equal(numbers(layer.kernel), torch_layout.transpose(2, 3, 1, 0))


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64"])
@pytest.mark.parametrize("spec", ["he_normal", "orthogonal"])
def test_every_dtype_has_the_numbers_of_initium_array(spec, dtype):
    if BACKEND == "jax" and dtype == "float64":
        pytest.skip("JAX has float64 only where it is switched on")
    made = initium.keras.Start(spec, seed=0, path="p")((30, 40), dtype=dtype)
    assert keras.backend.standardize_dtype(made.dtype) == dtype
    same = initium.array(spec, (30, 40), seed=0, path="p", dtype=dtype, axes="io")
    np.testing.assert_array_equal(numbers(made), same)


def test_without_a_dtype_it_is_the_one_of_keras():
    assert keras.backend.standardize_dtype(initium.keras.normal(seed=0)((2,)).dtype) == keras.config.floatx()


def test_shapes_without_axes_or_without_elements_are_filled():
    assert numbers(initium.keras.normal(seed=0)(())).shape == ()
    assert numbers(initium.keras.normal(seed=0)((0, 3))).shape == (0, 3)


def test_one_object_in_two_layers_gives_each_its_own_numbers():
    init = initium.keras.he_normal(seed=0)
    assert np.abs(np.corrcoef(dense(init, name="a").ravel(), dense(init, name="b").ravel())[0, 1]) < 0.15


def test_the_same_program_run_again_after_clear_session_gets_the_same_numbers():
    init, made = initium.keras.he_normal(), []
    for _ in range(2):
        keras.utils.clear_session()
        first, second = tower(init, "a"), tower(init, "b")  # the first round's layers live on
        made.append((first, second, *(numbers(model.get_layer("hidden").kernel) for model in (first, second))))
    np.testing.assert_array_equal(made[0][2:], made[1][2:])


def tower(init, name):
    inputs = keras.Input((8,))
    return keras.Model(inputs, L.Dense(8, kernel_initializer=init, name="hidden")(inputs), name=name)


@pytest.mark.parametrize(
    "make", [initium.keras.he_normal, initium.keras.initializers.HeNormal, initium.keras.initializers.Orthogonal]
)
@pytest.mark.parametrize("seed", [0, None])
def test_layers_whose_paths_are_equal_do_not_start_alike(make, seed):
    init = make(seed=seed)
    kernels = [tower(init, name).get_layer("hidden").kernel for name in "abc"]
    assert [kernel.path for kernel in kernels] == ["hidden/kernel"] * 3
    assert np.unique(np.ravel([numbers(kernel) for kernel in kernels])).size == 3 * 64


def test_the_second_of_a_path_is_counted():
    init = initium.keras.he_normal(seed=0)
    _, second = tower(init, "a"), tower(init, "b")
    same = initium.array("he_normal", (8, 8), seed=0, path="hidden/kernel#2", axes="io")
    np.testing.assert_array_equal(numbers(second.get_layer("hidden").kernel), same)


def test_layers_that_are_dropped_are_counted_whenever_python_collects_them():
    init, made = initium.keras.he_normal(seed=0), []
    for collects in (False, True):
        keras.utils.clear_session()
        dense(init)
        if collects:
            gc.collect()
        made.append(dense(init))
    np.testing.assert_array_equal(*made)


class Twice(L.Layer):
    def __init__(self, init):
        super().__init__(name="twice")
        self.init = init

    def build(self, shape):
        self.one = self.add_weight(name="w", shape=(9, 9), initializer=self.init)
        self.two = self.add_weight(name="w", shape=(9, 9), initializer=self.init)

    def call(self, x):
        return x @ self.one + x @ self.two


class Late(keras.Model):
    def __init__(self, init):
        super().__init__()
        self.twice = Twice(init)

    def call(self, x):
        return self.twice(x)


def test_two_weights_of_one_name_in_one_layer_differ_whenever_they_are_initialised():
    init = initium.keras.normal(seed=0)
    layer = built(Twice(init), (None, 9))
    assert not np.isin(numbers(layer.one), numbers(layer.two)).any()
    keras.utils.clear_session()
    model = Late(init)
    model(np.ones((1, 9), np.float32))
    assert model.twice.two.path == "late/twice/w"
    same = initium.array("normal", (9, 9), seed=0, path="late/twice/w#2", axes="io")
    np.testing.assert_array_equal(numbers(model.twice.two), same)


def test_a_sequential_within_a_functional_model_is_named_when_it_is_built():
    init = initium.keras.he_normal(seed=0)
    inputs = keras.Input((8,))
    inner = keras.Sequential([L.Dense(8, kernel_initializer=init, name="hidden")], name="a")
    model = keras.Model(inputs, inner(inputs))
    again = keras.models.clone_model(model)
    paths = [one.get_layer("a").layers[0].kernel.path for one in (model, again)]
    assert paths == ["a/hidden/kernel", "hidden/kernel"], "Keras names them otherwise now: mend Start's docstring"


@pytest.mark.parametrize("copied", [deepcopy, lambda init: pickle.loads(pickle.dumps(init))])
@pytest.mark.parametrize("seed", [3, None])
def test_a_copy_gives_the_same_numbers(copied, seed):
    init = initium.keras.variance_scaling(2.0, "out", seed=seed, axes="oi")
    first = dense(init)
    other = copied(init)
    assert type(other) is initium.keras.Start
    assert other.get_config() == init.get_config()
    np.testing.assert_array_equal(dense(other), first)  # what was counted stays with the original


@pytest.mark.parametrize("told", [
    {"axes": "wio", "stride": 2}, {"axes": "wio", "groups": 2}, {"transposed": True, "stride": 2},
    {"axes": "wio", "blocks": 2}, {"axes": "wio", "blocks": [2, 4]}, {"axes": "bio"},
])  # fmt: skip
def test_what_is_told_of_the_axes_is_told_to_the_catalogue(told):
    init = round_trip(initium.keras.orthogonal(seed=0, path="p", **told))
    in_array = (
        {"axes": "woi"} | told | {name: tuple(told[name]) for name in ("blocks",) if name in told and told[name] != 2}
    )
    same = initium.array("orthogonal", (4, 6, 6), seed=0, path="p", **in_array)
    np.testing.assert_array_equal(numbers(init((4, 6, 6))), same)


def test_what_is_told_wins_over_the_layer():
    init = initium.keras.he_normal(mode="out", seed=0, groups=1, stride=1)
    layer = L.Conv2D(128, 3, strides=2, groups=4, kernel_initializer=init, name="here")
    kernel = numbers(built(layer, (None, 9, 9, 512)).kernel)
    assert abs(kernel.std() / math.sqrt(2 / (9 * 128)) - 1) < 5 / math.sqrt(2 * kernel.size)


@pytest.mark.parametrize("dtype", ["int32", "int8", "float8_e4m3fn", "complex64", "bool"])
def test_a_dtype_that_is_not_drawn_is_refused_by_name(dtype):
    with pytest.raises(initium.SettingError) as error, keras.name_scope("block"):
        initium.keras.normal(0.0, 0.5, seed=0)((3,), dtype=dtype)
    drawn = "float32, float64, float16, bfloat16"
    assert str(error.value) == f"`normal(std=0.5)` draws {drawn}, but `block` has dtype {dtype}."


class Owner(L.Layer):
    def build(self, shape):
        self.scale = self.add_weight(name="scale", shape=(3,), initializer=Spy())

    def call(self, x):
        return x


class Spy(keras.initializers.Initializer):
    """Remembers who asked last."""

    asker = None

    def __call__(self, shape, dtype=None):
        Spy.asker = caller(tuple(shape), self)
        return keras.ops.zeros(shape, dtype)


class Within(keras.Model):
    def __init__(self):
        super().__init__(name="net")
        self.owner = Owner(name="owner")

    def call(self, x):
        return self.owner(x)


@pytest.mark.parametrize(
    ("make", "path", "kind"),
    [
        (lambda: L.Dense(3, kernel_initializer=Spy(), name="one"), "one/kernel", L.Dense),
        (lambda: L.LSTM(3, kernel_initializer=Spy(), name="one"), "one/lstm_cell/kernel", L.LSTMCell),
        (Within, "net/owner/scale", Owner),
    ],
    ids=["Dense", "LSTM", "a subclassed model"],
)
def test_the_asking_layer_and_path_are_found_on_the_stack(make, path, kind):
    layer = make()
    layer(np.ones((2, 5, 4) if isinstance(layer, L.LSTM) else (2, 4), np.float32))
    asker = Spy.asker
    assert (asker.path, type(asker.layer), asker.is_placeholder) == (path, kind, False), (
        "`_caller` does not find the layer that asks: fans fall back to the number of axes without a word. Keras "
        f"{keras.__version__} calls initialisers in another way; read Variable.__init__, .value and "
        "._deferred_initialize, Layer._flatten_layers and ._trainable_variables."
    )


def test_kernel_and_recurrent_kernel_of_one_layer_differ():
    init = initium.keras.normal(seed=0)
    cell = built(L.SimpleRNN(20, kernel_initializer=init, recurrent_initializer=init), (None, 5, 20)).cell
    assert not np.isin(numbers(cell.kernel), numbers(cell.recurrent_kernel)).any()


def test_the_pieces_of_an_lstm_bias_differ():
    layer = L.LSTM(20, bias_initializer=initium.keras.normal(seed=0))
    bias = numbers(built(layer, (None, 5, 4)).cell.bias)
    assert (bias[20:40] == 1).all()
    assert np.unique(np.r_[bias[:20], bias[40:]]).size == 60


def test_a_path_that_is_given_is_used_as_it_is():
    init = initium.keras.he_normal(seed=0, path="mine")
    np.testing.assert_array_equal(dense(init, name="a"), dense(init, name="b"))
    np.testing.assert_array_equal(dense(init), initium.array("he_normal", (40, 30), seed=0, path="mine", axes="io"))


def test_called_by_hand_the_path_is_the_open_name_scope():
    init = initium.keras.normal(seed=0)
    np.testing.assert_array_equal(numbers(init((5,))), initium.array("normal", (5,), seed=0, path=""))
    with keras.name_scope("block"):
        np.testing.assert_array_equal(numbers(init((5,))), initium.array("normal", (5,), seed=0, path="block"))


def test_a_sequential_model_has_its_name_in_the_path():
    init = initium.keras.he_normal(seed=0)
    model = keras.Sequential([L.Dense(30, kernel_initializer=init, name="hidden")], name="net")
    model.build((None, 40))
    same = initium.array("he_normal", (40, 30), seed=0, path="net/hidden/kernel", axes="io")
    np.testing.assert_array_equal(numbers(model.layers[0].kernel), same)


class Subclassed(keras.Model):
    """Keras builds its layers while it traces, and initialises them at the end."""

    def __init__(self, init, bias="zeros"):
        super().__init__(name="net")
        self.hidden = L.Dense(40, kernel_initializer=init, name="hidden")
        self.memory = L.LSTM(25, kernel_initializer=init, recurrent_initializer=init, bias_initializer=bias, name="m")
        self.around = L.TimeDistributed(L.Dense(3, kernel_initializer=init, name="inner"), name="around")

    def call(self, x):
        return self.memory(self.around(self.hidden(x)))


def test_layers_that_are_initialised_late_have_their_own_paths_and_axes():
    model = Subclassed(initium.keras.orthogonal(seed=0))
    model(np.ones((2, 5, 50), np.float32))
    same = initium.array("orthogonal", (50, 40), seed=0, path="net/hidden/kernel", axes="io")
    np.testing.assert_array_equal(numbers(model.hidden.kernel), same)
    path = model.memory.cell.recurrent_kernel.path
    same = initium.array("orthogonal", (25, 100), seed=0, path=path, axes="io", blocks=4)
    np.testing.assert_array_equal(numbers(model.memory.cell.recurrent_kernel), same)


def test_a_seed_repeats_and_none_is_governed_by_keras():
    np.testing.assert_array_equal(dense(initium.keras.he_normal(seed=7)), dense(initium.keras.he_normal(seed=7)))
    made = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        made.append(dense(initium.keras.he_normal()))
    assert (made[0] == made[1]).all()
    assert (made[0] != made[2]).any()
    assert (dense(initium.keras.he_normal()) != dense(initium.keras.he_normal())).any()


def test_a_seed_generator_gives_another_start_at_every_call():
    def pair():
        init = initium.keras.he_normal(seed=keras.random.SeedGenerator(5))
        return dense(init), dense(init)

    (first, second), (again, _) = pair(), pair()
    assert (first != second).any()
    np.testing.assert_array_equal(first, again)


def round_trip(init):
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(init)))
    return keras.saving.deserialize_keras_object(config)


def test_configs_come_back_whole():
    init = initium.keras.variance_scaling(2.0, "out", seed=11, path="p", axes="io")
    for copy in (init.from_config(init.get_config()), round_trip(init), init.clone(), keras.initializers.get(init)):
        assert type(copy) is initium.keras.Start
        assert copy.get_config() == init.get_config()
        np.testing.assert_array_equal(dense(copy), dense(init))
    assert keras.saving.serialize_keras_object(init)["registered_name"] == "initium>Start"


def test_a_config_with_a_seed_generator_comes_back():
    init = initium.keras.he_normal(seed=keras.random.SeedGenerator(5, name="s"))
    np.testing.assert_array_equal(dense(round_trip(init)), dense(init))


def test_a_saved_model_loads_and_starts_anew_as_it_did(tmp_path):
    init = initium.keras.he_normal(seed=4)
    model = keras.Sequential([keras.Input((40,)), L.Dense(30, kernel_initializer=init, name="hidden")], name="net")
    start = numbers(model.layers[0].kernel)
    model.layers[0].kernel.assign(start + 1)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(numbers(loaded.layers[0].kernel), start + 1)
    assert loaded.layers[0].kernel_initializer.get_config() == init.get_config()
    np.testing.assert_array_equal(numbers(keras.models.clone_model(loaded).layers[0].kernel), start)


class Twins(L.Layer):
    """Two layers of one initialiser within a layer, and two weights of one name."""

    def __init__(self, kernel_initializer, **kwargs):
        super().__init__(**kwargs)
        self.init = keras.initializers.get(kernel_initializer)
        self.twice = Twice(self.init)
        self.dense = L.Dense(9, kernel_initializer=self.init, name="dense")

    def build(self, shape):
        self.twice.build(shape)
        self.dense.build(shape)

    def call(self, x):
        return self.dense(self.twice(x))

    def get_config(self):
        return super().get_config() | {"kernel_initializer": keras.initializers.serialize(self.init)}


def sequential(*layers):
    return keras.Sequential([keras.Input((4, 9)), *layers], name="net")


def functional(*layers):
    x = inputs = keras.Input((4, 9))
    for layer in layers:
        x = layer(x)
    return keras.Model(inputs, x, name="net")


def nested(*layers):
    return functional(keras.Sequential(list(layers), name="inner"))


LAYERS = {
    "dense": lambda init: [L.Dense(9, kernel_initializer=init(), name=name) for name in "ab"],
    "one object": lambda init: (lambda one: [L.Dense(9, kernel_initializer=one, name=name) for name in "ab"])(init()),
    "lstm": lambda init: [L.LSTM(3, kernel_initializer=init(), recurrent_initializer=init(), name="lstm")],
    "bidirectional": lambda init: [
        L.Bidirectional(L.LSTM(3, kernel_initializer=init(), recurrent_initializer="zeros"), name="both")
    ],
    "gru in both directions": lambda init: [
        L.Bidirectional(L.GRU(3, kernel_initializer=init(), recurrent_initializer=init()), name="both")
    ],
    "cells": lambda init: [
        L.RNN([cell(3, kernel_initializer=init(), recurrent_initializer=init()) for cell in (L.LSTMCell, L.GRUCell)])
    ],
    "at each time": lambda init: [L.TimeDistributed(L.Dense(3, kernel_initializer=init(), name="d"), name="each")],
    "attention": lambda init: [Attentive(init(), name="within")],
    "layers within": lambda init: [Twins(init(), name="twins")],
}


class Attentive(L.Layer):
    """Attention to itself, which copies its initialiser."""

    def __init__(self, kernel_initializer, **kwargs):
        super().__init__(**kwargs)
        self.attention = L.MultiHeadAttention(3, 3, kernel_initializer=kernel_initializer, name="attention")

    def build(self, shape):
        self.attention.build(shape, shape)

    def call(self, x):
        return self.attention(x, x)

    def get_config(self):
        return super().get_config() | {"kernel_initializer": self.attention.get_config()["kernel_initializer"]}


@pytest.mark.parametrize(
    "rebuilt",
    [lambda model: keras.models.model_from_json(model.to_json()), keras.models.clone_model],
    ids=["JSON", "clone"],
)
@pytest.mark.parametrize(
    "make", [initium.keras.normal, initium.keras.initializers.HeNormal, initium.keras.initializers.Orthogonal]
)
@pytest.mark.parametrize("around", [sequential, functional, nested])
@pytest.mark.parametrize("layers", LAYERS)
def test_a_rebuilt_model_starts_as_it_did(layers, around, make, rebuilt):
    model = around(*LAYERS[layers](lambda: make(seed=0)))
    with keras.saving.custom_object_scope({"Twins": Twins, "Attentive": Attentive}):
        again = rebuilt(rebuilt(model))
    weights = [[numbers(one) for one in built.weights] for built in (model, again)]
    assert len(weights[0]) > 0
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_second_model_of_one_object_is_rebuilt_as_the_second():
    init = initium.keras.he_normal(seed=0)
    models = [tower(init, name) for name in "ab"]
    again = [keras.models.model_from_json(model.to_json()) for model in models]
    kernels = [numbers(model.get_layer("hidden").kernel) for model in (*models, *again)]
    np.testing.assert_array_equal(kernels[:2], kernels[2:])
    assert not np.isin(kernels[0], kernels[1]).any()


def test_of_one_config_layers_in_several_places_differ():
    config = built(
        L.Dense(8, kernel_initializer=initium.keras.he_normal(seed=0), name="hidden"), (None, 8)
    ).get_config()
    kernels = []
    for name in "ab":
        model = keras.Sequential([keras.Input((8,)), L.Dense.from_config(config)], name=name)
        kernels.append(numbers(model.layers[0].kernel))
    assert not np.isin(*kernels).any()


def test_a_saved_drop_in_is_read_by_keras_alone():
    layer = built(L.Dense(8, kernel_initializer=initium.keras.initializers.HeNormal(seed=0), name="hidden"), (None, 8))
    config = layer.get_config()["kernel_initializer"]
    assert config["build_config"] == {"paths": ["hidden/kernel"]}
    assert config["config"] == keras.initializers.HeNormal(seed=0).get_config()


# What is built, of which weight, with which letters and with which true fan-in and fan-out.
FANS = {
    "dense": (L.Dense(320), [(None, 330)], "kernel", 330, 320),
    "einsum": (L.EinsumDense("abc,cde->abde", (None, 8, 50)), [(None, 3, 300)], "kernel", 300, 400),
    "einsum, stacked": (L.EinsumDense("gbi,gio->gbo", (None, 200)), [(5, 3, 150)], "kernel", 150, 200),
    "einsum, ellipsis": (L.EinsumDense("...x,xy->...y", 310), [(None, 3, 330)], "kernel", 330, 310),
    "convolution 1": (L.Conv1D(200, 3), [(None, 9, 200)], "kernel", 600, 600),
    "convolution 2": (L.Conv2D(128, 3), [(None, 9, 9, 100)], "kernel", 900, 1152),
    "convolution 3": (L.Conv3D(70, 3), [(None, 9, 9, 9, 60)], "kernel", 1620, 1890),
    "grouped": (L.Conv2D(256, 3, groups=4), [(None, 9, 9, 256)], "kernel", 576, 576),
    "strided": (L.Conv2D(128, 4, strides=2, padding="same"), [(None, 9, 9, 64)], "kernel", 1024, 512),
    "transposed": (L.Conv2DTranspose(100, 4, strides=2), [(None, 9, 9, 64)], "kernel", 256, 1600),
    "transposed 1": (L.Conv1DTranspose(300, 4, strides=2), [(None, 9, 128)], "kernel", 256, 1200),
    "depthwise": (L.DepthwiseConv2D(5, depth_multiplier=4, data_format="channels_last"), [(None, 9, 9, 1200)],
                  "kernel", 25, 100),
    "separable": (L.SeparableConv2D(350, 5, depth_multiplier=1), [(None, 9, 9, 4100)], "depthwise_kernel", 25, 25),
    "pointwise": (L.SeparableConv2D(350, 3), [(None, 9, 9, 300)], "pointwise_kernel", 300, 350),
    "embedding": (L.Embedding(1100, 100), [(None, 3)], "embeddings", 1, 100),
    "lstm": (L.LSTM(200), [(None, 3, 150)], "cell.kernel", 150, 200),
    "lstm, recurrent": (L.LSTM(200), [(None, 3, 150)], "cell.recurrent_kernel", 200, 200),
    "gru": (L.GRU(200), [(None, 3, 180)], "cell.kernel", 180, 200),
    "simple rnn": (L.SimpleRNN(320), [(None, 3, 320)], "cell.recurrent_kernel", 320, 320),
    "bidirectional": (L.Bidirectional(L.LSTM(200)), [(None, 3, 150)], "forward_layer.cell.kernel", 150, 200),
    "conv lstm": (L.ConvLSTM2D(40, 3), [(None, 3, 9, 9, 80)], "cell.kernel", 720, 360),
    "query": (L.MultiHeadAttention(8, 50), [(None, 5, 300)] * 2, "query_dense.kernel", 300, 400),
    "attention output": (L.MultiHeadAttention(8, 50), [(None, 5, 300)] * 2, "output_dense.kernel", 400, 300),
    "grouped query": (L.GroupQueryAttention(50, 8, 4), [(None, 5, 600)] * 2, "_key_dense.kernel", 600, 200),
}  # fmt: skip
KERNELS = ("kernel", "recurrent", "depthwise", "pointwise", "embeddings")


def with_initialiser(layer, init):
    """The layer again with this for every kernel it has."""
    config = layer.get_config() | {"name": "here"}
    if "layer" in config:
        inner = with_initialiser(L.deserialize(config["layer"]), init)
        return type(layer)(inner, name="here")
    mine = keras.saving.serialize_keras_object(init)
    return type(layer).from_config(config | {f"{k}_initializer": mine for k in KERNELS if f"{k}_initializer" in config})


def weight_of(case, init):
    layer, shapes, name, *_ = FANS[case]
    weight = built(with_initialiser(layer, init), *shapes)
    for part in name.split("."):
        weight = getattr(weight, part)
    return numbers(weight)


@pytest.mark.parametrize("mode", ["in", "out"])
@pytest.mark.parametrize("case", FANS)
def test_the_realised_std_is_that_of_the_true_fan(case, mode):
    weight = weight_of(case, initium.keras.he_normal(mode=mode, seed=0))
    assert weight.size >= 100_000
    fan = FANS[case][3 if mode == "in" else 4]
    assert abs(weight.std() / math.sqrt(2 / fan) - 1) < 5 / math.sqrt(2 * weight.size)


@pytest.mark.parametrize(("layer", "gates"), [(L.LSTM, 4), (L.GRU, 3)])
def test_a_recurrent_kernel_is_orthogonal_gate_by_gate(layer, gates):
    cell = built(layer(16, recurrent_initializer=initium.keras.orthogonal(seed=0)), (None, 3, 5)).cell
    for gate in np.split(numbers(cell.recurrent_kernel), gates, axis=1):
        np.testing.assert_allclose(gate @ gate.T, np.eye(16), atol=1e-5)


def test_letters_that_are_given_win():
    init = initium.keras.he_normal(seed=0, axes="oi")
    np.testing.assert_array_equal(dense(init), initium.array("he_normal", (40, 30), seed=0, path="hidden/kernel"))


def test_a_start_without_fans_does_for_biases_and_norms():
    init = initium.keras.uniform(-0.1, 0.1, seed=0)
    layers = [
        built(L.Dense(30, bias_initializer=init), (None, 4)).bias,
        built(L.GRU(8, bias_initializer=init), (None, 3, 4)).cell.bias,
        built(L.EinsumDense("ab,bcd->acd", (3, 5), bias_axes="cd", bias_initializer=init), (None, 4)).bias,
        built(L.LayerNormalization(axis=(1, 2), gamma_initializer=init), (None, 3, 4)).gamma,
    ]
    for bias in layers:
        assert 0 < np.abs(numbers(bias)).max() <= np.float32(0.1)


def test_the_bias_of_an_lstm_is_one_when_keras_leaves_it_whole():
    init = initium.keras.forget_gate_bias(2.0)
    cell = built(L.LSTM(3, unit_forget_bias=False, bias_initializer=init), (None, 5, 4)).cell
    np.testing.assert_array_equal(numbers(cell.bias), [0, 0, 0, 2, 2, 2, 0, 0, 0, 0, 0, 0])


def test_a_functional_model_trains():
    init = initium.keras.he_normal(seed=0)
    inputs = keras.Input((6,))
    x = L.Dense(8, "relu", kernel_initializer=init, name="a")(inputs)
    model = keras.Model(inputs, L.Dense(1, kernel_initializer=init, name="b")(x))
    model.compile("sgd", "mse")
    x = np.linspace(-1, 1, 60, dtype=np.float32).reshape(10, 6)
    history = model.fit(x, x.sum(1), epochs=3, verbose=0).history["loss"]
    assert history[-1] < history[0]


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (
            lambda: initium.keras.Start("he_norml"),
            "No initialiser is called 'he_norml'; the closest is 'he_normal'. `initium list` shows all of them.",
        ),
        (lambda: initium.keras.he_normal(seed=True), "A seed is a whole number from 0 to 2^64 - 1, not True."),
        (lambda: initium.keras.he_normal(seed=-1), "A seed is a whole number from 0 to 2^64 - 1, not -1."),
        (
            lambda: built(L.Dense(3, bias_initializer=initium.keras.he_normal(seed=0), name="hidden"), (None, 4)),
            '`he_normal` needs an input and an output axis, but `hidden/bias` has shape (3,) with axes "o".',
        ),
        (
            lambda: initium.keras.he_normal(seed=0, axes="oiw")((3, 4)),
            'shape (3, 4) needs 2 letters of axes, not "oiw".',
        ),
    ],
)
def test_what_does_not_fit_says_why(make, expected):
    with pytest.raises(initium.InitiumError) as error:
        make()
    assert str(error.value) == expected


def test_a_seed_of_another_kind_is_refused_as_keras_does():
    with pytest.raises(
        ValueError, match=r"instance of `keras.random.SeedGenerator\(\)` or an integer. Received: seed=x"
    ):
        initium.keras.he_normal(seed="x")


def python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=os.environ | environment
    )


def test_a_saved_model_loads_in_another_process_that_imports_this_edge(tmp_path):
    layers = [
        L.Dense(3, kernel_initializer=initium.keras.he_normal(seed=4), name="start"),
        L.Dense(3, kernel_initializer=initium.keras.initializers.HeNormal(seed=4), name="drop_in"),
    ]
    for layer in layers:
        keras.Sequential([keras.Input((4,)), layer]).save(tmp_path / f"{layer.name}.keras")
    code = "import keras; m = keras.saving.load_model({!r}); print(type(m.layers[0].kernel_initializer).__module__)"
    told = {}
    for layer in layers:
        load = code.format(str(tmp_path / f"{layer.name}.keras"))
        told[layer.name] = [python(load), python(f"import initium.keras; {load}")]
    assert told["start"][1].stdout == "initium.keras\n", told["start"][1].stderr
    assert told["drop_in"][1].stdout == "initium.keras.initializers\n", told["drop_in"][1].stderr
    # What the docstrings warn of:
    assert "{'module': 'initium.keras', 'class_name': 'Start'" in told["start"][0].stderr
    assert told["drop_in"][0].stdout.startswith("keras.src.initializers")


@pytest.mark.skipif(BACKEND != "jax", reason="only JAX spreads a weight over devices")
def test_a_weight_spread_over_devices_has_the_same_numbers():
    done = python(
        (Path(__file__).parent / "sharded.py").read_text(), XLA_FLAGS="--xla_force_host_platform_device_count=2"
    )
    assert done.stdout == "(6, 2) (6, 2) True True\n", done.stderr
