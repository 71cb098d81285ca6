"""Text that people read steers nothing: a saved plan whose words were edited applies as it did."""

import json

import pytest
import torch
from torch import nn

import initium
from initium.torch import deferred
from initium.torch._calibrate import calibrate

WORDS = {"rule", "because", "known by"}


def normed():
    return nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(6, 4)), nn.ReLU(), nn.Linear(4, 2))


def reworded(plan, folder, words):
    """The plan once every text in its file was replaced."""
    plan.save(folder / "plan.json")
    data = json.loads((folder / "plan.json").read_text())
    for entry in data["parameters"]:
        entry |= dict.fromkeys(WORDS & entry.keys(), words)
    (folder / "plan.json").write_text(json.dumps(data))
    return initium.Plan.load(folder / "plan.json")


def applied(plan, model, seed=3):
    ledger = plan.apply(model, seed=seed)
    return ledger, {path: value.detach().clone() for path, value in model.state_dict().items()}


@pytest.mark.parametrize(
    "words", ["", "see my notes", "your rule 0.* -> zeros", "author: *", "x, follows its direction"]
)
@pytest.mark.parametrize("rules", [(), {"*original0": "framework"}], ids=["followed", "kept by a rule"])
def test_the_words_of_a_saved_plan_decide_nothing(tmp_path, words, rules):
    plan = initium.plan(normed(), "he_normal", rules=rules)
    changed = reworded(plan, tmp_path, words)
    torch.manual_seed(0)
    model, other = normed(), normed()
    other.load_state_dict(model.state_dict())
    (first, one), (second, two) = applied(plan, model), applied(changed, other)
    assert [entry.how for entry in first.entries] == [entry.how for entry in second.entries]
    assert [choice.how for choice in plan.choices] == [choice.how for choice in changed.choices]
    for path, value in one.items():
        torch.testing.assert_close(value, two[path], rtol=0, atol=0)
    batch = torch.randn(50, 6)
    left = [calibrate(plan, model, batch).left, calibrate(changed, other, batch).left]
    assert left[0] == left[1]


@pytest.mark.parametrize("words", ["", "your rule * -> zeros", "see author"])
def test_what_the_constructor_drew_is_drawn_anew_whatever_the_words_are(tmp_path, words):
    def build():
        return nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4))

    plan = initium.plan(deferred(build), "author")
    changed = reworded(plan, tmp_path, words)
    model, other = deferred(build), deferred(build)
    for seed in (3, 4):  # the second time over numbers that are there
        one, two = applied(plan, model, seed)[1], applied(changed, other, seed)[1]
        for path, value in one.items():
            torch.testing.assert_close(value, two[path], rtol=0, atol=0)
