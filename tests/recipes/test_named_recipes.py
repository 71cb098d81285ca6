"""The named recipes on graphs written by hand: which rule decides what, and with which numbers."""

import inspect
import math
from dataclasses import astuple, replace
from pathlib import Path

import pytest

import initium
from initium._decisions import decide
from initium._graph import Branch, Graph, Param, Use
from initium._recipes import by_name, parse_recipe
from initium.init._law import Constant, Keep, Normal, Uniform

ROLES = ("weight", "bias", "scale", "shift", "embedding", "position", "token", "kept")
NAMED = [name for name in by_name() if name not in ("auto", "author", "lsuv", "calibrate")]


def weight(path, outputs, inputs, *kernel, operation="dense", branch=None, packs=(), layer="Linear", fans=None, **use):
    """A weight as PyTorch stores it, used once."""
    return Param(
        path=path,
        shape=(outputs, inputs, *kernel),
        axes="oi" + ("", "w", "hw")[len(kernel)],
        role="weight",
        because="weight",
        layer=layer,
        packs=packs,
        blocks=len(packs) or 1,
        uses=(Use(operation=operation, branch=branch, **use),),
        **(fans or {}),
    )


def other(path, role, shape, axes="o", operation="addition", **values):
    branch, fed_by = values.pop("branch", None), values.pop("fed_by", "unknown")
    uses = (Use(operation=operation, branch=branch, fed_by=fed_by),)
    return Param(path=path, shape=shape, axes=axes, role=role, because=role, uses=uses, **values)


def at(number, layer, *, stream=0, depth=4, layers=2):
    """Where a weight stands in its residual branch; the last layer ends it."""
    is_last = layer == layers
    return Branch(stream=stream, number=number, depth=depth, layer=layer, layers=layers, is_last=is_last)


def attention(prefix, number, width=8, *, is_packed=True, crosses=False, **where):
    """One attention of two heads as a residual branch."""
    inside, last = at(number, 1, **where), at(number, 2, **where)
    shared = {"head_size": width // 2, "branch": inside}
    parts = ("query", "key", "value")
    first = [weight(f"{prefix}.{part}.weight", width, width, followed_by=(part,), **shared) for part in parts]
    if is_packed:
        first = [weight(f"{prefix}.qkv.weight", 3 * width, width, packs=parts, followed_by=parts, **shared)]
    out = weight(f"{prefix}.out.weight", width, width, fed_by="attention", head_size=width // 2, branch=last)
    return [*first, out]


def feed_forward(prefix, number, width=8, **where):
    return [
        weight(f"{prefix}.up.weight", 4 * width, width, branch=at(number, 1, **where)),
        weight(f"{prefix}.down.weight", width, 4 * width, fed_by="gelu", branch=at(number, 2, **where)),
    ]


def stack(prefix, layers, *, stream=0, crosses=False, is_packed=True):
    """A transformer's layers: attention, perhaps another one, and a feed-forward net."""
    found, number, depth = [], 0, layers * (3 if crosses else 2)
    for layer in range(layers):
        for kind in ("self", "cross")[: 1 + crosses]:
            number += 1
            found += attention(f"{prefix}.{layer}.{kind}", number, stream=stream, depth=depth, is_packed=is_packed)
        number += 1
        found += feed_forward(f"{prefix}.{layer}.net", number, stream=stream, depth=depth)
    return found


EMBEDDING = other("wte.weight", "embedding", (50, 8), "vo", "embedding", padding=3, layer="Embedding")
HEAD = weight("head.weight", 50, 8, fed_by="normalisation", followed_by=("output",))
MODEL = Graph(
    (
        EMBEDDING,
        other("pos", "position", (1, 10, 8), "bvo"),
        other("cls", "token", (1, 1, 8), "bbo", "concatenation"),
        *stack("h", 2),
        other("h.0.norm.weight", "scale", (8,), operation="normalisation"),
        other("h.0.norm.bias", "shift", (8,), operation="normalisation"),
        other("h.0.gamma", "scale", (8,), operation="multiplication"),
        other("decay", "kept", (8,), operation="other"),
        HEAD,
        other("head.bias", "bias", (50,), bias_of="head.weight"),
    ),
    is_traced=True,
)


def like(law):
    """A law whose numbers are these up to rounding."""
    return type(law)(*(pytest.approx(number, rel=1e-14) for number in astuple(law)))


def choices(recipe, graph=MODEL):
    return {choice.path: choice for choice in decide(graph, parse_recipe(recipe)).choices}


def starts(recipe, graph=MODEL):
    return {path: str(choice.init) for path, choice in choices(recipe, graph).items()}


@pytest.mark.parametrize("name", NAMED)
def test_a_recipe_decides_every_role(name):
    found = choices(name)
    assert {choice.param.role for choice in found.values()} == set(ROLES)
    assert all(choice.because for choice in found.values())
    assert found["h.0.norm.weight"].law == Constant(1)
    assert found["h.0.norm.bias"].law == Constant(0)
    assert found["decay"].law == Keep()


@pytest.mark.parametrize("name", NAMED)
def test_a_padding_row_is_zero_in_every_recipe(name):
    init = choices(name)["wte.weight"].init
    assert init.spec.startswith("padded(")
    drawn = initium.array(init, (50, 8), seed=0, path="wte.weight", axes="vo")
    assert (drawn[3] == 0).all()
    assert (drawn[[2, 4]] != 0).all()


@pytest.mark.parametrize("name", NAMED)
def test_a_recipe_has_a_version_a_use_and_reads_back(name):
    recipe = parse_recipe(name)
    assert recipe.version == (1 if name == "flax" else 2)
    assert str(recipe) == name
    (listed,) = (found for found in initium._guide.about() if found.is_recipe and found.name == name)
    assert 0 < len(listed.when) <= 53  # a line of `initium list`


@pytest.mark.parametrize("name", NAMED)
def test_what_a_recipe_cites_is_in_its_text_and_in_the_bibliography(name):
    cited = parse_recipe(name).cites
    assert cited
    assert all(f"[{key}]" in by_name()[name].__doc__ for key in cited)
    assert all(key in initium._guide._bibliography() for key in cited)


@pytest.mark.parametrize("name", NAMED)
def test_the_docs_have_a_row_for_a_recipe_with_its_numbers(name):
    page = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
    numbers = list(inspect.signature(by_name()[name].__wrapped__).parameters.values())[1:]
    settings = ", ".join(f"{number.name}={number.default:g}" for number in numbers)
    assert f"\n| `{name}{f'({settings})' if settings else ''}` |".replace("e-0", "e-") in page


def test_gpt2_divides_what_ends_a_branch_by_the_root_of_their_number():
    found = starts("gpt2(std=0.04)")
    ends = [path for path in found if path.endswith(("out.weight", "down.weight"))]
    assert len(ends) == 4
    assert {found[path] for path in ends} == {"normal(std=0.02)"}
    weights = [param.path for param in MODEL.weights if param.path not in ends]
    assert {found[path] for path in weights} == {"normal(std=0.04)"}
    assert choices("gpt2")["h.1.net.down.weight"].because == "ends residual branch, 1/sqrt(4)"


@pytest.mark.parametrize("name", ["llama", "bert"])
def test_one_std_is_the_same_at_every_depth(name):
    found = starts(f"{name}(std=0.03)")
    assert {found[param.path] for param in MODEL.weights} == {"normal(std=0.03)"}
    assert found["wte.weight"] == "padded('normal(std=0.03)', row=3)"


def test_t5_folds_the_root_of_the_head_size_into_q():
    found = choices("t5(factor=2)")
    assert str(found["h.0.self.qkv.weight"].init) == (
        f"packed(('normal(std={2 / math.sqrt(8 * 4)!r})', 'lecun_normal(gain=2)', 'lecun_normal(gain=2)'))"
    )
    assert found["h.0.self.out.weight"].law == like(Normal(0, 2 / math.sqrt(8)))
    assert found["h.0.net.down.weight"].law == like(Normal(0, 2 / math.sqrt(32)))
    assert found["head.weight"].law == like(Normal(0, 2))
    assert found["pos"].law == like(Normal(0, 2 / math.sqrt(8)))
    apart = Graph(tuple(stack("h", 1, is_packed=False)))
    assert str(choices("t5", apart)["h.0.self.query.weight"].init) == f"normal(std={1 / math.sqrt(32)!r})"


DEEP = Graph((EMBEDDING, *stack("encoder", 2), *stack("decoder", 3, stream=1, crosses=True), HEAD), is_traced=True)


@pytest.mark.parametrize("is_packed", [True, False])
@pytest.mark.parametrize(
    ("name", "plain", "encoder", "decoder"),
    [
        ("t_fixup", "glorot_uniform", "t_fixup(2, part='encoder')", "t_fixup(3)"),
        ("deepnorm", "glorot_normal", "deepnorm(2, num_others=3, part='encoder')", "deepnorm(3, num_others=2)"),
    ],
)
def test_an_encoder_and_a_decoder_are_scaled_each_by_its_own_depth(name, plain, encoder, decoder, is_packed):
    deep = [
        *stack("encoder", 2, is_packed=is_packed),
        *stack("decoder", 3, stream=1, crosses=True, is_packed=is_packed),
    ]
    found = starts(name, Graph((EMBEDDING, *deep, HEAD)))
    for prefix, scaled in (("encoder.1.self", encoder), ("decoder.0.self", decoder), ("decoder.2.cross", decoder)):
        if is_packed:
            assert found[f"{prefix}.qkv.weight"] == f"packed({(plain, plain, scaled)!r})"
        else:
            assert found[f"{prefix}.query.weight"] == found[f"{prefix}.key.weight"] == plain
            assert found[f"{prefix}.value.weight"] == scaled
        assert found[f"{prefix}.out.weight"] == scaled
    assert found["encoder.0.net.up.weight"] == found["encoder.0.net.down.weight"] == encoder
    assert found["decoder.0.net.up.weight"] == decoder
    assert found["head.weight"] == "lecun_normal"


def test_a_stack_alone_is_told_from_one_beside_another():
    assert starts("deepnorm")["h.0.net.up.weight"] == "deepnorm(2, part='encoder')"
    assert choices("deepnorm")["h.0.net.up.weight"].law == like(Normal(0, math.sqrt(2 / 40) * 16**-0.25))
    assert choices("deepnorm", DEEP)["decoder.0.net.up.weight"].because == (
        "feed-forward net, decoder of 3 layers beside 2"
    )


def test_t_fixups_embeddings_count_the_encoders_layers():
    assert starts("t_fixup", DEEP)["wte.weight"] == "padded(\"t_fixup(2, part='embedding')\", row=3)"


def test_a_matrix_that_is_value_and_query_at_once_is_refused_where_they_should_differ():
    shared = weight("a.qkv.weight", 8, 8, followed_by=("query", "key", "value"), branch=at(1, 1))
    graph = Graph((shared, *feed_forward("b", 2)))
    with pytest.raises(initium.ShapeError) as error:
        choices("deepnorm", graph)
    assert str(error.value) == (
        "`packed(('glorot_normal', 'glorot_normal', \"deepnorm(1, part='encoder')\"))` has 3 starts, but "
        "`a.qkv.weight` packs 1 blocks.\nGive it an initialiser that looks at no fan, such as `zeros` or "
        "`uniform(-0.1, 0.1)`."
    )


def block(prefix, number, *, stream=0, depth=2, planes=8):
    """A bottleneck of three convolutions and its last normalisation."""
    where = {"stream": stream, "depth": depth, "layers": 3}
    return [
        weight(
            f"{prefix}.conv1.weight", planes, 4 * planes, 1, 1, operation="convolution", branch=at(number, 1, **where)
        ),
        other(f"{prefix}.bn1.weight", "scale", (planes,), operation="normalisation", branch=at(number, 1, **where)),
        weight(
            f"{prefix}.conv2.weight",
            planes,
            planes // 2,
            3,
            3,
            operation="convolution",
            branch=at(number, 2, **where),
            fans={"groups": 2, "stride": 4},
        ),
        weight(
            f"{prefix}.conv3.weight", 4 * planes, planes, 1, 1, operation="convolution", branch=at(number, 3, **where)
        ),
        other(f"{prefix}.bn3.weight", "scale", (4 * planes,), operation="normalisation", branch=at(number, 3, **where)),
    ]


RESNET = Graph(
    (
        weight("stem.weight", 32, 3, 7, 7, operation="convolution", fed_by="data"),
        *block("a", 1),
        *block("b", 2),
        weight("skip.weight", 32, 32, 1, 1, operation="convolution"),
        *block("c", 1, stream=1, depth=1),
        weight("fc.weight", 10, 32, fed_by="pooling", followed_by=("output",)),
        other("fc.bias", "bias", (10,), bias_of="fc.weight"),
    ),
    is_traced=True,
)


def test_resnet_counts_outputs_as_torch_does_and_starts_branches_as_nothing():
    found = choices("resnet", RESNET)
    assert found["a.conv2.weight"].law == like(Normal(0, math.sqrt(2 / (8 * 9))))  # whatever its groups and stride
    assert found["stem.weight"].law == like(Normal(0, math.sqrt(2 / (32 * 49))))
    assert [found[f"{name}.bn3.weight"].law for name in "abc"] == [Constant(0)] * 3
    assert found["a.bn1.weight"].law == Constant(1)
    assert found["fc.bias"].law == found["fc.weight"].law == like(Uniform(-(32**-0.5), 32**-0.5))


def test_fixup_counts_the_branches_of_the_whole_net():
    found = choices("fixup", RESNET)
    assert str(found["a.conv1.weight"].init) == "fixup(3, num_layers=3)"
    assert found["c.conv2.weight"].law == like(Normal(0, 3**-0.25 * math.sqrt(2 / (8 / 2 * 9))))
    assert found["a.conv2.weight"].because == "one of 3 weights in one of 3 branches"
    assert found["skip.weight"].law == like(Normal(0, math.sqrt(2 / 32)))
    zero = ("a.conv3.weight", "b.conv3.weight", "c.conv3.weight", "fc.weight", "fc.bias")
    assert {found[path].law for path in zero} == {Constant(0)}
    assert found["a.bn3.weight"].law == Constant(1)


def test_convnext_scales_branches_to_next_to_nothing():
    found = choices("convnext")
    assert found["h.0.gamma"].law == Constant(1e-6)
    assert found["h.0.net.up.weight"].law == like(Normal(0, 0.02))
    assert choices("convnext(layer_scale=0.1)")["h.0.gamma"].law == Constant(0.1)


def test_vit_leaves_the_patches_to_torch():
    patches = weight("patches.weight", 8, 3, 4, 4, operation="convolution", fed_by="data", layer="Conv2d")
    graph = Graph((patches, other("patches.bias", "bias", (8,), bias_of="patches.weight"), *MODEL.params))
    found = choices("vit", graph)
    assert found["patches.weight"].law == like(Uniform(-(48**-0.5), 48**-0.5))
    assert found["patches.bias"].law == like(Uniform(-(48**-0.5), 48**-0.5))
    assert found["head.bias"].law == Constant(0)
    assert found["head.weight"].law == found["pos"].law == like(Normal(0, 0.02))
    assert found["cls"].law == like(Normal(0, 1e-6))


@pytest.mark.parametrize("is_packed", [True, False])
def test_mimetic_draws_all_of_one_attention_under_one_path(is_packed):
    graph = replace(MODEL, params=(EMBEDDING, *stack("h", 2, is_packed=is_packed), HEAD))
    found = choices("mimetic(value_out=0.5)", graph)
    first = "qkv" if is_packed else "query"
    own = [choice for path, choice in found.items() if path.startswith("h.1.self")]
    assert {choice.draws_as for choice in own} == {f"h.1.self.{first}.weight"}
    assert found["h.1.net.up.weight"].draws_as == ""
    part = "" if is_packed else ", part='value'"
    assert str(found[f"h.1.self.{'qkv' if is_packed else 'value'}.weight"].init) == (
        f"mimetic_attention(2{part}, value_out=0.5)"
    )
    assert str(found["h.1.self.out.weight"].init) == "mimetic_attention(2, part='out', value_out=0.5)"


def test_mimetic_leaves_attention_that_is_not_square_to_vit():
    few = [
        weight("a.query.weight", 8, 8, followed_by=("query",), head_size=4, branch=at(1, 1)),
        weight("a.key.weight", 4, 8, followed_by=("key",), head_size=4, branch=at(1, 1)),
        weight("a.value.weight", 4, 8, followed_by=("value",), head_size=4, branch=at(1, 1)),
        weight("a.out.weight", 8, 8, fed_by="attention", head_size=4, branch=at(1, 2)),
    ]
    assert set(starts("mimetic", Graph(tuple(few))).values()) == {"normal(std=0.02)"}


WIDE = Graph(
    (
        weight("first.weight", 512, 3, fed_by="data"),
        weight("hidden.weight", 512, 512, fed_by="relu"),
        other("hidden.bias", "bias", (512,)),
        weight("head.weight", 10, 512, fed_by="relu", followed_by=("output",)),
    ),
    is_traced=True,
)


def test_mup_is_what_its_table_3_says_for_adam():
    found = choices("mup(base_width=128, std=0.5)", WIDE)
    assert found["first.weight"].law == like(Normal(0, 0.5 / math.sqrt(3)))
    assert found["hidden.weight"].law == like(Normal(0, 0.5 / math.sqrt(512)))
    assert found["head.weight"].law == like(Normal(0, 0.5 * math.sqrt(128) / 512))
    assert [choice.lr for choice in found.values()] == [1, 0.25, 1, 0.25]


def test_mup_at_its_base_width_is_what_was_tuned():
    found = choices("mup(base_width=512)", WIDE)
    assert {choice.lr for choice in found.values()} == {1}
    assert found["head.weight"].law == like(Normal(0, 1 / math.sqrt(512)))


def test_mup_takes_the_width_from_a_head_that_is_the_embedding():
    tied = replace(EMBEDDING, uses=(*EMBEDDING.uses, Use(operation="dense", followed_by=("output",))))
    found = choices("mup(base_width=2)", Graph((tied, *stack("h", 1))))
    assert found["h.0.net.up.weight"].lr == 0.25
    assert found["wte.weight"].lr == 1


def test_siren_starts_what_sees_coordinates_otherwise():
    found = choices("siren(w0=10)", WIDE)
    assert found["first.weight"].law == like(Uniform(-1 / 3, 1 / 3))
    bound = math.sqrt(6 / 512) / 10
    for path in ("hidden.weight", "head.weight"):
        assert (found[path].law.low, found[path].law.high) == pytest.approx((-bound, bound), rel=1e-14)
    assert found["hidden.bias"].law == like(Uniform(-(512**-0.5), 512**-0.5))


@pytest.mark.parametrize(
    ("frequencies", "moment", "starts"),
    [
        ((30.0, 1.0), 0.5, ["siren(w0=1)", "siren(w0=1)"]),
        ((10.0, 10.0), 0.5, ["siren(w0=10)", "siren(w0=10)"]),
        ((1.0, 1.0), 900 * (1 - math.exp(-2)) / 2, ["siren", "siren"]),  # 30 in front of the weight
        ((None, None), 0.5, ["siren", "siren"]),
    ],
)
def test_siren_takes_the_frequency_of_each_layer(frequencies, moment, starts):
    def layer(path, after=(), **use):
        use = Use(operation="dense", after=after, **use)
        return Param(path=path, shape=(64, 64), axes="oi", role="weight", because="", uses=(use,))

    first, second = frequencies
    found = choices("siren", Graph((
        layer("0", fed_by="data", moment=1.0, frequency=first),
        layer("1", ("0",), fed_by="sine", moment=moment, frequency=second),
        layer("2", ("1",), fed_by="sine", moment=0.5, followed_by=("output",)),
    )))  # fmt: skip
    assert [str(found[path].init) for path in "012"] == ["siren_first", *starts]
    told = f"a sine of frequency {30 if starts == ['siren'] * 2 else second:g}" if second else ""
    assumed = "no sine's frequency is known here: 30 is assumed"
    assert found["1"].because == (f"inside {told}" if told else assumed)
    assert found["2"].because == (f"behind {told}" if told else assumed)


def recurrent(gates, *, layer="LSTM", hidden=5, inputs=7):
    """Both matrices and both biases of a recurrent layer, as PyTorch stores them."""
    rows, shared = hidden * (len(gates) or 1), {"operation": "recurrent", "packs": gates, "layer": layer}
    packs = {"packs": gates, "blocks": len(gates) or 1, "layer": layer, "operation": "recurrent"}
    return Graph(
        (
            weight("r.weight_ih_l0", rows, inputs, fed_by="data", **shared),
            weight("r.weight_hh_l0", rows, hidden, fed_by="state", **shared),
            other("r.bias_ih_l0", "bias", (rows,), bias_of="r.weight_ih_l0", **packs),
            other("r.bias_hh_l0", "bias", (rows,), bias_of="r.weight_hh_l0", **packs),
        )
    )


LSTM = recurrent(("input", "forget", "cell", "output"))


@pytest.mark.parametrize(
    "graph", [LSTM, recurrent(("reset", "update", "new"), layer="GRU"), recurrent((), layer="RNN")]
)
def test_torch_draws_all_of_a_recurrent_layer_by_its_hidden_units(graph):
    assert all(choice.law == like(Uniform(-(5**-0.5), 5**-0.5)) for choice in choices("torch", graph).values())


def test_torch_draws_the_projection_of_a_state_by_its_hidden_units():
    graph = Graph((weight("r.weight_hr_l0", 3, 5, operation="recurrent", fed_by="cell", layer="LSTM"),))
    assert choices("torch", graph)["r.weight_hr_l0"].law == like(Uniform(-(5**-0.5), 5**-0.5))


def test_torch_sees_packed_attention_as_one_matrix():
    parts = ("query", "key", "value")
    graph = Graph(
        (
            weight("a.in_proj_weight", 24, 8, layer="MultiheadAttention", packs=parts, followed_by=parts),
            other("a.in_proj_bias", "bias", (24,), layer="MultiheadAttention"),
            other("a.bias_k", "token", (1, 1, 8), "bbo", layer="MultiheadAttention"),
            weight("a.out_proj.weight", 8, 8, layer="NonDynamicallyQuantizableLinear", fed_by="attention"),
            other("a.out_proj.bias", "bias", (8,), layer="NonDynamicallyQuantizableLinear"),
        )
    )
    found = choices("torch", graph)
    bound = math.sqrt(6 / 32)
    assert (found["a.in_proj_weight"].law.low, found["a.in_proj_weight"].law.high) == pytest.approx((-bound, bound))
    assert found["a.in_proj_bias"].law == found["a.out_proj.bias"].law == Constant(0)
    assert found["a.bias_k"].law == like(Normal(0, 8**-0.5))
    assert found["a.out_proj.weight"].law == like(Uniform(-(8**-0.5), 8**-0.5))


def test_a_bias_of_unequal_blocks_is_drawn_like_its_weight():
    parts = ("query", "key", "value")
    packed = replace(weight("a.weight", 16, 9, followed_by=parts, head_size=4), packs=parts, blocks=(8, 4, 4))
    found = choices("torch", Graph((packed, other("a.bias", "bias", (16,), bias_of="a.weight"))))
    assert found["a.bias"].law == found["a.weight"].law == like(Uniform(-1 / 3, 1 / 3))
    assert str(choices("t5", Graph((packed,)))["a.weight"].init).startswith(f"packed(('normal(std={1 / 6!r})',")


def test_torch_takes_outputs_for_inputs_where_a_convolution_is_transposed():
    kernel = Param(
        path="up.weight",
        shape=(6, 4, 3, 3),
        axes="iohw",
        role="weight",
        because="weight",
        transposed=True,
        uses=(Use(operation="transposed convolution"),),
    )
    found = choices("torch", Graph((kernel, other("up.bias", "bias", (4,)))))
    assert (found["up.weight"].law.low, found["up.bias"].law.low) == pytest.approx((-1 / 6, -1 / 6), rel=1e-14)


def test_torch_leaves_what_no_layer_of_torch_owns():
    found = starts("torch")
    assert found["cls"] == found["pos"] == found["h.0.gamma"] == "framework"
    assert found["wte.weight"] == "padded('normal', row=3)"


def test_keras_sees_all_gates_as_one_matrix():
    found = starts("keras", LSTM)
    assert found["r.weight_ih_l0"] == "whole('glorot_uniform')"
    assert found["r.weight_hh_l0"] == "whole('orthogonal')"


@pytest.mark.parametrize("name", ["keras", "he", "glorot", "lecun", "orthogonal"])
def test_the_forget_gate_is_open_once(name):
    found = starts(name, LSTM)
    assert found["r.bias_ih_l0"] == "forget_gate_bias"
    assert found["r.bias_hh_l0"] == "zeros"
    assert set(starts(name, recurrent(("reset", "update", "new"), layer="GRU"))) == set(starts(name, LSTM))
    assert starts(name, recurrent(("reset", "update", "new")))["r.bias_ih_l0"] == "zeros"


@pytest.mark.parametrize(
    ("shape", "groups", "stride", "total"),
    [((8, 6, 3, 3), 1, 1, 126), ((8, 6, 3, 3), 1, 4, 126), ((8, 2, 3, 3), 4, 1, 90), ((8, 1, 3, 3), 8, 1, 81)],
)
def test_keras_counts_no_strides_and_no_groups_but_depthwise_channels(shape, groups, stride, total):
    kernel = weight("c.weight", *shape, operation="convolution", fans={"groups": groups, "stride": stride})
    law = choices("keras", Graph((kernel,)))["c.weight"].law
    assert law.high == pytest.approx(math.sqrt(6 / total), rel=1e-14)


@pytest.mark.parametrize(
    ("recipe", "std"),
    [("he", math.sqrt(2 / 8)), ("he(slope=1)", math.sqrt(1 / 8)), ("lecun", math.sqrt(1 / 8))],
)
def test_packed_blocks_start_by_their_own_fans(recipe, std):
    assert choices(recipe)["h.0.self.qkv.weight"].law == like(Normal(0, std))


def test_glorots_recipe_counts_one_block_at_a_time():
    assert choices("glorot")["h.0.self.qkv.weight"].law.high == pytest.approx(math.sqrt(6 / 16), rel=1e-14)


def test_a_name_with_arguments_of_the_catalogue_is_the_initialiser():
    assert str(parse_recipe("fixup(12)")) == "fixup(12)"
    assert parse_recipe("fixup(12)").version is None
    assert parse_recipe("orthogonal(gain=2)").version == 2


@pytest.mark.parametrize("name", ["fixup", "t_fixup", "deepnorm", "gpt2"])
def test_a_model_that_was_not_run_has_no_branches_to_scale(name):
    with pytest.raises(initium.InitiumError) as error:
        choices(name, replace(WIDE, is_traced=False))
    assert str(error.value) == (
        f"Recipe '{name}' scales residual branches, y = x + branch(x), and this model was not run, so none is known. "
        "Pass example=, a batch to run it on."
    )


@pytest.mark.parametrize("name", ["fixup", "t_fixup", "deepnorm"])
def test_a_model_without_branches_is_refused_where_all_hangs_on_them(name):
    with pytest.raises(initium.InitiumError) as error:
        choices(name, WIDE)
    assert str(error.value) == (
        f"Recipe '{name}' scales residual branches, y = x + branch(x), and none was found in this model. "
        "Name another recipe, such as 'auto'."
    )


def test_mup_asks_for_a_head():
    with pytest.raises(initium.InitiumError) as error:
        choices("mup", replace(WIDE, params=WIDE.params[:2]))
    assert str(error.value) == (
        "Recipe 'mup' compares the width of the head's input with base_width, and no weight gives this model's "
        "output. Give the head a weight."
    )
