"""Whether numbers can be what a layer of PyTorch's draws, and what is said of a model where they cannot."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch_edge.zoo import MODELS

import initium
from initium.torch._as_drawn import as_drawn
from initium.torch._history import history_of

LAYERS = {
    "Linear": lambda: nn.Linear(30, 64),
    "a wide Linear": lambda: nn.Linear(2000, 600),
    "Conv2d": lambda: nn.Conv2d(8, 32, 3, groups=2),
    "ConvTranspose2d": lambda: nn.ConvTranspose2d(16, 24, 3, groups=2),
    "Bilinear": lambda: nn.Bilinear(6, 20, 10),
    "LSTM": lambda: nn.LSTM(12, 20, 2, proj_size=7, bidirectional=True),
    "GRUCell": lambda: nn.GRUCell(12, 20),
    "MultiheadAttention": lambda: nn.MultiheadAttention(32, 4, add_bias_kv=True),
    "MultiheadAttention of three": lambda: nn.MultiheadAttention(32, 4, kdim=20, vdim=24),
    "Embedding": lambda: nn.Embedding(60, 40, padding_idx=3),
    "EmbeddingBag": lambda: nn.EmbeddingBag(60, 40),
}


def said_of(model):
    named = [(module, name, value) for module in model.modules() for name, value in module.named_parameters("", False)]
    return [as_drawn(*one) for one in named if not bool((one[2] == one[2].flatten()[0]).all())]


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_what_a_layer_draws_is_as_drawn(layer, dtype):
    torch.manual_seed(0)
    for _ in range(20):
        made = LAYERS[layer]().to(dtype)
        assert set(said_of(made)) <= {"drawn", "unknown"}
        assert set(said_of(made.float())) <= {"drawn", "unknown"}  # rounded once, it has more bytes again


@pytest.mark.parametrize("layer", [name for name in LAYERS if "Embedding" not in name])
def test_what_moved_since_is_told(layer):
    torch.manual_seed(0)
    made = LAYERS[layer]()
    largest = max((value for value in made.parameters()), key=torch.numel)
    place = next(
        (module, name) for module in made.modules() for name, one in module._parameters.items() if one is largest
    )
    with torch.no_grad():
        largest.mul_(1 + 0.02 * torch.randn(largest.shape))
    assert as_drawn(*place, largest) == ("moved" if largest.numel() >= 500 else "otherwise")


@pytest.mark.parametrize(
    "draw", [nn.init.kaiming_uniform_, nn.init.orthogonal_, lambda w: nn.init.normal_(w, std=1 / (3 * 300) ** 0.5)]
)
def test_another_draw_is_another_even_of_the_same_size(draw):
    torch.manual_seed(0)
    made = nn.Linear(300, 200)
    draw(made.weight)
    assert as_drawn(made, "weight", made.weight) == "otherwise"


def test_a_table_of_another_std_is_another():
    torch.manual_seed(0)
    table = nn.Embedding(60, 40)
    assert as_drawn(table, "weight", table.weight * 1.2) == "otherwise"


def mlp():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))


def without_biases():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(30, 64, bias=False), nn.ReLU(), nn.Linear(64, 20, bias=False))


def fitted(model, **how):
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, **how)
    batch = torch.linspace(-2, 2, 64 * 30).sin().reshape(64, 30)
    for _ in range(10):
        optimizer.zero_grad()
        model(batch).square().sum().backward()
        optimizer.step()
    optimizer.zero_grad()
    return model


def by_data(build):
    model, other = build(), fitted(build())
    for value, taken in zip(model.parameters(), other.parameters(), strict=True):
        value.data = taken.data
    return model


def by_assignment(build):
    with torch.device("meta"):
        model = build()
    model.load_state_dict(fitted(build()).state_dict(), assign=True)
    return model


def by_vector(build):
    model = build()
    flat = nn.utils.parameters_to_vector(fitted(build()).parameters()).detach()
    nn.utils.vector_to_parameters(flat, model.parameters())
    return model


def by_parameters(build):
    model = build()
    for module, other in zip(model.modules(), fitted(build()).modules(), strict=True):
        for name, value in [*other.named_parameters("", False)]:
            setattr(module, name, nn.Parameter(value.detach().clone()))
    return model


WAYS = {
    ".data": by_data,
    "assign": by_assignment,
    "vector": by_vector,
    "parameters": by_parameters,
    "fused": lambda build: fitted(build(), fused=True),
    "foreach": lambda build: fitted(build(), foreach=True),
    "copied": lambda build: copy.deepcopy(fitted(build())),
    "pickled": lambda build: pickle.loads(pickle.dumps(fitted(build()))),
    "converted": lambda build: fitted(build()).bfloat16(),
}
FRESH = {
    "copied": copy.deepcopy,
    "pickled": lambda model: pickle.loads(pickle.dumps(model)),
    "half": lambda model: model.half(),
    "double": lambda model: model.double(),
    "rounded": lambda model: model.bfloat16().float(),
    "shared": lambda model: model.share_memory(),
}


def lost(model):
    return [note for note in initium.plan(model, "he").notes if ", and started anew: " in note]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("build", [mlp, without_biases])
def test_whatever_way_trained_numbers_came_in_by_they_are_not_written_over_in_silence(build, way):
    assert lost(WAYS[way](build))


@pytest.mark.parametrize("way", FRESH)
@pytest.mark.parametrize("build", [mlp, without_biases])
def test_a_new_model_is_new_however_it_was_copied(build, way):
    assert not lost(FRESH[way](build()))


@pytest.mark.parametrize("way", [".data", "vector", "fused", "foreach"])
def test_what_initium_filled_and_somebody_wrote_since_is_told_though_no_version_rises(way):
    def build():
        model = mlp()
        initium.initialize(model, 0, "torch")
        return model

    assert lost(build()) == []
    assert lost(build().bfloat16()) == []
    (note,) = lost(WAYS[way](build))
    assert note.startswith("trained or loaded before (written since Initium filled it: `0,2,4.weight`, ")


@pytest.mark.parametrize("name", [name for name, model in MODELS.items() if not model.full])
def test_a_new_model_of_the_zoo_is_new(name):
    torch.manual_seed(0)
    found = history_of(MODELS[name].builder())
    assert (found["trained"], found["written"]) == ("", ())
