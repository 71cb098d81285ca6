"""The batch that a model is diagnosed on: what is made up has room, and what is given is understood or refused."""

import collections
import itertools
import warnings

import numpy as np
import pytest
import torch
from torch import nn

import initium
from initium import ModelError
from initium.torch._diagnose import _batch
from initium.torch._diagnose._room import bytes_per_sample
from initium.torch._inputs import Inputs


def generator():
    """A DCGAN's generator, of 64 x 64 images."""
    widths, layers = [100, 256, 128, 64, 32], []
    for place, (i, o) in enumerate(itertools.pairwise(widths)):
        layers += [nn.ConvTranspose2d(i, o, 4, 2 if place else 1, 1 if place else 0), nn.BatchNorm2d(o), nn.ReLU()]
    return nn.Sequential(*layers, nn.ConvTranspose2d(32, 3, 4, 2, 1), nn.Tanh())


def net():
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))


def test_a_generator_is_given_one_pixel_and_not_an_image():
    assert "`input` float32 (32, 100, 1, 1)" in initium.diagnose(generator(), quick=True).notes[0]


def test_the_room_that_a_sample_takes_is_what_its_layers_give():
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 4, 3, padding=1, stride=2))
    assert bytes_per_sample(model, Inputs((torch.zeros(2, 3, 16, 16),))) == 4 * 256 * (3 + 8 + 1)


def test_made_up_inputs_have_as_many_samples_as_there_is_room_for(monkeypatch):
    model = nn.Conv2d(3, 8, 3, padding=1)
    size = 4 * 224 * 224 * (3 + 8)
    for room, shape in ((5 * size, "(5, 3, 224, 224)"), (size - 1, "(12, 3, 64, 64)")):
        monkeypatch.setattr(_batch, "MOST", room)
        assert shape in initium.diagnose(model).notes[0]
    monkeypatch.setattr(_batch, "MOST", 1000)
    with pytest.raises(ModelError, match=r"Pass inputs=.* one sample alone takes 2\.2 MB\.$"):
        initium.diagnose(model)


def test_no_more_samples_are_made_than_are_run():
    assert "(3, 3, 224, 224)" in initium.diagnose(nn.Conv2d(3, 8, 3), micro_batch=3, quick=True).notes[0]


def test_an_input_that_is_empty_beside_others_is_let_be():
    class Graph(TwoInputs):
        def forward(self, x, weird):
            return self.fc(x) + weird.sum()

    assert initium.diagnose(Graph(), (torch.randn(3, 4), torch.zeros(0, 2))).is_healthy


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x, weird):
        return self.fc(x)


def test_numpys_own_dtype_is_cast_and_told():
    found = initium.diagnose(net(), np.random.default_rng(0).normal(size=(6, 8)))
    assert found.notes == ("NumPy's float64 was cast to the model's float32",)
    assert initium.diagnose(net().double(), np.ones((6, 8))).notes == ()
    assert "cast to the model's float32" in str(initium.diagnose(net(), {"input": np.eye(8)}, recipe="auto"))


@pytest.mark.parametrize(
    ("model", "inputs", "said"),
    [
        (net(), torch.ones(4, 8, dtype=torch.uint8), "these are uint8: pass x.to(torch.float32)."),
        (net(), torch.ones(4, 8, dtype=torch.double), "these are float64: pass x.to(torch.float32)."),
        (net().half(), torch.ones(4, 8), "The model's numbers are float16, and these are float32: pass x.to("),
        (net(), torch.ones(0, 8), "The inputs hold no sample: `input` float32 (0, 8). Pass a batch of some."),
        (net(), [torch.ones(4, 8)] * 2, "`inputs` is a tensor, a tuple of arguments or a dict"),
        (net(), (torch.ones(4, 8), torch.ones(4)), "targets are passed by themselves: initium.diagnose(model, x, y)."),
        (net(), torch.full((2, 8), torch.nan), "The inputs' argument 0 holds 16 values of 16 that are NaN"),
        (TwoInputs(), None, "Initium cannot make up the input `weird` of TwoInputs.forward(x, weird). Pass inputs=..."),
    ],
)
def test_what_a_model_does_not_take_is_refused_by_what_to_pass(model, inputs, said):
    with pytest.raises(ModelError) as error:
        initium.diagnose(model, inputs)
    assert said in str(error.value)
    assert "xample" not in str(error.value)


def test_what_is_tried_of_made_up_inputs_warns_nobody():
    class OfDict(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 4)

        def forward(self, batch):
            return self.fc(batch["x"])

    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with pytest.raises(ModelError, match="cannot make up the input `batch`"):
            initium.diagnose(OfDict())
    assert not seen


class Making(collections.OrderedDict):
    """A table that makes what is asked of it, as one of activations does."""

    made = 0

    def __getitem__(self, key):
        Making.made += 1
        return super().__getitem__(key)


TABLE = Making(relu=nn.ReLU, gelu=nn.GELU)


def test_a_table_of_the_models_file_is_looked_at_without_making_what_it_holds():
    class OfTable(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 4)

        def forward(self, x):
            return self.fc(x)

    initium.diagnose(OfTable(), torch.randn(3, 4))
    assert Making.made == 0
