import itertools
import math
from dataclasses import replace

import pytest

from initium import gain, plan
from initium._decisions import decide
from initium._graph import Branch, Graph, Output, Param, Use
from initium._recipes import parse_recipe


def weight(shape=(512, 512), *, axes="oi", path="fc.weight", tied=(), role="weight", more=(), **use):
    uses = (Use(operation=use.pop("operation", "dense"), **use), *more)
    return Param(path=path, shape=shape, axes=axes, role=role, because="", tied=tied, uses=uses)


def chosen(*params):
    choices = decide(Graph(params, is_traced=True), parse_recipe("auto")).choices
    return choices[0] if len(choices) == 1 else choices


def std(choice):
    return choice.law.std


@pytest.mark.parametrize("name", ["relu", "tanh", "selu", "gelu"])
def test_a_weight_makes_up_for_the_activation_before_it(name):
    choice = chosen(weight(fed_by=name, moment=gain(name) ** -2, followed_by=("relu",)))
    assert std(choice) == pytest.approx(gain(name) / math.sqrt(512), rel=1e-12)


def test_a_weight_that_sees_data_has_gain_1_and_its_own_fan_in():
    choice = chosen(weight((512, 30), fed_by="data", moment=1.0, followed_by=("relu",)))
    assert std(choice) == pytest.approx(1 / math.sqrt(30))
    assert choice.because == "after data: gain 1, fan_in 30"


def relu_chain(*widths, function="relu", moment=0.5):
    """Weights of these widths, the first fed by data, the last the head."""
    params = []
    for number, (width, next_width) in enumerate(itertools.pairwise(widths)):
        is_first, is_last = number == 0, number == len(widths) - 2
        facts = {"fed_by": "data", "moment": 1.0} if is_first else {"fed_by": function, "moment": moment}
        facts |= {"followed_by": ("output",) if is_last else (function,)}
        facts |= {"after": () if is_first else (f"{number - 1}.weight",)}
        params.append(weight((next_width, width), path=f"{number}.weight", **facts))
    return chosen(*params)


def test_in_a_plain_chain_the_fan_is_the_geometric_mean():
    _, second, _ = relu_chain(30, 512, 128, 10)
    assert std(second) == pytest.approx(math.sqrt(2 / math.sqrt(128 * 512)))
    assert second.because == "after relu: gain 1.414, sqrt(fan_in fan_out) 256"
    assert second.moment == pytest.approx(2)  # sqrt(512 / 128)


@pytest.mark.parametrize("function", ["tanh", "gelu", "sigmoid", "f"])
def test_a_chain_compromises_only_where_the_next_weight_can_make_up_for_it(function):
    _, second, head = relu_chain(30, 512, 128, 10, function=function, moment=0.4)
    assert second.because.partition(" (")[0].partition(":")[0] == f"after {function}"
    assert second.because.endswith("fan_in 512")
    assert std(head) ** 2 * 128 * 0.4 == pytest.approx(math.log(10) / 10)


def test_the_head_makes_up_for_what_its_chain_was_off_by():
    *_, head = relu_chain(64, 4096, 16, 1000)
    # 4096 to 16 leaves sqrt(256) = 16 times too much; relu halves it.
    assert std(head) ** 2 * 16 * 0.5 * 16 == pytest.approx(math.log(1000) / 10)


def test_a_weight_that_does_not_read_the_channels_of_one_other_is_in_no_chain():
    first = weight((32, 3, 3, 3), axes="oihw", path="conv", operation="convolution", fed_by="data", moment=1.0)
    flat = weight((64, 8192), path="flat", fed_by="relu", moment=0.5, followed_by=("relu",), after=("conv",))
    both = weight((64, 96), path="both", fed_by="relu", moment=0.5, followed_by=("relu",), after=("conv", "flat"))
    _, flat_choice, both_choice = chosen(first, flat, both)
    assert std(flat_choice) == pytest.approx(math.sqrt(2 / 8192))
    assert std(both_choice) == pytest.approx(math.sqrt(2 / 96))


@pytest.mark.parametrize(("fed_by", "growth"), [("residual stream", (9 / 8) ** 8), ("normalisation", 2)])
def test_a_head_behind_a_stream_knows_how_it_grew(fed_by, growth):
    ends = []
    for number in range(1, 9):
        branch = Branch(stream=0, number=number, depth=8, layer=1, layers=1, is_last=True)
        facts = {"fed_by": fed_by, "moment": 1.0, "branch": branch, "followed_by": ("residual stream",)}
        ends.append(weight((64, 64), path=f"end{number}", **facts))
    facts = {"fed_by": "residual stream", "moment": 1.0, "followed_by": ("output",)}
    *_, head = chosen(*ends, weight((10, 64), path="head", after=("end8",), **facts))
    assert std(head) ** 2 * 64 * growth == pytest.approx(math.log(10) / 10)


def test_a_shared_weight_starts_for_most_of_its_uses():
    later = [Use(operation="dense", fed_by="relu", moment=0.5, followed_by=("relu",))] * 2
    choice = chosen(weight((64, 64), fed_by="data", moment=1.0, followed_by=("relu",), more=later))
    assert std(choice) == pytest.approx(math.sqrt(2 / 64))
    assert choice.because == "after relu, in most of 3 uses: gain 1.414, fan_in 64"


def test_a_constant_on_the_weight_itself_is_made_up_for():
    hidden, head = chosen(
        weight(fed_by="data", moment=1.0, followed_by=("relu",), factor=1 / 16),
        weight((10, 512), path="head", fed_by="relu", moment=0.5, followed_by=("output",), factor=1 / 16),
    )
    assert std(hidden) == pytest.approx(16 / math.sqrt(512))
    assert std(head) ** 2 * 512 * 0.5 / 16**2 == pytest.approx(math.log(10) / 10)
    assert hidden.because == "after data: gain 1, times 1/0.0625 for what is done to the weight first, fan_in 512"


@pytest.mark.parametrize(
    ("facts", "size", "because"),
    [
        ({"factor": 0.5, "counted": 0.25}, 2, "25 % of its connections count,"),
        (
            {"factor": 1 / 6, "counted": 0.25},
            6,
            "25 % of its connections count, times 1/0.3333 for what is done to the weight first,",
        ),
        ({"counted": None}, 1, "what multiplies it has no numbers yet: all connections counted,"),
        ({"behind": 1 / 8}, 8, "times 1/0.125 for what is done to the weight first,"),
    ],
)
def test_what_a_mask_leaves_and_what_stands_behind_is_made_up_for(facts, size, because):
    choice = chosen(weight(fed_by="data", moment=1.0, followed_by=("relu",), **facts))
    assert std(choice) == pytest.approx(size / math.sqrt(512))
    assert choice.because == f"after data: gain 1, {because} fan_in 512"
    assert choice.moment == pytest.approx(facts.get("behind", 1) ** -2)


def test_behind_a_branch_there_is_no_chain():
    branch = Branch(stream=0, number=1, depth=1, layer=1, layers=1, is_last=False)
    inner = weight((512, 512), path="inner", fed_by="data", moment=1.0, branch=branch, followed_by=("relu",))
    behind = weight((128, 512), path="behind", fed_by="relu", moment=0.5, followed_by=("relu",), after=("inner",))
    assert std(chosen(inner, behind)[1]) == pytest.approx(math.sqrt(2 / 512))


def test_a_branch_whose_end_is_normalised_is_not_divided():
    branch = Branch(stream=0, number=1, depth=16, layer=1, layers=1, is_last=True)
    choice = chosen(weight(fed_by="relu", moment=0.5, branch=branch, followed_by=("normalisation",)))
    assert std(choice) == pytest.approx(math.sqrt(2 / 512))


def test_a_constant_behind_a_branch_does_its_part():
    ends = {"branch": Branch(stream=0, number=1, depth=16, layer=1, layers=1, is_last=True), "moment": 1.0}
    small, large = chosen(
        weight(path="a", fed_by="residual stream", scaled=0.1, **ends),
        weight(path="b", fed_by="residual stream", scaled=2.0, **ends),
    )
    assert std(small) == pytest.approx(1 / math.sqrt(512))  # 0.1 is below 1 / 4 already
    assert std(large) == pytest.approx(1 / math.sqrt(512) / 4 / 2)


def test_what_is_normalised_at_once_needs_no_compromise_and_no_calibration():
    choice = chosen(weight((128, 512), fed_by="relu", moment=0.5, followed_by=("normalisation",)))
    assert std(choice) == pytest.approx(math.sqrt(2 / 512))
    assert choice.moment is None


def test_the_end_of_a_residual_branch_shares_one_second_moment_with_all_others():
    branch = Branch(stream=0, number=3, depth=96, layer=2, layers=2, is_last=True)
    choice = chosen(weight((1600, 6400), fed_by="relu", moment=0.5, followed_by=("residual stream",), branch=branch))
    assert std(choice) == pytest.approx(math.sqrt(2 / 6400 / 96))
    assert choice.because == "ends residual branch, 1/sqrt(96); after relu: gain 1.414, fan_in 6,400"
    assert choice.moment == pytest.approx(1 / 96)


def test_a_scale_behind_the_last_weight_of_a_branch_carries_the_depth_instead():
    branch = Branch(stream=0, number=1, depth=16, layer=2, layers=2, is_last=True)
    ends = {"branch": branch}
    last, scale = chosen(
        weight(fed_by="relu", moment=0.5, followed_by=("scale",), **ends),
        weight((512,), axes="o", path="gamma", role="scale", operation="multiplication", fed_by="dense",
               followed_by=("residual stream",), **ends),
    )  # fmt: skip
    assert std(last) == pytest.approx(math.sqrt(2 / 512))
    assert scale.law.value == 0.25
    assert scale.because == "scales a residual branch, 1/sqrt(16)"


def test_logits_have_a_tenth_of_log_k():
    choice = chosen(weight((1000, 2048), fed_by="pooling", moment=0.5, followed_by=("output",)))
    assert std(choice) ** 2 * 2048 * 0.5 == pytest.approx(math.log(1000) / 10)
    assert choice.because == "head of 1000: logits have second moment log(1000)/10"


@pytest.mark.parametrize(
    ("output", "moment", "because"),
    [
        ({"kind": "logits"}, math.log(1000) / 10, "head of 1000: logits have second moment log(1000)/10"),
        ({"kind": "logits", "scaled": 2}, math.log(1000) / 40, "head of 1000: logits have second moment log(1000)/10"),
        ({"kind": "output"}, math.log(1000) / 10, "head of 1000: output, kept small, second moment log(1000)/10"),
        (
            {"kind": "output", "scaled": 0.1},  # small on purpose
            math.log(1000) / 10,
            "head of 1000: output, kept small, second moment log(1000)/10",
        ),
        (
            {"kind": "logits", "num_summed": 4},
            math.log(1000) / 40,
            "head of 1000: logits, a sum of 4, have second moment log(1000)/10",
        ),
        (
            {"kind": "output", "num_summed": 2},
            math.log(1000) / 20,
            "head of 1000: output, a sum of 2, kept small, second moment log(1000)/10",
        ),
        ({"kind": "normalised"}, math.log(1000) / 10, "head of 1000: output, normalised, which sets its size"),
        (
            {"kind": "product", "factors": 2, "size": 1000},
            math.sqrt(math.log(2) / 10 / 1000),
            "factor of a dot product: output, kept small, second moment log(2)/10",
        ),
    ],
)
def test_an_output_is_as_small_as_logits_whatever_lies_behind_it(output, moment, because):
    branch = Branch(stream=0, number=1, depth=1, layer=2, layers=2, is_last=True)
    facts = {"fed_by": "relu", "moment": 0.5, "followed_by": ("tanh",), "branch": branch}
    choice = chosen(weight((1000, 2048), output=Output(**output), **facts))
    assert std(choice) ** 2 * 2048 * 0.5 == pytest.approx(moment)
    assert choice.because == because


@pytest.mark.parametrize(
    ("width", "outputs", "expected"),
    [
        (64, [Output(kind="product", factors=2, size=64)], (math.log(2) / 10 / 64) ** 0.25),
        (64, [Output(kind="logits")], math.sqrt(math.log(64) / 10)),
        (1, [Output(kind="open")], math.sqrt(math.log(2) / 10)),
        (64, [Output(kind="open")], 1.0),
        (64, [None], 1.0),
        # What it fed is met again by its own rows: as a head that it is tied to.
        (64, [None, Output(kind="product", size=64)], math.sqrt(math.log(500) / 10 / 64)),
    ],
)
def test_an_embedding_whose_rows_are_the_output_is_as_small(width, outputs, expected):
    uses = [Use(operation="embedding", fed_by="tokens", output=output) for output in outputs]
    param = Param(path="table", shape=(500, width), axes="vo", role="embedding", because="", uses=tuple(uses))
    assert std(chosen(param)) == pytest.approx(expected)


@pytest.mark.parametrize(
    "followed_by", [("normalisation",), ("query", "key", "value", "residual stream"), ("dense", "residual stream")]
)
def test_a_tied_row_that_a_normalisation_makes_large_stays_under_half_of_log_k(followed_by):
    head = Use(operation="dense", fed_by="normalisation", moment=1.0, followed_by=("output",))
    facts = {"operation": "embedding", "axes": "vo", "role": "embedding", "followed_by": followed_by, "scaled": 32.0}
    choice = chosen(weight((4000, 1024), more=(head,), **facts))
    assert std(choice) * 1024 == pytest.approx(math.log(4000) / 2)
    assert choice.because == "tied to the head: a token's own logit stays under log(4000)/2"


def test_an_embedding_tied_to_the_head_is_as_small_as_the_head_and_so_is_what_it_is_summed_with():
    head = Use(operation="dense", fed_by="normalisation", moment=1.0, followed_by=("output",))
    tied = {"operation": "embedding", "axes": "vo", "role": "embedding", "fed_by": "tokens"}
    words, places = chosen(
        weight(
            (50257, 768), path="wte.weight", tied=("lm_head.weight",), more=(head,), sums_with=("wpe.weight",), **tied
        ),
        weight((1024, 768), path="wpe.weight", sums_with=("wte.weight",), **tied),
    )
    assert std(words) == pytest.approx(math.sqrt(math.log(50257) / 10 / 768))
    assert std(places) == std(words)
    assert places.because == "summed with an embedding that is tied to the head"


def test_an_embedding_that_multiplies_is_the_head_even_if_its_logits_are_bent_or_scaled():
    head = Use(operation="dense", fed_by="normalisation", moment=1.0, followed_by=("f",), scaled=0.5)
    choice = chosen(weight((50257, 768), operation="embedding", axes="vo", role="embedding", more=(head,)))
    assert std(choice) == pytest.approx(2 * math.sqrt(math.log(50257) / 10 / 768))
    assert choice.because == "tied to the head: logits have second moment log(50257)/10"


@pytest.mark.parametrize(("followed_by", "added"), [(("residual stream",), 0.5), (("normalisation",), 1.0)])
def test_a_tied_embedding_that_is_multiplied_before_the_stream_does_not_find_itself(followed_by, added):
    head = Use(operation="dense", fed_by="normalisation", moment=1.0, followed_by=("output",))
    scale = math.sqrt(768)
    table = {"operation": "embedding", "axes": "vo", "role": "embedding", "more": (head,), "scaled": scale}
    facts = {"followed_by": followed_by, "moment": 1.0}
    branches = [Branch(stream=0, number=k, depth=4, layer=2, layers=2, is_last=True) for k in (1, 2, 3, 4)]
    sources = ("attention", "gate", "attention", "gate")  # what attention averages adds nothing for sure
    ends = [
        weight(path=f"end{branch.number}", branch=branch, fed_by=source, **facts)
        for branch, source in zip(branches, sources, strict=True)
    ]
    s, *_ = map(std, chosen(weight((50257, 768), path="words", **table), *ends))
    own = 768 * s * (scale * s) / math.sqrt((scale * s) ** 2 + added)
    assert own == pytest.approx(math.log(50257) / 2)


def test_a_tied_embedding_without_branches_does_not_find_itself():
    head = Use(operation="dense", fed_by="normalisation", moment=1.0, followed_by=("output",))
    scale = math.sqrt(768)
    s = std(
        chosen(weight((50257, 768), operation="embedding", axes="vo", role="embedding", more=(head,), scaled=scale))
    )
    own = 768 * s * (scale * s) / math.sqrt((scale * s) ** 2 + 1)
    assert own == pytest.approx(math.log(50257) / 2)


def test_a_head_whose_weight_is_divided_by_its_own_size_promises_none():
    param = replace(weight((100, 32), followed_by=("output",), moment=1.0), sized_by="divided by its own norm")
    assert chosen(param).because == "head of 100; it is divided by its own norm, which may set the size"


def test_positions_that_are_added_to_embeddings_are_one_of_them():
    words = weight((100, 16), path="words", operation="embedding", axes="vo", role="embedding", sums_with=("places",))
    places = weight((12, 16), path="places", operation="addition", axes="oo", role="position", sums_with=("words",))
    alone = weight((12, 16), path="alone", operation="addition", axes="oo", role="position")
    assert [std(choice) for choice in chosen(words, places, alone)] == pytest.approx([0.5**0.5, 0.5**0.5, 0.02])


def test_blocks_of_unequal_size_share_their_inputs():
    choice = chosen(
        Param(path="qkv", shape=(512 + 2 * 128, 512), axes="oi", role="weight", because="", blocks=(512, 128, 128),
              packs=("query", "key", "value"), uses=(Use(operation="dense", fed_by="normalisation", moment=1.0),))
    )  # fmt: skip
    assert std(choice) == pytest.approx(1 / math.sqrt(512))


def test_embeddings_sum_to_second_moment_1():
    both = {"operation": "embedding", "axes": "vo", "role": "embedding"}
    first, second = chosen(
        weight((100, 16), path="a", sums_with=("b",), **both), weight((50, 16), path="b", sums_with=("a",), **both)
    )
    assert std(first) ** 2 + std(second) ** 2 == pytest.approx(1)


def silu_chain(depth):
    facts = {"fed_by": "silu", "moment": gain("silu") ** -2, "followed_by": ("silu",)}
    return [weight(path=f"{layer}.weight", **facts) for layer in range(depth)]


def test_an_activation_whose_exact_gain_repels_is_told_where_the_chain_is_long():
    # 1.1726^4 = 1.89, 1.1726^5 = 2.22
    assert "repels" not in "".join(choice.because for choice in chosen(*silu_chain(4)))
    assert {choice.because for choice in chosen(*silu_chain(5))} == {
        "after silu (repels, 1.17 a layer: calibrate): gain 1.677, fan_in 512"
    }


def stack(name, depth, width, *, start="auto"):
    """Notes of dense layers with an activation between each two."""
    params = [weight((width, width), path="0.weight", fed_by="data", moment=1.0, followed_by=(name,))]
    for layer in range(1, depth):
        facts = {"fed_by": name, "moment": gain(name) ** -2, "followed_by": (name,)}
        params.append(weight((width, width), path=f"{layer}.weight", after=(f"{layer - 1}.weight",), **facts))
    return plan(Graph(tuple(params)), start).notes


_GRADIENT = "a normalisation or a residual sum between layers mends the gradient"


@pytest.mark.parametrize(
    ("name", "depth", "width", "start", "notes"),
    [
        (
            "sigmoid", 50, 256, "auto",
            ["50 plain layers with sigmoid between them, `0.weight` to `49.weight`: the gradient's second moment is "
             f"multiplied by 0.153 a layer, 1e-40 in all; {_GRADIENT}"],
        ),
        (
            "relu", 50, 32, "auto",
            # exp(-5/2 * 49 / 32) = 0.022
            ["50 plain layers with relu between them, `0.weight` to `49.weight`: the signal's second moment comes to "
             "about 0.02 times what is meant, since products of random weights at 32 units drift; "
             "plan.calibrate(model, batch), `orthogonal` or `random_walk` mends the signal"],
        ),
        (
            "gelu", 50, 256, "auto",
            ["50 plain layers with gelu between them, `0.weight` to `49.weight`: the signal's second moment comes to "
             "anything from 4e-10 to 900 times what is meant, since each layer makes an error larger, such as that of "
             "one draw at 256 units, and the gradient's second moment is multiplied by 1.07 a layer, 30 in all; "
             f"plan.calibrate(model, batch) mends the signal; {_GRADIENT}"],
        ),
        (
            "relu", 50, 256, "lecun",  # 2^-49
            ["50 plain layers with relu between them, `0.weight` to `49.weight`: the signal's second moment comes to "
             "about 1e-15 times what is meant, by the sizes of the weights, and the gradient's second moment is "
             "multiplied by 0.5 a layer, 2e-15 in all; recipe `auto` or plan.calibrate(model, batch) mends the signal; "
             f"{_GRADIENT}"],
        ),
        ("relu", 50, 256, "auto", []),
        ("relu", 5, 64, "auto", []),
        ("gelu", 12, 512, "auto", []),
        ("sigmoid", 4, 64, "auto", []),
        ("tanh", 5, 64, "auto", []),
        ("relu", 50, 32, f"orthogonal(gain={2**0.5})", []),
    ],
)  # fmt: skip
def test_what_becomes_of_a_signal_and_its_gradient_in_a_deep_stack_is_told(name, depth, width, start, notes):
    assert list(stack(name, depth, width, start=start)) == notes


def test_what_was_not_traced_is_told():
    choice = chosen(weight(fed_by="unknown"))
    assert choice.because == "fed by unknown, of unknown size: gain 1 assumed, fan_in 512"


def test_an_lstm_opens_its_forget_gates_in_one_of_two_biases():
    gates = {"packs": ("input", "forget", "cell", "output"), "blocks": 4, "because": ""}
    params = []
    for name, source in (("ih", "data"), ("hh", "state")):
        use = Use(operation="recurrent", fed_by=source, moment=1.0)
        params.append(Param(path=f"weight_{name}_l0", shape=(32, 8), axes="oi", role="weight", uses=(use,), **gates))
        params.append(Param(path=f"bias_{name}_l0", shape=(32,), axes="o", role="bias", uses=(use,),
                            bias_of=f"weight_{name}_l0", **gates))  # fmt: skip
    inputs, first_bias, states, second_bias = chosen(*params)
    assert str(inputs.init) == f"normal(std={1 / math.sqrt(8)!r})"
    assert [str(choice.init) for choice in (first_bias, states, second_bias)] == [
        "forget_gate_bias", "orthogonal", "zeros"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("role", "factor", "offset", "start", "because"),
    [
        ("scale", 1, 0, "ones", "hands the signal on"),
        ("scale", 1, 1, "zeros", "hands the signal on, used as 1 + w"),
        ("scale", -1, 1, "zeros", "hands the signal on, used as 1 - w"),
        ("scale", 2, 0, "constant(0.5)", "hands the signal on, used as 2 w"),
        ("scale", -0.5, 0.25, "constant(-1.5)", "hands the signal on, used as 0.25 - 0.5 w"),
        ("shift", 2, 0, "zeros", "shift, used as 2 w"),
        ("shift", 1, -3, "constant(3)", "shift, used as -3 + w"),
        ("bias", 2, 0, "zeros", "bias, used as 2 w"),
        ("bias", 4, 1, "constant(-0.25)", "bias, used as 1 + 4 w"),
    ],
)
def test_a_scale_is_1_and_a_shift_0_where_it_is_used(role, factor, offset, start, because):
    choice = chosen(weight((16,), axes="o", role=role, operation="multiplication", factor=factor, offset=offset))
    assert (str(choice.init), choice.because) == (start, because)


def test_a_scale_at_the_end_of_a_branch_carries_the_depth_where_it_is_used():
    branch = Branch(stream=0, number=1, depth=16, layer=1, layers=1, is_last=True)
    choice = chosen(weight((16,), axes="o", role="scale", operation="normalisation", offset=1.0, branch=branch))
    assert (choice.law.value, choice.because) == (-0.75, "scales a residual branch, 1/sqrt(16), used as 1 + w")


def test_a_scale_whose_uses_want_different_starts_is_kept():
    more = [Use(operation="multiplication", factor=-1.0, offset=1.0)]
    choice = chosen(weight((16,), axes="o", role="scale", operation="multiplication", more=more))
    assert (str(choice.init), choice.because) == (
        "framework",
        "used as w and as 1 - w, of which no start makes 1: kept",
    )
