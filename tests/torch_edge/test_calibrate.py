from dataclasses import replace

import pytest
import torch
from torch import nn

import initium
from initium import ModelError, PlanError
from initium._decisions import decide
from initium._graph import Branch, Graph, Param, Use
from initium._recipes import parse_recipe
from initium._rule import Decision, Rule
from initium.init import orthogonal, zeros
from initium.torch import apply, calibrate, read


def started(model, recipe="lsuv", rules=(), graph=None, seed=0):
    plan = decide(graph or read(model), parse_recipe(recipe), rules)
    apply(plan, model, seed=seed)
    return plan


def weight(path, shape, axes="oi", **more):
    return Param(path=path, shape=shape, axes=axes, role="weight", because="by hand", **more)


def dense(path, size, **more):
    return weight(path, (size, size), uses=(Use(operation="dense", **more),))


def linear(size, **more):
    return nn.Linear(size, size, bias=False, **more)


def stack(*activations, size=24, **more):
    return nn.Sequential(*[layer for each in activations for layer in (nn.Linear(size, size, **more), each)])


def moments(model, x):
    """The second moment of what every layer with a weight gives, in a plain forward pass."""
    found = {}
    layers = [(name, layer) for name, layer in model.named_modules() if hasattr(layer, "weight")]
    hooks = [
        layer.register_forward_hook(lambda _, __, y, name=name: found.update({name: y.double().square().mean().item()}))
        for name, layer in layers
    ]
    with torch.no_grad():
        model(x)
    for hook in hooks:
        hook.remove()
    return found


def values(model):
    return {path: value.detach().clone() for path, value in model.state_dict().items()}


def refused(plan, model, batch, error=ModelError):
    before = values(model)
    with pytest.raises(error) as found:
        calibrate(plan, model, batch)
    assert all(torch.equal(value, before[path]) for path, value in model.state_dict().items())
    return str(found.value)


@pytest.fixture
def x():
    return torch.randn(200, 24, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("activation", [nn.GELU, nn.SiLU, nn.Mish])
def test_fifty_dense_layers_whose_exact_gain_drifts_keep_their_signal(activation):
    model = stack(*[activation() for _ in range(50)], size=512)
    batch = torch.randn(64, 512, generator=torch.Generator().manual_seed(1))
    calibrate(started(model), model, batch)
    assert all(abs(moment - 1) < 1e-4 for moment in moments(model, batch).values())


@pytest.mark.parametrize("activation", [nn.GELU, nn.SiLU, nn.Mish])
def test_fifty_convolutions_whose_exact_gain_drifts_keep_their_signal(activation):
    layers = [layer for _ in range(50) for layer in (nn.Conv2d(48, 48, 3, padding=1), activation())]
    model, batch = nn.Sequential(*layers), torch.randn(4, 48, 8, 8, generator=torch.Generator().manual_seed(1))
    calibrate(started(model), model, batch)
    assert all(abs(moment - 1) < 1e-4 for moment in moments(model, batch).values())


def test_one_pass_finds_the_factors_of_a_pass_for_each_layer(x):
    model = stack(nn.Tanh(), nn.GELU(), nn.ReLU())
    plan = started(model, "he_normal")
    slow = stack(nn.Tanh(), nn.GELU(), nn.ReLU())
    slow.load_state_dict(model.state_dict())
    for name in ("0", "2", "4"):
        with torch.no_grad():
            slow.get_parameter(f"{name}.weight").mul_(moments(slow, x)[name] ** -0.5)
    found = calibrate(plan, model, x)
    assert [weight.path for weight in found.weights] == ["0.weight", "2.weight", "4.weight"]
    for path, value in slow.state_dict().items():
        torch.testing.assert_close(model.state_dict()[path], value, rtol=1e-5, atol=0)


def test_what_is_reported_is_what_a_plain_pass_measures(x):
    model = stack(nn.Tanh(), nn.GELU())
    plan = started(model, "normal(std=0.1)")
    before = moments(model, x)["0"]
    found = calibrate(plan, model, x)
    assert found.weights[0].before == pytest.approx(before, rel=1e-5)
    assert [weight.after for weight in found.weights] == pytest.approx(list(moments(model, x).values()), rel=1e-5)
    assert found.worst is not None
    assert found.worst.off < 1 + 1e-5


def test_a_bias_is_neither_rescaled_nor_counted(x):
    model, conv = nn.Sequential(linear(24), nn.Linear(24, 24)), nn.Conv1d(4, 4, 3)
    plan, plan_of_conv = started(model, "he_normal bias=3"), started(conv, "he_normal bias=3")
    calibrate(plan, model, x)
    calibrate(plan_of_conv, conv, x.reshape(50, 4, 24))
    given = {"dense": model(x), "convolution": conv(x.reshape(50, 4, 24))}
    for y in given.values():
        assert (y - 3).square().mean().item() == pytest.approx(1, rel=1e-5)
    assert (model[1].bias == 3).all()
    assert (conv.bias == 3).all()


def test_only_weights_change(x):
    model = nn.Sequential(nn.Linear(24, 24), nn.BatchNorm1d(24), nn.Dropout(0.5), nn.Linear(24, 24))
    model[1].eval()
    plan, before = started(model), values(model)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    calibrate(plan, model, x)
    assert torch.equal(torch.rand(3), expected)
    after = values(model)
    assert {path for path in before if not torch.equal(before[path], after[path])} == {"0.weight", "3.weight"}
    assert [layer.training for layer in model] == [True, False, True, True]
    assert torch.backends.mha.get_fastpath_enabled()


def test_dropout_is_off(x):
    model = nn.Sequential(linear(24), nn.Dropout(0.5), linear(24))
    calibrate(started(model, "he_normal"), model, x)
    assert list(moments(model.eval(), x).values()) == pytest.approx([1, 1], rel=1e-5)


def test_both_passes_see_the_same_random_numbers(x):
    class Noisy(nn.Linear):
        def forward(self, x):
            return super().forward(x * torch.rand(()))

    model = Noisy(24, 24)
    found = calibrate(started(model, "he_normal"), model, x)
    assert [weight.after for weight in found.weights] == pytest.approx([1], rel=1e-5)


def test_a_buffer_that_the_model_counts_in_stays_as_it_was(x):
    class Counter(nn.Linear):
        def __init__(self):
            super().__init__(24, 24)
            self.register_buffer("steps", torch.zeros(()))
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, x):
            self.steps += 1
            self.calls = self.calls + 1
            return super().forward(x)

    model = Counter()
    calibrate(started(model), model, x)
    assert (model.steps.item(), model.calls.item()) == (0, 0)


def test_a_normalisation_takes_its_statistics_from_the_batch(x):
    model = nn.Sequential(linear(24), nn.BatchNorm1d(24), linear(24))
    params = (
        dense("0.weight", 24, followed_by=("normalisation",)),
        Param(path="1.weight", shape=(24,), axes="o", role="scale", because="", uses=(Use(operation="normalisation"),)),
        Param(path="1.bias", shape=(24,), axes="o", role="shift", because="", uses=(Use(operation="normalisation"),)),
        dense("2.weight", 24),
    )
    plan = started(model, graph=Graph(params))
    with torch.no_grad():
        model[0].weight.mul_(7)
    before = model[0].weight.detach().clone()
    found = calibrate(plan, model, 3 * x + 5)
    assert found.left == (("0.weight", "normalised at once"),)
    assert torch.equal(model[0].weight, before)
    model.train()
    assert model(3 * x + 5).square().mean().item() == pytest.approx(1, rel=1e-5)


def test_the_last_weight_of_a_branch_gives_its_share_of_the_stream(x):
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList([linear(24) for _ in range(4)])

        def forward(self, x):
            for layer in self.layers:
                x = x + layer(x)
            return x

    model = Residual()
    branches = [Branch(stream=0, number=n, depth=4, layer=1, layers=1, is_last=True) for n in (1, 2, 3, 4)]
    params = [dense(f"layers.{n}.weight", 24, branch=branch) for n, branch in enumerate(branches)]
    found = calibrate(started(model, graph=Graph(tuple(params))), model, x)
    assert [weight.meant for weight in found.weights] == [0.25] * 4
    assert all(weight.after == pytest.approx(0.25, rel=1e-5) for weight in found.weights)


def test_a_plan_says_which_moments_are_meant(x):
    model = nn.Sequential(linear(24), linear(24))
    rules = [Rule("0.weight", Decision(init=orthogonal(), moment=2.5)), Rule("1.weight", "orthogonal")]
    found = calibrate(started(model, "he_normal", rules), model, x)
    assert [(weight.path, weight.meant) for weight in found.weights] == [("0.weight", 2.5)]
    assert found.left == (("1.weight", "any second moment will do"),)
    assert model[0](x).square().mean().item() == pytest.approx(2.5, rel=1e-5)


def test_what_is_left_alone_is_told_with_its_reason(x):
    model = nn.Sequential(*[linear(24) for _ in range(4)], nn.Identity())
    params = (dense("0.weight", 24), dense("1.weight", 24), dense("2.weight", 24))
    head = dense("3.weight", 24, followed_by=("output",))
    rules = [Rule("0.weight", "framework"), Rule("1.weight", Decision(init=orthogonal(), moment=None))]
    found = calibrate(started(model, "he_normal", rules, Graph((*params, head))), model, x)
    assert found.left == (("0.weight", "as it was built"), ("3.weight", "it gives the output"))
    plan = started(model, "zeros", graph=Graph((*params, head)))
    assert calibrate(plan, model, x).left[0] == ("0.weight", "it starts at zero")


@pytest.mark.parametrize("is_within", [False, True])
def test_a_model_that_differentiates_is_calibrated_as_what_it_differentiates(x, is_within):
    class Force(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(linear(24), nn.Tanh(), linear(24))

        def forward(self, x):
            with torch.set_grad_enabled(is_within or torch.is_grad_enabled()):
                x = x.requires_grad_()
                return torch.autograd.grad(self.net(x).square().sum(), x, create_graph=True)[0]

    model = Force()
    plan = started(model, "he_normal", graph=Graph((dense("net.0.weight", 24), dense("net.2.weight", 24))))
    found = calibrate(plan, model, x)
    assert [(weight.path, weight.num_uses) for weight in found.weights] == [("net.0.weight", 1), ("net.2.weight", 1)]
    assert model.net[0](x).square().mean().item() == pytest.approx(1, rel=1e-5)
    assert model.net(x).square().mean().item() == pytest.approx(1, rel=1e-5)
    assert not x.requires_grad
    assert all(value.requires_grad and value.grad is None for value in model.parameters())


def test_recurrent_weights_are_left_alone():
    model = nn.LSTM(5, 6)
    params = [
        weight(path, tuple(value.shape), blocks=4, uses=(Use(operation="recurrent"),))
        if value.ndim == 2
        else Param(path=path, shape=tuple(value.shape), axes="o", role="bias", because="by hand")
        for path, value in model.named_parameters()
    ]
    plan, before = started(model, graph=Graph(tuple(params))), values(model)
    found = calibrate(plan, model, torch.randn(3, 2, 5))
    assert found.left == (("weight_ih_l0", "recurrent"), ("weight_hh_l0", "recurrent"))
    assert all(torch.equal(before[path], value) for path, value in values(model).items())


class Products(nn.Module):
    """Every way in which a weight meets a signal."""

    def __init__(self):
        super().__init__()
        self.transposed = nn.Parameter(torch.empty(24, 20))
        self.summed = nn.Parameter(torch.empty(16, 20))
        self.scaled = nn.Parameter(torch.empty(16, 16))
        self.bilinear = nn.Bilinear(16, 16, 8, bias=False)
        self.experts = nn.Parameter(torch.empty(2, 8, 8))
        self.vector = nn.Parameter(torch.empty(8, 1))

    def forward(self, x):
        x = torch.einsum("ni,oi->no", x @ self.transposed, self.summed)
        x = x @ (0.25 * self.scaled.double().float().clone() / 2).T.contiguous()
        x = self.bilinear(x, x)
        x = torch.bmm(x.reshape(2, -1, 8), self.experts).reshape(-1, 8)
        return x @ self.vector[:, 0]


def test_a_weight_is_known_in_every_product_and_through_views_casts_and_constant_factors(x):
    model = Products()
    axes = {"bilinear.weight": "oii", "experts": "bio"}
    params = [weight(path, tuple(p.shape), axes.get(path, "oi")) for path, p in model.named_parameters()]
    found = calibrate(started(model, "he_normal", graph=Graph(tuple(params))), model, x)
    assert found.left == ()
    order = ["transposed", "summed", "scaled", "bilinear.weight", "experts", "vector"]
    assert [weight.path for weight in found.weights] == order
    assert all(weight.after == pytest.approx(1, rel=1e-4) for weight in found.weights)


def test_packed_attention_is_calibrated_as_one_weight():
    model = nn.MultiheadAttention(24, 2, batch_first=True)
    axes = {1: "o", 2: "oi"}
    params = [
        Param(path=path, shape=tuple(p.shape), axes=axes[p.ndim], because="", role="weight" if p.ndim > 1 else "bias")
        for path, p in model.named_parameters()
    ]
    plan, signal = started(model, "he_normal", graph=Graph(tuple(params))), torch.randn(3, 7, 24)
    found = calibrate(plan, model, (signal, signal, signal))
    assert [(weight.path, weight.num_uses) for weight in found.weights] == [
        ("in_proj_weight", 1),
        ("out_proj.weight", 1),
    ]
    packed = nn.functional.linear(signal, model.in_proj_weight)
    assert packed.square().mean().item() == pytest.approx(1, rel=1e-5)


def test_a_shared_weight_is_rescaled_once_for_its_first_use(x):
    layer = linear(24)
    model = nn.Sequential(layer, nn.GELU(), layer)
    plan = started(model, graph=Graph((weight("0.weight", (24, 24), tied=("2.weight",)),)))
    found = calibrate(plan, model, x)
    assert [(weight.path, weight.num_uses) for weight in found.weights] == [("0.weight", 2)]
    assert layer(x).square().mean().item() == pytest.approx(1, rel=1e-5)
    assert "Used more than once, rescaled for the first use:\n  0.weight  2 uses" in str(found)


def test_a_factor_reaches_later_uses_before_the_next_weight_is_measured(x):
    layer, last = linear(24), linear(24)
    model = nn.Sequential(layer, layer, last)
    params = (weight("0.weight", (24, 24), tied=("1.weight",)), weight("2.weight", (24, 24)))
    plan = started(model, "normal(std=3)", graph=Graph(params))
    found = calibrate(plan, model, x)
    assert [weight.after for weight in found.weights] == pytest.approx([1, 1], rel=1e-5)


def test_an_embedding_is_rescaled_only_where_a_moment_is_meant():
    table, head = nn.Embedding(30, 24), linear(24)
    model, tokens = nn.Sequential(table, head), torch.arange(12).reshape(2, 6)
    embedding = Param(path="0.weight", shape=(30, 24), axes="vo", role="embedding", because="Embedding")
    graph = Graph((embedding, weight("1.weight", (24, 24))))
    plain = started(model, "he_normal", [Rule("0.weight", "normal(std=0.02)")], graph)
    assert [weight.path for weight in calibrate(plain, model, tokens).weights] == ["1.weight"]
    choices = [replace(choice, moment=1.0) for choice in plain.choices]
    found = calibrate(replace(plain, choices=tuple(choices)), model, tokens)
    assert [weight.path for weight in found.weights] == ["0.weight", "1.weight"]
    assert table(tokens).square().mean().item() == pytest.approx(1, rel=1e-5)


def test_weights_that_the_pass_does_not_meet_alone_are_named(x):
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.other, self.unused = linear(24), linear(24), linear(24)

        def forward(self, x):
            return x @ (self.one.weight + self.other.weight)

    model = Mixed()
    found = calibrate(started(model, "he_normal"), model, x)
    because = "the pass multiplied nothing by it alone"
    left = (("one.weight", because), ("other.weight", because), ("unused.weight", "this batch did not reach it"))
    assert found.left == left
    assert str(found) == (
        "No weight was rescaled.\nLeft alone, the pass multiplied nothing by it alone:\n"
        "  one.weight\n  other.weight\nLeft alone, this batch did not reach it:\n  unused.weight"
    )


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_dtypes_are_calibrated_within_their_rounding(x, dtype):
    model = stack(nn.Tanh(), nn.GELU()).to(dtype)
    found = calibrate(started(model), model, x.to(dtype))
    close = {torch.float64: 1e-9, torch.float16: 2e-3, torch.bfloat16: 2e-2}[dtype]
    assert all(weight.after == pytest.approx(1, rel=close) for weight in found.weights)


def test_autocast_is_seen_through(x):
    model = stack(nn.Tanh(), nn.GELU())
    plan = started(model, "normal(std=0.1)")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = calibrate(plan, model, x)
    assert [weight.path for weight in found.weights] == ["0.weight", "2.weight"]
    assert all(weight.after == pytest.approx(1, rel=2e-2) for weight in found.weights)


def test_a_forward_in_inference_mode_is_seen_through(x):
    class Served(nn.Sequential):
        @torch.inference_mode()
        def forward(self, x):
            return super().forward(x)

    model = Served(*stack(nn.Tanh(), nn.GELU()))
    found = calibrate(started(model, "normal(std=0.1)"), model, x)
    assert [weight.after for weight in found.weights] == pytest.approx([1, 1], rel=1e-5)


@pytest.mark.parametrize("pack", [lambda x: x, lambda x: (x,), lambda x: {"input": x}, lambda x: x.numpy()])
def test_a_batch_is_a_tensor_a_tuple_or_a_dict(x, pack):
    model = nn.Sequential(nn.Linear(24, 24))
    plan = started(model)
    assert len(calibrate(plan, model, pack(x)).weights) == 1


def test_parts_of_the_model_that_see_nothing_of_this_batch_do_not_count(x):
    class Routed(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = linear(24), linear(24)

        def forward(self, x):
            return torch.cat([self.first(x[:0]), self.second(x)])

    model = Routed()
    found = calibrate(started(model), model, x)
    assert [weight.path for weight in found.weights] == ["second.weight"]
    assert found.left == (("first.weight", "this batch did not reach it"),)


def test_a_dead_signal_is_an_error_that_names_the_weight_and_changes_nothing(x):
    model = nn.Sequential(linear(24), nn.ReLU(), nn.Threshold(1e9, 0.0), linear(24))
    assert refused(started(model), model, x) == (
        "`3.weight` gives only zeros on this batch. All that reaches it is zero. No weight was rescaled. "
        "Look at the batch, and at the layers before it."
    )


def test_a_weight_that_was_never_filled_is_an_error(x):
    model = nn.Sequential(linear(24))
    plan = started(model)
    with torch.no_grad():
        model[0].weight.zero_()
    assert refused(plan, model, x) == (
        "`0.weight` gives only zeros on this batch. The weight is zero. No weight was rescaled. "
        "Fill the model first: plan.apply(model)."
    )
    with torch.no_grad():
        model[0].weight.fill_(torch.inf)
    assert refused(plan, model, x) == (
        "`0.weight` gives NaN or infinite numbers on this batch. The weight holds such numbers. No weight was "
        "rescaled. Fill the model first: plan.apply(model)."
    )


def test_a_signal_without_numbers_is_an_error(x):
    class Log(nn.Module):
        def forward(self, x):
            return x.log()

    model = nn.Sequential(linear(24), Log(), linear(24))
    assert refused(started(model), model, x) == (
        "`2.weight` gives NaN or infinite numbers on this batch. What reaches it holds such numbers, or too large "
        "ones. No weight was rescaled. Look at the batch, and at the layers before it."
    )


def test_a_batch_without_numbers_is_an_error(x):
    model = nn.Sequential(linear(24), linear(24))
    x[3, 3] = torch.nan
    assert "NaN" in refused(started(model), model, x)


def test_a_model_that_fails_on_the_batch_says_why(x):
    model = nn.Sequential(linear(24), nn.Dropout(0.5), nn.Linear(5, 5, bias=False))
    model.train()
    assert refused(started(model), model, x) == (
        "The model fails on the batch: RuntimeError: mat1 and mat2 shapes cannot be multiplied (200x24 and 5x5)\n"
        "It was given `input` float32 (200, 24). Pass inputs that it runs on."
    )
    assert all(layer.training for layer in model)


def test_a_factor_that_leads_out_of_the_dtype_is_refused():
    model, x = nn.Sequential(linear(24)).half(), torch.full((4, 24), 6e-8, dtype=torch.float16)
    plan = started(model, "constant(2)")
    assert refused(plan, model, x * 2) == (
        "These weights would leave their dtype; none was rescaled:\n"
        "  0.weight  times 1.75e+05 reaches 3.5e+05, torch.float16 ends at 65504\n"
        "Scale the batch to second moment 1, or calibrate in float32."
    )


def test_a_plan_for_another_model_is_refused(x):
    plan = started(nn.Sequential(linear(24)))
    assert "only in the model" in refused(plan, nn.Sequential(linear(24), linear(24)), x, PlanError)


def test_a_calibration_prints_as_a_table(x):
    model = nn.Sequential(nn.Identity(), linear(24), nn.Identity())
    model[2].a_module_with_a_long_name_that_holds = nn.Module()
    model[2].a_module_with_a_long_name_that_holds.one_projection = linear(24)
    model[2].forward = lambda x: model[2].a_module_with_a_long_name_that_holds.one_projection(x)
    rules = [Rule("1.weight", Decision(init=orthogonal(gain=2), moment=1.0)), Rule("2.*", Decision(init=zeros()))]
    plan = started(model, "lsuv", rules)
    found = calibrate(plan, model, x / x.square().mean().sqrt())
    assert str(found) == (
        "Rescaled 1 weight.\n"
        "1.weight is farthest from what is meant, 1.0000 for 1.\n"
        "\n"
        "weight    before  after  meant\n"
        "------------------------------\n"
        "1.weight       4      1      1\n"
        "\n"
        "Left alone, it starts at zero:\n"
        "  2.a_module_with_a_long_name_that_holds.one_projection.weight"
    )
    shown = replace(found.weights[0], path="2.a_module_with_a_long_name_that_holds.one_projection.weight")
    table = str(replace(found, weights=(shown,), left=()))
    assert table == (
        "Rescaled 1 weight.\n"
        "2.a_module_with_a_long_name_that_holds.one_projection.weight is farthest from\n"
        "what is meant, 1.0000 for 1.\n"
        "\n"
        "weight                                                       before after meant\n"
        "-------------------------------------------------------------------------------\n"
        "2.a_module_with_a_long_name_that_holds.one_projection.weight      4     1     1"
    )
    assert max(map(len, table.splitlines())) <= 80


def normed(norm, size=24):
    return nn.Sequential(norm(nn.Linear(size, size)), nn.Tanh(), linear(size))


@pytest.mark.parametrize("norm", [nn.utils.parametrizations.weight_norm, nn.utils.weight_norm])
@pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated")
@pytest.mark.parametrize("dim", [0, 1, None])
def test_of_a_weight_norm_the_length_is_rescaled(x, norm, dim):
    model = normed(lambda layer: norm(layer, dim=dim))
    plan = initium.plan(model, "normal(std=0.1)", example=x)
    plan.apply(model)
    found = calibrate(plan, model, x)
    assert (len(found.weights), found.weights[0].after) == (1, pytest.approx(1, rel=1e-5))
    assert model[0](x).square().mean().item() == pytest.approx(1, rel=1e-5)


def test_a_length_that_must_stay_leaves_the_weight_alone(x):
    for freeze, why in ((True, "its length is frozen"), (False, "its length is left as it was built")):
        model = normed(nn.utils.parametrizations.weight_norm)
        model[0].parametrizations.weight.original0.requires_grad_(not freeze)
        rules = {} if freeze else {"*original0": "framework"}
        plan = initium.plan(model, "he_normal", rules=rules, example=x)
        assert calibrate(plan, model, x).left[0] == ("0.parametrizations.weight.original1", why)


class Centred(nn.Module):
    def forward(self, weight):
        return weight - weight.mean(1, keepdim=True)


def centred(layer):
    nn.utils.parametrize.register_parametrization(layer, "weight", Centred())
    return layer


@pytest.mark.filterwarnings("ignore:.*spectral_norm. is deprecated")
@pytest.mark.parametrize(
    ("norm", "path", "why"),
    [
        (nn.utils.parametrizations.spectral_norm, "0.parametrizations.weight.original", "divided by its own norm"),
        (nn.utils.spectral_norm, "0.weight_orig", "divided by its own norm"),
        (centred, "0.parametrizations.weight.original", "made anew by Centred"),
    ],
)
def test_a_weight_that_undoes_a_factor_is_left_alone(x, norm, path, why):
    model = normed(norm)
    plan = initium.plan(model, "he_normal", example=x)
    told = [replace(choice, moment=1.0 if choice.param.role == "weight" else None) for choice in plan.choices]
    plan = replace(plan, choices=tuple(told))
    before = values(model)[path]
    found = calibrate(plan, model, x)
    assert (path, why) in found.left
    assert torch.equal(values(model)[path], before)


def test_an_expert_that_is_not_called_was_not_reached(x):
    class Routed(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.third = linear(24), linear(24), linear(24)

        def forward(self, x):
            return self.second(x) + self.first(x[:0]).sum()

    model = Routed()
    left = ((f"{name}.weight", "this batch did not reach it") for name in ("first", "third"))
    assert calibrate(started(model), model, x).left == tuple(left)


def test_an_empty_batch_is_an_error(x):
    model = nn.Sequential(linear(24))
    assert refused(started(model), model, x[:0]) == "The batch is empty: (0, 24). Pass a batch of real data."


def test_a_second_pass_that_fails_takes_the_factors_back(x):
    class Twice(nn.Linear):
        calls = 0

        def forward(self, x):
            Twice.calls += 1
            if Twice.calls > 1:  # also when it is run once more, with gradients on
                raise RuntimeError("no more")
            return super().forward(x)

    model = Twice(24, 24)
    plan = started(model, "normal(std=0.1)")
    before = model.weight.detach().clone()
    with pytest.raises(ModelError, match="no more"):
        calibrate(plan, model, x)
    torch.testing.assert_close(model.weight.detach(), before, rtol=1e-6, atol=0)


def test_initialize_tells_in_notes_what_was_calibrated_and_what_was_not(x):
    model = nn.Sequential(nn.Linear(24, 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh(), linear(24))
    made = initium.initialize(model, recipe="lsuv", example=x, rules={"2.weight": "zeros"})
    assert made.notes[-2:] == (
        "calibrated on the example: 1 weight",
        "not calibrated: `2.weight` (it starts at zero)",
    )


def test_a_failing_calibration_says_that_the_model_was_filled():
    model = nn.Sequential(nn.Linear(24, 24), nn.Tanh(), linear(24))
    with pytest.raises(ModelError) as error:
        initium.initialize(model, recipe="lsuv", example=torch.zeros(3, 24))
    assert str(error.value) == (
        "The model was filled, not calibrated. `0.weight` gives only zeros on this batch. All that reaches it is zero. "
        "No weight was rescaled. Look at the batch, and at the layers before it."
    )
