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


REMEDY = "only_new=['PATHS'] starts those alone, and rules {'PATHS': 'keep'} leave some"


def anew(model, recipe="he", rules=()):
    """The notes of a second start, but for what it writes over, and the buffers that it wrote."""
    plan = initium.plan(model, recipe, rules=rules, example=torch.zeros(2, 16))
    notes = tuple(note for note in plan.notes if note != REMEDY and ", and started anew: " not in note)
    return notes, plan.apply(model, seed=0).buffers


def notes_of(model, recipe="he", **how):
    return initium.plan(model, recipe, example=torch.zeros(2, 16), **how).notes


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
    torch.manual_seed(0)  # one number of two bytes may look typed
    model = of(nn.PReLU())().to(dtype)
    nn.init.constant_(model[1].weight, slope)
    notes = initium.plan(model, example=torch.zeros(2, 16, dtype=dtype)).notes
    why = "(its slopes are not as they are built)"
    told = (
        f"trained before {why}, and left as it is: `1.weight`",
        f"trained or loaded before {why}, and started anew: `0,2.weight`, `0,2.bias`",
        REMEDY,
    )
    assert notes == (told if is_trained else ())


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
    notes = ("the numbers that are there stay; recipe `torch` draws what its layers would",)
    assert anew(model, "framework") == (notes, ())
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


WRITTEN = "written after their layers had drawn them, as loading, training or the model's own constructor does"


def loaded(build, **how):
    model = build()
    model.load_state_dict({name: value.clone() for name, value in build().state_dict().items()}, **how)
    return model


def stepped(build, **how):
    model = build()
    optimizer = torch.optim.AdamW(model.parameters(), **how)
    model(torch.linspace(-1, 1, 32).reshape(2, 16)).square().sum().backward()
    optimizer.step()
    optimizer.zero_grad()
    return model


def own_start(build):
    """As many a model's constructor has it: weights drawn once more, biases zero, scales one."""
    model = build()
    for name, value in model.named_parameters():
        if value.ndim > 1:
            nn.init.normal_(value, std=0.02)
        else:
            nn.init.constant_(value, float(name == "1.weight"))
    return model


@pytest.mark.parametrize(
    ("make", "written"),
    [
        (lambda build: build(), ""),
        (own_start, ""),
        (loaded, "`0,2.weight`, `0,2.bias`"),
        (stepped, "`0-2.weight`, `0-2.bias`"),
        (lambda build: stepped(build, fused=True, lr=0.5), "`0-2.weight`, `0-2.bias`"),  # which raises no version
    ],
)
def test_what_was_loaded_or_trained_is_not_written_over_in_silence(make, written):
    def build():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(16, 32), nn.LayerNorm(32), nn.Linear(32, 3))

    notes = (f"{WRITTEN}, and started anew: {written}", REMEDY) if written else ()
    assert notes_of(make(build)) == notes


def test_weights_alone_are_told_to_be_written_whoever_wrote_them():
    model = loaded(lambda: nn.Sequential(nn.Linear(16, 4, bias=False)))
    assert notes_of(model) == (f"{WRITTEN}, and started anew: `0.weight`", REMEDY)


def test_what_initium_filled_is_new_until_something_writes_it():
    build = of(nn.ReLU())
    model = build()
    for recipe in ("torch", "he", "torch"):
        assert initium.initialize(model, 0, recipe, example=torch.zeros(2, 16)).notes == ()
    model.load_state_dict(build().state_dict())
    why = "written since Initium filled it: `0,2.weight`, `0,2.bias`"
    lost = f"trained or loaded before ({why}), and started anew: `0,2.weight`, `0,2.bias`"
    assert notes_of(model) == (lost, REMEDY)


def test_what_was_put_in_the_place_of_a_record_is_told():
    build = of(nn.ReLU())
    model = initium.torch.deferred(build)
    model.load_state_dict(build().state_dict(), assign=True)
    why = "put in the place of what its constructor made: `0,2.weight`, `0,2.bias`"
    lost = f"trained or loaded before ({why}), and started anew: `0,2.weight`, `0,2.bias`"
    assert notes_of(model) == (lost, REMEDY)


def test_only_what_is_new_is_started():
    build = of(nn.ReLU())
    model = loaded(build)
    before, fresh = state(model), build()
    plan = initium.initialize(model, 0, "he", only_new="2.*")
    initium.initialize(fresh, 0, "he")
    assert [choice.because for choice in plan.choices[:2]] == ["kept, since only_new names others"] * 2
    assert plan.notes == initium.plan(build(), "he").notes  # whoever says what is new needs no word of the rest
    assert torch.equal(model[0].weight, before["0.weight"])
    assert torch.equal(model[2].weight, fresh[2].weight)
    assert notes_of(model, rules={"0.*": "keep"}) == ()
    assert initium.plan(model, only_new="*").choices == initium.plan(model).choices


@pytest.mark.parametrize(
    ("only_new", "text"),
    [
        ("head.*", "`only_new` matches no parameter by 'head.*'. Print the plan to see them all."),
        (["0.*", "a", "b"], "`only_new` matches no parameter by 'a', 'b'. Print the plan to see them all."),
        (3, "only_new is a glob of dotted names such as 'head.*', or several, not 3."),
    ],
)
def test_what_is_new_must_be_there(only_new, text):
    with pytest.raises(initium.RuleError) as error:
        initium.plan(of(nn.ReLU())(), only_new=only_new)
    assert str(error.value) == text
