"""What `initium.jax` draws: the same bits as PyTorch, of any tree, dtype and sharding; and what it refuses."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import linen, nnx
from jax_zoo import KEY, MODELS

import initium
import initium.jax

X = jax.ShapeDtypeStruct((8, 30), "float32")


def dense(params, x):
    return jax.nn.relu(x @ params["fc"]["kernel"]) @ params["head"]["kernel"]


SHAPES = {
    "fc": {"kernel": jax.ShapeDtypeStruct((30, 64), "float32")},
    "head": {"kernel": jax.ShapeDtypeStruct((64, 2), "float32")},
}


def same(x, y):
    return np.asarray(x).tobytes() == np.asarray(y).tobytes()


class Torchs(torch.nn.Module):
    """The net of `Linens` and `Nnxs`, with the same names."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 8, 3, stride=2)
        self.norm = torch.nn.LayerNorm(8)
        self.fc = torch.nn.Linear(8, 16)
        self.head = torch.nn.Linear(16, 10)

    def forward(self, x):
        x = torch.relu(self.conv(x)).mean((2, 3))
        return self.head(torch.nn.functional.gelu(self.fc(self.norm(x)), approximate="tanh"))


class Linens(linen.Module):
    @linen.compact
    def __call__(self, x):
        x = linen.relu(linen.Conv(8, (3, 3), 2, padding="VALID", name="conv")(x)).mean((1, 2))
        x = linen.LayerNorm(epsilon=1e-5, name="norm")(x)
        return linen.Dense(10, name="head")(linen.gelu(linen.Dense(16, name="fc")(x)))


class Nnxs(nnx.Module):
    def __init__(self, rngs):
        self.conv = nnx.Conv(3, 8, (3, 3), 2, padding="VALID", rngs=rngs)
        self.norm = nnx.LayerNorm(8, epsilon=1e-5, rngs=rngs)
        self.fc = nnx.Linear(8, 16, rngs=rngs)
        self.head = nnx.Linear(16, 10, rngs=rngs)

    def __call__(self, x):
        x = nnx.relu(self.conv(x)).mean((1, 2))
        return self.head(nnx.gelu(self.fc(self.norm(x))))


def test_the_same_names_and_seed_are_the_same_bits_and_outputs_as_in_pytorch():
    x = np.array(jax.random.normal(KEY, (4, 9, 9, 3)))
    theirs = Torchs()
    initium.initialize(theirs, seed=3, example=torch.as_tensor(x.transpose(0, 3, 1, 2)))
    module = Linens()
    ours = initium.jax.initialize(module.apply, jax.eval_shape(module.init, KEY, x), x, seed=3)
    model = nnx.eval_shape(lambda: Nnxs(nnx.Rngs(0)))
    initium.initialize(model, seed=3, example=x)

    for name in ("conv", "fc", "head"):
        weight = getattr(theirs, name).weight.detach().numpy()
        turned = weight.transpose(2, 3, 1, 0) if weight.ndim == 4 else weight.T
        assert same(ours["params"][name]["kernel"], turned), name
        assert same(getattr(model, name).kernel[...], turned), name
    wanted = theirs(torch.as_tensor(x.transpose(0, 3, 1, 2))).detach().numpy()
    np.testing.assert_allclose(module.apply(ours, x), wanted, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(model(x), wanted, rtol=1e-5, atol=1e-5)


def test_a_seed_is_the_same_weights_each_time_and_another_is_others():
    one, again, other = (initium.jax.initialize(dense, SHAPES, X, seed=seed) for seed in (0, 0, 1))
    assert same(one["fc"]["kernel"], again["fc"]["kernel"])
    assert not (one["fc"]["kernel"] == other["fc"]["kernel"]).any()


def test_what_is_no_parameter_is_returned_as_it_is():
    model = MODELS["ResNet"]
    variables = model.init()
    found = initium.jax.initialize(model.function, variables, *model.inputs())
    assert found["batch_stats"]["norm"]["mean"] is variables["batch_stats"]["norm"]["mean"]
    assert not (found["params"]["head"]["kernel"] == variables["params"]["head"]["kernel"]).any()


def test_an_equinox_module_keeps_what_is_no_array():
    model = MODELS["equinox_mlp"].init()
    found = initium.jax.initialize(lambda model, x: jax.vmap(model)(x), model, X)
    assert found.activation is model.activation
    assert found.layers[0].use_bias is True
    assert found.layers[0].weight.std() == pytest.approx(30**-0.5, rel=0.1)


def test_dtypes_are_kept():
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, "bfloat16"), SHAPES)
    found = initium.jax.initialize(dense, shapes, X)
    assert found["fc"]["kernel"].dtype == jnp.bfloat16
    whole = initium.array("normal(std=0.18257418583505536)", (64, 30), seed=0, path="fc.weight", dtype=jnp.bfloat16)
    assert same(found["fc"]["kernel"], whole.T)


def test_boxes_stay_around_what_they_hold():
    init = linen.with_partitioning(linen.initializers.lecun_normal(), (None, "model"))
    module = linen.Dense(4, kernel_init=init)
    boxed = jax.eval_shape(module.init, KEY, jnp.ones((1, 3)))
    found = initium.jax.initialize(module.apply, boxed, jnp.ones((1, 3)))
    assert isinstance(found["params"]["kernel"], linen.Partitioned)
    assert found["params"]["kernel"].names == (None, "model")
    plan = initium.jax.plan(module.apply, boxed, jnp.ones((1, 3)))
    assert [choice.path for choice in plan] == ["params/bias", "params/kernel"]


def test_one_array_in_two_places_stays_one():
    table = jnp.ones((50, 8))
    params = {"embed": table, "head": table}
    ids = jnp.arange(6).reshape(2, 3)
    plan = initium.jax.plan(lambda p, ids: jnp.take(p["embed"], ids, axis=0) @ p["head"].T, params, ids)
    assert plan.choices[0].param.tied == ("head",)
    found = initium.jax.apply(plan, params)
    assert found["embed"] is found["head"]


def test_inside_jit_it_is_drawn_when_the_program_runs():
    found = jax.jit(lambda: initium.jax.initialize(dense, SHAPES, X, seed=5))()
    assert same(found["fc"]["kernel"], initium.jax.initialize(dense, SHAPES, X, seed=5)["fc"]["kernel"])


def test_an_array_lies_where_the_one_did_whose_place_it_takes():
    mesh = jax.make_mesh((1,), ("x",))
    sharding = jax.NamedSharding(mesh, jax.P("x"))
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), SHAPES)
    found = initium.jax.initialize(dense, shapes, X)
    assert found["fc"]["kernel"].sharding.is_equivalent_to(sharding, 2)
    again = initium.jax.initialize(dense, found, X, seed=1)
    assert again["fc"]["kernel"].sharding.is_equivalent_to(sharding, 2)


def test_a_rule_goes_by_the_frameworks_own_path():
    model = MODELS["Mlp"]
    plan = initium.jax.plan(model.function, model.shapes(), *model.inputs(), rules={"params/head/*": "zeros"})
    assert str(plan["params/head/kernel"].init) == "zeros"
    assert plan["params/head/kernel"].by == "you"
    assert "drawn as    first.weight" in plan.explain("params/first/kernel").replace("drawn as     ", "drawn as    ")


def test_a_plan_is_saved_and_written_as_others_are(tmp_path):
    plan = initium.jax.plan(dense, SHAPES, X)
    plan.save(tmp_path / "plan.json")
    assert initium.Plan.load(tmp_path / "plan.json") == plan
    plan.write(tmp_path / "model.safetensors", seed=4)
    assert plan.verify(tmp_path / "model.safetensors", seed=4)
    held = np.asarray(initium.jax.initialize(dense, SHAPES, X, seed=4)["fc"]["kernel"])
    safetensors = pytest.importorskip("safetensors.numpy")
    assert same(safetensors.load_file(tmp_path / "model.safetensors")["fc/kernel"], held)


def test_a_module_of_nnx_is_filled_in_place_and_its_state_stays():
    class Net(nnx.Module):
        def __init__(self, rngs):
            self.layers = nnx.List([nnx.Linear(30, 16, rngs=rngs), nnx.Linear(16, 16, rngs=rngs)])
            self.norm, self.drop = nnx.BatchNorm(16, rngs=rngs), nnx.Dropout(0.5, rngs=rngs)
            self.head = nnx.Linear(16, 4, rngs=rngs)

        def __call__(self, x):
            for layer in self.layers:
                x = nnx.relu(layer(x))
            return self.head(self.drop(self.norm(x)))

    model = Net(nnx.Rngs(0))
    before = model.layers[0].kernel[...]
    plan = initium.initialize(model, seed=0, example=jax.ShapeDtypeStruct((8, 30), "float32"))
    assert [choice.path for choice in plan][2:4] == ["layers.0.bias", "layers.0.kernel"]
    assert plan["layers.1.kernel"].param.use.fed_by == "relu"
    assert plan["head.kernel"].param.use.fed_by == "normalisation"
    assert not (model.layers[0].kernel[...] == before).any()
    assert (model.norm.mean[...] == 0).all()
    assert model.drop.deterministic is False
    initium.plan(model, "he_normal", example={"x": jnp.ones((2, 30))})


def refused(error, call):
    with pytest.raises(error) as found:
        call()
    return str(found.value)


def test_bad_input_is_told_what_would_be_right():
    assert refused(initium.ModelError, lambda: initium.jax.plan(dense, {}, X)) == (
        "There is no parameter: a dict without an array of fractions. Pass what `init` gives, or `jax.eval_shape` "
        "of it: initium.jax.plan(model.apply, params, x)."
    )
    assert refused(initium.ModelError, lambda: initium.jax.plan(dense, SHAPES, jnp.ones((2, 7)))) == (
        "The function raises TypeError: dot_general requires contracting dimensions to have the same shape, got "
        "(7,) and (30,).\nIt was called with the parameters and float32[2, 7]."
    )
    assert refused(initium.ModelError, lambda: initium.jax.plan(lambda p, x: None, SHAPES, X)) == (
        "The function returns no array, so nothing says what its parameters do."
    )
    plan = initium.jax.plan(dense, SHAPES, X)
    other = {"fc": {"kernel": jnp.ones((30, 32))}, "tail": {"kernel": jnp.ones((3, 2))}}
    assert refused(initium.PlanError, lambda: initium.jax.apply(plan, other)) == (
        "The plan is of other parameters:\n"
        "  fc/kernel  plan (30, 64), parameters (30, 32)\n"
        "  head/kernel  only in the plan\n"
        "  tail/kernel  only in the parameters\n"
        "Plan these anew."
    )
    kept = initium.jax.plan(dense, SHAPES, X, rules={"fc/*": "framework"})
    assert refused(initium.ModelError, lambda: initium.jax.apply(kept, SHAPES)) == (
        "These parameters would stay uninitialised; they are shapes, and the plan leaves them as they were built:\n"
        "  fc/kernel\n"
        "Pass the arrays that `init` gives, or decide: rules={'fc/kernel': 'zeros'}."
    )
    assert "lsuv" in refused(initium.SettingError, lambda: initium.jax.plan(dense, SHAPES, X, recipe="lsuv"))
    bare = nnx.eval_shape(lambda: Nnxs(nnx.Rngs(0)))
    assert refused(initium.ModelError, lambda: initium.plan(bare)) == (
        "Nnxs does not say what it takes. Pass an input, or its shape: "
        'initium.initialize(model, example=jax.ShapeDtypeStruct((1, 30), "float32")).'
    )
    assert refused(initium.ModelError, lambda: initium.diagnose(bare, X, X)).startswith(
        "`diagnose` does not take a model of Flax yet."
    )


def test_a_module_without_parameters_and_what_is_no_model_are_told_so():
    empty = nnx.Dropout(0.5)
    assert refused(initium.ModelError, lambda: initium.plan(empty, example=jnp.ones((2, 3)))) == (
        "Dropout has no `nnx.Param`, so there is nothing to start."
    )
    assert refused(initium.ModelError, lambda: initium.jax.plan("model", SHAPES, X)).startswith(
        "The function raises TypeError: 'str' object is not callable."
    )
    assert refused(initium.SettingError, lambda: initium.jax.initialize(dense, SHAPES, X, seed=1.5)) == (
        "A seed is a whole number from 0 to 2^64 - 1, not 1.5."
    )


def test_what_is_traced_is_drawn_anew_or_kept_as_it_is():
    params = {"fc": {"kernel": jnp.ones((30, 64))}, "head": {"kernel": jnp.ones((64, 2))}}
    rules = {"head/*": "framework"}
    found = jax.jit(lambda params: initium.jax.initialize(dense, params, X, rules=rules))(params)
    assert same(found["fc"]["kernel"], initium.jax.initialize(dense, SHAPES, X)["fc"]["kernel"])
    assert (found["head"]["kernel"] == 1).all()


def test_a_loop_is_written_down_step_by_step_or_once():
    params, x = {"w": jax.ShapeDtypeStruct((30, 30), "float32")}, jnp.ones((2, 30))
    step = lambda params: lambda x: jnp.tanh(x @ params["w"])  # noqa: E731
    times = initium.jax.plan(lambda p, x: jax.lax.fori_loop(0, 3, lambda _, x: step(p)(x), x), params, x)
    assert [use.fed_by for use in times["w"].param.uses] == ["data", "tanh", "tanh"]
    until = initium.jax.plan(lambda p, x: jax.lax.while_loop(lambda x: x.sum() > 1, step(p), x), params, x)
    assert [use.fed_by for use in until["w"].param.uses] == ["data"]
    assert until.notes == ("a while loop is followed through its body once",)


def test_a_parameter_that_no_output_needs_is_told():
    params = {**SHAPES, "spare": jax.ShapeDtypeStruct((5, 6), "float32")}
    plan = initium.jax.plan(dense, params, X)
    assert plan.notes == ("not used in this pass: `spare`",)
    assert plan["spare"].param.because == "not used in this pass, read by its shape as (space, input, output)"


def test_what_cannot_be_followed_is_read_by_its_shape_and_a_note_says_so(monkeypatch):
    def fail(*args):
        raise RuntimeError("an operation that nobody foresaw")

    monkeypatch.setattr("initium.jax._trace._trace.walk", fail)
    model = MODELS["Encoder"]
    plan = initium.jax.plan(model.function, model.shapes(), *model.inputs())
    assert plan.notes[0] == (
        "shapes and names speak alone, because what the function does cannot be told: "
        "RuntimeError: an operation that nobody foresaw"
    )
    assert plan["params/up/kernel"].param.fans == (64, 256)
    roles = {name: plan[f"params/{name}"].param.role for name in ("norm/scale", "norm/bias", "embed/embedding")}
    assert roles == {"norm/scale": "scale", "norm/bias": "bias", "embed/embedding": "embedding"}


def test_what_is_inside_of_a_transformation_is_followed():
    @jax.custom_vjp
    def scaled(x):
        return 2 * x

    scaled.defvjp(lambda x: (scaled(x), None), lambda _, g: (g,))

    def function(params, x):
        hidden = jax.checkpoint(lambda x: jax.jit(jnp.tanh)(x @ params["fc"]["kernel"]))(x)
        hidden = jax.lax.cond(True, scaled, lambda x: x, hidden)
        return jax.vmap(lambda row: row @ params["head"]["kernel"])(hidden)

    plan = initium.jax.plan(function, SHAPES, X)
    assert plan["fc/kernel"].param.use.followed_by == ("tanh",)
    assert plan["head/kernel"].param.use.moment == pytest.approx(4 * 0.394294, rel=1e-4)
    assert plan["head/kernel"].param.use.is_head


def test_equinox_trees_of_shapes_are_planned():
    shapes = eqx.filter_eval_shape(MODELS["equinox_mlp"].init)
    assert len(initium.jax.plan(lambda model, x: jax.vmap(model)(x), shapes, X)) == 6
