"""What `auto` promises, on models that are really filled and run."""

import math

import pytest
import torch
from torch import nn
from torch_edge import zoo
from torch_edge.small_nets import NETS

import initium


def last_moment(model, batch):
    with torch.no_grad():
        return model(batch).square().mean().item()


def deep(activation, *, depth=30, width=256):
    layers = [layer for _ in range(depth) for layer in (nn.Linear(width, width, bias=False), activation())]
    return nn.Sequential(*layers)


@pytest.mark.parametrize(
    ("activation", "left", "k", "slope"),
    # E f(z)^2 at gain 1 / sqrt(E f^2) is 1 behind each weight; k = Var f^2 / (E f^2)^2 of relu is 5 by its moments.
    [(nn.ReLU, 0.5, 5.0, 1.0), (lambda: nn.LeakyReLU(0.2), 0.52, 4.1, 1.0), (nn.SELU, 1.0, 5.2, 0.7826)],
)
@pytest.mark.slow
def test_thirty_layers_keep_the_second_moment_within_the_band_of_their_width(activation, left, k, slope):
    logs = []
    for seed in range(10):
        torch.manual_seed(seed)
        model, batch = deep(activation), torch.randn(256, 256)
        initium.initialize(model, seed=seed, example=batch)
        logs.append(math.log(last_moment(model, batch) / left))
    steps = [slope**j for j in range(30)]
    drift, variance = -k / 2 / 256 * sum(steps), k / 256 * sum(step**2 for step in steps)
    assert abs(sum(logs) / 10 - drift) < 3 * math.sqrt(variance / 10)


def test_an_unknown_gain_would_leave_that_band():
    torch.manual_seed(0)
    model, batch = deep(nn.ReLU), torch.randn(256, 256)
    initium.initialize(model, recipe="lecun_normal", example=batch)
    assert last_moment(model, batch) < 1e-6


def excess(logits):
    """By how much of log k the loss exceeds it, as a mean over all labels."""
    loss = (logits.logsumexp(-1) - logits.mean(-1)).mean().item()
    return loss / math.log(logits.shape[-1]) - 1


@pytest.mark.slow
@pytest.mark.parametrize("name", zoo.classifiers())
def test_a_classifier_starts_within_a_tenth_of_log_k(name):
    build, batch, logits_of = zoo.classifiers()[name]
    torch.manual_seed(0)
    model = build()  # training: an untrained BatchNorm in eval mode is the identity
    initium.initialize(model, seed=0, example=batch)
    with torch.no_grad():
        logits = logits_of(zoo.call(model, batch)).flatten(0, -2).float()
    assert abs(excess(logits)) < 0.1


@pytest.mark.parametrize("name", NETS)
def test_a_head_knows_what_reaches_it(name):
    build, batch = NETS[name]
    excesses = []
    for seed in range(5):  # of which a mean: one draw of a narrow net strays
        model = build()
        initium.initialize(model, seed=seed, example=batch)
        with torch.no_grad():
            excesses.append(excess(model(batch).flatten(0, -2)))
    assert 0.02 < sum(excesses) / 5 < 0.1  # 0.05 is meant


@pytest.mark.slow
@pytest.mark.parametrize("name", zoo.small())
def test_every_parameter_of_every_model_is_decided_and_filled(name):
    build, batch = zoo.small()[name]
    model = build()
    plan = initium.plan(model, example=batch)
    ledger = plan.apply(model, seed=0)
    drawn = [choice for choice in plan.choices if str(choice.init) != "framework"]
    assert len(ledger.filled) >= len(drawn) > 0
    assert all(torch.isfinite(value).all() for value in model.parameters())


class Sequences(nn.Module):
    """A recurrent layer, and a way to use it that a pass may not follow."""

    def __init__(self, layer, use):
        super().__init__()
        self.layer, self.head, self.own = layer, nn.Linear(8, 2), use

    def forward(self, x, lengths):
        self.own(self.layer, x, lengths)
        return self.head(x)


def packed(layer, x, lengths):
    layer(nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False))


def not_at_all(layer, x, lengths):
    pass


def on_zeros(layer, x, lengths):
    layer(torch.zeros(5, 3, 8))


class OwnCell(nn.LSTMCell):
    pass


RECURRENT = {
    "packed": (lambda: nn.LSTM(8, 16), packed),
    "packed both ways": (lambda: nn.LSTM(8, 16, 2, bidirectional=True), packed),
    "packed and projected": (lambda: nn.LSTM(8, 16, proj_size=4), packed),
    "not reached": (lambda: nn.LSTM(8, 16, 2, bidirectional=True), not_at_all),
    "projected, not reached": (lambda: nn.LSTM(8, 16, 2, proj_size=4), not_at_all),
    "cell, not reached": (lambda: nn.LSTMCell(8, 16), not_at_all),
    "cell of one's own, not reached": (lambda: OwnCell(8, 16), not_at_all),
    "GRU, not reached": (lambda: nn.GRU(8, 16), not_at_all),
    "on numbers of its own": (lambda: nn.LSTM(8, 16), on_zeros),
    "weight norm": (lambda: nn.utils.parametrizations.weight_norm(nn.LSTM(8, 16), "weight_hh_l0"), not_at_all),
}


def first_gates(layer):
    """Of each state to state, the matrix of the first gate."""
    return [value[:16] for path, value in layer.named_parameters() if path.startswith("weight_hh")]


@pytest.mark.parametrize("recipe", ["auto", "keras", "orthogonal", "glorot", "he", "lecun", "torch"])
@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("name", RECURRENT)
def test_a_recurrent_layer_starts_as_one_however_it_is_used(name, device, recipe):
    build, use = RECURRENT[name]
    with torch.device(device):
        model = Sequences(build(), use)
    plan = initium.plan(model, recipe, example=(torch.randn(5, 3, 8), torch.tensor([5, 2, 4])))
    plan.apply(model.to_empty(device="cpu") if device == "meta" else model, seed=0)
    layer = model.layer
    if recipe == "torch":
        values = [value for path, value in layer.named_parameters() if "parametrizations" not in path]
        assert all(value.abs().max() <= 1 / 4 for value in values)
        assert all(value.abs().max() > 0.9 / 4 for value in values if value.numel() > 200)
        return
    if recipe in ("auto", "orthogonal"):
        assert all(
            torch.allclose(torch.linalg.svdvals(gate), torch.ones(min(gate.shape))) for gate in first_gates(layer)
        )
    biases = [value for path, value in layer.named_parameters() if "bias" in path]
    for one, other in zip(biases[::2], biases[1::2], strict=True):
        gates = (one + other).detach().view(-1, 16)
        assert gates.mean(1).tolist() == ([0.0, 1.0, 0.0, 0.0] if len(gates) == 4 else [0.0, 0.0, 0.0])
        assert gates.eq(gates[:, :1]).all()


@pytest.mark.parametrize("bias", ["bias_ih_l0", "bias_hh_l0"])
def test_a_forget_gate_is_one_in_the_same_bias_however_its_weight_is_made(bias):
    model = nn.LSTM(8, 16)
    nn.utils.parametrizations.weight_norm(model, bias.replace("bias", "weight"))
    plan = initium.plan(model, "lecun", example=torch.randn(5, 3, 8))
    assert {c.path: str(c.init) for c in plan.choices if "bias" in c.path} == {
        "bias_ih_l0": "forget_gate_bias",
        "bias_hh_l0": "zeros",
    }
