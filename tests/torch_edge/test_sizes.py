"""How large a weight is where it is used, and what it gives is to be: sums, masks, constants, norms, matrices."""

import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  its usual name
from torch import nn
from torch.nn.utils import prune
from torch_edge.traced import X, of

from initium import plan
from initium.torch._trace import trace


def test_constants_that_multiply_a_parameter_are_told_and_masks_named():
    def forward(m, x):
        return F.linear(x, m.w / 16, m.bias * 0.5) + F.linear(x, m.masked * m.mask)

    model = of(forward, w=torch.zeros(4, 8), bias=torch.zeros(4), masked=torch.zeros(4, 8))
    model.register_buffer("mask", torch.ones(4, 8))
    found = trace(model, X).by_path
    assert {path: (p.role, p.use.factor) for path, p in found.items()} == {
        "w": ("weight", 1 / 16),
        "bias": ("bias", 0.5),
        "masked": ("weight", 1.0),
    }
    assert found["masked"].because == "dense, through a mask"


@pytest.mark.parametrize(
    ("function", "factors"),
    [
        (lambda w, v, u: w + v, (math.sqrt(2), math.sqrt(2))),
        (lambda w, v, u: (w - v.T) / 2, (math.sqrt(1 / 2), math.sqrt(1 / 2))),
        (lambda w, v, u: w + v + u, (2, 2, math.sqrt(2))),
        (lambda w, v, u: w + v @ u, (math.sqrt(2), 2**0.25, 2**0.25)),
        (lambda w, v, u: w + u[:1], (1, None, 1)),
        (lambda w, v, u: w * torch.eye(8) + v * (1 - torch.eye(8)), (1, 1)),
    ],
)
def test_weights_that_are_summed_share_the_size_of_one(function, factors):
    parts = {name: torch.zeros(8, 8) for name in "wvu"}
    found = trace(of(lambda m, x: m.o((x @ function(m.w, m.v, m.u)).relu()), **parts, o=nn.Linear(8, 3)), X).by_path
    for name, factor in zip("wvu", factors, strict=False):
        assert factor is None or found[name].use.factor == pytest.approx(factor)


def test_what_stays_zero_beside_a_weight_takes_nothing_of_its_size():
    model = of(
        lambda m, x: m.o((x @ (m.w + m.a @ m.b)).relu()),
        w=torch.zeros(8, 8),
        a=torch.zeros(8, 2),
        b=nn.Linear(8, 2).weight,
        o=nn.Linear(8, 3),
    )
    nn.init.zeros_(model.b)
    found = trace(model, X).by_path
    assert [(found[name].role, found[name].use.factor) for name in "wab"] == [
        ("weight", 1),
        ("weight", 1),
        ("kept", 1),
    ]


@pytest.mark.parametrize(
    ("function", "factor"),
    [
        (lambda w: w + w.T, math.sqrt(2)),
        (lambda w: (w + w.T) / 2, math.sqrt(1 / 2)),
        (lambda w: w - w.mT, math.sqrt(2)),
        (lambda w: w + w.flip(0), math.sqrt(2)),
        (lambda w: torch.add(w, w.T, alpha=3), math.sqrt(10)),
        (lambda w: w.triu() + w.triu(1).T, 1),
        (lambda w: w + w, 2),
        (lambda w: w * 3, 3),
    ],
)
def test_a_weight_that_is_summed_with_itself_is_larger_where_it_is_used(function, factor):
    found = trace(of(lambda m, x: m.o((x @ function(m.w)).relu()), w=torch.zeros(8, 8), o=nn.Linear(8, 3)), X)
    assert (found.by_path["w"].role, found.by_path["w"].use.factor) == ("weight", pytest.approx(factor))


BLOCKS = torch.block_diag(*[torch.ones(2, 2)] * 4)


HALF = torch.arange(8) % 2 == 0


STEPS = torch.full((8,), 0.1)


def written(w):
    made = w.clone()
    made[:, 2:] = 0
    return made


def in_place(w):
    w.data *= BLOCKS
    return w


def straight_through(w):
    step = w.abs().amax() / 7
    return w + ((w / step).round().clamp(-8, 7) * step - w).detach()


@pytest.mark.parametrize(
    ("function", "factor", "counted"),
    [
        (lambda w: w * BLOCKS, 0.5, 0.25),
        (lambda w: w * BLOCKS.bool() / 3, 0.5 / 3, 0.25),
        (lambda w: w * HALF[:, None], 1, 1),  # rows of zeros: the others keep their fan
        (lambda w: w * HALF, math.sqrt(0.5), 0.5),
        (lambda w: w.masked_fill(BLOCKS == 0, 0), 0.5, 0.25),
        (lambda w: torch.where(BLOCKS > 0, w, 0), 0.5, 0.25),
        (lambda w: torch.where(BLOCKS > 0, w, torch.zeros_like(w)), 0.5, 0.25),
        (lambda w: w.tril(), math.sqrt(36 / 64), 36 / 64),
        (lambda w: w * torch.tril(torch.ones(8, 8)), math.sqrt(36 / 64), 36 / 64),
        (lambda w: w * torch.tril(torch.ones_like(w)), math.sqrt(36 / 64), 36 / 64),
        (written, 0.5, 0.25),
        (in_place, 0.5, 0.25),
        (lambda w: w * torch.tensor([[1.0], [3.0]]).repeat(4, 1), math.sqrt(5), 1),
        (straight_through, 1, 1),
        (lambda w: torch.fake_quantize_per_tensor_affine(w, 0.1, 0, -128, 127), 1, 1),
        (lambda w: torch.fake_quantize_per_channel_affine(w, STEPS, torch.zeros(8).int(), 0, -128, 127), 1, 1),
        (lambda w: w.double().float() * 1.0, 1, 1),
        (lambda w: (w - w.mean(1, keepdim=True)) / w.std(1, keepdim=True), 1, 1),
    ],
)
def test_the_connections_that_constants_leave_a_weight_are_counted(function, factor, counted):
    model = of(lambda m, x: m.o(F.linear(x, function(m.w)).relu()), w=torch.zeros(8, 8), o=nn.Linear(8, 3))
    found = trace(model, X).by_path["w"]
    assert found.role == "weight"
    assert (found.use.factor, found.use.counted) == (pytest.approx(factor), pytest.approx(counted))


def test_a_mask_without_numbers_is_told():
    model = of(lambda m, x: m.o(F.linear(x, m.w * m.mask).relu()), w=torch.zeros(8, 8), o=nn.Linear(8, 3))
    model.register_buffer("mask", torch.ones(8, 8, device="meta"))
    use = trace(model, X).by_path["w"].use
    assert (use.factor, use.counted) == (1, None)


def test_of_a_convolution_the_taps_that_a_mask_leaves_are_counted():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3))
    prune.custom_from_mask(model[2], "weight", torch.ones(4, 8, 3, 3).index_fill(2, torch.tensor([2]), 0))
    use = trace(model, torch.zeros(1, 3, 9, 9)).by_path["2.weight_orig"].use
    assert (use.factor, use.counted) == (pytest.approx(math.sqrt(2 / 3)), pytest.approx(2 / 3))


def test_a_bias_under_a_mask_is_a_bias():
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
    prune.random_unstructured(model[0], "bias", 0.5)
    assert trace(model, X).by_path["0.bias_orig"].role == "bias"


@pytest.mark.parametrize(
    ("function", "behind"),
    [
        (lambda m, x: m.o((m.a(x) / 8).tanh()), 1 / 8),
        (lambda m, x: m.o((x @ m.a.weight.T * 3 + m.a.bias).relu()), 3),
        (lambda m, x: m.o(m.norm(m.a(x) * 3)), 3),
        (lambda m, x: m.o(2 * torch.sigmoid(2 * m.a(x)) - 1), 1),  # a tanh
        (lambda m, x: m.o(30 * torch.tanh(m.a(x) / 30)), 1),
        (lambda m, x: m.o(torch.sin(30 * m.a(x))), 1),
        (lambda m, x: m.o((m.a(x) / 8).softmax(-1)), 1),
        (lambda m, x: m.o(((m.a(x) / 8) @ x.mT).softmax(-1) @ x), 1),
        (lambda m, x: m.o(2 * m.a(x) + m.b(x)), 1),
        (lambda m, x: m.o(m.norm(x + 0.1 * m.a(x.relu()))), 1),
        (lambda m, x: m.a(x) / 8, 1),
    ],
)
def test_a_constant_behind_a_product_counts_as_the_weight_s_unless_it_is_the_author_s(function, behind):
    parts = {name: nn.Linear(8, 8) for name in "abo"}
    model = of(function, **parts, norm=nn.LayerNorm(8))
    assert trace(model, X).by_path["a.weight"].use.behind == pytest.approx(behind)


def by_its_norm(m, x):
    return nn.functional.linear(nn.functional.normalize(m.fc(x)), nn.functional.normalize(m.w)) * 64


def standardised(m, x):
    w = (m.w - m.w.mean(1, keepdim=True)) / (m.w.std(1, keepdim=True) + 1e-5)
    return nn.functional.linear(m.fc(x), w)


def by_a_root(m, x):
    variance, mean = torch.var_mean(m.w, 1, keepdim=True)
    return nn.functional.linear(m.fc(x), (m.w - mean) * torch.rsqrt(variance * 8 + 1e-4))


def by_a_normalisation(m, x):
    return nn.functional.linear(m.fc(x), nn.functional.layer_norm(m.w, (8,)))


def by_its_largest_value(m, x):
    return nn.functional.linear(m.fc(x), m.w / torch.dot(torch.ones(10), m.w @ torch.ones(8)))


@pytest.mark.parametrize("forward", [by_its_norm, standardised, by_a_root, by_a_normalisation, by_its_largest_value])
def test_a_weight_whose_size_is_divided_out_counts_by_its_direction_and_no_size_is_claimed(forward):
    x, w = torch.randn(2, 8), torch.randn(10, 8)
    head = plan(of(forward, fc=nn.Linear(8, 8), w=w), example=x).choices
    (choice,) = (one for one in head if one.path == "w")
    assert (choice.because, choice.moment) == ("head of 10: its size is divided out, its direction alone counts", None)
    made = of(forward, fc=nn.Linear(8, 8), w=w)
    inner = plan(of(lambda m, x: m.last(m.made(x).relu()), made=made, last=nn.Linear(10, 3)), example=x)
    (choice,) = (one for one in inner.choices if one.path == "made.w")
    assert choice.because.endswith("; its size is divided out, its direction alone counts")
    assert choice.moment is None


@pytest.mark.parametrize(
    "change", [lambda w: w * 0.1, lambda w: w / w.new_tensor(3.0), lambda w: w * (w > 0), lambda w: w - w.mean()]
)
def test_a_weight_that_keeps_its_size_is_not_said_to_lose_it(change):
    model = of(lambda m, x: nn.functional.linear(x, change(m.w)), w=torch.randn(10, 8))
    assert not trace(model, torch.randn(2, 8)).by_path["w"].use.is_sized


GENERATED = {
    "of one for all": (lambda m, x: F.linear(m.a(x).relu(), m.g(m.z).view(6, 8)), 1 / 4),
    "scaled by its author": (lambda m, x: F.linear(m.a(x).relu(), m.g(m.z).view(6, 8) / 8**0.5), 2),
    "with a bias": (lambda m, x: F.linear(m.a(x), m.g(m.z).view(6, 8), m.a(m.y)[0, :6]), 1 / 8),
    "for each input": (lambda m, x: m.a(x).relu() @ m.h(x[:, 0]).view(-1, 8, 6), 1 / 4),
    "by hand": (lambda m, x: (m.a(x[:, 0])[:, :, None] * m.h(x[:, 0]).view(-1, 8, 6)).sum(1), 1 / 8),
    "a kernel": (lambda m, x: F.conv1d(m.a(x).mT, m.g(m.z).view(6, 8, 1)).mT, 1 / 8),
    "beside the identity": (
        lambda m, x: (m.a(x) @ (m.h(x[:, 0])[:, :64].view(-1, 8, 8) + torch.eye(8)))[..., :6],
        1 / 8,
    ),
}


@pytest.mark.parametrize("case", GENERATED)
def test_what_becomes_a_matrix_has_the_size_that_its_product_asks_for(case):
    function, given = GENERATED[case]
    layers = {"a": nn.Linear(8, 8), "g": nn.Linear(4, 48), "o": nn.Linear(6, 3), "h": nn.Linear(8, 64)}
    if case != "beside the identity":
        layers["h"] = nn.Linear(8, 48)
    model = of(lambda m, x: m.o(function(m, x).relu()), z=torch.zeros(1, 4), y=torch.zeros(1, 8), **layers)
    found = trace(model, X).by_path
    used = [name for name in ("g", "h") if found[f"{name}.weight"].uses]
    assert [found[f"{name}.weight"].use.given for name in used] == pytest.approx([given])
    assert found["a.weight"].use.given == 1
    choice = next(one for one in plan(model, example=X).choices if one.path == f"{used[0]}.weight")
    assert choice.moment == pytest.approx(given)
    assert choice.because.startswith(f"becomes a matrix, second moment {given:.3g}; ")


@pytest.mark.parametrize(
    ("matrix", "paths"),
    [
        (lambda m: m.g(m.z).tanh().view(8, 8), "`g.weight`"),
        (lambda m: m.g(m.z)[0, :32].view(8, 4) @ m.h(m.z)[0, :32].view(4, 8), "`g.weight`, `h.weight`"),
    ],
)
def test_a_matrix_whose_size_no_start_sets_is_named(matrix, paths):
    layers = {"a": nn.Linear(8, 8), "g": nn.Linear(4, 64), "h": nn.Linear(4, 64), "o": nn.Linear(8, 3)}
    model = of(
        lambda m, x: m.o(F.linear(m.a(x), matrix(m)).relu()) + 0 * m.h(m.z).sum(), z=torch.zeros(2, 4)[:1], **layers
    )
    why = "what it gives becomes a matrix through a function or another product, so that its second moment is not known"
    assert f"{why}: {paths}" in trace(model, X).notes
