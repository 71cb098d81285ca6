"""What is measured at step zero, against what theory derives."""

import math
import random

import numpy as np
import pytest
import torch
from diagnose.sick import Residual, he, scaled, stack, started
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


def test_the_first_step_is_judged_by_the_optimiser():
    torch.manual_seed(0)
    model = started(stack(2, nn.ReLU, 64), he)
    how = {"inputs": torch.randn(32, 64), "targets": torch.arange(32) % 10}
    assert initium.diagnose(model, **how, optimizer="sgd", lr=0.1).findings == ()
    found = initium.diagnose(model, **how, optimizer="adam", lr=0.3).findings
    assert [finding.id for finding in found] == ["IN205"]
    with pytest.raises(SettingError, match="got 'sgd' and None"):
        initium.diagnose(model, **how, optimizer="sgd")


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
