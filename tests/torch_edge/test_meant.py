"""What an author built on purpose: constants and tables of their own code, and zeros that training moves."""

import itertools
import math

import pytest
import torch
from torch import nn
from torch.nn import functional

import initium
import initium.torch

RECIPES = ["auto", "he", "gpt2", "torch", "llama", "he_normal"]


class Net(nn.Module):
    """A function of somebody's own parameters and layers."""

    def __init__(self, function, **held):
        super().__init__()
        self.function = function
        for name, one in held.items():
            setattr(self, name, one if isinstance(one, nn.Module) else nn.Parameter(one))

    def forward(self, *inputs):
        return self.function(self, *inputs)


def zero(layer):
    """A layer with all its parameters at zero."""
    for value in layer.parameters():
        nn.init.zeros_(value)
    return layer


def x(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def layer(function, **held):
    """Somebody's own between two layers of PyTorch."""
    return nn.Sequential(nn.Linear(8, 16), Net(function, **held), nn.Linear(16, 4))


CHOSEN = {
    "a bias of softplus": (lambda s, x: functional.softplus(x + s.w), torch.full((16,), -4.6), "-4.6"),
    "a bias of logits": (lambda s, x: (x @ x.T + s.w) @ x, torch.tensor(-10.0), "-10"),
    "a bound": (lambda s, x: s.w - functional.softplus(s.w - x), torch.full((1, 16), 0.5), "0.5"),
    "a temperature, divided by": (lambda s, x: (x / s.w).softmax(-1), torch.tensor([0.07]), "0.07"),
    "a temperature, multiplied by": (lambda s, x: (x * s.w).softmax(-1), torch.tensor(14.3), "14.3"),
    "attention's scale": (lambda s, x: (x @ x.T * s.w).softmax(-1) @ x, torch.tensor([0.125]), "0.125"),
    "a mix of two tokens": (
        lambda s, x: x * s.w + x.roll(1, 0) * (1 - s.w),
        torch.linspace(0, 1, 16),
        "16 numbers from 0 to 1",
    ),
    "a zigzag": (lambda s, x: torch.exp(x + s.w), torch.arange(16) % 3 - 1.2, "16 numbers from -1.2 to 0.8"),
    "slopes of distances": (
        lambda s, x: ((x @ x.T)[None] - s.w * torch.ones(6, 6)).softmax(-1)[0] @ x,
        2.0 ** -torch.arange(1.0, 9.0).reshape(8, 1, 1),
        "8 numbers from 0.00391 to 0.5",
    ),
    "what tanh is fed by": (lambda s, x: torch.tanh(s.w * x), torch.full((1,), 0.5), "0.5"),
    "a threshold": (lambda s, x: x.sign() * functional.relu(x.abs() - s.w), torch.full((16,), 0.1), "0.1"),
    "a response that starts at none": (
        lambda s, x: x + s.w * (x * x.norm(dim=0) / x.norm(dim=0).mean()),
        torch.zeros(16),
        "0",
    ),
    "a matrix of more numbers than are all looked at": (lambda s, x: (x @ s.w[:16])[:, :16], torch.eye(1100), None),
    "scales, drawn to one side of 1": (lambda s, x: torch.tanh(x * s.w), 0.5 + 0.1 * x(16), "16 numbers around 0.488"),
    "step sizes, drawn to one side of zero": (
        lambda s, x: functional.softplus(x + s.w),
        -3 + 0.5 * x(16),
        "16 numbers around -3.06",
    ),
}


@pytest.mark.parametrize("is_deferred", [False, True])
@pytest.mark.parametrize("case", CHOSEN)
def test_numbers_that_somebody_chose_for_code_of_their_own_stay(case, is_deferred):
    function, value, words = CHOSEN[case]
    if is_deferred and "drawn" in case:
        pytest.skip("this record is of a draw made before")
    build = lambda: layer(function, w=value.clone())  # noqa: E731
    for recipe in RECIPES:
        model = initium.torch.deferred(build) if is_deferred else build()
        plan = initium.initialize(model, 0, recipe, example=x(6, 8))
        torch.testing.assert_close(model[1].w.detach(), value, rtol=0, atol=0)
        choice = plan.choices[2]
        assert (choice.path, choice.param.role) == ("1.w", "kept")
        if not is_deferred and words not in ("0", None):
            assert choice.because.startswith(f"its author's, built as {words}: ")


def test_a_rule_overrides_what_an_author_built():
    model = layer(lambda s, x: functional.softplus(x + s.w), w=torch.full((16,), -4.6))
    initium.initialize(model, 0, rules={"1.w": "zeros"}, example=x(6, 8))
    assert not model[1].w.any()


NEUTRAL_OR_DRAWN = {
    "a scale of 1": (lambda s, x: x * s.w, torch.ones(16), 1.0, "hands the signal on"),
    "a scale that is added to 1": (lambda s, x: torch.tanh(x * (1 + s.w)), torch.zeros(16), 0.0, None),
    "a shift of 0": (lambda s, x: torch.tanh(x) + s.w, torch.zeros(16), 0.0, "shift"),
    "a scale drawn around 0": (lambda s, x: x * s.w, x(16), 1.0, "hands the signal on"),
    "a scale drawn around 1": (lambda s, x: x * s.w, 1 + 0.1 * x(16), 1.0, "hands the signal on"),
    "half a scale, drawn around 2": (lambda s, x: x * (0.5 * s.w), 2 + 0.1 * x(16), 2.0, None),
    "a shift drawn around 0": (lambda s, x: torch.tanh(x) + s.w, x(16), 0.0, "shift"),
    "a norm's scale": (lambda s, x: functional.layer_norm(x, (16,), s.w), torch.full((16,), 0.3), 1.0, None),
}


@pytest.mark.parametrize("case", NEUTRAL_OR_DRAWN)
def test_what_says_nothing_or_the_graph_knows_better_starts_by_its_role(case):
    function, value, start, because = NEUTRAL_OR_DRAWN[case]
    model = layer(function, w=value.clone())
    plan = initium.initialize(model, 0, example=x(6, 8))
    assert (model[1].w == start).all()
    if because:
        assert plan.choices[2].because == because


def test_what_was_trained_since_and_what_was_never_written_start_by_their_role():
    model = layer(lambda s, x: torch.tanh(x * s.w), w=torch.full((16,), 0.5))
    model(x(6, 8)).sum().backward()
    plan = initium.plan(model, example=x(6, 8))
    assert str(plan.choices[2].init) == "ones"
    assert "trained since they were built, so that their role alone says how these start: `1.w`" in plan.notes
    deferred = initium.torch.deferred(lambda: layer(lambda s, x: torch.tanh(x * s.w), w=torch.empty(16)))
    plan = initium.plan(deferred, example=x(6, 8))
    assert str(plan.choices[2].init) == "ones"
    assert "never written by their constructor, so that their role alone says how these start: `1.w`" in plan.notes
    plan = initium.plan(layer(lambda s, x: torch.tanh(x * s.w), w=torch.full((16,), 0.5)).to("meta"))
    assert (
        "on meta without a record of what they were built with (initium.torch.deferred keeps one), so that their role "
        "alone says how these start: `1.w`"
    ) in plan.notes


def test_the_size_of_noise_on_a_weight_stays_and_the_weight_is_drawn():
    bound = 8**-0.5
    noise = x(16, 8)
    model = nn.Sequential(
        Net(lambda s, x: x @ (s.mu + s.sigma * noise).T, mu=x(16, 8) * bound, sigma=torch.full((16, 8), 0.5 * bound)),
        nn.ReLU(),
        nn.Linear(16, 2),
    )
    initium.initialize(model, 0, example=x(6, 8))
    assert (model[0].sigma == 0.5 * bound).all()
    assert model[0].mu.std().item() == pytest.approx(bound, rel=5 / math.sqrt(2 * 128))


def test_a_matrix_that_is_the_same_everywhere_is_drawn_where_it_is_alone():
    model = layer(lambda s, x: x @ s.w, w=torch.ones(16, 16))
    initium.initialize(model, 0, example=x(6, 8))
    assert model[1].w.unique().numel() == 256
    model = layer(lambda s, x: x @ s.w, w=torch.eye(16))
    initium.initialize(model, 0, example=x(6, 8))
    assert (model[1].w == torch.eye(16)).all()


def a_blur():
    layers = nn.Sequential(nn.Conv2d(1, 8, 3), nn.Conv2d(8, 8, 3, groups=8), nn.Flatten(), nn.Linear(32, 2))
    nn.init.constant_(layers[1].weight, 1 / 9)
    return layers


def an_identity():
    layers = nn.Sequential(nn.Linear(36, 9), nn.Linear(9, 9), nn.Linear(9, 2))
    nn.init.eye_(layers[1].weight)
    return nn.Sequential(nn.Flatten(), *layers)


@pytest.mark.parametrize("is_deferred", [False, True])
@pytest.mark.parametrize(
    ("build", "told"), [(a_blur, "`1.weight` (0.1111)"), (an_identity, "`2.weight` (81 numbers from 0 to 1)")]
)
def test_a_layers_weight_that_was_built_otherwise_starts_anew_and_is_named(build, told, is_deferred):
    plan = initium.plan(initium.torch.deferred(build) if is_deferred else build(), example=x(2, 1, 6, 6))
    path = told.split("`")[1]
    assert plan.notes == (
        f"started anew though built with numbers that are no draw: {told}; {{'{path}': 'framework'}} keeps it",
    )


def test_what_layers_draw_is_not_named():
    torch.manual_seed(0)
    widths = [1, 8, 1, 3, 9, 3, 1, 2, 2, 4, 2, 64] * 9
    model = nn.Sequential(*[nn.Linear(*pair) for pair in itertools.pairwise(widths)])
    assert not [note for note in initium.plan(model, example=x(3, 1)).notes if "built" in note]


@pytest.mark.parametrize("recipe", ["auto", "he", "torch"])
def test_a_layers_bias_that_was_built_otherwise_starts_anew_and_is_named(recipe):
    model = nn.Sequential(nn.Linear(8, 16), nn.Sigmoid(), nn.Linear(16, 4), nn.Linear(4, 2))
    nn.init.constant_(model[0].bias, -2.0)
    with torch.no_grad():
        model[2].bias.copy_(torch.tensor([0.0, 3.0, 0.0, 0.0]))
    plan = initium.initialize(model, 0, recipe, example=x(6, 8))
    assert model[0].bias.mean() > -1
    assert [note for note in plan.notes if "draw" in note] == [
        "started anew though built with numbers that are no draw: `0.bias` (-2), `2.bias` (4 numbers from 0 to 3); "
        "{'0.bias': 'framework'} keeps it"
    ]
    kept = initium.plan(model, recipe, example=x(6, 8), rules={"*.bias": "framework"})
    assert not [note for note in kept.notes if "draw" in note]


def coupled(self, x):
    a, b = x.chunk(2, -1)
    shift, scale = self.last(torch.tanh(self.first(a))).chunk(2, -1)
    return torch.cat([a, b * scale.exp() + shift], -1), scale.sum(-1)


def modulated(self, x):
    shift, scale, gate = self.zero(functional.silu(self.condition(x))).chunk(3, -1)
    inner = functional.layer_norm(x, (8,)) * (1 + scale) + shift
    return self.head(x + gate * self.second(functional.gelu(self.first(inner))))


def rows(x):
    return x[:, 0].abs().long()


ON_PURPOSE = {
    "an adapter on a frozen base": lambda: Net(
        lambda s, x: s.base(x) + 2 * s.up(s.down(x)),
        base=nn.Linear(8, 8).requires_grad_(False),
        down=nn.Linear(8, 2),
        up=zero(nn.Linear(2, 8)),
    ),
    "a convolution beside another": lambda: Net(
        lambda s, x: s.last(functional.relu(s.main(x[..., None]) + s.zero(x[..., None]))).mean(-1),
        main=nn.Conv1d(8, 4, 1),
        zero=zero(nn.Conv1d(8, 4, 1)),
        last=nn.Conv1d(4, 2, 1),
    ),
    "gates that modulate": lambda: Net(
        modulated,
        condition=nn.Linear(8, 8),
        zero=zero(nn.Linear(8, 24)),
        first=nn.Linear(8, 16),
        second=nn.Linear(16, 8),
        head=nn.Linear(8, 2),
    ),
    "a flow's last layer": lambda: Net(coupled, first=nn.Linear(4, 16), last=zero(nn.Linear(16, 8))),
    "the last weight of a branch": lambda: Net(
        lambda s, x: s.head(x + s.second(functional.relu(s.first(x)))),
        first=nn.Linear(8, 16),
        second=zero(nn.Linear(16, 8)),
        head=nn.Linear(8, 2),
    ),
    "a branch's own scale": lambda: Net(
        lambda s, x: s.head(x + s.scale * s.inner(x)),
        scale=torch.zeros(1),
        inner=nn.Linear(8, 8),
        head=nn.Linear(8, 2),
    ),
    "a norm at the end of a branch": lambda: Net(
        lambda s, x: s.head(functional.relu(x + s.norm(s.inner(x)))),
        inner=nn.Linear(8, 8),
        norm=zero(nn.BatchNorm1d(8)),
        head=nn.Linear(8, 2),
    ),
    "two convolutions of zeros in a row, beside a frozen base": lambda: Net(
        lambda s, x: s.base(x) + s.last(functional.gelu(s.copy(x + s.first(x)))),
        base=nn.Linear(8, 8).requires_grad_(False),
        copy=nn.Linear(8, 8),
        first=zero(nn.Linear(8, 8)),
        last=zero(nn.Linear(8, 8)),
    ),
    "the looked-up factor of an adapter": lambda: Net(
        lambda s, x: s.head(s.base(rows(x)) + functional.embedding(rows(x), s.down.T) @ s.up.T),
        base=nn.Embedding(30, 16).requires_grad_(False),
        down=torch.zeros(4, 30),
        up=x(16, 4),
        head=nn.Linear(16, 3),
    ),
    "queries": lambda: Net(
        lambda s, x: s.head((s.query(x) @ s.key(x).T).softmax(-1) @ s.value(x)),
        query=zero(nn.Linear(8, 8)),
        key=nn.Linear(8, 8),
        value=nn.Linear(8, 8),
        head=nn.Linear(8, 2),
    ),
}


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("case", ON_PURPOSE)
def test_zeros_that_training_moves_stay(case, recipe):
    model = ON_PURPOSE[case]()
    zeros = [path for path, value in model.named_parameters() if value.ndim > 1 and not value.any()]
    zeros = zeros or [path for path, value in model.named_parameters() if path in ("scale", "norm.weight")]
    before = model.eval()(x(6, 8))
    plan = initium.initialize(model, 0, recipe, example=x(6, 8))
    assert all(not model.get_parameter(path).any() for path in zeros)
    reasons = {choice.path: choice.because for choice in plan.choices}
    assert {reasons[path] for path in zeros} == {"zero on purpose: training moves it"}
    if "frozen base" in case:
        torch.testing.assert_close(model.eval()(x(6, 8)), before, rtol=0, atol=0)
    for _ in range(2):  # of two in a row the last moves first
        outputs = model.train()(x(6, 8))
        sum(one.sin().sum() for one in (outputs if isinstance(outputs, tuple) else [outputs])).backward()
        with torch.no_grad():
            [value.add_(value.grad) for value in model.parameters() if value.grad is not None]
    assert all(model.get_parameter(path).any() for path in zeros)


def net(*zeros):
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 2))
    for index in zeros:
        zero(model[index])
    return model


def both_zero():
    model = ON_PURPOSE["an adapter on a frozen base"]()
    zero(model.down)
    return model


@pytest.mark.parametrize(
    ("build", "drawn", "note"),
    [
        (lambda: net(2), ["2.weight"], "`2.weight` (0, where nothing could be trained)"),
        (lambda: net(0), ["0.weight"], "`0.weight` (0, where nothing could be trained)"),
        (lambda: net(0, 2), ["0.weight", "2.weight"], None),
        (lambda: net(0, 2, 4), ["0.weight", "2.weight", "4.weight"], None),
        (both_zero, ["down.weight"], "`down.weight` (0, where nothing could be trained)"),
    ],
)
def test_zeros_that_would_stop_signals_or_gradients_are_drawn_and_named(build, drawn, note):
    model = build()
    plan = initium.initialize(model, 0, example=x(6, 8))
    assert all(model.get_parameter(path).all() for path in drawn)
    told = [line for line in plan.notes if line.startswith("started anew")]
    assert not note or told == [
        f"started anew though built with numbers that are no draw: {note}; {{'{drawn[0]}': 'framework'}} keeps it"
    ]
    model(x(6, 8)).sin().sum().backward()
    moved = [path for path, value in model.named_parameters() if value.requires_grad and path.endswith("weight")]
    # At the first step what lies before an adapter's last weight has no gradient yet.
    assert all(model.get_parameter(path).grad.any() for path in moved if path != "down.weight")


def returned(self, x):
    return self.mean(x), self.log_std.exp().expand(len(x), 3)


KEPT_BESIDE = {
    "returned": (Net(returned, mean=nn.Linear(8, 3), log_std=torch.full((1, 3), -0.5)), "log_std", "-0.5"),
    "not used": (Net(lambda s, x: s.a(x), a=nn.Linear(8, 3), mask=torch.zeros(1, 1, 8)), "mask", "0"),
    "in a list": (
        Net(lambda s, x: (s.a(x) / s.t[0]).softmax(-1), a=nn.Linear(8, 3), t=nn.ParameterList([torch.tensor(5.0)])),
        "t.0",
        "5",
    ),
    "a matrix with repeats": (
        Net(
            lambda s, x: s.a(x) @ s.moves, a=nn.Linear(8, 3), moves=torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
        ),
        "moves",
        "9 numbers from -2 to 2",
    ),
}


@pytest.mark.parametrize("case", KEPT_BESIDE)
def test_what_the_pass_does_not_tell_of_and_what_lies_in_containers_stays_too(case):
    model, path, words = KEPT_BESIDE[case]
    before = model.get_parameter(path).detach().clone()
    plan = initium.initialize(model, 0, example=x(6, 8))
    assert (model.get_parameter(path) == before).all()
    because = next(choice.because for choice in plan.choices if choice.path == path)
    assert because.startswith(f"its author's, built as {words}: ")


def test_what_a_layer_of_somebody_drew_is_drawn_anew_however_small():
    class Own(nn.Module):
        def __init__(self, inputs, outputs):
            super().__init__()
            self.weight, self.bias = nn.Parameter(torch.empty(outputs, inputs)), nn.Parameter(torch.empty(outputs))
            nn.init.kaiming_uniform_(self.weight)
            nn.init.uniform_(self.bias, -(inputs**-0.5), inputs**-0.5)

        def forward(self, x):
            return functional.linear(x, self.weight, self.bias)

    for seed in range(5):
        torch.manual_seed(seed)
        plan = initium.plan(nn.Sequential(Own(8, 2), nn.Tanh(), Own(2, 2), nn.Tanh(), Own(2, 1)), example=x(6, 8))
        assert not [choice.path for choice in plan.choices if choice.how == "kept"]
    assert not initium.plan(Net(lambda s, x: s.b(x, x), b=nn.Bilinear(8, 8, 1)), example=x(6, 8)).notes


def test_two_zeros_that_hold_each_other_are_not_both_kept():
    model = Net(
        lambda s, x: s.head(s.inner(x) * s.a * s.b),
        inner=nn.Linear(8, 8),
        a=torch.zeros(8),
        b=torch.zeros(8),
        head=nn.Linear(8, 2),
    )
    initium.initialize(model, 0, example=x(6, 8))
    model(x(6, 8)).sum().backward()
    assert model.a.grad.any() or model.b.grad.any()
    model = Net(
        lambda s, x: s.head(functional.relu(s.inner(x) * s.gate)),
        inner=nn.Linear(8, 8),
        gate=torch.zeros(8),
        head=nn.Linear(8, 2),
    )
    initium.initialize(model, 0, example=x(6, 8))
    assert model.gate.all()


def test_the_bias_of_a_weight_that_is_zero_on_purpose_stays_as_it_was_built():
    layer = zero(nn.Linear(8, 6))
    with torch.no_grad():
        layer.bias.copy_(torch.tensor([1.0, 0, 0, 0, 1, 0]))

    def turned(self, x):
        places = functional.affine_grid(self.place(x.flatten(1)[:, :8]).view(-1, 2, 3), x.shape, align_corners=False)
        return self.head(functional.grid_sample(x, places, align_corners=False).flatten(1))

    model = Net(turned, place=layer, head=nn.Linear(16, 2))
    initium.initialize(model, 0, example=torch.randn(2, 1, 4, 4))
    assert layer.bias.tolist() == [1, 0, 0, 0, 1, 0]


@pytest.mark.parametrize(
    ("function", "held"),
    [
        (lambda s, x: x @ torch.einsum("ir,ro->io", s.a, s.b), {"a": x(8, 3), "b": x(3, 16)}),
        (lambda s, x: x * (x @ s.a[0])[:, None] + s.b[0], {"a": x(2, 8), "b": torch.zeros(2, 8)}),
        (lambda s, x: x @ (s.a + 1j * s.b).real, {"a": x(8, 16), "b": x(8, 16)}),
    ],
)
@pytest.mark.parametrize("recipe", ["auto", "he", "torch"])
def test_a_form_without_axes_of_its_own_costs_no_more_than_its_own_start(function, held, recipe):
    last = nn.LazyLinear(2)
    model = Net(function, **held)
    plan = initium.initialize(nn.Sequential(model, nn.ReLU(), last), 0, recipe, example=x(6, 8))
    assert not [note for note in plan.notes if "layers' types speak alone" in note]


def test_draws_in_bfloat16_repeat_and_are_draws_still():
    model = layer(lambda s, x: torch.tanh(x * s.w), w=torch.ones(1))
    model[1].w = nn.Parameter(torch.randn(2048, generator=torch.Generator().manual_seed(0)).bfloat16())
    model[0], model[2] = nn.Linear(8, 2048).bfloat16(), nn.Linear(2048, 4).bfloat16()
    plan = initium.plan(model, example=x(6, 8).bfloat16())
    assert (str(plan.choices[2].init), plan.choices[2].because) == ("ones", "hands the signal on")


@pytest.mark.parametrize("num", [40, 200, 20_000])  # 20,000 rows are told by a part
@pytest.mark.parametrize("draw", ["normal_", "uniform_"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_draws_that_were_rounded_to_two_bytes_are_draws_still(dtype, draw, num):
    model = nn.Sequential(nn.Embedding(num, 64), Net(lambda s, x: functional.linear(x, s.w), w=torch.empty(64, 64)))
    for value in model.parameters():
        getattr(value.data, draw)(-0.1, 0.1, generator=torch.Generator().manual_seed(0))
        value.data = value.data.to(dtype).float()
    roles = {choice.path: choice.param.role for choice in initium.plan(model, example=torch.arange(6)).choices}
    assert roles == {"0.weight": "embedding", "1.w": "weight"}


def test_a_small_bias_to_one_side_is_what_a_layer_draws():
    model = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 2))
    nn.init.uniform_(model[0].bias, 0.0, 0.3)
    written, _ = initium.plan(model, example=x(6, 8)).notes  # in place, as loading does; it is not said to be built so
    assert written.startswith("written after their layers had drawn them")


def test_positions_that_are_drawn_to_one_side_start_as_positions():
    places = torch.rand(1, 6, 16, generator=torch.Generator().manual_seed(0))
    model = nn.Sequential(nn.Linear(8, 16), Net(lambda s, x: x + s.w, w=places), nn.Linear(16, 4))
    choice = initium.plan(model, example=x(2, 6, 8)).choices[2]
    assert (choice.path, choice.param.role, str(choice.init)) == ("1.w", "position", "normal(std=0.02)")


def waves(num, width):
    angles = torch.arange(num)[:, None] * 1e4 ** -torch.linspace(0, 1, width // 2)
    return torch.cat([angles.sin(), angles.cos()], 1)


@pytest.mark.parametrize("num", [6, 50, 200])
def test_positions_that_are_waves_stay_in_a_parameter_and_in_a_table(num):
    def places(s, x):
        return x + s.raw + s.table(torch.arange(num))

    own = Net(places, raw=waves(num, 64), table=nn.Embedding.from_pretrained(waves(num, 64), freeze=False))
    plan = initium.plan(nn.Sequential(nn.Linear(8, 64), own, nn.Linear(64, 4)), example=x(2, num, 8))
    roles = {choice.path: choice.param.role for choice in plan.choices}
    assert (roles["1.raw"], roles["1.table.weight"]) == ("kept", "kept")
    nn.init.normal_(own.raw)
    nn.init.normal_(own.table.weight)
    plan = initium.plan(nn.Sequential(nn.Linear(8, 64), own, nn.Linear(64, 4)), example=x(2, num, 8))
    roles = {choice.path: choice.param.role for choice in plan.choices}
    assert (roles["1.raw"], roles["1.table.weight"]) == ("position", "position")


def test_of_zeros_only_those_that_stop_a_signal_are_drawn():
    adapter = ON_PURPOSE["an adapter on a frozen base"]()
    model = nn.Sequential(adapter, zero(nn.Linear(8, 16)), nn.Tanh(), nn.Linear(16, 2))
    initium.initialize(model, 0, example=x(6, 8))
    assert not adapter.up.weight.any()
    assert model[1].weight.all()


def test_zeros_that_are_added_to_one_stop_no_signal():
    model = Net(
        lambda s, x, c: s.head(functional.relu(s.first(x) * (1 + s.zero(c)))),
        first=nn.Linear(8, 16),
        zero=zero(nn.Linear(4, 16)),
        head=nn.Linear(16, 2),
    )
    plan = initium.initialize(model, 0, example=(x(6, 8), x(6, 4)))
    assert not model.zero.weight.any()
    assert not plan.notes


def test_a_table_of_zeros_that_all_else_reads_is_drawn_and_named():
    model = nn.Sequential(zero(nn.Embedding(10, 8)), nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 2))
    plan = initium.initialize(model, 0, example=torch.arange(6)[None])
    assert model[0].weight.all()
    assert "`0.weight` (0, where nothing could be trained)" in plan.notes[-1]


def a_size(bias):
    """A layer whose output a softplus makes a size."""
    first = nn.Linear(8, 64)
    if bias is not None:
        first.bias = nn.Parameter(bias.clone())
    return nn.Sequential(first, nn.Softplus(), nn.Linear(64, 4))


STEPS = torch.linspace(-6.9, -2.3, 64)
SIZES = [
    (torch.full((64,), -4.6), "its author's, built as -4.6: a softplus makes it a size"),
    (STEPS, "its author's, built as 64 numbers from -6.9 to -2.3: a softplus makes it a size"),
    (torch.zeros(64), "bias"),
    (None, "bias"),
]


@pytest.mark.parametrize(("bias", "because"), SIZES)
def test_a_bias_that_a_softplus_makes_a_size_stays_where_somebody_chose_it(bias, because):
    plan = initium.plan(a_size(bias), example=x(6, 8))
    assert (plan.choices[1].because, plan.choices[1].how == "kept") == (because, because != "bias")
    deferred = initium.torch.deferred(lambda: a_size(bias))
    plan = initium.initialize(deferred, 0, example=x(6, 8))
    assert plan.notes == ()
    assert deferred[0].bias.tolist() == (torch.zeros(64) if bias is None else bias).tolist()
    (note,) = initium.plan(a_size(bias).to("meta")).notes[1:]
    assert note == (
        "on meta without a record of what they were built with (initium.torch.deferred keeps one), so that their role "
        "alone says how these start: `0.bias`"
    )


@pytest.mark.parametrize(("size", "role"), [(0.1, "kept"), (1.0, "scale"), (0.0, "kept")])
@pytest.mark.parametrize("is_one_layer", [False, True])
def test_a_step_that_several_branches_share_is_its_authors(size, role, is_one_layer):
    def steps(self, x):
        for layer in self.layers:
            x = x + self.step * torch.tanh(layer(x))
        return self.head(x)

    layers = nn.ModuleList([nn.Linear(8, 8)] * 4 if is_one_layer else [nn.Linear(8, 8) for _ in range(4)])
    model = Net(steps, layers=layers, step=torch.tensor(size), head=nn.Linear(8, 3))
    plan = initium.initialize(model, 0, example=x(6, 8))
    assert plan.choices[0].param.role == role
    shared = 0.25 if is_one_layer else 0.5  # what one layer adds agrees from step to step
    assert model.step.item() == (shared if role == "scale" else pytest.approx(size))


def rows_of(num, *halves):
    """A table of rows whose parts have these numbers, or one drawn by PyTorch."""
    table = nn.Embedding(10, num)
    for place, half in enumerate(halves):
        with torch.no_grad():
            table.weight[:, place * 8 : place * 8 + 8] = half
    return table


def around_one(table):
    nn.init.normal_(table.weight, 1.0, 0.02)
    return table


def conditioned(self, x, which):
    scale, shift = self.table(which).chunk(2, -1)
    return self.head(functional.relu(self.norm(self.inner(x)) * scale + shift))


@pytest.mark.parametrize("is_deferred", [False, True])
@pytest.mark.parametrize(
    ("table", "is_kept"),
    [
        (lambda: rows_of(16, 1.0, 0.0), True),
        (lambda: rows_of(16, 1 + 0.02 * x(10, 8), 0.0), True),
        (lambda: around_one(nn.Embedding(10, 16)), True),
        (lambda: rows_of(16), False),
    ],
)
def test_looked_up_scales_and_shifts_stay_where_somebody_chose_them(table, is_kept, is_deferred):
    def build():
        norm = nn.BatchNorm1d(8, affine=False)
        return Net(conditioned, table=table(), inner=nn.Linear(8, 8), norm=norm, head=nn.Linear(8, 3))

    before = build().table.weight.detach()
    model = initium.torch.deferred(build) if is_deferred else build()
    plan = initium.initialize(model, 0, example=(x(6, 8), torch.arange(6)))
    assert plan.choices[0].param.role == ("kept" if is_kept else "embedding")
    if is_kept and before[:, 8:].unique().numel() == 1:
        assert (model.table.weight[:, 8:] == before[:, 8:]).all()
        assert model.table.weight[:, :8].min() > 0.9


@pytest.mark.parametrize(
    ("table", "role"),
    [
        (lambda: nn.Embedding.from_pretrained(torch.eye(8), freeze=False), "kept"),
        (lambda: nn.Embedding(5, 8, padding_idx=0), "embedding"),
        (lambda: nn.Embedding(2, 4, padding_idx=0), "embedding"),
        (lambda: nn.Embedding(1, 8, padding_idx=0), "embedding"),
        (lambda: nn.Embedding(2, 2), "embedding"),
        (lambda: nn.Embedding.from_pretrained(torch.ones(10, 8), freeze=False), "embedding"),
        (lambda: nn.Embedding.from_pretrained(x(10, 8) + 9, freeze=False), "embedding"),
    ],
)
def test_a_table_that_weights_read_is_an_embedding_unless_its_numbers_are_few_and_repeat(table, role):
    rows = table()
    model = nn.Sequential(rows, nn.Linear(rows.embedding_dim, 3))
    assert initium.plan(model, example=torch.tensor([[1, 0, 1]])).choices[0].param.role == role


def drawn_to_zero(how):
    layer = nn.Linear(8, 8)
    if how == "mul_":
        with torch.no_grad():
            layer.weight.mul_(0)
    else:
        layer.weight = nn.Parameter(layer.weight * 0)
    return layer


@pytest.mark.parametrize("is_deferred", [False, True])
@pytest.mark.parametrize("how", ["mul_", "*"])
def test_zeros_are_zeros_by_whatever_they_were_made(how, is_deferred):
    build = lambda: Net(  # noqa: E731
        lambda s, x: s.head(x + s.last(torch.tanh(s.first(x)))),
        first=nn.Linear(8, 8),
        last=drawn_to_zero(how),
        head=nn.Linear(8, 3),
    )
    model = initium.torch.deferred(build) if is_deferred else build()
    initium.initialize(model, 0, example=x(6, 8))
    assert not model.last.weight.any()


@pytest.mark.parametrize("is_deferred", [False, True])
def test_large_draws_to_one_side_are_told_on_both_roads(is_deferred):
    build = lambda: layer_of(8000, 0.3 + 0.01 * torch.randn(8000))  # noqa: E731
    model = initium.torch.deferred(build) if is_deferred else build()
    assert initium.plan(model, example=x(6, 8)).choices[2].param.role == "kept"


def layer_of(num, numbers):
    return nn.Sequential(nn.Linear(8, num), Net(lambda s, x: torch.tanh(x * s.w), w=numbers), nn.Linear(num, 4))


def test_what_is_too_large_to_be_made_is_said():
    build = lambda: Net(lambda s, x: s.head(x + s.w), w=torch.full((1, 4097, 4096), 0.5), head=nn.Linear(4096, 2))  # noqa: E731
    model = initium.torch.deferred(build)
    plan = initium.plan(model, example=torch.empty(1, 4097, 4096, device="meta"))
    assert plan.notes == (
        "too many to see what they were built with, so that their role alone says how these start: `w`",
    )
