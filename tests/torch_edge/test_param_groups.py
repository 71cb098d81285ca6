import dataclasses

import pytest
import torch
from torch import nn

from initium import PlanError
from initium._decisions import decide
from initium._graph import Graph, Param
from initium._recipes import parse_recipe
from initium._rule import Decision, Rule
from initium.init import he_normal
from initium.torch import param_groups, read


def planned(model, multiplier=0.25):
    rules = [Rule("1.weight", Decision(init=he_normal(), lr=multiplier))]
    return decide(read(model), parse_recipe("he_normal"), rules)


def two():
    return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))


def test_parameters_are_grouped_by_their_multiplier_and_each_comes_once():
    model = two()
    groups = param_groups(planned(model), model, lr=0.8, weight_decay=0.01, betas=(0.9, 0.95))
    assert [(group["name"], group["lr"], group["weight_decay"]) for group in groups] == [
        ("lr x 1", 0.8, 0.01),
        ("lr x 0.25", 0.2, 0.04),
    ]
    assert [group["betas"] for group in groups] == [(0.9, 0.95)] * 2
    assert [[id(value) for value in group["params"]] for group in groups] == [
        [id(model[0].weight), id(model[0].bias), id(model[1].bias)],
        [id(model[1].weight)],
    ]


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.AdamW])
def test_an_optimiser_of_torch_takes_them_and_steps_as_they_say(optimizer):
    model = two()
    before = [value.detach().clone() for value in model.parameters()]
    made = optimizer(param_groups(planned(model, 0.0), model, lr=0.1))
    model(torch.ones(5, 3)).square().mean().backward()
    made.step()
    changed = [not torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True)]
    assert changed == [True, True, False, True]


def test_decay_takes_the_same_part_of_each_weight_at_a_step():
    model = two()
    with torch.no_grad():
        for value in model.parameters():
            value.fill_(1.0)
    made = torch.optim.AdamW(param_groups(planned(model), model, lr=0.1, weight_decay=0.5))
    for value in model.parameters():
        value.grad = torch.zeros_like(value)
    made.step()
    assert all(value.flatten()[0].item() == pytest.approx(0.95, rel=1e-6) for value in model.parameters())


def test_an_optimisers_own_decay_does_not_differ_between_groups():
    model = two()
    groups = param_groups(planned(model), model, lr=0.1)
    made = torch.optim.AdamW(groups)  # whose default is 0.01
    assert [group["weight_decay"] for group in made.param_groups] == [0.0, 0.0]


def test_a_tied_parameter_comes_once():
    model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
    model[1].weight = model[0].weight
    param = Param(path="0.weight", shape=(4, 4), axes="oi", role="weight", because="Linear", tied=("1.weight",))
    plan = decide(Graph((param,)), parse_recipe("he_normal"))
    (group,) = param_groups(plan, model, lr=1.0)
    assert [id(value) for value in group["params"]] == [id(model[0].weight)]


def test_a_plan_for_another_model_is_refused():
    plan = planned(two())
    other = dataclasses.replace(plan, choices=plan.choices[:-1])
    with pytest.raises(PlanError) as found:
        param_groups(other, two(), lr=1.0)
    assert str(found.value) == (
        "This plan was made for another model, which differs in one parameter:\n  1.bias  only in the model\n"
        "Plan this model itself: initium.plan(model)."
    )
