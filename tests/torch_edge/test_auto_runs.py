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
