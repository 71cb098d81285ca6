"""A Keras model planned and filled as a whole."""

import math
import os
import warnings

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
import pytest
from keras_zoo import MODELS, TRACES

import initium
from initium import ModelError, Plan, PlanError, SettingError

L = keras.layers
BACKEND = keras.backend.backend()
traced = pytest.mark.skipif(not TRACES, reason="this backend has no tracer")


@pytest.fixture
def fresh_names():
    """For tests that call layers as Keras does where nobody has named them."""
    keras.utils.clear_session()


def numbers(value):
    return np.asarray(keras.ops.convert_to_numpy(value))


def net():
    return keras.Sequential([keras.Input((64,)), L.Dense(32, activation="relu"), L.Dense(1)])


def small():
    layers = [L.Dense(16, activation="relu"), L.BatchNormalization(), L.Dense(3, activation="softmax")]
    return keras.Sequential([keras.Input((8,)), *layers])


def data(rows=64, inputs=8, classes=3):
    rng = np.random.Generator(np.random.Philox(1))
    return rng.standard_normal((rows, inputs)).astype("float32"), rng.integers(0, classes, rows)


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one.get_weights(), other.get_weights(), strict=True))


def refusal(act, kind=ModelError):
    with pytest.raises(kind) as error:
        act()
    return str(error.value)


@traced
def test_the_program_of_every_tutorial_is_planned_in_keras_words(fresh_names):
    shown, _, notes = str(initium.initialize(net(), seed=0)).partition("* ")
    table = """\
parameter       start               because
--------------------------------------------------------------------------------
dense/kernel    normal(std=0.125)   after data: gain 1, fan_in 64
dense/bias      zeros               bias
dense_1/kernel  normal(std=0.0658)  head of 1: logits have second moment
                                    log(2)/10
dense_1/bias    zeros               bias

4 parameters: 2 drawn, 2 constant.
Recipe: auto (version 2).
"""
    assert shown == table
    assert notes.startswith("the input was made up: ")


@pytest.mark.parametrize("name", MODELS)
def test_every_weight_is_filled_as_the_plan_says(name):
    model = MODELS[name].built()
    before = {variable.path: numbers(variable) for variable in model.weights}
    ledger = initium.plan(model).apply(model, seed=0)
    assert not ledger.left
    assert len(ledger.filled) == len(model.trainable_variables)
    after = {variable.path: numbers(variable) for variable in model.weights}
    assert all(np.isfinite(value).all() for value in after.values())
    drawn = [entry.path for entry in ledger.entries if entry.how in ("drawn", "computed") and "bias" not in entry.path]
    here = {path: next(own for own in after if f"/{own}".endswith(f"/{path}")) for path in drawn}
    assert all((before[own] != after[own]).any() for own in here.values())


@pytest.mark.parametrize("name", MODELS)
def test_what_is_drawn_has_the_std_that_is_claimed(name):
    model = MODELS[name].built()
    rules = [(path, "normal(0, 0.5)") for path in MODELS[name].facts]
    initium.initialize(model, seed=1, recipe="framework", rules=rules)
    drawn = [v for v in model.trainable_variables if any(v.path.endswith(path) for path in MODELS[name].facts)]
    values = np.concatenate([numbers(variable).ravel() for variable in drawn])
    assert len(drawn) == len(rules)
    assert abs(values.std() / 0.5 - 1) < 5 / math.sqrt(2 * values.size)


@traced
# Of `residual` relu leaves the stream a mean, which no second moment tells: its loss is 2.5, in PyTorch as here.
@pytest.mark.parametrize("name", [name for name, model in MODELS.items() if model.classes and name != "residual"])
def test_the_loss_starts_near_that_of_guessing(name):
    model = MODELS[name].built()
    initium.initialize(model, seed=0)
    outputs = numbers(model(MODELS[name].batch(256), training=True)).astype("float64")  # as a first step sees it
    outputs = outputs.reshape(-1, outputs.shape[-1])
    labels = np.random.Generator(np.random.Philox(2)).integers(0, MODELS[name].classes, len(outputs))
    if np.allclose(outputs.sum(-1), 1, atol=1e-5):
        outputs = np.log(outputs)
    outputs = outputs - np.log(np.exp(outputs).sum(-1, keepdims=True))
    loss = -outputs[np.arange(len(outputs)), labels].mean()
    assert loss == pytest.approx(math.log(MODELS[name].classes), rel=0.1)


@traced
@pytest.mark.parametrize("activation", ["relu", "gelu", "tanh"])
def test_a_deep_net_keeps_the_size_of_its_signal(activation):
    x = inputs = keras.Input((400,))
    sums = []
    for _ in range(8):
        sums.append(L.Dense(400)(x))
        x = L.Activation(activation)(sums[-1])
    model = keras.Model(inputs, [*sums, L.Dense(10)(x)])
    initium.initialize(model, seed=0)
    batch = np.random.Generator(np.random.Philox(5)).standard_normal((200, 400)).astype("float32")
    moments = [float((numbers(out) ** 2).mean()) for out in model(batch)[:-1]]
    # Of relu a layer multiplies the second moment by 1 +- sqrt(5 / 400), of the others by less.
    assert min(moments) > 0.5
    assert max(moments) < 2


@traced
def test_a_deep_net_of_convolutions_keeps_the_size_of_its_signal():
    x = inputs = keras.Input((24, 24, 8))
    sums = []
    for _ in range(8):
        sums.append(L.Conv2D(40, 3)(x))
        x = L.Activation("relu")(sums[-1])
    model = keras.Model(inputs, [*sums, L.Dense(10)(L.GlobalAveragePooling2D()(x))])
    initium.initialize(model, seed=0)
    batch = np.random.Generator(np.random.Philox(6)).standard_normal((8, 24, 24, 8)).astype("float32")
    moments = [float((numbers(out) ** 2).mean()) for out in model(batch)[:-1]]
    assert min(moments) > 0.6
    assert max(moments) < 1.6


# What each layer of Keras draws by itself, by the formulas of its documentation.
KERAS_STD = {
    "hidden/kernel": math.sqrt(2 / (300 + 200)),
    "conv/kernel": math.sqrt(2 / (9 * 20 + 9 * 40)),
    "deep/kernel": math.sqrt(2 / (25 * 40 + 25 * 2)),
    "table/embeddings": 0.05 / math.sqrt(3),
}


def own_laws():
    words = [keras.Input((5,)), L.Embedding(900, 300, name="table"), L.Dense(200, name="hidden")]
    deep = L.DepthwiseConv2D(5, depth_multiplier=2, name="deep")
    return keras.Sequential(words), keras.Sequential([keras.Input((9, 9, 20)), L.Conv2D(40, 3, name="conv"), deep])


@pytest.mark.parametrize("recipe", ["author", "keras"])
def test_the_layers_own_law_is_drawn(recipe):
    """Of `keras` as of `author`: both are what the layers draw by themselves."""
    for model in own_laws():
        initium.initialize(model, seed=3, recipe=recipe)
        found = {v.path.split("/", 1)[1]: numbers(v) for v in model.trainable_variables}
        for path, value in found.items():
            if path in KERAS_STD:
                bound = math.sqrt(3) * KERAS_STD[path]
                assert abs(value).max() <= bound
                assert abs(value.std() / KERAS_STD[path] - 1) < 5 / math.sqrt(2 * value.size)
            else:
                assert not value.any()


@traced
def test_he_and_gpt2_give_what_their_papers_say():
    model = keras.Sequential([keras.Input((300,)), L.Dense(400, activation="relu", name="a"), L.Dense(9, name="b")])
    initium.initialize(model, seed=0, recipe="he")
    assert numbers(model.get_layer("a").kernel).std() == pytest.approx(math.sqrt(2 / 300), rel=0.02)
    model = MODELS["Transformer"].built()
    made = initium.plan(model, "gpt2")
    assert str(made["words/embeddings"].init) == "normal(std=0.02)"
    # Two blocks have four branches: 0.02 / sqrt(4) at the end of each.
    assert str(made["block_1/down/kernel"].init) == "normal(std=0.01)"
    assert str(made["block_1/up/kernel"].init) == "normal(std=0.02)"


def test_the_same_program_in_one_process_starts_alike_without_names(fresh_names):
    first, second = small(), small()
    made = [initium.initialize(model, seed=5) for model in (first, second)]
    assert made[1].choices[0].path == "dense_2/kernel"  # as its user sees it in `summary`
    assert same(first, second)
    assert not same(first, (initium.initialize(second, seed=6), second)[1])
    # A plan of one is a plan of the other.
    made[0].apply(second, seed=5)
    assert same(first, second)


def test_a_plan_that_is_saved_draws_the_same(tmp_path):
    first, second = small(), small()
    made = initium.initialize(first, seed=5)
    made.save(tmp_path / "plan.json")
    loaded = Plan.load(tmp_path / "plan.json")
    assert loaded == made
    loaded.apply(second, seed=5)
    assert same(first, second)


def test_a_file_holds_what_a_fill_draws(fresh_names, tmp_path):
    model = small()
    made = initium.initialize(model, seed=5)
    made.write(tmp_path / "w.safetensors", seed=5)
    assert made.verify(tmp_path / "w.safetensors", seed=5)
    from safetensors.numpy import load_file

    held = load_file(tmp_path / "w.safetensors")
    assert set(held) == {variable.path.split("/", 1)[1] for variable in model.weights}
    for variable in model.weights:
        assert np.array_equal(held[variable.path.split("/", 1)[1]], numbers(variable))


def test_a_compiled_model_trains_and_starts_anew_bit_for_bit(fresh_names):
    x, y = data()
    model = small()
    model.compile("adam", "sparse_categorical_crossentropy")
    initium.initialize(model, seed=0)
    before = model.get_weights()
    model.fit(x, y, epochs=1, verbose=0)
    steps = int(model.optimizer.iterations)
    made = initium.plan(model)
    assert "left as it is: the optimiser's state, which `model.compile` anew begins" in made.notes
    assert "running statistics start anew: `batch_normalization`" in made.notes
    assert any(note.startswith("trained or loaded before (its optimiser has taken 2 steps)") for note in made.notes)
    ledger = made.apply(model, seed=0)
    assert ledger.buffers == ("batch_normalization/moving_mean", "batch_normalization/moving_variance")
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    assert int(model.optimizer.iterations) == steps


def test_what_is_frozen_or_adapted_stays():
    x, _ = data()
    scale = L.Normalization(name="scale")
    scale.adapt(x)
    model = keras.Sequential(
        [keras.Input((8,)), scale, L.Dense(4, name="base"), L.Dropout(0.5), L.Dense(3, name="new")]
    )
    model.get_layer("base").trainable = False
    before = {variable.path: numbers(variable) for variable in model.weights}
    made = initium.initialize(model, seed=0)
    assert made["base/kernel"].param.because == "frozen"
    assert "left as it is: `scale`, as adapted" in made.notes
    moved = {v.path.split("/", 1)[1] for v in model.weights if (before[v.path] != numbers(v)).any()}
    assert moved == {"new/kernel"}


def test_rules_and_only_new_go_by_keras_paths(fresh_names):
    model = small()
    made = initium.plan(model, "he_normal", rules={"dense_1/*": "zeros"}, only_new="dense_1/*")
    assert str(made["dense_1/kernel"].init) == "zeros"
    assert made["dense/kernel"].how == "kept"


@traced
def test_what_an_author_chose_is_kept():
    low = keras.initializers.Constant(-4.6)
    layers = [L.Dense(9, activation="relu", name="a"), L.Dense(7, activation="sigmoid", bias_initializer=low, name="b")]
    made = initium.plan(keras.Sequential([keras.Input((8,)), *layers]))
    assert (made["b/bias"].how, made["a/bias"].how) == ("kept", "constant")
    layers = [L.Dense(9, activation="relu", name="a"), L.Dense(7, kernel_initializer="zeros", name="b")]
    assert initium.plan(keras.Sequential([keras.Input((8,)), *layers]))["b/kernel"].how == "kept"


@traced
def test_numbers_that_were_trained_are_no_choice_of_the_author():
    model = small()
    rng = np.random.Generator(np.random.Philox(9))
    for variable in model.weights:
        variable.assign(1 + 0.05 * rng.standard_normal(variable.shape))
    assert all(choice.how != "kept" for choice in initium.plan(model))


@traced
def test_16_bit_models_are_traced_in_their_own_dtype(fresh_names):
    model = keras.Sequential([keras.Input((8,)), L.Dense(30, "relu", dtype="bfloat16"), L.Dense(3, dtype="bfloat16")])
    made = initium.initialize(model, seed=0)
    assert [choice.how for choice in made] == ["drawn", "constant"] * 2
    assert made["dense/kernel"].param.dtype == "bfloat16"
    assert np.isfinite(numbers(model.weights[0]).astype("float32")).all()


@traced
def test_several_inputs_are_passed_as_the_model_takes_them():
    def build(struct):
        a, b = keras.Input((8,), name="a"), keras.Input((4,), name="b")
        both = L.Concatenate()([L.Dense(8, "relu", name="x")(a), L.Dense(8, "tanh", name="y")(b)])
        return keras.Model({"a": a, "b": b} if struct is dict else [a, b], L.Dense(3, name="head")(both))

    a, b = np.ones((2, 8), "float32"), np.ones((2, 4), "float32")
    for struct, example in ((list, [a, b]), (list, (a, b)), (dict, {"a": a, "b": b})):
        for given in (None, example):
            assert initium.plan(build(struct), example=given)["y/kernel"].param.use.fed_by == "data"


@traced
def test_a_layer_that_is_used_twice_is_one_weight():
    inputs = keras.Input((8,))
    layer = L.Dense(8, activation="relu", name="both")
    made = initium.plan(keras.Model(inputs, L.Dense(2, name="head")(layer(layer(inputs)))))
    assert len(made["both/kernel"].param.uses) == 2


def test_a_model_that_is_not_built_is_told_how_it_is():
    model = keras.Sequential([L.Dense(3)], name="net")
    assert refusal(lambda: initium.plan(model)) == (
        "Sequential 'net' is not built, so that it has no weights yet. Begin it with keras.Input(...), call it once, "
        "or pass inputs that it takes: example=batch."
    )
    initium.initialize(model, seed=0, example=data()[0])
    assert model.built


def test_layers_that_are_not_built_are_built_by_a_first_call():
    """As `model.build` leaves those within: Keras marks the model built, and they are not."""
    model = MODELS["Transformer"].build()
    with warnings.catch_warnings(action="ignore"):  # Keras's own, of just that
        model.build((None, 8))
        initium.initialize(model, seed=0)
    assert all(np.isfinite(numbers(variable)).all() for variable in model.weights)


def test_two_layers_of_one_name_are_refused():
    class Two(keras.Model):
        def __init__(self):
            super().__init__()
            self.a, self.b = L.Dense(4, name="fc"), L.Dense(3, name="fc")

        def call(self, x):
            return self.b(self.a(x))

    model = Two()
    model(data()[0])
    assert refusal(lambda: initium.plan(model)) == (
        "Several weights of this model have one path, so that no rule and no draw could tell them apart:\n"
        "  fc/bias\n  fc/kernel\nGive their layers names of their own: Dense(64, name='query')."
    )


@traced
def test_an_example_that_does_not_fit_is_told():
    said = refusal(lambda: initium.plan(small(), example=np.ones((2, 5), "float32")))
    assert said.startswith(("Sequential raises ValueError", "The function raises ValueError"))
    if BACKEND == "torch":
        assert "NaN" in refusal(lambda: initium.plan(small(), example=np.full((2, 8), np.nan, "float32")))


def test_a_plan_of_another_model_is_refused():
    made = initium.plan(small())
    assert refusal(lambda: made.apply(net(), seed=0), PlanError).splitlines()[0] == (
        "This plan was made for another model, which differs in 6 parameters:"
    )
    assert refusal(lambda: made.apply(small(), device="cpu"), SettingError).startswith("A Keras model stays where")


def test_what_is_not_there_yet_says_so():
    model = small()
    made = initium.plan(model)
    x, _ = data()
    asked = {
        "diagnose": lambda: initium.diagnose(model, x),
        "warm_start": lambda: initium.warm_start(model, "weights.safetensors"),
        "calibrate": lambda: made.calibrate(model, x),
        "param_groups": lambda: made.param_groups(model, lr=0.1),
        "initialize(recipe='lsuv')": lambda: initium.initialize(model, recipe="lsuv", example=x),
    }
    for verb, act in asked.items():
        assert refusal(act) == (
            f"`{verb}` does not take a Keras model yet. `plan` and `initialize` do, and a plan's `apply`, `write` and "
            "`verify`."
        )


@pytest.mark.skipif(BACKEND != "torch", reason="only a model on PyTorch gets so far")
def test_a_comparison_of_a_keras_model_says_that_it_is_not_there_yet():
    def build():
        return keras.Sequential([keras.Input((64,)), L.Dense(10)])

    said = refusal(lambda: initium.compare(build, "digits", inits=["he_normal", "zeros"], progress=False))
    assert said.startswith("`compare` does not take a Keras model yet.")
    said = refusal(lambda: initium.coordinate_check(lambda width: build(), widths=(8, 16), inputs=data()[0]))
    assert said.startswith("`coordinate_check` does not take a Keras model yet.")


@pytest.mark.skipif(TRACES, reason="this backend has a tracer")
def test_a_backend_without_a_tracer_says_so():
    made = initium.initialize(small(), seed=0)
    assert f"the layers' types speak alone, because Keras's backend {BACKEND} has no tracer here" in made.notes
    assert all(choice.how != "kept" for choice in made)


# Residual branches by the papers: 3 + 4 + 6 + 3; one where stride is 1 and widths agree; 3 + 3 + 9 + 3.
DEPTHS = {"ResNet50": [3, 4, 6, 3], "MobileNetV2": [1, 2, 3, 2, 2], "ConvNeXtTiny": [3, 3, 9, 3]}


@traced
@pytest.mark.parametrize("name", [*DEPTHS, pytest.param("EfficientNetB0", marks=pytest.mark.slow)])
def test_applications_are_planned_whole(name):
    model = getattr(keras.applications, name)(weights=None)
    made = initium.initialize(model, seed=0)
    weights = [choice for choice in made if choice.param.role == "weight"]
    assert len(weights) == sum("kernel" in v.path.rpartition("/")[2] for v in model.trainable_variables)
    assert all(choice.param.use.moment for choice in weights)
    assert all(choice.how != "kept" for choice in weights)
    assert weights[-1].param.use.is_head
    streams = {}
    for choice in weights:
        if branch := choice.param.use.branch:
            streams.setdefault(branch.stream, set()).add((branch.number, branch.depth))
    depths = {"EfficientNetB0": [1, 1, 2, 2, 3]} | DEPTHS
    assert [len(found) for _, found in sorted(streams.items())] == depths[name]
    assert all({depth for _, depth in found} == {len(found)} for found in streams.values())
