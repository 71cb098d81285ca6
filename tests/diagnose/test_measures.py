"""What is measured at step zero, against what theory derives."""

import json
import math
import random

import numpy as np
import pytest
import torch
from diagnose.sick import Attends, LastState, Residual, Softmaxes, he, scaled, stack, started, steps
from scipy import integrate, stats
from torch import nn

import initium
from initium import ModelError, SettingError, UnknownNameError
from initium._errors import DataError

WIDTH = 512


def measured(model, **how):
    torch.manual_seed(1)
    inputs = how.pop("inputs", torch.randn(256, WIDTH))
    return initium.diagnose(model, inputs, **how)


def factors(found, of):
    """What each layer but the first does, as the geometric mean over layers."""
    values = [getattr(layer, of) for layer in found.layers[:-1]]
    return (values[-1] / values[0]) ** (1 / (len(values) - 1))


def net(activation, start, depth=8):
    torch.manual_seed(0)
    return started(stack(depth, activation, WIDTH), start)


def second_moment(f, q=1.0):
    return integrate.quad(lambda z: f(math.sqrt(q) * z) ** 2 * stats.norm.pdf(z), -12, 12)[0]


@pytest.mark.parametrize(
    ("activation", "start", "forward", "backward"),
    [
        (nn.ReLU, he, 1.0, 1.0),
        (nn.ReLU, nn.init.xavier_normal_, 1 / 2, 1 / 2),
        (nn.ReLU, lambda w: nn.init.kaiming_uniform_(w, a=math.sqrt(5)), 1 / 6, 1 / 6),
        (nn.Identity, nn.init.xavier_normal_, 1.0, 1.0),
    ],
)
def test_each_layer_multiplies_signal_and_gradient_as_theory_says(activation, start, forward, backward):
    found = measured(net(activation, start))
    # Of a product of 7 random matrices of 512 units the log has a standard deviation of sqrt(7 * 5 / 512) = 0.26.
    assert abs(math.log(factors(found, "moment") / forward)) < 3 * 0.26 / 7
    assert abs(math.log(1 / factors(found, "energy") / backward)) < 3 * 0.26 / 7


def test_tanh_at_its_fixed_point_keeps_the_signal_and_its_gradient_grows_by_its_slope():
    gain = 5 / 3
    q = 1.0
    for _ in range(100):
        q = gain**2 * second_moment(np.tanh, q)
    slope = gain**2 * integrate.quad(lambda z: np.cosh(math.sqrt(q) * z) ** -4 * stats.norm.pdf(z), -12, 12)[0]
    found = measured(net(nn.Tanh, lambda w: nn.init.xavier_normal_(w, gain), depth=12))
    assert found.layers[-2].moment == pytest.approx(q, rel=0.1)
    assert 1 / factors(found, "energy") == pytest.approx(slope, rel=0.05)


def test_sigmoids_multiply_the_gradient_by_their_mean_squared_slope():
    found = measured(net(nn.Sigmoid, nn.init.xavier_normal_, depth=5))
    q = found.layers[2].moment
    sigmoid = stats.logistic.cdf
    # Their outputs have a mean, which shifts each unit by its own constant: units spread around 0 with variance q.
    slope = integrate.quad(lambda z: stats.logistic.pdf(math.sqrt(q) * z) ** 2 * stats.norm.pdf(z), -12, 12)[0]
    assert second_moment(sigmoid, q) == pytest.approx(found.layers[3].fed, rel=0.05)
    assert 1 / factors(found, "energy") == pytest.approx(slope, rel=0.1)


def test_two_inputs_grow_alike_by_the_arc_cosine_map():
    nets = []
    for seed in range(4):
        torch.manual_seed(seed)
        nets.append(initium.diagnose(started(stack(4, nn.ReLU, WIDTH), he), torch.randn(256, WIDTH)).layers)
    cosine = 0.0
    for layers in list(zip(*nets, strict=True))[1:]:
        # Cho and Saul, Kernel Methods for Deep Learning, 2009: of angle t, (sin t + (pi - t) cos t) / pi.
        cosine = (math.sqrt(1 - cosine**2) + cosine * (math.pi - math.acos(cosine))) / math.pi
        assert np.mean([layer.similarity for layer in layers]) == pytest.approx(cosine, abs=0.03)


def test_unscaled_branches_double_the_stream_each():
    torch.manual_seed(0)
    model = started(Residual(6, WIDTH), scaled(WIDTH**-0.5))
    for layer in model.down:
        he(layer.weight)
    stream = {layer.path: layer.fed for layer in measured(model).layers}
    assert stream["up.5.weight"] / stream["up.0.weight"] == pytest.approx(2**5, rel=0.3)


@pytest.mark.parametrize(
    ("depth", "share", "is_told"), [(3, 1.0, False), (4, 1.0, True), (6, 0.5, False), (30, 0.3, True)]
)
def test_branches_are_told_from_ten_times_the_stream(depth, share, is_told):
    """Each adds share^2 to the second moment, and N of them make (1 + share^2)^N of it: 8, 16, 3.8 and 13."""
    torch.manual_seed(0)
    width = 256
    model = started(Residual(depth, width), scaled(width**-0.5))
    for layer in model.down:
        nn.init.normal_(layer.weight, std=share * math.sqrt(2 / width))
    told = [one.measured for one in measured(model, inputs=torch.randn(64, width)).findings if one.id == "IN502"]
    assert bool(told) == is_told
    if told:
        found = float(told[0].split("second moment by ")[1].split(",")[0])
        assert found == pytest.approx((1 + share**2) ** depth, rel=0.1)


@pytest.mark.parametrize(("beyond", "is_told"), [(6.0, False), (9.0, True)])
def test_a_number_is_far_out_from_eight_standard_deviations(beyond, is_told):
    torch.manual_seed(0)
    model = started(stack(2, nn.ReLU, WIDTH), he)
    weight = model[2].weight.detach()
    mean, std = weight.mean(), weight.std()  # of so many numbers, one moves neither by a thousandth
    weight[3, 5] = mean + beyond * std
    found = measured(model, thorough=True)
    assert [one.paths for one in found.findings if one.id == "IN508"] == [("2.weight",)] * is_told
    assert found.geometry.spectra[1].peak == pytest.approx(beyond, rel=1e-3)


def test_zeros_cost_log_k_and_hand_back_nothing():
    model = started(stack(2, nn.ReLU, 64), nn.init.zeros_)
    found = initium.diagnose(model, torch.randn(32, 64), torch.arange(32) % 10)
    assert found.loss.value == pytest.approx(math.log(10), rel=1e-6)
    assert [numbers.gradient for numbers in found.numbers][:4] == [0.0] * 4


def test_small_logits_cost_what_their_variance_says():
    torch.manual_seed(0)
    k, v = 10, 0.04
    model = nn.Linear(WIDTH, k, bias=False)
    nn.init.normal_(model.weight, std=math.sqrt(v / WIDTH))
    inputs, targets = torch.randn(4000, WIDTH), torch.randint(0, k, (4000,))
    found = initium.diagnose(model, inputs, targets)
    assert found.loss.chance == pytest.approx(math.log(k))
    # The rest is chance: the standard deviation of the targets' logits over 4,000 samples.
    assert abs(found.loss.value - math.log(k) - v / 2 * (1 - 1 / k)) < 4 * math.sqrt(v / 4000)


def test_a_constant_start_has_one_unit():
    found = initium.diagnose(started(stack(2, nn.Tanh, 64), lambda w: nn.init.constant_(w, 0.01)), torch.randn(8, 64))
    assert [(n.path, n.num_alike) for n in found.numbers if n.num_alike] == [("0.weight", 64), ("2.weight", 64)]


def attention_of(model, x):
    return initium.diagnose(model, x).attentions[0]


@pytest.mark.parametrize("is_causal", [False, True])
def test_attention_is_as_free_as_its_softmax(is_causal):
    class Whole(Softmaxes):
        def forward(self, x):
            q, k, v = (layer(x)[:, None] for layer in (self.query, self.key, self.value))
            mixed = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=is_causal, scale=1.0)
            return self.head(mixed[:, 0])

    class Written(Softmaxes):
        def forward(self, x):
            scores = self.query(x) @ self.key(x).mT
            if is_causal:
                scores = scores.masked_fill(torch.ones(x.shape[1], x.shape[1]).triu(1).bool(), -torch.inf)
            self.shares = scores.softmax(-1)
            return self.head(self.shares @ self.value(x))

    torch.manual_seed(0)
    written, x = Written(), torch.randn(8, 12, 32)
    whole = Whole()
    whole.load_state_dict(written.state_dict())
    written(x)
    num = torch.arange(1, 13).double() if is_causal else torch.full((12,), 12.0)
    free = (1 - written.shares.double().square().sum(-1)) / (1 - 1 / num)
    expected = free[:, num > 1].mean().item()
    for model in (whole, written):
        found = attention_of(model, x)
        assert (found.path, found.freedom) == ("query.weight", pytest.approx(expected, rel=1e-4))


class Grouped(nn.Module):
    """Attention of four heads of queries, as one operation, whose keys and values two heads share or not."""

    def __init__(self, heads, **how):
        super().__init__()
        self.query, self.key, self.value = nn.Linear(32, 64), nn.Linear(32, 16 * heads), nn.Linear(32, 16 * heads)
        self.head, self.how = nn.Linear(64, 5), how

    def parts(self, x):
        return (layer(x).unflatten(-1, (-1, 16)).transpose(1, 2) for layer in (self.query, self.key, self.value))

    def forward(self, x):
        mixed = nn.functional.scaled_dot_product_attention(*self.parts(x), **self.how)
        return self.head(mixed.transpose(1, 2).flatten(2))


N = 12
HIDDEN = torch.rand(1, 4, N, N, generator=torch.Generator().manual_seed(1)) < 0.4
MASKS = {
    "none": {},
    "causal": {"is_causal": True},
    "of numbers": {"attn_mask": 3 * torch.randn(1, 4, N, N, generator=torch.Generator().manual_seed(2))},
    "of each head": {"attn_mask": ~HIDDEN | torch.eye(N).bool()},
    "of all heads": {"attn_mask": ~HIDDEN[0, 0] | torch.eye(N).bool()},
    # As transformers write it: a number so low that nothing is left, yet finite; the first place sees itself alone.
    "low": {"attn_mask": torch.full((N, N), -1e4).triu(1)},
}


@pytest.mark.parametrize("heads", [4, 2])
@pytest.mark.parametrize("mask", MASKS)
def test_attention_as_one_operation_is_as_free_as_its_softmax_under_any_mask_and_with_shared_keys(mask, heads):
    torch.manual_seed(0)
    model, x = Grouped(heads, **MASKS[mask], enable_gqa=heads < 4), torch.randn(4, N, 32)
    nn.init.normal_(model.query.weight, std=0.4)
    with torch.no_grad():
        q, k, _ = model.parts(x)
    scores = q.double() @ k.double().repeat_interleave(4 // heads, 1).mT / 4
    given = MASKS[mask].get("attn_mask", torch.ones(N, N).tril().bool() if mask == "causal" else torch.zeros(N, N))
    scores = scores.masked_fill(~given, -math.inf) if given.dtype is torch.bool else scores + given
    num = (scores > -5000).sum(-1)
    free = (1 - scores.softmax(-1).square().sum(-1)) / (1 - 1 / num)
    free, num = free[:, :: 4 // heads], num[:, :: 4 // heads]  # of queries that share keys, the first are looked at
    assert attention_of(model, x).freedom == pytest.approx(free[num > 1].mean().item(), rel=1e-4)


def test_attention_that_looks_at_all_places_alike_is_free_and_no_fault():
    torch.manual_seed(0)
    model, x = Attends(), torch.randn(8, 12, 32)
    nn.init.zeros_(model.attention.in_proj_weight[:32])
    assert attention_of(model, x).freedom == pytest.approx(1)
    assert "IN107" not in [finding.id for finding in initium.diagnose(model, x).findings]
    same = torch.randn(8, 1, 32).expand(8, 12, 32)
    assert attention_of(model, same).similarity == pytest.approx(1)


def test_a_step_of_a_recurrence_multiplies_the_gradient_by_the_variance_of_its_weight():
    # While states are small tanh has slope 1, and of n inputs with variance s^2 / n each step hands back s^2.
    n, s, num = 512, 0.8, 12
    torch.manual_seed(0)
    body = nn.RNN(n, n)
    nn.init.normal_(body.weight_hh_l0, std=s / math.sqrt(n))
    for value in (body.weight_ih_l0, body.bias_ih_l0, body.bias_hh_l0):
        nn.init.normal_(value, std=1e-4)
    model = LastState(body, n)
    found = initium.diagnose(model, torch.randn(num, 16, n)).recurrences
    assert [(one.path, one.steps) for one in found] == [("body.weight_hh_l0", num)]
    first, last = found[0].energies
    # Of a product of 11 random matrices of 512 units the log has a standard deviation of sqrt(11 * 2 / 512) = 0.21.
    assert abs(math.log(first / last) / (num - 1) - math.log(s**2)) < 3 * 0.21 / (num - 1)


@pytest.mark.parametrize(("cell", "gate"), [(nn.LSTM, "forget"), (nn.GRU, "update")])
def test_gates_that_are_held_open_keep_the_gradient(cell, gate):
    torch.manual_seed(0)
    model, how = LastState(cell(32, 32)), steps(60)
    first = initium.diagnose(model, **how).findings[0]
    assert first.id == "IN206"
    assert first.remedy == f"a bias of 4.1 in the {gate} gates, the logarithm of the number of steps"
    nn.init.constant_(model.body.bias_ih_l0[32:64], 4.1)
    assert "IN206" not in [finding.id for finding in initium.diagnose(model, **how).findings]


def test_a_state_that_grows_is_told_though_no_loss_is_read():
    # Of n inputs with variance 64 / n a step makes 64 times the second moment, of which ReLU leaves half.
    n, num = 512, 6
    torch.manual_seed(0)
    body = nn.RNN(n, n, nonlinearity="relu", bias=False)
    nn.init.normal_(body.weight_hh_l0, std=8 / math.sqrt(n))
    model = LastState(body, n).requires_grad_(False)
    x = torch.zeros(num, 16, n)
    x[0] = torch.randn(16, n)
    found = initium.diagnose(model, x)
    assert (found.findings[0].id, found.findings[0].path) == ("IN207", "body.weight_hh_l0")
    assert found.recurrences[0].energies == (None, None)
    first, last = found.recurrences[0].moments
    # Of a product of 4 such matrices the log has a standard deviation of sqrt(4 * 5 / 512) = 0.2.
    assert abs(math.log(last / first) / (num - 2) - math.log(32)) < 3 * 0.2 / (num - 2)
    nn.init.normal_(body.weight_hh_l0, std=1.4 / math.sqrt(n))
    assert "IN207" not in [one.id for one in initium.diagnose(model, x).findings]


def test_means_over_places_are_no_collapse_where_the_output_tells_inputs_apart():
    class Squeezes(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.into, self.out = nn.Conv2d(3, 16, 3), nn.Linear(16, 4), nn.Linear(4, 16)
            self.last = nn.Conv2d(16, 4, 3)
            nn.init.constant_(self.body.bias, 3.0)

        def forward(self, x):
            x = torch.relu(self.body(x))
            gate = torch.sigmoid(self.out(torch.relu(self.into(x.mean((2, 3))))))
            return self.last(x * gate[:, :, None, None])

    torch.manual_seed(0)
    found = initium.diagnose(Squeezes(), torch.randn(8, 3, 64, 64))
    alike = {layer.path for layer in found.layers if (layer.similarity or 0) > 0.9999}
    assert alike == {"into.weight", "out.weight"}
    assert "IN106" not in [finding.id for finding in found.findings]


def test_a_head_behind_a_mean_over_places_is_no_collapse():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 4))
    nn.init.constant_(model[0].bias, 3.0)
    found = initium.diagnose(model, torch.randn(8, 3, 64, 64))
    assert found.layers[-1].similarity > 0.9999
    assert "IN106" not in [finding.id for finding in found.findings]


def test_a_way_that_collapses_beside_one_that_does_not_is_no_collapse_of_the_output():
    class Beside(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head = nn.Linear(64, 64), nn.Linear(64, 4)
            self.into, self.out = nn.Linear(64, 64), nn.Linear(64, 4)
            nn.init.normal_(self.into.weight, std=1e-6)

        def forward(self, x):
            return self.head(torch.relu(self.body(x))) + self.out(torch.relu(self.into(x)))

    torch.manual_seed(0)
    found = initium.diagnose(Beside(), torch.randn(8, 64))
    assert {layer.path for layer in found.layers if layer.similarity > 0.9999} == {"out.weight"}
    assert "IN106" not in [finding.id for finding in found.findings]


class Ways(nn.Module):
    """Two ways from the inputs to a sum: a long one, and a short one with a weight of its own."""

    def __init__(self, small=0.01):
        super().__init__()
        self.long = started(stack(8, nn.ReLU), scaled(0.01))
        self.short = started(stack(2, nn.ReLU), he)
        nn.init.normal_(self.short[2].weight, std=small)

    def forward(self, x):
        return self.long(x) + self.short(x)


@pytest.mark.parametrize("ignore", [(), ["IN101"]])
def test_what_one_way_tells_hides_nothing_of_another(ignore):
    torch.manual_seed(0)
    found = initium.diagnose(Ways(), torch.randn(32, 64), ignore=ignore).findings
    sizes = [one.paths for one in found if one.id == "IN501"]
    assert ("IN101" in {one.id for one in found}) == (not ignore)
    assert [paths for paths in sizes if "long.0.weight" not in paths] == [("short.2.weight",)]
    assert len(sizes) == 1 + len(ignore)


def test_what_is_left_out_hides_nothing():
    torch.manual_seed(0)
    model, x = started(stack(8, nn.ReLU), scaled(0.01)), torch.randn(32, 64)
    assert [one.id for one in initium.diagnose(model, x).findings if one.id in ("IN101", "IN501")] == ["IN101"]
    left = [one.id for one in initium.diagnose(model, x, ignore=["IN101"]).findings]
    assert "IN501" in left
    assert "IN501" not in [one.id for one in initium.diagnose(model, x, ignore=["IN101:long.*"]).findings]


def test_what_the_inputs_do_farther_on_is_told_by_the_inputs():
    torch.manual_seed(0)
    model = started(stack(4, nn.Tanh), nn.init.xavier_normal_)
    assert "IN106" not in [one.id for one in initium.diagnose(model, torch.ones(8, 64)).findings]
    assert "IN106" in [one.id for one in initium.diagnose(model, torch.ones(8, 64), ignore=["IN109"]).findings]


def test_tiny_gradients_are_measured_too():
    found = initium.diagnose(nn.Linear(4, 64), torch.randn(8, 4), loss=lambda outputs: 1e-30 * outputs.sum())
    assert found.layers[0].gradient == pytest.approx(1e-60, rel=1e-4, abs=0)


def test_the_first_step_is_judged_by_the_optimiser():
    torch.manual_seed(0)
    model = started(stack(2, nn.ReLU, 64), he)
    how = {"inputs": torch.randn(32, 64), "targets": torch.arange(32) % 10}
    assert initium.diagnose(model, **how, optimizer="sgd", lr=0.1).findings == ()
    found = initium.diagnose(model, **how, optimizer="adam", lr=0.3).findings
    assert [finding.id for finding in found] == ["IN205"]
    with pytest.raises(SettingError, match="got 'sgd' and None"):
        initium.diagnose(model, **how, optimizer="sgd")


def test_equal_diagnoses_are_one_in_a_set():
    model, x = started(stack(2, nn.ReLU), he), torch.randn(8, 64)
    assert len({initium.diagnose(model, x), initium.diagnose(model, x)}) == 1
    assert len({initium.diagnose(model, x, thorough=True), initium.diagnose(model, 2 * x)}) == 2


def test_json_has_null_for_a_number_that_is_none():
    torch.manual_seed(0)
    model = started(stack(2, nn.ReLU, 8), he)
    nn.init.constant_(model[2].weight, math.inf)
    found = initium.diagnose(model, torch.randn(4, 8))
    assert not math.isfinite(found.layers[1].moment)
    told = json.loads(found.to_json(), parse_constant=pytest.fail)
    assert told["layers"][1]["moment"] is None
    assert told["layers"][0]["moment"] == found.layers[0].moment
    assert json.loads(found.beside(found).to_json(), parse_constant=pytest.fail)["before"] == told


def test_the_model_is_left_as_it_was_found():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.Dropout(), nn.ReLU(), nn.Linear(16, 3))
    model[0].weight.grad = torch.ones_like(model[0].weight)
    model[4].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    inputs = torch.randn(8, 8, requires_grad=True)
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    initium.diagnose(model, inputs, torch.arange(8) % 3)
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in before.items())
    assert [module.training for module in model] == [True, True, True, True, False]
    assert model[0].weight.grad.eq(1).all()
    assert model[4].weight.grad is None
    assert inputs.grad is None
    assert not any(module._forward_hooks or module._backward_hooks for module in model.modules())
    assert states[0] == random.getstate()
    assert states[1] == np.random.get_state()[1].tolist()
    assert torch.equal(states[2], torch.get_rng_state())


def test_what_does_not_fit_is_refused():
    model = nn.Linear(4, 3)
    with pytest.raises(UnknownNameError, match="No loss is called 'crossentropy'; the closest is 'cross_entropy'"):
        initium.diagnose(model, torch.randn(2, 4), torch.zeros(2).long(), loss="crossentropy")
    with pytest.raises(DataError, match=r"Outputs \(2, 3\) and targets \(5,\) do not fit loss `cross_entropy`"):
        initium.diagnose(model, torch.randn(2, 4), torch.zeros(5).long())
    with pytest.raises(UnknownNameError, match="No finding is called 'IN999'"):
        initium.diagnose(model, torch.randn(2, 4), ignore=["IN999"])
    with pytest.raises(ModelError, match="on meta, without numbers"):
        initium.diagnose(nn.Linear(4, 3, device="meta"), torch.randn(2, 4))


def test_a_recipe_is_judged_on_a_copy():
    torch.manual_seed(0)
    model = started(stack(30, nn.ReLU), scaled(0.01))
    before = model[0].weight.clone()
    assert not initium.diagnose(model).is_healthy
    assert initium.diagnose(model, recipe="auto").is_healthy
    assert torch.equal(before, model[0].weight)
    with torch.device("meta"):
        bare = stack(3, nn.ReLU)
    assert initium.diagnose(bare, recipe="he_normal").is_healthy
    assert bare[0].weight.is_meta


def test_findings_can_be_ignored_and_asserted():
    torch.manual_seed(0)
    model = started(stack(30, nn.ReLU), nn.init.xavier_normal_)
    found = initium.diagnose(model)
    assert [finding.id for finding in found.findings] == ["IN101", "IN201"]
    with pytest.raises(AssertionError, match=r"^IN101 vanishing signal at `2\.weight`"):
        found.assert_healthy()
    found.assert_healthy(ignore=["IN101", "IN201:*.weight"])
    assert initium.diagnose(model, ignore=["IN101", "IN201"]).is_healthy
