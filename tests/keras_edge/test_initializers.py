"""`initium.keras.initializers` against `keras.initializers`."""

import inspect
import json
import math
import re
from pathlib import Path

import keras
import numpy as np
import pytest

from initium.keras import initializers as ours

theirs = keras.initializers
BACKEND = keras.backend.backend()
EXAMPLE = Path(__file__).parents[2] / "examples" / "keras_initializers.py"
RANDOM = sorted(ours._OURS)
NUM = 400 * 300

CASES = [
    *(("RandomNormal", {"mean": 0.5, "stddev": 2.0}), ("RandomNormal", {})),
    *(("TruncatedNormal", {"mean": -1.0, "stddev": 0.3}), ("TruncatedNormal", {})),
    *(("RandomUniform", {"minval": -1.0, "maxval": 3.0}), ("RandomUniform", {})),
    *(
        ("VarianceScaling", {"scale": 3.0, "mode": mode, "distribution": distribution})
        for mode in ("fan_in", "fan_out", "fan_avg")
        for distribution in ("normal", "truncated_normal", "untruncated_normal", "uniform")
    ),
    *((name, {}) for name in RANDOM if re.match("Glorot|He|Lecun", name)),
    ("HeNormal", {"input_axes": [0], "output_axes": [1]}),
    ("Orthogonal", {"gain": 2.0}),
]


def numbers(x):
    return np.asarray(keras.ops.convert_to_numpy(x))


def dense(init, name="hidden"):
    layer = keras.layers.Dense(30, kernel_initializer=init, name=name)
    layer.build((None, 40))
    return numbers(layer.kernel)


def test_every_public_name_of_keras_is_there():
    public = {name for name in dir(theirs) if not name.startswith("_")}
    assert public <= set(dir(ours))
    for name in public - {"get", "deserialize"}:
        found = getattr(ours, name)
        if getattr(theirs, name).__name__ in RANDOM:
            assert issubclass(found, getattr(theirs, name))
            assert found.__module__ == "initium.keras.initializers"
        else:
            assert found is getattr(theirs, name)


def test_every_random_class_of_keras_is_drawn_here():
    from keras.src.initializers.random_initializers import RandomInitializer

    classes = {x for x in vars(theirs).values() if inspect.isclass(x) and issubclass(x, RandomInitializer)}
    assert {x.__name__ for x in classes} == set(RANDOM)
    for one in classes:
        assert inspect.signature(one) == inspect.signature(getattr(ours, one.__name__))


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"^module 'initium.keras.initializers' has no attribute 'he_norml'$"):
        _ = ours.he_norml


@pytest.mark.parametrize(("name", "arguments"), CASES)
@pytest.mark.parametrize("shape", [(400, 300), (5, 5, 60, 80)])
def test_mean_std_and_bounds_are_those_of_keras(name, arguments, shape):
    mine, other = (numbers(getattr(module, name)(**arguments, seed=1)(shape)) for module in (ours, theirs))
    mine, other = mine.astype(np.float64), other.astype(np.float64)
    slack = 5 / math.sqrt(2 * NUM)
    assert (mine.shape, mine.size) == (shape, NUM)
    assert abs(mine.std() / other.std() - 1) < math.sqrt(2) * slack
    assert abs(mine.mean() - other.mean()) < 2 * slack * other.std()
    # Bounded laws end at one bound; of the others the largest of NUM numbers is near that of NUM others.
    assert np.abs(mine - mine.mean()).max() == pytest.approx(np.abs(other - other.mean()).max(), rel=0.25)


def test_a_truncated_normal_is_not_widened_and_he_normal_is():
    plain = numbers(ours.TruncatedNormal(stddev=1.0, seed=0)((400, 300)))
    assert abs(plain.std() / 0.87962566 - 1) < 5 / math.sqrt(2 * NUM)
    assert 1.99 < np.abs(plain).max() <= 2
    he = numbers(ours.HeNormal(seed=0)((400, 300)))
    assert abs(he.std() / math.sqrt(2 / 400) - 1) < 5 / math.sqrt(2 * NUM)
    assert np.abs(he).max() <= 2 / 0.87962 * math.sqrt(2 / 400)


@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
def test_what_only_keras_draws_is_left_to_it():
    for name, arguments, shape in (
        ("RandomUniform", {"minval": 3.0, "maxval": -1.0}, (5,)),
        ("TruncatedNormal", {"stddev": 0.0}, (5,)),
        ("RandomNormal", {"stddev": math.inf}, (5,)),
        ("VarianceScaling", {"scale": 1e80}, (4, 4)),
        ("VarianceScaling", {"scale": math.inf, "distribution": "uniform"}, (4, 4)),
        ("Orthogonal", {}, (0, 4)),
        *([("RandomNormal", {}, 5)] if BACKEND == "jax" else []),
    ):
        mine, other = (numbers(getattr(module, name)(**arguments, seed=1)(shape)) for module in (ours, theirs))
        np.testing.assert_array_equal(mine, other)


@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("RandomNormal", {"stddev": 1e6}),
        ("TruncatedNormal", {"stddev": 1e6}),
        ("RandomUniform", {"minval": -1e5, "maxval": 1e5}),
        ("VarianceScaling", {"scale": 1e12, "mode": "fan_out", "distribution": "uniform"}),
    ],
)
def test_numbers_that_leave_the_dtype_are_left_to_keras(name, arguments):
    mine, other = (getattr(module, name)(**arguments, seed=1)((40, 4), "float16") for module in (ours, theirs))
    assert keras.backend.standardize_dtype(mine.dtype) == "float16"
    np.testing.assert_array_equal(numbers(mine), numbers(other))


def test_a_placeholder_is_not_drawn(monkeypatch):
    for name in RANDOM:
        monkeypatch.setattr(getattr(theirs, name), "__call__", None)
    asked = []
    monkeypatch.setattr(ours, "fill", lambda *args, **kwargs: asked.append(1))
    model = keras.Sequential(
        [keras.layers.TimeDistributed(keras.layers.Dense(3, kernel_initializer=ours.Orthogonal()))]
    )

    class Late(keras.Model):
        def __init__(self):
            super().__init__()
            self.net = model

        def call(self, x):
            return self.net(x)

    Late()(np.ones((2, 3, 4), np.float32))
    assert asked == [1]


@pytest.mark.parametrize("shape", [(30, 20), (20, 30), (3, 3, 4, 20)])
def test_orthogonal_is_of_all_axes_but_the_last_against_the_last(shape):
    flat = numbers(ours.Orthogonal(gain=2.0, seed=0)(shape)).reshape(-1, shape[-1])
    flat = flat if flat.shape[0] >= flat.shape[1] else flat.T
    np.testing.assert_allclose(flat.T @ flat, 4 * np.eye(flat.shape[1]), atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64"])
@pytest.mark.parametrize("name", RANDOM)
def test_every_dtype_is_drawn(name, dtype):
    if BACKEND == "jax" and dtype == "float64":
        pytest.skip("JAX has float64 only where it is switched on")
    made = getattr(ours, name)(seed=0)((200, 100), dtype=dtype)
    assert keras.backend.standardize_dtype(made.dtype) == dtype
    wide = numbers(getattr(ours, name)(seed=0)((200, 100), dtype="float32"))
    assert np.abs(numbers(made).astype(np.float64)).std() == pytest.approx(np.abs(wide).std(), rel=0.03)


def test_no_numbers_and_one_number_are_drawn():
    assert numbers(ours.RandomNormal(seed=0)(())).shape == ()
    assert numbers(ours.GlorotUniform(seed=0)((0, 3))).shape == (0, 3)


def test_one_object_in_two_layers_differs_and_a_layer_built_again_does_not():
    init = ours.he_normal()
    # Of as many float32 some few are equal by chance, in one run of twenty.
    assert np.isin(dense(init, "a"), dense(init, "b")).mean() < 0.01
    first = dense(init, "c")
    keras.utils.clear_session()
    np.testing.assert_array_equal(first, dense(init, "c"))


def test_seeds_repeat_and_none_is_governed_by_keras():
    np.testing.assert_array_equal(dense(ours.he_normal(seed=-3)), dense(ours.he_normal(seed=-3)))
    generators = [ours.he_normal(seed=keras.random.SeedGenerator(5)) for _ in range(2)]
    first, second = (dense(init) for init in generators)
    np.testing.assert_array_equal(first, second)
    assert (dense(generators[0]) != first).any()
    made = []
    for _ in range(2):
        keras.utils.set_random_seed(1)
        made.append(dense(ours.he_normal()))
    np.testing.assert_array_equal(*made)


def test_attention_takes_the_fans_that_keras_gives_it():
    layer = keras.layers.MultiHeadAttention(8, 50, kernel_initializer=ours.he_normal(seed=0), name="attention")
    layer.build((None, 5, 300), (None, 5, 300))
    kernel = numbers(layer.query_dense.kernel)
    assert abs(kernel.std() / math.sqrt(2 / 300) - 1) < 5 / math.sqrt(2 * kernel.size)


@pytest.mark.parametrize("name", RANDOM)
def test_configs_are_those_of_keras_and_come_back(name):
    init = getattr(ours, name)(seed=3)
    assert init.get_config() == getattr(theirs, name)(seed=3).get_config()
    config = json.loads(json.dumps(ours.serialize(init)))
    assert config["registered_name"] == f"initium>{name}"
    for copy in (ours.deserialize(config), theirs.deserialize(config), init.clone(), ours.get(config), ours.get(init)):
        assert type(copy) is type(init)
        assert copy.get_config() == init.get_config()


def test_get_knows_the_names_of_keras():
    from keras.src.initializers import ALL_OBJECTS_DICT

    for name, one in ALL_OBJECTS_DICT.items():
        if one not in (theirs.Initializer, theirs.Constant, theirs.STFT):
            assert type(ours.get(name)) is ours._OURS.get(one.__name__, one)
    assert ours.get(None) is None
    assert type(ours.get(ours.HeNormal)) is ours.HeNormal
    assert type(ours.get({"class_name": "HeNormal", "config": {"seed": 1}})) is ours.HeNormal
    assert type(ours.get(theirs.serialize(theirs.HeNormal()))) is ours.HeNormal
    assert type(theirs.get(theirs.serialize(theirs.HeNormal()))) is theirs.HeNormal


def test_a_saved_model_loads(tmp_path):
    layer = keras.layers.Dense(3, kernel_initializer=ours.he_normal(seed=4), name="hidden")
    model = keras.Sequential([keras.Input((4,)), layer])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.layers[0].kernel_initializer) is ours.HeNormal
    np.testing.assert_array_equal(numbers(loaded.layers[0].kernel), numbers(layer.kernel))


@pytest.mark.parametrize(
    "refused",
    [
        lambda module: module.VarianceScaling(scale=0),
        lambda module: module.VarianceScaling(distribution="cauchy"),
        lambda module: module.HeNormal(seed="x"),
        lambda module: module.Orthogonal()((3,)),
        lambda module: module.get("he_norml"),
        lambda module: module.get(3),
    ],
)
def test_what_keras_refuses_is_refused_in_its_words(refused):
    words = []
    for module in (ours, theirs):
        with pytest.raises(ValueError) as error:  # noqa: PT011
            refused(module)
        words.append("".join(sorted(str(error.value))))  # Keras prints sets, in any order
    assert words[0] == words[1]


def test_a_drop_in_may_stand_in_kerass_own_place(monkeypatch):
    random, get = ours.HeNormal, keras.initializers.get
    for name in ("get", "deserialize", "serialize", "HeNormal", "he_normal"):
        monkeypatch.setattr(keras.initializers, name, getattr(ours, name))
    assert keras.initializers.get is not get
    assert type(keras.initializers.get("he_normal")) is random
    assert type(keras.initializers.get("zeros")) is keras.initializers.Zeros
    assert type(keras.initializers.get(random(seed=0))) is random
    assert type(ours.he_normal()) is random
