"""A model that was trained, started anew: what is reset, and what keeps what it learned and is named."""

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

import initium

STATISTICS = ("1.running_mean", "1.running_var", "1.num_batches_tracked")


def of(*layers):
    return lambda: nn.Sequential(nn.Linear(16, 32), *layers, nn.Linear(32, 1))


class Codes(nn.Module):
    """A temperature and a moving average that only the module itself knows, and a table that no checkpoint holds."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(16, 8)
        self.temperature = nn.Parameter(torch.tensor(0.07))
        self.register_buffer("mean", torch.zeros(8))
        self.register_buffer("places", torch.arange(8.0), persistent=False)

    def forward(self, x):
        y = self.linear(x) + self.places
        if self.training:
            self.mean.mul_(0.9).add_(0.1 * y.detach().mean(0))
        return (y - self.mean) * self.temperature.exp()


def fitted(model, *, keeps_gradients=True):
    """The model after three steps on numbers whose mean is 1 and whose std is 3."""
    optimizer = torch.optim.Adam([param for param in model.parameters() if param.requires_grad], 0.05)
    for _ in range(3):
        model(3 * torch.randn(64, 16) + 1).pow(2).mean().backward()
        optimizer.step()
        if not keeps_gradients:
            optimizer.zero_grad()
    return model


def anew(model, recipe="he", rules=()):
    """The notes of a second start, and the buffers that it wrote."""
    plan = initium.plan(model, recipe, rules=rules, example=torch.zeros(2, 16))
    return plan.notes, plan.apply(model, seed=0).buffers


def state(model):
    return {path: value.clone() for path, value in model.state_dict().items()}


@pytest.mark.parametrize("recipe", ["auto", "he", "torch", "he_normal"])
@pytest.mark.parametrize(
    "norm",
    [
        nn.BatchNorm1d(32),
        nn.BatchNorm1d(32, affine=False),
        nn.BatchNorm1d(32, momentum=None),
        nn.BatchNorm1d(32, track_running_stats=False),
        nn.LayerNorm(32),
    ],
    ids=str,
)
def test_a_second_start_is_as_the_first(norm, recipe):
    model = of(norm, nn.ReLU())()
    assert anew(model, recipe) == ((), ())
    first = state(model)
    notes, buffers = anew(fitted(model), recipe)
    assert all(torch.equal(value, first[path]) for path, value in model.state_dict().items())
    is_kept = getattr(norm, "track_running_stats", False)
    assert (notes, buffers) == ((("running statistics start anew: `1`",), STATISTICS) if is_kept else ((), ()))


@pytest.mark.parametrize(
    ("build", "keeps_gradients", "notes"),
    [
        (of(nn.PReLU()), True, ("trained before (it has gradients), and left as it is: `1.weight`",)),
        (
            of(nn.PReLU()),
            False,
            ("trained before (its slopes are not as they are built), and left as it is: `1.weight`",),
        ),
        (
            of(nn.BatchNorm1d(32), nn.PReLU()),
            False,
            (
                "running statistics start anew: `1`",
                "trained before (its normalisations have counted batches), and left as it is: `2.weight`",
            ),
        ),
        (Codes, True, ("trained before (it has gradients), and left as it is: `temperature`, `mean`",)),
        (lambda: nn.Sequential(spectral_norm(nn.Linear(16, 4)), nn.ReLU()), True, ()),
    ],
)
def test_what_keeps_what_it_learned_is_named(build, keeps_gradients, notes):
    model = build()
    assert anew(model, "auto")[0] == ()
    assert anew(model, "auto")[0] == ()  # a start is no training
    assert anew(fitted(model, keeps_gradients=keeps_gradients), "auto")[0] == notes


@pytest.mark.parametrize(("slope", "is_trained"), [(0.1, False), (0.25, False), (0.2431672, True)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_slope_that_somebody_typed_was_not_trained(slope, is_trained, dtype):
    model = of(nn.PReLU())().to(dtype)
    nn.init.constant_(model[1].weight, slope)
    notes = initium.plan(model, example=torch.zeros(2, 16, dtype=dtype)).notes
    assert notes == (
        ("trained before (its slopes are not as they are built), and left as it is: `1.weight`",) if is_trained else ()
    )


STAY = ("running statistics stay, as what is frozen or left beside them: `1`",)


@pytest.mark.parametrize("rules", [{"1.*": "framework"}, {"1.weight": "framework"}, {"[01].*": "framework"}])
def test_statistics_stay_beside_what_a_rule_leaves(rules):
    model = fitted(of(nn.BatchNorm1d(32))())
    before = state(model[1])
    assert anew(model, rules=rules) == (STAY, ())
    assert torch.equal(model[1].running_mean, before["running_mean"])


@pytest.mark.parametrize(("affine", "frozen"), [(True, 1), (False, 0)])
def test_statistics_of_what_is_frozen_stay(affine, frozen):
    model = fitted(of(nn.BatchNorm1d(32, affine=affine))())
    model[frozen].requires_grad_(False)
    before = state(model[1])
    assert anew(model) == (STAY, ())
    assert all(torch.equal(value, before[path]) for path, value in model[1].state_dict().items())


def test_a_frozen_backbone_keeps_its_statistics_and_the_head_starts_anew():
    model = nn.Sequential(of(nn.BatchNorm1d(32))(), nn.BatchNorm1d(1), nn.Linear(1, 1))
    fitted(model)
    model[0].requires_grad_(False)
    notes, buffers = anew(model)
    assert notes == (
        "running statistics start anew: `1`",
        "running statistics stay, as what is frozen or left beside them: `0.1`",
    )
    assert buffers == STATISTICS


def test_a_plan_that_starts_nothing_resets_nothing():
    model = fitted(of(nn.BatchNorm1d(32), nn.PReLU())())
    before = state(model)
    assert anew(model, "framework") == ((), ())
    assert all(torch.equal(value, before[path]) for path, value in model.state_dict().items())


def test_a_plan_that_was_made_before_the_training_resets_as_well():
    model = of(nn.BatchNorm1d(32))()
    plan = initium.plan(model, "he")
    assert plan.apply(fitted(model), seed=0).buffers == STATISTICS


def test_a_normalisation_alone_is_the_model_itself():
    notes, buffers = anew(fitted(nn.BatchNorm1d(16)))
    assert notes == ("running statistics start anew: the model itself",)
    assert buffers == ("running_mean", "running_var", "num_batches_tracked")


def test_recipe_author_starts_a_slope_and_statistics_anew():
    model = initium.torch.deferred(lambda: of(nn.BatchNorm1d(32), nn.PReLU())())
    initium.plan(model, "author").apply(model, seed=0)
    first = state(model)
    assert anew(fitted(model), "author") == (("running statistics start anew: `1`",), STATISTICS)
    assert all(torch.equal(value, first[path]) for path, value in model.state_dict().items())
