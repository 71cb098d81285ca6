"""What `initium.jax.plan` finds out of a function of parameters: the same as of such a model of PyTorch's."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax_zoo import KEY, MODELS

import initium
import initium.jax
from initium.jax._trace import trace
from initium.jax._tree import leaves_of


def graph_of(name):
    model = MODELS[name]
    return trace(model.function, leaves_of(model.shapes()), model.inputs(), {})


# Of a model: the parameter, its operation, fans, what feeds it and what it meets first.
FACTS = {
    "Mlp": {
        "params/first/kernel": ("dense", (30, 128), "data", ("relu",)),
        "params/second/kernel": ("dense", (128, 128), "relu", ("gelu",)),
        "params/third/kernel": ("dense", (128, 128), "gelu", ("tanh",)),
        "params/head/kernel": ("dense", (128, 10), "tanh", ("output",)),
    },
    "Cnn": {
        "params/first/kernel": ("convolution", (27, 144), "data", ("relu",)),
        "params/depthwise/kernel": ("convolution", (9, 9), "pooling", ("relu",)),
        "params/strided/kernel": ("convolution", (16, 8), "relu", ("relu",)),
        "params/transposed/kernel": ("transposed convolution", (72, 144), "relu", ("silu",)),
        "params/head/kernel": ("dense", (16, 10), "pooling", ("output",)),
    },
    "ResNet": {
        "params/stem/kernel": ("convolution", (27, 144), "data", ("normalisation",)),
        "params/block0/conv1/kernel": ("convolution", (144, 144), "relu", ("normalisation",)),
        "params/block0/conv2/kernel": ("convolution", (144, 144), "relu", ("normalisation",)),
        "params/block2/conv1/kernel": ("convolution", (144, 72), "relu", ("normalisation",)),
        "params/block2/skip/kernel": ("convolution", (16, 8), "relu", ("normalisation",)),
        "params/head/kernel": ("dense", (32, 10), "pooling", ("output",)),
    },
    "Transformer": {
        "params/embed/embedding": ("embedding", (1, 64), "tokens", ("normalisation", "residual stream")),
        "params/block0/attention/query/kernel": ("dense", (64, 64), "normalisation", ("query",)),
        "params/block0/attention/key/kernel": ("dense", (64, 32), "normalisation", ("key",)),
        "params/block0/attention/value/kernel": ("dense", (64, 32), "normalisation", ("value",)),
        "params/block2/attention/out/kernel": ("dense", (64, 64), "attention", ("residual stream",)),
        "params/block1/mlp/gate/kernel": ("dense", (64, 128), "normalisation", ("silu",)),
        "params/block1/mlp/up/kernel": ("dense", (64, 128), "normalisation", ("gate",)),
        "params/block1/mlp/down/kernel": ("dense", (128, 64), "gate", ("residual stream",)),
        "params/head/kernel": ("dense", (64, 50), "normalisation", ("output",)),
    },
    "ScannedTransformer": {
        "params/layers/attention/query/kernel": ("dense", (64, 64), "normalisation", ("query",)),
        "params/layers/attention/key/kernel": ("dense", (64, 32), "normalisation", ("key",)),
        "params/layers/attention/out/kernel": ("dense", (64, 64), "attention", ("residual stream",)),
        "params/layers/mlp/down/kernel": ("dense", (128, 64), "gate", ("residual stream",)),
    },
    "Encoder": {
        "params/positions/embedding": ("embedding", (1, 64), "positions", ("normalisation", "residual stream")),
        "params/attention/query/kernel": ("dense", (64, 64), "normalisation", ("query",)),
        "params/attention/key/kernel": ("dense", (64, 64), "normalisation", ("key",)),
        "params/attention/value/kernel": ("dense", (64, 64), "normalisation", ("value",)),
        "params/attention/out/kernel": ("dense", (64, 64), "attention", ("residual stream",)),
        "params/up/kernel": ("dense", (64, 256), "normalisation", ("gelu_tanh",)),
        "params/down/kernel": ("dense", (256, 64), "gelu_tanh", ("residual stream",)),
    },
    "Lstm": {
        "params/cell/ii/kernel": ("dense", (8, 32), "data", ("sigmoid", "tanh", "gate")),
        "params/cell/hf/kernel": ("dense", (32, 32), "gate", ("sigmoid", "tanh")),
        "params/head/kernel": ("dense", (32, 10), "gate", ("output",)),
    },
    "UNet": {
        "params/down/kernel": ("convolution", (144, 72), "relu", ("relu",)),
        "params/up/kernel": ("transposed convolution", (32, 64), "relu", ("relu",)),
        "params/head/kernel": ("convolution", (32, 10), "relu", ("output",)),
    },
    "Vit": {
        "params/patch/kernel": ("convolution", (48, 64), "data", ("normalisation", "residual stream")),
        "params/attention/value/kernel": ("dense", (64, 64), "normalisation", ("value",)),
        "params/up/kernel": ("dense", (64, 256), "normalisation", ("gelu_tanh",)),
        "params/head/kernel": ("dense", (64, 10), "normalisation", ("output",)),
    },
    "equinox_mlp": {
        "layers.0.weight": ("dense", (30, 128), "data", ("relu",)),
        "layers.1.weight": ("dense", (128, 128), "relu", ("relu",)),
        "layers.2.weight": ("dense", (128, 10), "relu", ("output",)),
    },
    "equinox_attention": {
        "embed.weight": ("embedding", (1, 64), "tokens", ("normalisation", "residual stream")),
        "attention.query_proj.weight": ("dense", (64, 64), "normalisation", ("query",)),
        "attention.key_proj.weight": ("dense", (64, 64), "normalisation", ("key",)),
        "attention.value_proj.weight": ("dense", (64, 64), "normalisation", ("value",)),
        "attention.output_proj.weight": ("dense", (64, 64), "attention", ("residual stream",)),
        "head.weight": ("dense", (64, 50), "residual stream", ("output",)),
    },
    "haiku_mlp": {
        "mlp/~/linear_0/w": ("dense", (30, 128), "data", ("relu",)),
        "mlp/~/linear_2/w": ("dense", (128, 10), "relu", ("output",)),
    },
    "haiku_resnet": {
        "stem/w": ("convolution", (27, 144), "data", ("relu",)),
        "conv0_1/w": ("convolution", (144, 144), "relu", ("normalisation",)),
        "conv1_2/w": ("convolution", (144, 144), "relu", ("residual stream",)),
        "head/w": ("dense", (16, 10), "pooling", ("output",)),
    },
    "plain_mlp": {
        "0/w": ("dense", (30, 128), "data", ("softplus",)),
        "2/w": ("dense", (128, 10), "softplus", ("output",)),
    },
}


@pytest.mark.parametrize("name", FACTS)
def test_what_is_done_with_each_weight_is_told(name):
    graph = graph_of(name)
    found = {
        path: (param.use.operation, tuple(param.fans), param.use.fed_by, param.use.followed_by)
        for path in FACTS[name]
        for param in [graph.by_path[path]]
    }
    assert found == FACTS[name]


# Of a model: which branch of its stream a weight is in, of how many, and whether it ends the branch.
BRANCHES = {
    "ResNet": {
        "params/block0/conv1/kernel": (1, 2, False),
        "params/block1/conv2/kernel": (2, 2, True),
        "params/block2/conv1/kernel": (1, 2, False),  # behind a projection another stream begins
        "params/block3/conv2/kernel": (2, 2, True),
        "params/stem/kernel": None,
        "params/head/kernel": None,
    },
    "Transformer": {
        "params/block0/attention/query/kernel": (1, 6, False),
        "params/block0/attention/out/kernel": (1, 6, True),
        "params/block2/mlp/gate/kernel": (6, 6, False),
        "params/block2/mlp/down/kernel": (6, 6, True),
        "params/head/kernel": None,
    },
    "equinox_attention": {"attention.output_proj.weight": (1, 1, True)},
    "haiku_resnet": {"conv0_1/w": (1, 2, False), "conv1_2/w": (2, 2, True)},
}


@pytest.mark.parametrize("name", BRANCHES)
def test_residual_branches_are_counted(name):
    graph = graph_of(name)
    branches = {path: graph.by_path[path].use.branch for path in BRANCHES[name]}
    assert {path: b and (b.number, b.depth, b.is_last) for path, b in branches.items()} == BRANCHES[name]


def test_a_scan_of_layers_is_that_many_layers_and_its_stack_is_in_no_fan():
    graph = graph_of("ScannedTransformer")
    down = graph.by_path["params/layers/mlp/down/kernel"]
    assert (down.shape, down.axes, tuple(down.fans)) == ((3, 128, 64), "bio", (128, 64))
    assert [(use.branch.number, use.branch.depth, use.branch.repeats) for use in down.uses] == [
        (2, 6, 1),
        (4, 6, 1),
        (6, 6, 1),
    ]
    assert graph.by_path["params/layers/attention/query/kernel"].axes == "bioo"
    assert graph.by_path["params/embed/embedding"].uses[1].is_head
    whole = initium.jax.initialize(
        MODELS["ScannedTransformer"].function,
        MODELS["ScannedTransformer"].shapes(),
        *MODELS["ScannedTransformer"].inputs(),
    )
    one, two, three = whole["params"]["layers"]["mlp"]["down"]["kernel"]
    assert not (one == two).any()
    assert not (two == three).any()


def test_what_one_weight_packs_is_told_apart():
    graph = graph_of("Packed")
    qkv, gated = graph.by_path["params/qkv/kernel"], graph.by_path["params/gated/kernel"]
    assert (qkv.packs, qkv.blocks, tuple(qkv.fans)) == (("query", "key", "value"), 3, (64, 64))
    assert (gated.packs, gated.blocks, tuple(gated.fans)) == (("gate", "up"), 2, (64, 128))
    assert graph.by_path["params/gated/bias"].packs == ("gate", "up")


@pytest.mark.parametrize("path", ["query", "key", "value", "out"])
def test_the_width_of_a_head_is_told_whichever_factor_comes_first(path):
    assert graph_of("Vit").by_path[f"params/attention/{path}/kernel"].use.head_size == 16


HEADS = {
    "Lstm": "params/head/kernel",
    "UNet": "params/head/kernel",
    "Vit": "params/head/kernel",
    "Packed": "params/head/kernel",
    "Mlp": "params/head/kernel",
    "Cnn": "params/head/kernel",
    "ResNet": "params/head/kernel",
    "Transformer": "params/head/kernel",
    "Encoder": "params/head/kernel",
    "equinox_mlp": "layers.2.weight",
    "equinox_attention": "head.weight",
    "haiku_mlp": "mlp/~/linear_2/w",
    "haiku_resnet": "head/w",
    "plain_mlp": "2/w",
}


@pytest.mark.parametrize("name", HEADS)
def test_the_head_is_the_one_weight_whose_output_is_the_models(name):
    assert [param.path for param in graph_of(name).weights if param.use.is_head] == [HEADS[name]]


ROLES = {
    "ResNet": {"params/block0/norm1/scale": "scale", "params/block0/norm1/bias": "shift", "params/stem/bias": "bias"},
    "Transformer": {"params/block0/norm1/scale": "scale", "params/norm/bias": "shift"},
    "Encoder": {"params/attention/query/bias": "bias", "params/norm1/scale": "scale"},
    "Vit": {"params/token": "token", "params/position": "position", "params/norm2/scale": "scale"},
    "equinox_attention": {"norm.weight": "scale", "norm.bias": "shift", "head.bias": "bias"},
    "haiku_resnet": {"norm0/scale": "scale", "norm0/offset": "shift", "conv0_1/b": "bias"},
}


@pytest.mark.parametrize("name", ROLES)
def test_what_is_no_weight_is_told_too(name):
    graph = graph_of(name)
    assert {path: graph.by_path[path].role for path in ROLES[name]} == ROLES[name]
    norms = [p for p in graph.params if p.role in ("scale", "shift")]
    assert {p.use.operation for p in norms} == {"normalisation"}


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_model_begins_with_a_loss_near_that_of_a_guess(name):
    model = MODELS[name]
    params = initium.jax.initialize(model.function, model.init(), *model.inputs(), seed=0)
    logits = model.function(params, *model.inputs()).reshape(-1, model.num_classes)
    labels = jnp.arange(len(logits)) % model.num_classes
    loss = -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1).mean()
    limit = 1.2 if name == "ResNet" else 1.1  # in evaluation its averages are not those of the signal yet
    assert loss / math.log(model.num_classes) == pytest.approx(1, abs=limit - 1)


def test_signals_keep_their_size_through_a_net():
    model = MODELS["Mlp"]
    params = initium.jax.initialize(model.function, model.shapes(), *model.inputs(), seed=0)["params"]
    x = jax.random.normal(KEY, (4096, 30))
    for layer, activation in (
        ("first", jax.nn.relu),
        ("second", lambda x: jax.nn.gelu(x, approximate=False)),
        ("third", jnp.tanh),
    ):
        given = x @ params[layer]["kernel"] + params[layer]["bias"]
        assert jnp.square(given).mean() == pytest.approx(1, rel=0.15), layer
        x = activation(given)


@pytest.mark.parametrize(
    ("recipe", "std"),
    [("he_normal", (2 / 144) ** 0.5), ("glorot_normal", (2 / 288) ** 0.5), ("normal(0, 0.02)", 0.02)],
)
def test_an_initialiser_for_all_weights_has_its_std(recipe, std):
    model = MODELS["ResNet"]
    params = initium.jax.initialize(model.function, model.init(), *model.inputs(), recipe=recipe)
    weight = np.asarray(params["params"]["block0"]["conv2"]["kernel"])
    assert weight.std() == pytest.approx(std, rel=5 / math.sqrt(2 * weight.size))


def test_gpt2_scales_what_ends_a_branch_by_their_number():
    model = MODELS["Transformer"]
    plan = initium.jax.plan(model.function, model.shapes(), *model.inputs(), recipe="gpt2")
    assert str(plan["params/block0/mlp/up/kernel"].init) == "normal(std=0.02)"
    params = initium.jax.apply(plan, model.shapes())["params"]
    ends = np.asarray(params["block0"]["mlp"]["down"]["kernel"])
    assert ends.std() == pytest.approx(0.02 / math.sqrt(6), rel=5 / math.sqrt(2 * ends.size))


@pytest.mark.parametrize("name", ["Mlp", "Cnn", "UNet", "ResNet", "Encoder", "ScannedTransformer"])
def test_recipe_flax_realises_what_the_layers_of_flax_draw(name):
    model = MODELS[name]
    theirs = model.init()
    ours = initium.jax.initialize(model.function, theirs, *model.inputs(), recipe="flax", seed=1)
    pairs = zip(jax.tree.leaves_with_path(theirs["params"]), jax.tree.leaves(ours["params"]), strict=True)
    for (keys, wanted), found in pairs:
        if keys[-1].key in ("kernel", "embedding"):
            limit = 5 / math.sqrt(found.size)  # of the ratio of two stds, each of so many draws
            assert found.std() / wanted.std() == pytest.approx(1, abs=limit), keys
        else:
            assert (found == wanted).all(), keys
