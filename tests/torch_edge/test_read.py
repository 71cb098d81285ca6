import pytest
import torch
from torch import nn

from initium import ModelError
from initium.torch import read


def test_layers_say_what_each_parameter_does():
    model = nn.Sequential(
        nn.Conv2d(8, 16, 3, stride=2, groups=4),
        nn.BatchNorm2d(16),
        nn.PReLU(),
        nn.ConvTranspose1d(6, 4, 3, bias=False),
        nn.Linear(5, 2),
    )
    found = {p.path: (p.role, p.axes, p.groups, p.stride, p.transposed) for p in read(model).params}
    assert found == {
        "0.weight": ("weight", "oihw", 4, 4, False),
        "0.bias": ("bias", "o", 1, 1, False),
        "1.weight": ("kept", "o", 1, 1, False),
        "1.bias": ("kept", "o", 1, 1, False),
        "2.weight": ("kept", "o", 1, 1, False),
        "3.weight": ("weight", "iow", 1, 1, True),
        "4.weight": ("weight", "oi", 1, 1, False),
        "4.bias": ("bias", "o", 1, 1, False),
    }


def test_a_shared_parameter_counts_once_by_its_first_name():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    assert [p.path for p in read(model).params] == ["0.weight", "0.bias", "1.bias"]


def test_a_wrapped_model_has_the_bare_models_names():
    assert [p.path for p in read(nn.DataParallel(nn.Sequential(nn.Linear(2, 2)))).params] == ["0.weight", "0.bias"]


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4, 3))
        self.gain = nn.Parameter(torch.ones(4))


def test_a_layer_of_ones_own_is_read_as_output_by_input():
    params = read(Own()).params
    assert [(p.path, p.role, p.axes) for p in params] == [("weight", "weight", "oi"), ("gain", "kept", "o")]


@pytest.mark.parametrize(
    "layer", [nn.LayerNorm(4), nn.GroupNorm(2, 4), nn.RMSNorm(4), nn.BatchNorm1d(4), nn.InstanceNorm1d(4, affine=True)]
)
def test_a_normalisation_keeps_its_own(layer):
    assert {p.role for p in read(layer).params} == {"kept"}


def test_a_frozen_parameter_is_kept():
    layer = nn.Linear(3, 2)
    layer.weight.requires_grad_(False)
    assert [(p.path, p.role) for p in read(layer).params] == [("weight", "kept"), ("bias", "bias")]


def test_names_that_collide_without_their_wrappers_are_refused():
    model = nn.ModuleDict({"fc": nn.Linear(2, 2), "module": nn.ModuleDict({"fc": nn.Linear(2, 2)})})
    with pytest.raises(ModelError, match=r"Two parameters are called `fc\.weight` once wrappers are stripped"):
        read(model)


def test_layers_not_known_yet_are_named_not_guessed():
    model = nn.Sequential(nn.LSTM(3, 4), nn.Embedding(5, 3), nn.LazyLinear(2, bias=False))
    with pytest.raises(ModelError) as error:
        read(model)
    assert str(error.value) == (
        "Initium does not know yet what these parameters do:\n"
        "  0.weight_ih_l0  (LSTM)\n  0.weight_hh_l0  (LSTM)\n  0.bias_ih_l0  (LSTM)\n  0.bias_hh_l0  (LSTM)\n"
        "  1.weight  (Embedding)\n  ... and 1 more\n"
        "Only `framework` can start such a model, or write the layer with Linear and Conv."
    )
