"""The learning rates that a plan asks for, in a study's training."""

import numpy as np
import torch
from torch import nn
from typer.testing import CliRunner

from initium import _cli
from initium._engine import decided
from initium._study._study import Study
from initium.torch._optimizer import Pace, optimizer_of
from initium.torch._train import batches

X = np.random.default_rng(0).normal(size=(64, 4)).astype("f4")
Y = (X[:, 0] > 0).astype(int)


def build():
    return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 2))


def contender(recipe, **settings):
    asked = {"optimizer": "adam", "lr": 0.01, "steps": 4, "batch_size": 16, "seeds": 2} | settings
    return decided(Study(build, (X, Y), [recipe, "framework"], **asked))[0]


def rates(one):
    model = one.model(0)
    names = {id(value): path for path, value in model.named_parameters()}
    groups = optimizer_of(one.study, model, one.plan).param_groups
    return {names[id(value)]: group["lr"] for group in groups for value in group["params"]}


def test_a_plan_with_rates_of_its_own_is_trained_with_them():
    found = rates(contender("mup(base_width=4)"))
    assert found == {
        **dict.fromkeys(("0.weight", "0.bias", "2.bias", "4.bias"), 0.01),
        **dict.fromkeys(("2.weight", "4.weight"), 0.01 * 4 / 16),
    }


def test_a_run_is_what_a_loop_with_the_plans_own_groups_gives():
    one = contender("mup(base_width=4)", schedule="cosine")
    run, model = one.run(0), one.model(0)
    groups = one.plan.param_groups(model, lr=0.01)
    optimizer = torch.optim.Adam(groups)
    pace = Pace(one.study, optimizer, 4)
    loss = nn.functional.cross_entropy
    for inputs, wanted in batches(one.study, 0, 0):
        assert pace.goes_on()
        optimizer.zero_grad()
        loss(model(inputs), wanted).backward()
        optimizer.step()
    with torch.no_grad():
        expected = loss(model(torch.from_numpy(one.study.data.x_test)), torch.from_numpy(one.study.data.y_test)).item()
    assert abs(run.test_loss[-1] / expected - 1) < 1e-5
    other = contender("normal(std=0.1)", schedule="cosine")
    assert set(rates(other).values()) == {0.01}


def test_rates_of_its_own_are_noted_before_training(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert contender("he_normal").notes == ()
    (note,) = contender("mup(base_width=4)").notes
    assert note == "mup(base_width=4) trains 2 of 6 parameters at rates of its own: lr x 0.25"
    args = ["mup(base_width=4)", "he_normal", "--data", "iris", "--optimizer", "adam", "--lr", "0.01", "--seeds", "2"]
    found = CliRunner().invoke(_cli.app, ["compare", *args, "--epochs", "1", "--model", "mlp", "--width", "8"])
    assert found.exit_code == 0, found.output
    assert "\nNote: mup(base_width=4) trains 2 of 6 parameters at rates of its own: lr x 0.5.\n" in found.stderr
