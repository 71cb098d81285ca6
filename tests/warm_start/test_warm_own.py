"""A model that begins from its own numbers."""

import pytest
import torch
from torch import nn
from warm import trained

from initium import warm_start

SWAP = {"0.*": "1.*", "1.*": "0.*"}


def as_arrays(model):
    return {name: value.numpy() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("of", [nn.Module.state_dict, lambda model: model, as_arrays])
@pytest.mark.parametrize("layer", [lambda: nn.Linear(8, 8), lambda: nn.BatchNorm1d(8)])
def test_layers_of_a_model_are_swapped(of, layer):
    model = trained(nn.Sequential(layer(), layer()).train(), torch.zeros(4, 8))
    old = {name: value.clone() for name, value in model.state_dict().items()}
    plan = warm_start(model, of(model), rename=SWAP)
    for _ in range(2):  # the plan reads what is there then, and the second time that is the other way round
        plan.apply(model)
        new = {name: value.clone() for name, value in model.state_dict().items()}
        for name, value in new.items():
            other = f"{1 - int(name[0])}{name[1:]}"
            assert torch.equal(value, old[other]), name
        old = new


def test_what_is_adapted_is_read_before_its_source_is_written():
    model = trained(nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)))
    old = [layer.weight.clone() for layer in model]
    rows = (["a", "b", "c", "d"], ["d", "c", "b", "a"])
    warm_start(model, model.state_dict(), rename=SWAP, adapt={"*": rows}).apply(model)
    assert torch.equal(model[0].weight, old[1].flip(0))
    assert torch.equal(model[1].weight, old[0].flip(0))
