import sys

import pytest
import torch
from torch import nn

from initium import ModelError, SpecError, UnknownNameError
from initium._cli import _graph_of
from initium._recipes import parse_recipe
from initium.torch import _load
from initium.torch._load import load

SOURCE = """
import torch
from torch import nn

calls = []

def plain():
    return nn.Linear(2, 3)

def looks():
    calls.append(1)
    model = nn.Linear(2, 3)
    model.weight.mean().item()
    return model

def loads():
    model = nn.Linear(1, 1)
    model.load_state_dict({"weight": torch.ones(1, 1, device="cpu"), "bias": torch.ones(1, device="cpu")})
    return model

built = nn.Linear(2, 3)

def nothing():
    return None

def fails():
    calls.append(1)
    raise RuntimeError("no")
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text(SOURCE)
    yield tmp_path
    sys.modules.pop("initium_model_nets", None)


@pytest.mark.parametrize(
    ("text", "device"),
    [
        ("nets.py:plain", "meta"),
        ("nets.py:loads", "meta"),
        ("nets.py:looks", "cpu"),  # which looks at a number, and a meta model has none
        ("nets.py:built", "cpu"),
    ],
)
def test_a_model_takes_no_memory_where_it_can_be_built_without(folder, text, device):
    model = load(text)
    assert isinstance(model, nn.Linear)
    assert model.weight.device == torch.device(device)


def test_a_class_of_a_package_is_built():
    assert len(load("torch.nn:Flatten").state_dict()) == 0


def test_a_model_of_transformers_has_its_default_configuration(monkeypatch, tmp_path):
    (tmp_path / "configured.py").write_text(
        "from torch import nn\nclass Config: width = 7\nclass Net(nn.Linear):\n    config_class = Config\n"
        "    def __init__(self, config):\n        super().__init__(config.width, 1)\n"
    )
    monkeypatch.chdir(tmp_path)
    assert load("configured.py:Net").in_features == 7
    sys.modules.pop("initium_model_configured")


def test_the_built_in_mlp_has_the_widths_it_is_named_by():
    model = load("mlp(64, 128, 10)")
    assert [type(layer).__name__ for layer in model] == ["Linear", "ReLU", "Linear"]
    assert [tuple(value.shape) for value in model.parameters()] == [(128, 64), (128,), (10, 128), (10,)]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("nets.py:nothing", ModelError, "'nets.py:nothing' gave a NoneType, not a torch.nn.Module."),
        ("nets.py:fails", ModelError, "`fails` of 'nets.py' fails: RuntimeError: no (nets.py, line 28)"),
        (
            "cnn(3)",
            UnknownNameError,
            "No built-in model is called 'cnn'; known: mlp. Your own is named as 'file.py:function'.",
        ),
        ("mlp", SpecError, "'mlp': an mlp is named by the widths of its layers, as in `mlp(64, 128, 10)`."),
        ("mlp(3, 0)", SpecError, "'mlp(3, 0)': an mlp is named by the widths of its layers, as in `mlp(64, 128, 10)`."),
    ],
)
def test_what_is_no_model_is_one_message(folder, text, error, message):
    with pytest.raises(error) as told:
        load(text)
    assert str(told.value) == message


def test_a_model_is_built_again_only_if_it_failed_without_memory(folder):
    load("nets.py:looks")
    assert len(sys.modules["initium_model_nets"].calls) == 2
    load("nets.py:plain")
    assert sys.modules["initium_model_nets"].calls == []


CHOOSES = """
from torch import nn

class Net(nn.Linear):
    def forward(self, x):
        return super().forward(x if x.sum() > 0 else -x)

def build():
    return Net(8, 2)
"""


@pytest.fixture
def chooses(tmp_path, monkeypatch):
    (tmp_path / "chooses.py").write_text(CHOOSES)
    monkeypatch.chdir(tmp_path)
    yield "chooses.py:build"
    sys.modules.pop("initium_model_chooses")


def test_a_model_that_needs_numbers_to_run_is_built_with_them(chooses):
    graph = _graph_of(chooses, parse_recipe("auto"), inputs=torch.ones(2, 8))
    assert graph.is_traced
    assert graph.params[0].use.fed_by == "data"
    assert load(chooses, with_numbers=True).weight.device == torch.device("cpu")


def test_a_model_too_large_for_that_is_known_by_its_layers(chooses, monkeypatch):
    monkeypatch.setattr(_load, "_MOST", 3)
    graph = _graph_of(chooses, parse_recipe("auto"), inputs=torch.ones(2, 8))
    assert not graph.is_traced
    assert graph.notes[0].startswith("the layers' types speak alone")
