"""Parameters without elements, and of numbers that no fill writes: what is planned is what is applied."""

import pytest
import torch
from torch import nn

import initium
from initium._decisions import in_dtype
from initium._recipes._parse import by_name

DATA = "; data are taken to have second moment 1"  # said of made-up inputs

pytestmark = pytest.mark.filterwarnings("ignore:Initializing zero-element tensors is a no-op")


class Beside(nn.Module):
    """An optional part of 0 units beside the usual one, and a layer that is passed by as it has none."""

    def __init__(self):
        super().__init__()
        self.usual, self.optional = nn.Linear(8, 6), nn.Linear(8, 0)
        self.passed, self.turned = nn.Conv2d(3, 0, 3), nn.ConvTranspose2d(0, 4, 3)
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        return self.head(torch.relu(torch.cat([self.usual(x), self.optional(x)], -1)))


EMPTY = {
    "out and in": (lambda: nn.Sequential(nn.Linear(8, 0), nn.Linear(0, 4)), torch.zeros(2, 8)),
    "beside": (Beside, torch.zeros(2, 8)),
    "embedding": (lambda: nn.Sequential(nn.Embedding(5, 0), nn.Linear(0, 4)), torch.zeros(2, 3, dtype=torch.long)),
    "head": (lambda: nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8), nn.Linear(8, 0)), torch.zeros(2, 8)),
}
# These ask for something that a model must have, whatever its sizes.
ASKING = {"author", "fixup", "t_fixup", "deepnorm", "mup", "lsuv", "calibrate", "gpt2"}


@pytest.mark.parametrize("recipe", [*sorted(set(by_name()) - ASKING), "he_normal", "orthogonal", "glorot_uniform"])
@pytest.mark.parametrize("name", EMPTY)
def test_a_layer_of_no_units_starts(name, recipe):
    build, example = EMPTY[name]
    plan = initium.initialize(build(), 0, recipe, example=example)
    empty = [choice for choice in plan.choices if 0 in choice.param.shape]
    assert {(str(choice.init), choice.because, choice.rule) for choice in empty} == {
        ("zeros", "has no elements", "no elements")
    }


def test_what_is_beside_a_layer_of_no_units_starts_as_without_it():
    class Usual(nn.Module):
        def __init__(self):
            super().__init__()
            self.usual, self.head = nn.Linear(8, 6), nn.Linear(6, 3)

        def forward(self, x):
            return self.head(torch.relu(self.usual(x)))

    with_it = initium.plan(Beside(), example=torch.zeros(2, 8))
    starts = {choice.path: (choice.init, choice.because) for choice in with_it.choices}
    without = initium.plan(Usual(), example=torch.zeros(2, 8)).choices
    assert {choice.path: (choice.init, choice.because) for choice in without}.items() <= starts.items()
    assert with_it.notes == ("not used in this pass: `turned.bias`",)
    assert with_it.explain("optional.weight").splitlines()[2:5] == [
        "what         weight (Linear): Linear",
        "shape        (0, 8)",
        "axes         oi: 0 output; 8 input, summed over",
    ]


@pytest.mark.parametrize("recipe", ["auto", "author"])
@pytest.mark.parametrize("name", EMPTY)
def test_a_layer_of_no_units_is_deferred_written_and_saved(name, recipe, tmp_path):
    build, example = EMPTY[name]
    model = initium.torch.deferred(build)
    plan = initium.plan(model, recipe, example=example)
    plan.write(tmp_path / "w.safetensors", seed=0)
    assert plan.verify(tmp_path / "w.safetensors", 0)
    plan.save(tmp_path / "plan.json")
    assert initium.Plan.load(tmp_path / "plan.json") == plan
    plan.apply(model, seed=0)
    assert not any(value.is_meta for value in model.parameters())


def test_a_rule_for_a_layer_of_no_units_matches_it():
    plan = initium.plan(nn.Sequential(nn.Linear(8, 0)), "he", rules={"0.weight": "orthogonal"})
    assert [str(choice.init) for choice in plan.choices] == ["zeros", "zeros"]


class Spectral(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(8, 8, dtype=torch.cfloat) / 64)
        self.shift = nn.Parameter(torch.zeros(8, dtype=torch.cdouble))

    def forward(self, x):
        return torch.fft.irfft(torch.fft.rfft(x)[..., :8] @ self.weight + self.shift, n=16).float()


class Whole(nn.Module):
    """Frozen whole numbers and truths; and eight bits that are trained."""

    def __init__(self):
        super().__init__()
        self.places = nn.Parameter(torch.arange(4), requires_grad=False)
        self.mask = nn.Parameter(torch.ones(4, dtype=torch.bool), requires_grad=False)
        self.small = nn.Parameter(torch.ones(4, 4).to(torch.float8_e4m3fn))
        self.linear = nn.Linear(4, 4)

    def forward(self, x):
        return self.linear(x) @ self.small.float() + self.places * self.mask


def spectral():
    return nn.Sequential(Spectral(), nn.GELU(), Spectral(), nn.Linear(16, 2))


ALONE = "left as built, since a fill writes float32, float64, float16, bfloat16 alone: "
COMPLEX = ALONE + "`0,2.weight` (complex64), `0,2.shift` (complex128)"


@pytest.mark.parametrize("recipe", ["auto", "he", "he_normal", "torch"])
@pytest.mark.parametrize(
    ("build", "example", "note"),
    [(spectral, torch.zeros(2, 16), COMPLEX), (Whole, torch.zeros(2, 4), ALONE + "`small` (float8_e4m3fn)")],
    ids=["complex", "whole"],
)
def test_what_no_fill_writes_is_left_and_said_and_the_rest_starts(build, example, note, recipe):
    model = build()
    before = {path: value.clone() for path, value in model.named_parameters()}
    plan = initium.plan(model, recipe, example=example)
    assert note in plan.notes
    ledger = plan.apply(model, seed=0)
    left = {entry.path for entry in ledger.left}
    assert left == {path for path, value in before.items() if value.dtype != torch.float32}
    for path, value in model.named_parameters():
        same = torch.view_as_real(value - before[path]) if value.is_complex() else value.float() - before[path].float()
        assert bool((same == 0).all()) == (path in left)


def test_the_input_is_made_up_of_numbers_that_a_fill_writes():
    assert initium.plan(Whole()).notes[0] == "the input was made up: `x` float32 (2, 4)" + DATA


@pytest.mark.parametrize("recipe", ["auto", "author"])
def test_complex_numbers_of_a_deferred_model_are_computed_as_built(recipe):
    model = initium.torch.deferred(spectral)
    plan = initium.plan(model, recipe, example=torch.zeros(2, 16))
    because = {choice.path: choice.because for choice in plan.choices}["0.weight"]
    assert because == "rand, then div(64)" + ("" if recipe == "author" else "; complex64, which no fill writes")
    plan.apply(model, seed=0)
    assert 0 < model[0].weight.abs().max() < 0.03


def test_a_rule_that_would_draw_complex_numbers_is_refused_by_the_plan():
    with pytest.raises(initium.RuleError) as error:
        initium.plan(spectral(), rules={"*.shift": "ones"}, example=torch.zeros(2, 16))
    assert str(error.value) == (
        "A fill writes float32, float64, float16, bfloat16, and these parameters are something else:\n"
        "  0.shift  complex128, by your rule *.shift -> ones\n  2.shift  complex128, by your rule *.shift -> ones\n"
        "Leave them as built: narrow the rule, for instance with but='0.shift'."
    )
    assert initium.plan(spectral(), rules={"*.shift": "framework"}, example=torch.zeros(2, 16))


def test_the_refusal_to_write_complex_numbers_does_not_advise_what_was_done(tmp_path):
    plan = initium.plan(initium.torch.deferred(spectral), "author")
    with pytest.raises(initium.PlanError) as error:
        plan.write(tmp_path / "w.safetensors")
    assert str(error.value) == (
        "These parameters stay as a model is built, so that a plan has no numbers for them:\n"
        "  0.weight  framework (rand, then div(64))\n  2.weight  framework (rand, then div(64))\n"
        "A start draws float32, float64, float16, bfloat16, and these are something else. What no start can say is in "
        "`plan.apply(model)` alone."
    )


def test_the_command_lines_dtype_leaves_complex_numbers_as_they_are():
    """As `model.to(torch.bfloat16)` would not: it throws half of them away."""
    plan = in_dtype(initium.plan(spectral(), "he", example=torch.zeros(2, 16)), "bfloat16")
    assert {choice.param.dtype for choice in plan.choices} == {"bfloat16", "complex64", "complex128"}
