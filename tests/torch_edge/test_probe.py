"""The Probe: which weight's use it meets, what it hands over, and the gradients that come back."""

from collections import defaultdict

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  its usual name
from torch import nn
from torch.utils.checkpoint import checkpoint

from initium.torch._probe import Probe


class Net(nn.Module):
    """A convolution, one dense layer used twice, a stack of matrices and a vector."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(3, 8, 3)
        self.dense = nn.Linear(8, 8)
        self.experts = nn.Parameter(torch.randn(2, 8, 8))
        self.vector = nn.Parameter(torch.randn(8))

    def forward(self, x, inplace=True, keep=lambda _: None):
        keep(x := self.conv(x))
        x = F.relu(x, inplace).transpose(1, 2).reshape(-1, 8)
        keep(x := self.dense(x))
        x = F.relu(x, inplace)
        keep(x := self.dense(x))
        keep(x := torch.bmm(x.reshape(2, -1, 8), self.experts))
        keep(x := torch.tanh(x).reshape(-1, 8) @ (0.5 * self.vector.double()).float())
        return x


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Net()


@pytest.fixture
def x():
    return torch.randn(4, 3, 7, generator=torch.Generator().manual_seed(1))


def weights(model):
    return {path: value for path, value in model.named_parameters() if value.ndim > 1 or path == "vector"}


ORDER = ["conv.weight", "dense.weight", "dense.weight", "experts", "vector"]


class Gradients:
    """A measure: the gradient of what each weight gives, at each of its uses."""

    def __init__(self):
        self.found = defaultdict(list)
        self.backward = []

    def met(self, meeting):
        if meeting.is_backward:
            self.backward.append(meeting)
        else:
            meeting.on_gradient.append(self.found[meeting.path].append)


def by_hand(model, x):
    """The gradient of what each weight gives, without a Probe, the last first; and of the parameters."""
    kept = []
    loss = model(x, inplace=False, keep=kept.append).square().sum()
    return torch.autograd.grad(loss, kept)[::-1], torch.autograd.grad(loss_of(model, x), list(model.parameters()))


def loss_of(model, x):
    return model(x).square().sum()


@pytest.mark.parametrize("is_within", [True, False])
def test_a_measure_of_gradients_finds_those_computed_by_hand(model, x, is_within):
    outputs, params = by_hand(model, x)
    measure = Gradients()
    with Probe(weights(model), measure.met):
        y = model(x)
        if is_within:
            y.square().sum().backward()
    if not is_within:
        y.square().sum().backward()
    expected = defaultdict(list)
    for path, gradient in zip(reversed(ORDER), outputs, strict=True):
        expected[path].append(gradient)
    assert {path: len(found) for path, found in measure.found.items()} == {p: len(e) for p, e in expected.items()}
    for path, gradients in expected.items():
        for found, gradient in zip(measure.found[path], gradients, strict=True):
            torch.testing.assert_close(found, gradient)
    for param, gradient in zip(model.parameters(), params, strict=True):
        torch.testing.assert_close(param.grad, gradient)


def test_a_product_of_gradients_in_the_backward_pass_is_told_apart(model, x):
    measure = Gradients()
    with Probe(weights(model), measure.met):
        loss_of(model, x).backward()
    met = [meeting.path for meeting in measure.backward]
    assert met == ["experts", "dense.weight", "dense.weight"]  # a convolution's and a vector's are of another kind
    (gradient,) = measure.found["experts"]
    torch.testing.assert_close(measure.backward[0].signals[0], gradient)


def test_each_use_is_met_in_order_with_its_operands_and_without_its_bias(model, x):
    met = []
    with torch.no_grad(), Probe(weights(model), met.append):
        model(x)
    assert [meeting.path for meeting in met] == ORDER
    conv, dense, _, experts, vector = met
    torch.testing.assert_close(conv.given, F.conv1d(x, model.conv.weight))
    torch.testing.assert_close(dense.given, dense.signals[0] @ model.dense.weight.T)
    torch.testing.assert_close(dense.weight, model.dense.weight.T)
    torch.testing.assert_close(experts.given, experts.signals[0] @ model.experts)
    torch.testing.assert_close(vector.weight, model.vector / 2)


def test_what_is_returned_goes_on_in_the_place_of_what_the_weight_gave(x):
    layer = nn.Conv1d(3, 8, 3)
    with torch.no_grad(), Probe({"weight": layer.weight}, lambda meeting: 3 * meeting.given):
        y = layer(x)
    torch.testing.assert_close(y, 3 * F.conv1d(x, layer.weight) + layer.bias[:, None])


def test_a_weight_is_known_through_casts_and_views_under_autograd():
    layer, measure = nn.Linear(6, 5), Gradients()
    x = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    with Probe({"weight": layer.weight}, measure.met), torch.autocast("cpu", dtype=torch.bfloat16):
        loss = layer(x).float().square().sum() / 2
        y = layer(x)
    loss.backward()
    first, *others = measure.found["weight"]
    assert not others
    torch.testing.assert_close(first, y.detach())


def test_a_checkpointed_block_is_met_once_and_has_its_gradient():
    layer, measure = nn.Linear(6, 5), Gradients()
    x = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    with Probe({"weight": layer.weight}, measure.met):
        y = checkpoint(layer, x, use_reentrant=False)
        (y.square().sum() / 2).backward()
    assert len(measure.found["weight"]) == 1
    torch.testing.assert_close(measure.found["weight"][0], y.detach())


def test_without_autograd_no_gradient_comes(model, x):
    measure = Gradients()
    with torch.no_grad(), Probe(weights(model), measure.met):
        model(x)
    assert not any(measure.found.values())


def test_what_is_not_a_use_is_seen():
    first, second = torch.randn(3, 3), torch.randn(3, 3)
    probe = Probe({"first": first, "second": second}, lambda _: pytest.fail("met"))
    with probe:
        torch.ones(2, 3) @ (first + 1)
    assert probe.seen == {"first"}
