"""The rows of operations that take a weight: their places, and that one row is all a new operation needs."""

import pytest
import torch
from torch import nn

import initium
from initium._trace._operations import RECURRENT, WEIGHT_OPERATIONS, WeightOperation
from initium.torch import calibrate
from initium.torch._trace import trace

# What ATen calls the arguments at the places of a row: all that is multiplied, then what is added.
NAMES = {
    "mm": "self mat2",
    "bmm": "self mat2",
    "mv": "self vec",
    "dot": "self tensor",
    "_grouped_mm": "self mat2 bias",
    "addmm": "mat1 mat2 self",
    "baddbmm": "batch1 batch2 self",
    "addmv": "mat vec self",
    "convolution": "input weight bias",
    "_convolution": "input weight bias",
    "convolution_overrideable": "input weight bias",
    "mkldnn_convolution": "self weight bias",
    "_trilinear": "i1 i2 i3",
    "embedding": "weight indices",
    "index": "self",
    "index_select": "self",
    "gather": "self",
}


def names_of(operation):
    packet = getattr(torch.ops.aten, operation)
    return [argument.name for argument in getattr(packet, packet.overloads()[0])._schema.arguments]


def test_every_row_is_told_by_the_names_of_its_arguments():
    assert set(NAMES) == set(WEIGHT_OPERATIONS) - {RECURRENT}


@pytest.mark.parametrize("operation", NAMES)
def test_the_places_of_a_row_are_those_of_atens_schema(operation):
    row, names = WEIGHT_OPERATIONS[operation], names_of(operation)
    places = [*row.operands, *([] if row.bias is None else [row.bias])]
    assert " ".join(names[place] for place in places) == NAMES[operation]


@pytest.mark.parametrize("operation", ["convolution", "_convolution", "convolution_overrideable"])
def test_the_windows_of_a_convolution_are_those_of_atens_schema(operation):
    row, names = WEIGHT_OPERATIONS[operation], names_of(operation)
    assert [names[row.stride], names[row.transposed], names[row.groups]] == ["stride", "transposed", "groups"]


@torch.library.custom_op("toy::scaled_linear", mutates_args=())
def scaled_linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    y = 0.25 * x @ weight.T
    return y if bias is None else y + bias


@scaled_linear.register_fake
def _(x, weight, bias):
    return x.new_empty(*x.shape[:-1], len(weight))


class Toy(nn.Module):
    def __init__(self):
        super().__init__()
        self.before = nn.Linear(24, 24)
        self.weight, self.bias = nn.Parameter(torch.empty(16, 24)), nn.Parameter(torch.empty(16))
        self.after = nn.Linear(16, 4)

    def forward(self, x):
        return self.after(torch.tanh(scaled_linear(torch.relu(self.before(x)), self.weight, self.bias)))


@pytest.fixture
def row(monkeypatch):
    row = WeightOperation("dense", operands=(0, 1), weights=(1,), roles=("oi",), bias=2)
    monkeypatch.setitem(WEIGHT_OPERATIONS, "scaled_linear", row)


X = torch.randn(50, 24, generator=torch.Generator().manual_seed(0))


def test_an_operation_without_a_row_takes_no_weight():
    found = trace(Toy(), X).by_path
    assert (found["weight"].role, found["weight"].because) == ("kept", "taken in by scaled_linear")


@pytest.mark.usefixtures("row")
def test_a_row_is_all_that_the_trace_needs_of_a_new_operation():
    found = trace(Toy(), X).by_path
    weight, bias = found["weight"], found["bias"]
    assert (weight.role, weight.because, weight.axes) == ("weight", "dense", "oi")
    assert (bias.role, bias.axes, bias.bias_of) == ("bias", "o", "weight")
    use = weight.use
    assert (use.operation, use.fed_by, use.moment, use.followed_by) == ("dense", "relu", 0.5, ("tanh",))
    assert use.after == ("before.weight",)
    assert found["before.weight"].use.followed_by == ("relu",)
    assert found["after.weight"].use.after == ("weight",)


@pytest.mark.usefixtures("row")
def test_a_row_is_all_that_calibration_needs_of_a_new_operation():
    model = Toy()
    made = initium.initialize(model, seed=0, recipe="he_normal bias=3", example=X)
    found = calibrate(made, model, X)
    assert [weight.path for weight in found.weights] == ["before.weight", "weight"]
    assert [weight.after for weight in found.weights] == pytest.approx([1, 1], rel=1e-5)
    given = scaled_linear(torch.relu(model.before(X)), model.weight, None)
    assert given.square().mean().item() == pytest.approx(1, rel=1e-5)
    assert (model.bias == 3).all()
