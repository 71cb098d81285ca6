"""Each mechanism of the tracer on a model made for it; whole architectures are in test_zoo."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812  its usual name
from torch import nn

from initium import ModelError, gain, initialize, plan
from initium._graph import Branch
from initium.torch._trace import trace


def of(function, **parts):
    """A module with these parts and parameters, called with itself and its inputs.

    Zeros and ones are numbers drawn around zero instead, as far as these say nothing: a constant may be meant.
    """
    generator = torch.Generator().manual_seed(0)
    for name, part in parts.items():
        if isinstance(part, torch.Tensor) and part.numel() > 4 and part.unique().numel() == 1 and part.max() in (0, 1):
            parts[name] = torch.randn(part.shape, generator=generator)

    class Made(nn.Module):
        def __init__(self):
            super().__init__()
            for name, part in parts.items():
                setattr(self, name, nn.Parameter(part) if isinstance(part, torch.Tensor) else part)

        def forward(self, x, *others):
            return function(self, x, *others)

    return Made()


def use(model, path, example=None):
    return trace(model, example).by_path[path].use


X = torch.zeros(2, 5, 8)


# What feeds, and its second moment.


@pytest.mark.parametrize(
    "name",
    ["relu", "gelu", "silu", "tanh", "sigmoid", "selu", "elu", "softplus", "mish", "hardswish", "hardtanh", "relu6"],
)
def test_an_activation_feeds_with_its_second_moment(name):
    model = of(lambda m, x: m.b(getattr(F, name)(m.a(x))), a=nn.Linear(8, 8), b=nn.Linear(8, 8))
    found = trace(model, X).by_path
    assert found["a.weight"].use.followed_by == (name,)
    assert found["b.weight"].use.fed_by == name
    assert found["b.weight"].use.moment == pytest.approx(gain(name) ** -2, rel=1e-9)


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda x: x * torch.sigmoid(x), "silu"),
        (lambda x: 0.5 * x * (1 + torch.erf(x / math.sqrt(2))), "gelu"),
        (lambda x: 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))), "gelu_tanh"),
        (lambda x: x * torch.sigmoid(1.702 * x), "quick_gelu"),
        (lambda x: torch.relu(x) ** 2, "relu2"),
        (lambda x: torch.where(x > 0, x, 0.2 * x), "leaky_relu(0.2)"),
        (lambda x: torch.sin(30 * x), "sine(30)"),
        (lambda x: torch.maximum(x, torch.zeros_like(x)), "relu"),
        (lambda x: torch.clamp(x, 0, 6), "relu6"),
    ],
)
def test_operations_written_out_are_one_function(function, name):
    model = of(lambda m, x: m.b(function(m.a(x))), a=nn.Linear(8, 8), b=nn.Linear(8, 8))
    found = use(model, "b.weight", X)
    assert found.fed_by == name
    assert found.moment == pytest.approx(gain(name) ** -2, rel=1e-9)


def test_a_function_without_a_name_is_measured():
    model = of(lambda m, x: m.b(torch.tanh(m.a(x)) ** 2 + 1), a=nn.Linear(8, 8), b=nn.Linear(8, 8))
    found = use(model, "b.weight", X)
    assert found.fed_by == "f"
    assert found.moment == pytest.approx(gain(lambda z: np.tanh(z) ** 2 + 1) ** -2, rel=1e-6)


@pytest.mark.parametrize(
    ("function", "fed_by", "moment"),
    [
        (lambda m, x: m.b(m.a(x) * 3), "dense", 9.0),
        (lambda m, x: m.b(m.a(x) + m.c(x)), "dense", 2.0),
        (lambda m, x: m.b(F.silu(m.a(x)) * m.c(x)), "gate", gain("silu") ** -2),
        (lambda m, x: m.b(torch.cat([torch.relu(m.a(x))[..., :4], m.c(x)[..., :4]], -1)), "relu", 0.75),
        (lambda m, x: m.b(F.dropout(torch.relu(m.a(x)), 0.5, m.training)), "relu", 0.5),
        (lambda m, x: m.b(torch.relu(m.a(x)).mean(1)), "pooling", 0.5),
        (lambda m, x: m.b(F.layer_norm(m.a(x), (8,))), "normalisation", 1.0),
        (lambda m, x: m.b(torch.relu(m.a(x) * 2)), "relu", 2.0),
        (lambda m, x: m.b(x), "data", 1.0),
        (lambda m, x: m.b(torch.fft.fft(m.a(x)).real), "unknown", None),
    ],
)
def test_what_feeds_a_weight_has_its_second_moment(function, fed_by, moment):
    model = of(function, a=nn.Linear(8, 8), b=nn.Linear(8, 8), c=nn.Linear(8, 8))
    found = use(model, "b.weight", X)
    assert found.fed_by == fed_by
    assert found.moment == (None if moment is None else pytest.approx(moment, rel=1e-9))


def after(graph):
    return {p.path: p.use.after for p in graph.weights}


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda m, x: m.b(torch.relu(m.a(x)).mean(1)), ("a.weight",)),
        (lambda m, x: m.b(F.silu(m.a(x)) * m.c(x)), ("a.weight", "c.weight")),
        (lambda m, x: m.b(torch.cat([m.a(x), 2 * m.c(x) + 1], 1)), ("a.weight", "c.weight")),
        (lambda m, x: m.b(x + m.c(torch.relu(m.a(x)))), ("c.weight",)),
        (lambda m, x: m.b(F.layer_norm(m.a(x), (8,))), ()),
        (lambda m, x: m.b(F.scaled_dot_product_attention(m.a(x), m.c(x), x)), ()),
        (lambda m, x: m.b(m.r(m.a(x))[0]), ()),
        (lambda m, x: m.b(x), ()),
    ],
)
def test_a_weight_comes_after_those_whose_outputs_it_is_made_from(function, expected):
    layers = {name: nn.Linear(8, 8) for name in "abc"}
    assert use(of(function, **layers, r=nn.GRU(8, 8)), "b.weight", X).after == expected


def test_a_stream_comes_after_the_branch_of_its_last_step():
    blocks = [of(block, up=nn.Linear(8, 16), down=nn.Linear(16, 8)) for _ in range(2)]
    found = after(trace(nn.Sequential(nn.Linear(8, 8), *blocks, nn.Linear(8, 8)), X))
    assert found["3.weight"] == ("2.down.weight",)
    assert found["2.down.weight"] == ("2.up.weight",)


def test_a_tied_head_and_a_recurrent_layer_come_after_the_weights_before():
    model = of(lambda m, ids: F.linear(m.a(m.e(ids)), m.e.weight), a=nn.Linear(8, 8), e=nn.Embedding(9, 8))
    found = trace(model, torch.zeros(2, 3, dtype=torch.long)).by_path
    assert (found["a.weight"].use.after, [u.after for u in found["e.weight"].uses]) == ((), [(), ("a.weight",)])
    found = after(trace(nn.Sequential(nn.Linear(8, 8), nn.LSTM(8, 8, 2)), X))
    assert {path: names for path, names in found.items() if names} == {"1.weight_ih_l0": ("0.weight",)}


def test_what_a_table_multiplies_before_it_is_looked_up_comes_after_the_weights_before():
    def scores_then_rows(m, x):
        found = m.a(x).relu() @ m.e.weight.T
        return m.b(m.e(found.argmax(-1))), found

    layers = {"a": nn.Linear(8, 8), "b": nn.Linear(8, 8), "e": nn.Embedding(9, 8)}
    uses = trace(of(scores_then_rows, **layers), X).by_path["e.weight"].uses
    assert [(use.operation, use.after) for use in uses] == [("embedding", ()), ("dense", ("a.weight",))]


# Normalisations, scales and shifts.


@pytest.mark.parametrize(
    "function",
    [
        lambda m, x: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * m.w,
        lambda m, x: x / torch.sqrt((x * x).mean(-1, keepdim=True) + 1e-6) * m.w,
        lambda m, x: m.w * (x.float() * torch.rsqrt(x.float().pow(2).mean(-1, keepdim=True) + 1e-6)).to(x.dtype),
        lambda m, x: F.rms_norm(x, (8,), m.w),
        lambda m, x: F.layer_norm(x, (8,), m.w),
    ],
)
def test_a_normalisation_is_known_however_it_is_written(function):
    model = of(lambda m, x: m.b(function(m, m.a(x))), a=nn.Linear(8, 8), b=nn.Linear(8, 8), w=torch.ones(8))
    found = trace(model, X).by_path
    assert found["a.weight"].use.is_normalised
    assert found["b.weight"].use.fed_by == "normalisation"
    assert (found["w"].role, found["w"].use.operation, found["w"].use.fed_by) == ("scale", "normalisation", "dense")


def annotated(y, m):
    return m.g * (y - y.mean(-1, keepdim=True)) / (y.std(-1, keepdim=True) + 1e-6) + m.s


def by_var_mean(y, m):
    variance, mean = torch.var_mean(y, -1, keepdim=True)
    return (y - mean) * torch.rsqrt(variance + 1e-6) * m.g + m.s


def twice_subtracted(y, m):
    mean = y.mean(-1, keepdim=True)
    return (y - mean) / torch.sqrt((y - mean).pow(2).mean(-1, keepdim=True) + 1e-6) * m.g + m.s


def once_subtracted(y, m):
    centred = y - y.mean(-1, keepdim=True)
    return torch.rsqrt((centred * centred).mean(-1, keepdim=True) + 1e-6) * centred * m.g + m.s


@pytest.mark.parametrize("function", [annotated, by_var_mean, twice_subtracted, once_subtracted])
def test_a_normalisation_may_subtract_the_mean(function):
    parts = {"a": nn.Linear(8, 8), "b": nn.Linear(8, 8), "g": torch.ones(8), "s": torch.zeros(8)}
    found = trace(of(lambda m, x: m.b(function(m.a(x), m)), **parts), X).by_path
    assert found["a.weight"].use.is_normalised
    assert (found["g"].role, found["g"].use.operation, found["g"].use.fed_by) == ("scale", "normalisation", "dense")
    assert (found["s"].role, found["s"].use.operation) == ("shift", "normalisation")
    assert (found["b.weight"].use.fed_by, found["b.weight"].use.moment) == ("normalisation", 1.0)


CENTRE = torch.full((8,), 0.25)


@pytest.mark.parametrize(
    ("function", "factor", "offset"),
    [
        (lambda w: 1 + w, 1, 1),
        (lambda w: 0 + w, 1, 0),
        (lambda w: w + 1e-6, 1, 1e-6),
        (lambda w: 0.5 + w, 1, 0.5),
        (lambda w: 1 - w, -1, 1),
        (lambda w: 2 * w, 2, 0),
        (lambda w: w / 4 - 3, 0.25, -3),
        (lambda w: 0.5 * (1 + w), 0.5, 0.5),
        (lambda w: -w, -1, 0),
        (lambda w: w + w, 2, 0),
        (lambda w: torch.add(1, w, alpha=2), 2, 1),
        (lambda w: torch.sub(w, torch.ones(8), alpha=3), 1, -3),
        (lambda w: torch.ones_like(w) + w.float(), 1, 1),
        (lambda w: w.new_ones(8) + w[None], 1, 1),
        (lambda w: w + torch.full((8,), 0.25), 1, 0.25),
        (lambda w: w + CENTRE, 1, 0.25),
        (lambda w: torch.lerp(w, torch.ones(8), 0.25), 0.75, 0.25),
        (lambda w: w.clone().mul_(2).add_(1), 2, 1),
    ],
)
@pytest.mark.parametrize("is_norm", [True, False])
def test_a_scale_is_told_with_the_constants_on_its_way(function, factor, offset, is_norm):
    def forward(m, x):
        x = m.a(x)
        return m.b((F.rms_norm(x, (8,)) if is_norm else x) * function(m.w))

    found = trace(of(forward, a=nn.Linear(8, 8), b=nn.Linear(8, 8), w=torch.zeros(8)), X).by_path["w"]
    assert (found.role, found.use.operation) == ("scale", "normalisation" if is_norm else "multiplication")
    assert (found.use.factor, found.use.offset) == pytest.approx((factor, offset))


@pytest.mark.parametrize(
    ("function", "because"),
    [
        (lambda w: w.abs() + 1e-6, "used through abs, add"),
        (lambda w: w * w, "used through mul"),
        (lambda w: 1 + w.tanh(), "used through tanh, add"),
        (lambda w: 0 * w, "used through mul"),
        (lambda w: w + torch.arange(8), "used through add"),
    ],
)
def test_a_scale_that_no_line_leads_to_is_kept(function, because):
    found = trace(of(lambda m, x: m.b(x) * function(m.w), b=nn.Linear(8, 8), w=torch.ones(8)), X).by_path["w"]
    assert (found.role, found.because) == ("kept", because)


@pytest.mark.parametrize(
    "function",
    [
        lambda x, b, w: torch.addcmul(b, w, x),
        lambda x, b, w: torch.addcmul(b, x, w),
        lambda x, b, w: torch.addcmul(b.view(1, 1, 8), x, w.view(1, 1, 8), value=3),
        lambda x, b, w: b.expand(2, 5, 8).clone().addcmul_(x, w),
        lambda x, b, w: torch.addcmul(b, x, w, out=torch.empty(2, 5, 8)),
        lambda x, b, w: torch.addcdiv(b, x, w),
        lambda x, b, w: torch.add(x * w, b, alpha=2),
        lambda x, b, w: torch.sub(b, x * w, alpha=2),
        lambda x, b, w: (x * w).add_(b, alpha=0.5),
        lambda x, b, w: torch.addcmul(x * w, b, torch.ones(8)),
    ],
)
def test_an_operation_that_multiplies_and_adds_is_a_scale_and_a_shift(function):
    parts = {"a": nn.Linear(8, 8), "b": torch.zeros(8), "w": torch.ones(8)}
    found = trace(of(lambda m, x: function(m.a(x).relu(), m.b, m.w), **parts), X).by_path
    assert (found["w"].role, found["b"].role) == ("scale", "shift")


@pytest.mark.parametrize(
    ("function", "moment"),
    [
        (lambda m, x: torch.add(m.a(x), m.c(x), alpha=2), 5),
        (lambda m, x: torch.sub(m.a(x), m.c(x), alpha=2), 5),
        (lambda m, x: torch.addcmul(m.a(x), m.c(x), torch.tensor(2.0)), 5),
        (lambda m, x: torch.lerp(m.a(x), m.c(x), 0.25), 0.625),
        (lambda m, x: m.a(x).lerp_(m.c(x), 0.25), 0.625),
    ],
)
def test_a_sum_that_multiplies_is_as_large_as_if_it_were_written_out(function, moment):
    model = of(lambda m, x: m.b(function(m, x)), **{name: nn.Linear(8, 8) for name in "abc"})
    assert use(model, "b.weight", X).moment == pytest.approx(moment)


def test_a_branch_that_one_operation_scales_and_adds_is_a_branch():
    model = of(lambda m, x: torch.addcmul(x, m.g, m.b(x)), b=nn.Linear(8, 8), g=torch.ones(8))
    found = trace(model, X).by_path
    assert (found["g"].role, found["g"].use.branch.is_last, found["b.weight"].use.branch.is_last) == (
        "scale",
        True,
        True,
    )


def test_a_length_divided_out_leaves_a_moment_of_one_over_the_width():
    model = of(lambda m, x: m.b(F.normalize(m.a(x), dim=-1)), a=nn.Linear(8, 8), b=nn.Linear(8, 8))
    found = trace(model, X).by_path
    assert found["a.weight"].use.followed_by == ("normalisation",)
    assert found["b.weight"].use.moment == pytest.approx(1 / 8)


def test_scales_that_belong_to_no_normalisation_multiply():
    model = of(lambda m, x: x + m.g * m.b(x), b=nn.Linear(8, 8), g=torch.ones(8))
    found = trace(model, X).by_path
    assert (found["g"].role, found["g"].use.operation, found["g"].use.branch.is_last) == (
        "scale",
        "multiplication",
        True,
    )
    assert found["b.weight"].use.followed_by == ("scale",)
    assert found["b.weight"].use.branch.is_last


def test_the_constant_that_scales_an_output_is_told():
    model = of(lambda m, x: m.e(x) * 4 + 0.1 * m.b(m.e(x) * 4), e=nn.Embedding(7, 8), b=nn.Linear(8, 8))
    found = trace(model).by_path
    assert found["e.weight"].use.scaled == 4
    assert found["b.weight"].use.scaled == pytest.approx(0.1)
    assert found["b.weight"].use.moment == 16


@pytest.mark.parametrize(
    ("function", "role", "because"),
    [
        (lambda m, x: m.b(x) * torch.exp(m.p), "kept", "used through exp"),
        (lambda m, x: m.b(x) * torch.tanh(m.p), "kept", "used through tanh"),
        (lambda m, x: F.prelu(m.b(x), m.p[:1]), "kept", "slope of an activation"),
        (lambda m, x: m.b(x) + m.p, "bias", "bias"),
        (lambda m, x: m.b(x) @ m.p, "kept", "a vector that is summed over, without an output axis"),
        (lambda m, x: torch.relu(m.b(x)) + m.p, "shift", "added to a signal"),
        (lambda m, x: torch.where(x.sum(-1, True) > 0, m.b(x), m.p), "token", "put beside the signal"),
    ],
)
def test_a_vector_is_what_is_done_with_it(function, role, because):
    found = trace(of(function, b=nn.Linear(8, 8, bias=False), p=torch.ones(8)), X).by_path["p"]
    assert (found.role, found.because) == (role, because)


def modulated(m, x):
    kernel = m.w[None] * m.b(x.mean(1))[:, None, :, None]
    kernel = kernel * torch.rsqrt(kernel.pow(2).sum([2, 3], keepdim=True) + 1e-8)
    return F.conv1d(x.mT.reshape(1, -1, 5), kernel.reshape(-1, 8, 3), groups=len(x))


@pytest.mark.parametrize(
    ("function", "shape", "facts"),
    [
        (lambda m, x: (x[..., None, :] * m.w).sum(-1), (6, 8), ("weight", "oi", (8, 6))),
        (lambda m, x: (m.b(x)[..., None] * m.w).sum(-2), (8, 6), ("weight", "io", (8, 6))),
        (modulated, (4, 8, 3), ("weight", "oiw", (24, 12))),
        (lambda m, x: (x * m.w).sum((-2, -1)), (5, 8), ("kept", "oo", (1, 40))),
        (lambda m, x: m.b(x * m.w), (5, 8), ("kept", "oo", (1, 40))),
        (lambda m, x: m.b(x) * m.w, (1, 8), ("scale", "oo", (1, 8))),
    ],
)
def test_a_matrix_that_multiplies_element_by_element_is_a_weight_only_if_it_is_summed(function, shape, facts):
    found = trace(of(function, b=nn.Linear(8, 8), w=torch.zeros(shape)), X).by_path["w"]
    assert (found.role, found.axes) == facts[:2]
    assert found.role != "weight" or found.fans == facts[2]


def test_what_a_product_summed_by_hand_gives_is_dense():
    model = of(lambda m, x: m.b((x[..., None, :] * m.w).sum(-1)), b=nn.Linear(64, 3), w=torch.zeros(64, 8))
    found = trace(model, X).by_path
    assert found["w"].use.followed_by == ("dense",)
    assert (found["b.weight"].use.fed_by, found["b.weight"].use.moment) == ("dense", 1.0)


@pytest.mark.parametrize(
    ("function", "shapes", "axes"),
    [
        (lambda m, x: torch.relu(m.b(x)) @ (m.near @ m.far), [(8, 2), (2, 6)], "io"),
        (lambda m, x: F.linear(torch.relu(m.b(x)), m.far @ m.near), [(2, 8), (6, 2)], "oi"),
    ],
)
def test_two_parameters_multiplied_with_each_other_are_two_weights_in_a_row(function, shapes, axes):
    parts = {"near": torch.zeros(shapes[0]), "far": torch.zeros(shapes[1]), "b": nn.Linear(8, 8)}
    found = trace(of(function, **parts), X).by_path
    near, far = found["near"], found["far"]
    assert (near.role, near.axes, near.fans, near.use.moment, near.use.followed_by) == (
        "weight",
        axes,
        (8, 2),
        0.5,
        ("dense",),
    )
    assert (far.role, far.axes, far.fans, far.use.moment, far.use.followed_by) == (
        "weight",
        axes,
        (2, 6),
        1.0,
        ("output",),
    )
    assert near.because == far.because == "dense, one of two that are multiplied with each other first"


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


def test_a_bias_under_vmap_is_a_bias():
    found = trace(of(lambda m, x: torch.func.vmap(m.b)(x), b=nn.Linear(8, 8)), X).by_path
    assert [p.role for p in found.values()] == ["weight", "bias"]


def test_a_codebook_is_an_embedding_though_it_is_compared_first():
    def forward(m, x):
        z = m.a(x)
        return m.b(m.codes((z[:, :, None] - m.codes.weight).pow(2).sum(-1).argmin(-1)))

    found = trace(of(forward, a=nn.Linear(8, 8), b=nn.Linear(8, 8), codes=nn.Embedding(9, 8)), X).by_path
    codes = found["codes.weight"]
    assert (codes.role, codes.axes, codes.use.followed_by) == ("embedding", "vo", ("dense",))
    centres = of(lambda m, x: (m.a(x)[:, :, None] - m.c).pow(2).sum(-1), a=nn.Linear(8, 8), c=torch.zeros(9, 8))
    kept = trace(centres, X).by_path["c"]
    assert (kept.role, kept.because) == ("kept", "subtracted from the signal along an axis of its own")


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (lambda m, x: torch.sigmoid(m.b(x)), ("sigmoid", "output")),
        (lambda m, x: F.cross_entropy(m.b(x).flatten(0, 1), torch.zeros(10, dtype=torch.long)), ("output",)),
        (lambda m, x: m.b(x).softmax(-1), ("output",)),
    ],
)
def test_a_probability_and_a_loss_are_outputs(function, names):
    assert use(of(function, b=nn.Linear(8, 8)), "b.weight", X).followed_by == names


Y, LABELS = torch.zeros(2, 5, 8), torch.zeros(2, 5, dtype=torch.long)


def on(signal, function):
    return function(signal)


def towers(m, x):
    return m.b(x), m.c(torch.relu(x))


def normal_nll(m, x, y):
    return -torch.distributions.Normal(m.b(x), m.c(x).exp(), validate_args=False).log_prob(y).mean()


def mixed(m, x):
    gates = m.g(x).softmax(-1)
    return gates[..., :1] * m.b(x) + gates[..., 1:2] * m.c(x)


def cross_entropy_beside_logits(m, x, labels):
    logits = m.b(x)
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten()), logits


def mixture_nll(m, x, y):
    h = torch.tanh(m.a(x))
    error = (y - m.b(h)) / m.c(h).exp()
    return -torch.logsumexp(F.log_softmax(m.g(h), -1) - 0.5 * error**2, -1).mean()


@pytest.mark.parametrize(
    ("function", "others", "expected"),
    [
        (lambda m, x: m.b(x), (), {"b": "open"}),
        (lambda m, x: m.b(x) / m.t, (), {"b": "open"}),
        (lambda m, x: m.b(x) * m.t.exp() + m.t, (), {"b": "open"}),
        (lambda m, x: m.b(x).mean(1), (), {"b": "open"}),
        (lambda m, x: (m.b(x), m.c(x)), (), {"b": "open", "c": "open"}),
        (lambda m, x: m.b(x) + m.c(x) - m.c(x).mean(-1, keepdim=True), (), {"b": "open", "c": "open"}),
        (lambda m, x: (m.b(x) / 0.5).softmax(-1), (), {"b": "logits"}),
        (cross_entropy_beside_logits, (LABELS,), {"b": "logits"}),
        (lambda m, x, y: F.binary_cross_entropy_with_logits(m.b(x), y), (Y,), {"b": "logits"}),
        (lambda m, x: torch.sigmoid(m.b(x)), (), {"b": "output"}),
        (lambda m, x: 2 * torch.tanh(m.b(x)), (), {"b": "output"}),
        (lambda m, x: F.softplus(m.b(x)) + 1e-4, (), {"b": "output"}),
        (lambda m, x: m.b(x).clamp(-20, 2).exp(), (), {"b": "output"}),
        (lambda m, x: F.elu(m.b(x)) + 1, (), {"b": "output"}),
        (lambda m, x: m.b(x) * 5 + 2, (), {"b": "output"}),
        (lambda m, x: m.b(x) * m.mean + m.mean, (), {"b": "output"}),
        (lambda m, x: x + m.b(torch.relu(m.a(x))), (), {"b": "output"}),
        (lambda m, x: x * torch.sigmoid(m.b(x)), (), {"b": "output"}),
        (lambda m, x: m.b(x) + m.c(x).exp() * torch.randn_like(x), (), {"b": "open", "c": "output"}),
        (mixed, (), {"b": "output", "c": "output"}),
        (lambda m, x, y: F.mse_loss(m.b(x), y), (Y,), {"b": "output"}),
        (lambda m, x, y: (m.b(x) - y).abs().mean(), (Y,), {"b": "output"}),
        (lambda m, x, y: F.gaussian_nll_loss(m.b(x), y, m.c(x).exp()), (Y,), {"b": "output", "c": "output"}),
        (normal_nll, (Y,), {"b": "output", "c": "output"}),
        (mixture_nll, (Y,), {"b": "output", "c": "output", "g": "logits"}),
        (lambda m, x: F.normalize(m.b(x), dim=-1), (), {"b": "normalised"}),
        (lambda m, x: F.layer_norm(m.b(x), (8,)), (), {"b": "normalised"}),
        (lambda m, x: F.cosine_similarity(*towers(m, x), dim=-1), (), {"b": "normalised", "c": "normalised"}),
        (lambda m, x: (m.b(x) * m.c(x)).sum(-1), (), {"b": "product", "c": "product"}),
        (lambda m, x: m.b(x) @ m.c(x).mT, (), {"b": "product", "c": "product"}),
        (lambda m, x: (m.b(x) @ m.c(x).mT).softmax(-1), (), {"b": "product", "c": "product"}),
        # What feeds another weight, gates another weight's output or is followed by what lies between layers.
        (lambda m, x: (m.b(m.a(x)), m.a(x)), (), {"b": "open"}),
        (lambda m, x: m.b(x * torch.sigmoid(m.g(x))), (), {"b": "open"}),
        (lambda m, x: on(m.a(x), lambda h: h * torch.sigmoid(m.g(h))), (), {}),
        (lambda m, x: F.glu(m.a(x)), (), {}),
        (lambda m, x: on(m.a(x), lambda h: h[..., :4] * torch.sigmoid(h[..., 4:])), (), {}),
        (lambda m, x: F.silu(m.a(x)) * m.g(x), (), {}),
        (lambda m, x: torch.relu(m.a(x)), (), {}),
        (lambda m, x: m.n(m.a(x)).relu(), (), {}),
        (lambda m, x: on(m.a(x), lambda h: (m.g(h)[..., :1].softmax(1) * h).sum(1)), (), {}),
        (lambda m, x: F.scaled_dot_product_attention(m.a(x), m.b(x), m.c(x)), (), {}),
        (lambda m, x: (m.a(x) @ m.b(x).mT).softmax(-1) @ m.c(x), (), {}),
        (lambda m, x: torch.sigmoid(m.r(x)[0]), (), {}),
        (lambda m, x: on(m.b(x), lambda h: h + m.c(torch.relu(m.a(h)))), (), {}),
    ],
)
def test_what_gives_the_output_is_told(function, others, expected):
    layers = {name: nn.Linear(8, 8) for name in "abcg"}
    model = of(function, **layers, r=nn.GRU(8, 8), n=nn.LayerNorm(8), t=torch.tensor(2.0))
    model.register_buffer("mean", torch.ones(8))
    found = trace(model, (X, *others)).weights
    assert {p.path.removesuffix(".weight"): p.use.output.kind for p in found if p.use.output} == expected


def test_a_latent_that_is_decoded_is_no_output():
    def forward(m, x):
        mean, spread = m.b(x), m.c(x)
        return torch.sigmoid(m.a(mean + (spread / 2).exp() * torch.randn_like(mean))), mean, spread

    found = trace(of(forward, a=nn.Linear(8, 8), b=nn.Linear(8, 8), c=nn.Linear(8, 8)), X).weights
    assert [p.path for p in found if p.use.is_head] == ["a.weight"]


def test_the_last_branch_of_a_stream_that_starts_with_a_weight_is_no_output():
    found = trace(nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2), X).weights
    assert not [p.path for p in found if p.use.is_head]


@pytest.mark.parametrize(
    ("function", "factors", "size"),
    [
        (lambda m, ids: (m.a(ids) * m.b(ids)).sum(-1), 2, 8),
        (lambda m, ids: (m.a(ids) * m.b(ids)).sum(-1) / 2, 2, 2),
        (lambda m, ids: torch.bmm(m.a(ids), m.b(ids).mT), 2, 8),
        (lambda m, ids: torch.sigmoid((m.a(ids) * m.b(ids) * m.c(ids)).sum(-1)), 3, 8),
        (lambda m, ids: (m.a(ids) * F.normalize(m.b(ids), dim=-1)).sum(-1), 1, 1),
    ],
)
def test_a_dot_product_has_its_size_and_the_factors_that_share_it(function, factors, size):
    parts = {name: nn.Embedding(9, 8) for name in "abc"}
    found = trace(of(function, **parts), torch.zeros(2, 5, dtype=torch.long)).by_path["a.weight"].use.output
    assert (found.kind, found.factors, found.size) == ("product", factors, pytest.approx(size))


def test_losses_that_are_added_are_no_stream():
    def forward(m, x, y):
        h = torch.relu(m.a(x))
        return F.mse_loss(m.b(h), y) + F.mse_loss(m.c(torch.relu(m.g(h))), y)

    found = trace(of(forward, **{name: nn.Linear(8, 8) for name in "abcg"}), (X, Y)).weights
    assert [(p.path, p.use.branch) for p in found if p.use.is_head] == [("b.weight", None), ("c.weight", None)]


def test_a_frozen_parameter_is_kept():
    model = nn.Linear(8, 8)
    model.weight.requires_grad_(False)
    found = trace(model).by_path
    assert [(p.role, p.because) for p in found.values()] == [("kept", "frozen"), ("bias", "bias")]


# Axes and fans.


def test_axes_follow_the_product_not_the_layer():
    def forward(m, x):
        x = torch.einsum("bti,oi->bto", x, m.left)
        x = x @ m.right
        x = torch.einsum("bti,hio->bhto", x, m.heads).sum(1)
        return torch.bmm(x, m.stack)

    model = of(
        forward, left=torch.zeros(6, 8), right=torch.zeros(6, 4), heads=torch.zeros(3, 4, 7), stack=torch.zeros(2, 7, 9)
    )
    found = {path: (p.axes, p.fans) for path, p in trace(model, X).by_path.items()}
    assert found["left"] == ("oi", (8, 6))
    assert found["right"] == ("io", (6, 4))
    assert found["stack"] == ("bio", (7, 9))
    assert found["heads"][0][1:] == "io"


@pytest.mark.parametrize(
    ("layer", "axes", "groups", "stride", "transposed"),
    [
        (nn.Conv1d(8, 4, 3, stride=2), "oiw", 1, 2, False),
        (nn.Conv2d(8, 8, 3, groups=8), "oihw", 8, 1, False),
        (nn.Conv2d(8, 8, 3, stride=(1, 2), groups=2), "oihw", 2, 2, False),
        (nn.Conv3d(8, 4, 2), "oidhw", 1, 1, False),
        (nn.ConvTranspose2d(8, 4, 4, stride=2, groups=2), "iohw", 2, 4, True),
    ],
)
def test_a_convolution_has_its_windows(layer, axes, groups, stride, transposed):
    found = trace(layer).by_path["weight"]
    assert (found.axes, found.groups, found.stride, found.transposed) == (axes, groups, stride, transposed)


def test_a_kernel_that_all_groups_share_has_no_groups():
    model = of(lambda m, x: F.conv2d(x, m.w.expand(3, 1, 3, 3), groups=3), w=torch.zeros(1, 1, 3, 3))
    found = trace(model, torch.zeros(2, 3, 6, 6)).by_path["w"]
    assert (found.axes, found.groups, found.fans) == ("oihw", 1, (9, 9))


def test_a_convolution_of_constants_has_a_weight_and_a_bias():
    model = of(lambda m, x: m.b(x + m.p(torch.ones(1, 3, 6, 6))), p=nn.Conv2d(3, 4, 1), b=nn.Conv2d(4, 4, 1))
    found = trace(model, torch.zeros(2, 4, 6, 6)).by_path
    assert (found["p.weight"].role, found["p.weight"].fans, found["p.weight"].use.moment) == ("weight", (3, 4), None)
    assert (found["p.bias"].role, found["p.bias"].bias_of) == ("bias", "p.weight")


def test_a_weight_that_gives_one_number_is_output_by_input():
    found = trace(nn.Sequential(nn.Linear(8, 1), nn.Linear(1, 4)), X).by_path
    assert [(found[path].axes, found[path].fans) for path in ("0.weight", "1.weight")] == [
        ("oi", (8, 1)),
        ("oi", (1, 4)),
    ]


def test_a_bilinear_weight_sums_over_pairs():
    found = trace(nn.Bilinear(3, 4, 5)).by_path
    assert (found["weight"].axes, found["weight"].fans) == ("oii", (12, 5))
    assert found["bias"].bias_of == "weight"


# Where a value goes says what it is.

E, IDS, ROWS = 4, torch.zeros(2, 5, dtype=torch.long), torch.zeros(2, dtype=torch.long)


def by_expert(m, x):
    """As einsum does it for all experts at once: one product, whose outputs are then given axes of their own."""
    return m.o((torch.einsum("btd,edh->bteh", x, m.w) + m.p).relu().sum(2))


@pytest.mark.parametrize(
    ("function", "shape", "role"),
    [
        (
            lambda m, x: m.o((torch.bmm(x.reshape(1, 10, 8).expand(E, 10, 8), m.w) + m.p[:, None]).relu()),
            (E, 6),
            "bias",
        ),
        (lambda m, x: m.o((x[:, None] @ m.w + m.p).relu()), (E, 1, 6), "bias"),
        (lambda m, x: m.o((x[:, None] @ m.w + m.p.expand(E, 5, 6)).relu()), (E, 1, 6), "bias"),
        (
            lambda m, x: m.o(torch.baddbmm(m.p[:, None], x.reshape(1, 10, 8).repeat(E, 1, 1), m.w).relu()),
            (E, 6),
            "bias",
        ),
        (by_expert, (E, 6), "bias"),
        (lambda m, x: m.o((F.linear(x, m.w.mT.flatten(0, 1)).view(2, 5, E, 6) + m.p).relu()), (E, 6), "bias"),
        (lambda m, x: m.o((x[:, None] @ m.w + m.p).relu()), (5, 6), "position"),
        (lambda m, x: m.o((x @ m.w[0] + m.p).relu()), (5, 6), "position"),
        (lambda m, x: m.o((x @ m.w[0] + m.p[0]).relu()), (E, 6), "bias"),
    ],
)
def test_what_has_a_number_for_each_output_of_stacked_weights_is_a_bias(function, shape, role):
    parts = {"w": torch.zeros(E, 8, 6), "p": torch.zeros(shape), "o": nn.Linear(6, 3)}
    found = trace(of(function, **parts), X).by_path["p"]
    assert (found.role, found.bias_of) == (role, "w" if role == "bias" else None)


@pytest.mark.parametrize(
    ("function", "axes"),
    [
        (lambda m, x, i: torch.einsum("btd,btdh->bth", x, m.w[i]), "bio"),
        (lambda m, x, i: x @ m.w.index_select(0, i[:, 0]), "bio"),
        (lambda m, x, i: x @ m.w[m.a(x).argmax(-1)[:, 0]], "bio"),
        (lambda m, x, i: (x[..., None, None, :] @ m.w[m.a(x).topk(2).indices]).squeeze(-2).sum(2), "bio"),
        (lambda m, x, i: (x[..., None] * m.w[i]).sum(-2), "bio"),
        (lambda m, x, i: x @ m.w[torch.tensor([1, 0])], "bio"),
        (
            lambda m, x, i: (
                F.conv1d(x.mT.reshape(1, -1, 5), m.w[i[:, 0]].mT.reshape(-1, 8, 1), groups=2).view(2, 6, 5).mT
            ),
            "bio",
        ),
    ],
)
def test_a_weight_that_is_picked_for_each_input_has_the_fans_of_one(function, axes):
    parts = {"w": torch.zeros(E, 8, 6), "a": nn.Linear(8, E), "o": nn.Linear(6, 3)}
    found = trace(of(lambda m, x, i: m.o(function(m, x, i).relu()), **parts), (X, IDS)).by_path
    assert (found["w"].role, found["w"].axes, found["w"].fans) == ("weight", axes, (8, 6))
    assert (found["w"].use.fed_by, found["w"].use.moment) == ("data", 1)


def test_the_bias_that_is_picked_beside_a_weight_is_a_bias():
    model = of(
        lambda m, x, i: m.o(torch.einsum("btd,btdh->bth", x, m.w[i]) + m.b[i]),
        w=torch.zeros(E, 8, 6),
        b=torch.zeros(E, 6),
        o=nn.Linear(6, 3),
    )
    found = trace(model, (X, IDS)).by_path
    assert (found["w"].role, found["b"].role, found["b"].bias_of) == ("weight", "bias", "w")
    assert (found["o.weight"].use.fed_by, found["o.weight"].use.moment) == ("dense", 1)


@pytest.mark.parametrize(
    ("function", "shape"),
    [
        (lambda m, x, i: m.o(torch.cat([m.p[i[:, 0]], x], 1)), (9, 3, 8)),
        (lambda m, x, i: m.o(m.p[i[:, 0]]), (9, 3, 8)),
        (lambda m, x, i: x @ m.p[i].mT, (9, 8)),
        (lambda m, x, i: (m.o(x) * m.p[i]).sum(-1), (9, 8)),
        (lambda m, x, i: m.o(x * m.p[i]), (9, 8)),
    ],
)
def test_rows_that_are_no_matrices_stay_embeddings(function, shape):
    found = trace(of(function, p=torch.zeros(shape), o=nn.Linear(8, 8)), (X, IDS)).by_path["p"]
    assert found.role == "embedding"


def test_what_holds_matrices_in_axes_that_are_not_its_own_is_kept():
    model = of(lambda m, x, i: x @ m.e(i[:, 0]).view(-1, 8, 6), e=nn.Embedding(E, 48))
    found = trace(model, (X, IDS)).by_path["e.weight"]
    assert (found.role, found.because) == ("kept", "its rows are used as matrices, of which its own axes say nothing")
    flat = trace(of(lambda m, x: F.linear(x, m.w.view(6, 8)), w=torch.zeros(48)), X).by_path["w"]
    assert (flat.role, flat.because) == ("kept", "a vector that is used as a matrix")


@pytest.mark.parametrize(
    ("function", "role"),
    [
        (lambda m, i: (m.u(i) * m.v(i)).sum(-1) + m.b(i)[..., 0] + m.c(i)[..., 0] + m.mu, "bias"),
        (lambda m, i: (m.u(i) * m.v(i)).sum(-1) + (m.b.weight[i] + m.c.weight[i]).squeeze(-1), "bias"),
        (lambda m, i: torch.sigmoid(m.b(i) - m.c(i)), "bias"),
        (lambda m, i: m.o(m.u(i).flatten(1)) + m.b(i).sum(1) + m.c(i).mean(1), "bias"),
        (lambda m, i: m.p(m.b(i) + m.c(i)), "embedding"),
        (lambda m, i: m.b(i) * m.c(i), "embedding"),
        (lambda m, i: torch.cat([m.b(i), m.c(i)], -1), "embedding"),
    ],
)
def test_one_number_that_is_picked_and_added_to_a_score_is_a_bias(function, role):
    layers = {"u": nn.Embedding(9, 8), "v": nn.Embedding(9, 8), "b": nn.Embedding(9, 1), "c": nn.Embedding(9, 1)}
    model = of(function, **layers, mu=torch.zeros(1), o=nn.Linear(40, 1), p=nn.Linear(1, 3))
    found = trace(model, (IDS,)).by_path
    assert (found["b.weight"].role, found["c.weight"].role) == (role, role)


def distances(z, codes):
    return z.pow(2).sum(1, keepdim=True) + codes.pow(2).sum(1) - 2 * z @ codes.T


def placed(nearest):
    return torch.zeros(len(nearest), 9).scatter_(1, nearest[:, None], 1)


@pytest.mark.parametrize(
    "function",
    [
        lambda z, codes: F.embedding(distances(z, codes).argmin(1), codes),
        lambda z, codes: codes[torch.cdist(z, codes).argmin(1)],
        lambda z, codes: codes.index_select(0, (z @ codes.T).argmax(1)),
        lambda z, codes: placed(distances(z, codes).argmin(1)) @ codes,
        lambda z, codes: F.one_hot(torch.cdist(z, codes).argmin(1), 9).float() @ codes,
    ],
)
@pytest.mark.parametrize("is_across", [False, True])
def test_a_codebook_is_an_embedding_however_its_nearest_row_is_found(function, is_across):
    def forward(m, x):
        z = m.a(x).view(-1, 8)
        found = function(z, m.c.T if is_across else m.c)
        return m.b(z + (found - z).detach())

    codes = torch.zeros(8, 9) if is_across else torch.zeros(9, 8)
    found = trace(of(forward, a=nn.Linear(8, 8), b=nn.Linear(8, 8), c=codes), X).by_path["c"]
    assert (found.role, [use.operation for use in found.uses]) == ("embedding", ["embedding"])


@pytest.mark.parametrize(
    "function",
    [
        lambda m, x: x @ (m.mix @ m.bases.view(3, -1)).view(5, 8, 6)[1],
        lambda m, x: torch.bmm(x, torch.einsum("rb,bio->rio", m.mix, m.bases)[:2]),
        lambda m, x: torch.einsum("btd,rdh->btrh", x, (m.mix @ m.bases.view(3, -1)).view(5, 8, 6)).sum(2),
        lambda m, x: x @ (m.mix @ m.bases.flatten(1))[2].view(8, 6),
    ],
)
def test_what_mixes_matrices_sums_over_them_and_they_have_the_fans_of_one(function):
    parts = {"mix": torch.zeros(5, 3), "bases": torch.zeros(3, 8, 6), "o": nn.Linear(6, 3)}
    found = trace(of(lambda m, x: m.o(function(m, x).relu()), **parts), X).by_path
    assert (found["bases"].role, found["bases"].axes, found["bases"].fans) == ("weight", "bio", (8, 6))
    mix = found["mix"]
    assert (mix.role, mix.axes, mix.fans, mix.use.moment, mix.use.followed_by) == (
        "weight",
        "oi",
        (3, 5),
        1,
        ("dense",),
    )


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


@pytest.mark.parametrize(
    ("function", "shape", "axes", "fans"),
    [
        (lambda w: w.flatten(1), (8, 2, 3), "ioo", (8, 6)),
        (lambda w: w.transpose(0, 1).flatten(1), (2, 8, 3), "oio", (8, 6)),
        (lambda w: w.T, (6, 8), "oi", (8, 6)),
        (lambda w: w.squeeze(-1).T, (6, 8, 1), "oib", (8, 6)),
        (lambda w: w.view(8, 6), (2, 4, 6), "iio", (8, 6)),
    ],
)
def test_a_weight_is_known_through_its_views(function, shape, axes, fans):
    found = trace(of(lambda m, x: m.o((x @ function(m.w)).relu()), w=torch.zeros(shape), o=nn.Linear(6, 3)), X)
    assert (found.by_path["w"].role, found.by_path["w"].axes, found.by_path["w"].fans) == ("weight", axes, fans)


@pytest.mark.parametrize(
    "function",
    [
        lambda x, y, m: x + m * (y - x),
        lambda x, y, m: x - (x - y) * m,
        lambda x, y, m: torch.addcmul(x, y - x, m),
        lambda x, y, m: torch.lerp(x, y, m),
    ],
)
def test_what_mixes_two_signals_is_no_scale(function):
    model = of(lambda m, x: m.o(function(x, x.roll(1, 1), m.mix)), mix=torch.full((8,), 0.5), o=nn.Linear(8, 3))
    found = trace(model, X).by_path["mix"]
    assert (found.role, found.because) in [("kept", "mixes two signals"), ("kept", "taken in by lerp")]


# Attention and packs.


def attention(m, x, *, heads=2, packed=None):
    q, k, v = packed(m.qkv(x)) if packed else (m.q(x), m.k(x), m.v(x))
    q, k, v = (t.unflatten(-1, (heads, -1)).transpose(1, 2) for t in (q, k, v))
    scores = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).softmax(-1)
    return m.o((scores @ v).transpose(1, 2).flatten(2))


def test_queries_keys_and_values_are_told_apart():
    layers = {name: nn.Linear(8, 8) for name in "qkvo"}
    found = trace(of(attention, **layers), X).by_path
    assert [found[f"{name}.weight"].use.followed_by for name in "qkv"] == [("query",), ("key",), ("value",)]
    assert found["o.weight"].use.fed_by == "attention"
    assert {found[f"{name}.weight"].use.head_size for name in "qkvo"} == {4}


@pytest.mark.parametrize(
    ("packed", "width", "blocks"),
    [
        (lambda t: t.chunk(3, -1), 24, 3),
        (lambda t: t.unflatten(-1, (3, 8)).unbind(-2), 24, 3),
        (
            lambda t: [p.repeat_interleave(n, -1) for p, n in zip(t.split([8, 4, 4], -1), (1, 2, 2), strict=True)],
            16,
            (8, 4, 4),
        ),
    ],
)
def test_packed_blocks_are_found_by_where_they_go(packed, width, blocks):
    model = of(lambda m, x: attention(m, x, packed=packed), qkv=nn.Linear(8, width), o=nn.Linear(8, 8))
    found = trace(model, X).by_path
    for path in ("qkv.weight", "qkv.bias"):
        assert (found[path].packs, found[path].blocks) == (("query", "key", "value"), blocks)


def test_interleaved_heads_are_no_blocks():
    def packed(t):
        return (p.flatten(-2) for p in t.unflatten(-1, (2, 12)).split(4, -1))

    model = of(lambda m, x: attention(m, x, packed=packed), qkv=nn.Linear(8, 24), o=nn.Linear(8, 8))
    found = trace(model, X).by_path["qkv.weight"]
    assert (found.packs, found.blocks, set(found.use.followed_by)) == ((), 1, {"query", "key", "value"})


@pytest.mark.parametrize(
    ("forward", "packs"),
    [
        (lambda m, x: m.b((lambda t: F.silu(t[..., :8]) * t[..., 8:])(m.a(x))), ("gate", "up")),
        (lambda m, x: m.b((lambda up, gate: up * F.gelu(gate))(*m.a(x).chunk(2, -1))), ("up", "gate")),
        (lambda m, x: m.b(F.glu(m.a(x))), ("up", "gate")),
    ],
)
def test_a_packed_gate_is_found(forward, packs):
    found = trace(of(forward, a=nn.Linear(8, 16), b=nn.Linear(8, 8)), X).by_path["a.weight"]
    assert (found.packs, found.blocks) == (packs, 2)


def test_attention_of_one_module_over_another_signal_reads_its_rows():
    model = of(lambda m, x, y: m.a(x, y, y)[0], a=nn.MultiheadAttention(8, 2, batch_first=True))
    found = trace(model, (X, torch.zeros(2, 3, 8))).by_path["a.in_proj_weight"]
    assert (found.packs, found.blocks, found.axes) == (("query", "key", "value"), 3, "oi")
    assert found.use.followed_by == ("query", "key", "value")


def test_a_bias_of_queries_keys_and_values_goes_where_they_go():
    model = of(lambda m, x, y, z: m.a(x, y, z)[0], a=nn.MultiheadAttention(8, 2, kdim=4, vdim=6, batch_first=True))
    found = trace(model, (X, torch.zeros(2, 3, 4), torch.zeros(2, 3, 6))).by_path
    assert found["a.in_proj_bias"].use.followed_by == ("query", "key", "value")


def test_a_table_added_to_scores_is_a_position():
    def forward(m, x):
        bias = m.table[torch.arange(5)[:, None] - torch.arange(5)[None] + 4]
        return m.v(x).transpose(1, 2).matmul((x @ x.transpose(1, 2) + bias).softmax(-1).transpose(1, 2))

    found = trace(of(forward, table=torch.zeros(9), v=nn.Linear(8, 8)), X).by_path["table"]
    assert (found.role, found.because) == ("position", "added to the scores of attention")


# Residual streams.


def branches(graph):
    return {p.path: p.use.branch for p in graph.weights if p.use.branch}


def block(m, x):
    return x + m.down(torch.relu(m.up(F.layer_norm(x, (8,)))))


def test_branches_are_numbered_along_the_stream():
    blocks = [of(block, up=nn.Linear(8, 16), down=nn.Linear(16, 8)) for _ in range(3)]
    found = branches(trace(nn.Sequential(nn.Linear(8, 8), *blocks), X))
    assert "0.weight" not in found
    for number in (1, 2, 3):
        facts = {"stream": 0, "number": number, "depth": 3, "layers": 2}
        assert found[f"{number}.up.weight"] == Branch(layer=1, is_last=False, **facts)
        assert found[f"{number}.down.weight"] == Branch(layer=2, is_last=True, **facts)


def test_a_normalisation_on_the_stream_does_not_end_it():
    blocks = [of(lambda m, x: m.n(x + m.a(x)), n=nn.LayerNorm(8), a=nn.Linear(8, 8)) for _ in range(3)]
    found = branches(trace(nn.Sequential(*blocks), X))
    assert [(branch.stream, branch.number, branch.depth) for branch in found.values()] == [
        (0, 1, 3),
        (0, 2, 3),
        (0, 3, 3),
    ]


def test_a_projection_on_the_skip_path_starts_a_stream_and_lies_in_no_branch():
    plain = of(lambda m, x: torch.relu(x + m.b(torch.relu(m.a(x)))), a=nn.Linear(8, 8), b=nn.Linear(8, 8))
    wider = of(
        lambda m, x: torch.relu(m.s(x) + m.b(torch.relu(m.a(x)))),
        a=nn.Linear(8, 16),
        b=nn.Linear(16, 16),
        s=nn.Linear(8, 16),
    )
    found = branches(trace(nn.Sequential(plain, plain, wider), X))
    assert "2.s.weight" not in found
    assert (found["0.b.weight"].stream, found["0.b.weight"].depth) == (0, 2)
    assert (found["2.b.weight"].stream, found["2.b.weight"].number, found["2.b.weight"].depth) == (1, 1, 1)


@pytest.mark.parametrize(
    "forward",
    [
        lambda m, x: x + m.a(x) + m.c(torch.relu(m.b(x))),
        lambda m, x: (m.a(x) + m.c(torch.relu(m.b(x)))) + x,
    ],
)
def test_parallel_branches_both_end_in_the_stream_and_both_count(forward):
    model = of(forward, a=nn.Linear(8, 8), b=nn.Linear(8, 8), c=nn.Linear(8, 8))
    found = branches(trace(model, X))
    assert {path: (branch.stream, branch.is_last, branch.depth) for path, branch in found.items()} == {
        "a.weight": (0, True, 2),
        "b.weight": (0, False, 2),
        "c.weight": (0, True, 2),
    }


def test_what_gates_a_branch_does_not_join_the_stream():
    model = of(
        lambda m, x: x + m.a(x) * torch.sigmoid(m.g(x.mean(1, keepdim=True))), a=nn.Linear(8, 8), g=nn.Linear(8, 8)
    )
    found = branches(trace(model, X))
    assert (found["a.weight"].is_last, found["g.weight"].is_last) == (True, False)


def test_a_gate_between_the_old_and_the_new_does_not_join_the_stream():
    model = of(lambda m, x: x + torch.sigmoid(m.g(x)) * (torch.relu(m.a(x)) - x), a=nn.Linear(8, 8), g=nn.Linear(8, 8))
    found = branches(trace(model, X))
    assert (found["a.weight"].is_last, found["g.weight"].is_last) == (True, False)


def test_a_normalisation_in_a_branch_says_whether_it_joins_the_stream():
    model = of(lambda m, x: x + m.n(m.a(x)), a=nn.Linear(8, 8), n=nn.LayerNorm(8))
    assert use(model, "n.weight", X).branch == Branch(stream=0, number=1, depth=1, layer=1, layers=1, is_last=True)


# Embeddings, positions, tokens.


def test_embeddings_know_what_they_are_added_to():
    def forward(m, ids):
        return m.head(m.words(ids) + m.places(torch.arange(ids.shape[1])) + m.extra)

    model = of(
        forward,
        words=nn.Embedding(9, 8, padding_idx=0),
        places=nn.Embedding(20, 8),
        extra=torch.zeros(8, 8),
        head=nn.Linear(8, 9),
    )
    found = trace(model, torch.zeros(2, 8, dtype=torch.long)).by_path
    assert (found["words.weight"].role, found["words.weight"].axes, found["words.weight"].padding) == (
        "embedding",
        "vo",
        0,
    )
    assert found["words.weight"].use.sums_with == ("extra", "places.weight")
    assert found["places.weight"].role == "embedding"
    assert (found["extra"].role, found["extra"].use.sums_with) == ("position", ("words.weight", "places.weight"))
    assert found["head.weight"].use.moment == 1


def test_a_token_is_put_beside_the_signal():
    model = of(
        lambda m, x: m.a(torch.cat([m.token.expand(len(x), 1, 8), x], 1)), token=torch.zeros(1, 1, 8), a=nn.Linear(8, 8)
    )
    found = trace(model, X).by_path
    assert (found["token"].role, found["token"].use.operation) == ("token", "concatenation")
    assert found["a.weight"].use.fed_by == "data"


def test_learned_queries_are_a_signal():
    model = of(
        lambda m, x: m.a(m.queries.expand(len(x), 3, 8), x, x)[0],
        queries=torch.zeros(3, 8),
        a=nn.MultiheadAttention(8, 2, batch_first=True),
    )
    found = trace(model, X).by_path
    assert found["queries"].role == "token"
    assert found["a.in_proj_weight"].packs == ("query", "key", "value")


# Shared, parametrised and unused parameters.


def test_a_tied_weight_counts_once_with_every_use():
    model = of(lambda m, ids: F.linear(m.e(ids), m.e.weight), e=nn.Embedding(9, 8))
    model.head = nn.Linear(8, 9, bias=False)
    model.head.weight = model.e.weight
    graph = trace(model)
    assert [(p.path, p.tied) for p in graph.params] == [("e.weight", ("head.weight",))]
    assert [u.operation for u in graph.params[0].uses] == ["embedding", "dense"]
    assert graph.params[0].uses[1].is_head


def test_what_makes_a_weight_has_the_role_of_the_weight():
    norm = nn.utils.parametrizations.weight_norm(nn.Linear(8, 4))
    spectral = nn.utils.parametrizations.spectral_norm(nn.Linear(4, 8))
    found = trace(nn.Sequential(norm, spectral, nn.utils.parametrizations.orthogonal(nn.Linear(8, 8))), X).by_path
    facts = {path: (p.role, p.axes, p.layer) for path, p in found.items() if "original" in path}
    assert facts == {
        "0.parametrizations.weight.original0": ("kept", "oo", "ParametrizationList"),
        "0.parametrizations.weight.original1": ("weight", "oi", "ParametrizationList"),
        "1.parametrizations.weight.original": ("weight", "oi", "ParametrizationList"),
        "2.parametrizations.weight.original": ("kept", "oi", "ParametrizationList"),
    }
    assert found["1.parametrizations.weight.original"].because == "dense, through div"
    assert found["0.parametrizations.weight.original0"].because == "length in a weight norm: follows its direction"
    lengths = {path: p.length_of for path, p in found.items() if p.length_of}
    assert lengths == {"0.parametrizations.weight.original0": "0.parametrizations.weight.original1"}


def test_a_length_is_that_of_its_own_direction_and_a_frozen_one_of_none():
    class Sums(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Parameter(torch.ones(4, 3)), nn.Parameter(torch.ones(3, 8))
            self.v, self.g = nn.Parameter(torch.ones(4, 8)), nn.Parameter(torch.ones(4, 1))

        def forward(self, x):
            return x @ (self.a @ self.b + torch._weight_norm(self.v, self.g, 0)).T

    assert {path: p.length_of for path, p in trace(Sums(), X).by_path.items() if p.length_of} == {"g": "v"}
    frozen = Sums()
    frozen.g.requires_grad_(False)
    assert not any(param.length_of for param in trace(frozen, X).params)
    assert "set to the length" not in str(plan(frozen, "he_normal", example=X))


def test_what_is_not_used_is_noted():
    model = of(lambda m, x: m.a(x), a=nn.Linear(8, 8), spare=nn.Sequential(*(nn.Linear(8, 8) for _ in range(4))))
    graph = trace(model, X)
    assert graph.notes == (
        "not used in this pass: `spare.0.weight`, `spare.0.bias`, `spare.1.weight`, `spare.1.bias`, `spare.2.weight` "
        "and 3 more",
    )
    spare = graph.by_path["spare.0.weight"]
    assert (spare.role, spare.axes, spare.because, spare.uses) == ("weight", "oi", "Linear, not used in this pass", ())


# Recurrent layers.


def test_the_gates_of_a_recurrent_layer_are_packed():
    found = trace(nn.LSTM(8, 4, 2, batch_first=True)).by_path
    gates = ("input", "forget", "cell", "output")
    assert {(p.packs, p.blocks) for p in found.values()} == {(gates, 4)}
    assert [found[f"weight_{name}"].use.fed_by for name in ("ih_l0", "hh_l0", "ih_l1")] == [
        "data",
        "state",
        "recurrent",
    ]
    assert found["bias_hh_l1"].bias_of == "weight_hh_l1"
    assert found["weight_ih_l0"].fans == (8, 4)


def test_a_state_has_the_moment_at_which_it_settles():
    """A long run with independent Gaussian gates, which is what the formula is of."""
    drawn = torch.Generator().manual_seed(0)
    state, out = torch.zeros(20_000), torch.zeros(1)
    for _ in range(60):
        i, f, c, o = (1 + out.square().mean()).sqrt() * torch.randn(4, 20_000, generator=drawn)
        state = (f + 1).sigmoid() * state + i.sigmoid() * c.tanh()
        out = o.sigmoid() * state.tanh()
    found = use(nn.LSTM(8, 4), "weight_hh_l0").moment
    assert found == pytest.approx(float(out.square().mean()), rel=0.1)  # a state is not quite Gaussian
    assert use(nn.RNN(8, 4, nonlinearity="relu"), "weight_hh_l0").moment == pytest.approx(1)


def packing(m, x, lengths):
    packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    return m.head(nn.utils.rnn.pad_packed_sequence(m.second(m.first(packed)[0])[0], batch_first=True)[0])


def by_keyword(m, x, lengths):
    return m.head(m.second(m.first(hx=None, input=x)[0])[0])


@pytest.mark.parametrize("forward", [packing, by_keyword])
@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (nn.LSTM, {}),
        (nn.LSTM, {"proj_size": 2}),
        (nn.GRU, {"num_layers": 2, "bidirectional": True}),
    ],
)
def test_sequences_of_their_own_lengths_are_traced_as_others_are(forward, settings, kind):
    width = settings.get("proj_size", 4) * (2 if "bidirectional" in settings else 1)
    parts = {
        "first": kind(8, 4, batch_first=True, **settings),
        "second": kind(width, 4, batch_first=True, **settings),
        "head": nn.Linear(width, 2),
    }
    example = (torch.randn(3, 5, 8), torch.tensor([5, 2, 3]))
    found = trace(of(forward, **parts), example)
    assert found.is_traced
    assert found.params == trace(of(lambda m, x, n: m.head(m.second(m.first(x)[0])[0]), **parts), example).params


def test_what_a_recurrent_layer_reads_is_its_input_whatever_stands_first():
    def forward(m, x):
        return m.rnn(hx=m.start(x.relu())[None, :, 0], input=x)[0]

    model = of(forward, start=nn.Linear(8, 4), rnn=nn.GRU(8, 4, batch_first=True))
    assert use(model, "rnn.weight_ih_l0", X).fed_by == "data"


def gates_by_hand(m, x):
    state = cell = torch.zeros(2, 4)
    for step in x.unbind(1):
        gates = F.linear(step, m.cell.weight_ih, m.cell.bias_ih) + F.linear(state, m.cell.weight_hh, m.cell.bias_hh)
        i, f, c, o = gates.chunk(4, -1)
        cell = f.sigmoid() * cell + i.sigmoid() * c.tanh()
        state = o.sigmoid() * cell.tanh()
    return state


def one_step(m, x):
    state = torch.zeros(2, 4)
    return torch.lstm_cell(x[:, 0], (state, state), *m.cell.parameters())[0]


@pytest.mark.parametrize("forward", [gates_by_hand, one_step])
def test_what_a_recurrent_layer_owns_is_that_where_others_multiply_by_it(forward):
    found = trace(of(forward, cell=nn.LSTMCell(8, 4)), X).by_path
    gates = ("input", "forget", "cell", "output")
    assert {(p.packs, p.blocks, p.use.operation) for p in found.values()} == {(gates, 4, "recurrent")}
    assert {path: p.use.fed_by for path, p in found.items() if p.role == "weight"} == {
        "cell.weight_ih": "data",
        "cell.weight_hh": "state",
    }
    assert (found["cell.bias_hh"].use.fed_by, found["cell.bias_hh"].bias_of) == ("state", "cell.weight_hh")


def test_a_state_that_is_learned_is_kept_and_an_input_that_is_learned_is_a_signal():
    def forward(m, x):
        state = m.state.expand(1, 2, -1)
        return m.rnn(m.steps.expand(2, 5, 8), m.first(x[None, :, 0]))[0] + m.rnn(x, state)[0]

    parts = {"state": torch.zeros(1, 1, 4), "steps": torch.zeros(8), "first": nn.Linear(8, 4)}
    found = trace(of(forward, rnn=nn.GRU(8, 4, batch_first=True), **parts), X).by_path
    told = {path: (found[path].role, found[path].because) for path in ("state", "steps")}
    assert told == {
        "state": ("kept", "a state that a recurrence starts from"),
        "steps": ("token", "a signal that is learned"),
    }


@pytest.mark.parametrize(
    ("steps", "fed_by"),
    [(lambda x: torch.zeros(2, 5, 8), "unknown"), (lambda x: torch.from_numpy(x.numpy()), "unknown")],
)
def test_a_recurrent_layer_on_numbers_of_the_models_own_is_one_still(steps, fed_by):
    found = trace(of(lambda m, x: m.head(m.rnn(steps(x))[0]), rnn=nn.LSTM(8, 4), head=nn.Linear(4, 2)), X).by_path
    fed = {path: found[path].use.fed_by for path in ("rnn.weight_ih_l0", "rnn.weight_hh_l0", "head.weight")}
    assert fed == {"rnn.weight_ih_l0": fed_by, "rnn.weight_hh_l0": "state", "head.weight": "recurrent"}


def test_of_a_layer_that_is_not_reached_its_type_says_what_it_does():
    found = trace(of(lambda m, x: m.a(x), a=nn.Linear(8, 8), rnn=nn.LSTM(8, 4, proj_size=2)), X).by_path
    assert {(found[path].uses, found[path].use.operation) for path in found if path[0] == "r"} == {((), "recurrent")}
    names = ("weight_ih", "weight_hh", "bias_hh", "weight_hr")
    assert [found[f"rnn.{name}_l0"].use.fed_by for name in names] == ["unknown", "state", "state", "cell"]


# A forward that differentiates.


def net():
    return nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))


def gradient(y, x, **settings):
    return torch.autograd.grad(y.sum(), x, create_graph=True, **settings)[0]


def with_its_gradient(m, x):
    u = m.net(x.requires_grad_())
    return u, gradient(u, x)


def by_an_input_that_needs_one(m, x):
    return gradient(m.net(x), x)


def force(m, x):
    return -gradient(m.net(x.requires_grad_()), x)


def force_and_energy(m, x):
    energy = m.net(x.requires_grad_()).sum(1)
    return energy.sum(), gradient(energy, x)


def twice(m, x):
    u = m.net(x.requires_grad_())
    first = gradient(u, x)
    return u, gradient(first[:, 0], x)


def within(m, x):
    with torch.enable_grad():
        return with_its_gradient(m, x.detach())


def backwards(m, x):
    x = x.detach().requires_grad_()
    energy = m.net(x).sum()
    energy.backward()
    return energy, x.grad


def at_once(m, x):
    u = m.net(x.requires_grad_())
    torch.autograd.backward([u], [torch.ones_like(u)], inputs=[x])
    return x.grad


def row_by_row(m, x):
    return torch.func.vmap(torch.func.grad(lambda row: m.net(row)[0]))(x)


def jacobian(m, x):
    return torch.func.vmap(torch.func.jacrev(m.net))(x)


def pulled_back(m, x):
    u, back = torch.func.vjp(m.net, x)
    return u, back(torch.ones_like(u))[0]


def asserting(m, x):
    assert torch.is_grad_enabled()
    return with_its_gradient(m, x)


def written_before(m, x):
    x[:, 0].clamp_(-9, 9)
    return with_its_gradient(m, x.mul_(1))


def looking_at_numbers(m, x):
    u, slope = with_its_gradient(m, x)
    return u, slope * (2.0 if u.sum().item() > 0 else 1.0)


DIFFERENTIATING = [
    with_its_gradient,
    by_an_input_that_needs_one,
    force,
    force_and_energy,
    twice,
    within,
    backwards,
    at_once,
    row_by_row,
    jacobian,
    pulled_back,
    asserting,
    looking_at_numbers,
]


@pytest.mark.parametrize(
    ("forward", "requires_grad"), [*itertools.product(DIFFERENTIATING, (False, True)), (written_before, False)]
)
def test_a_model_that_differentiates_is_what_it_differentiates(forward, requires_grad):
    model = of(forward, net=net())
    found, plain = trace(model, torch.randn(4, 2).requires_grad_(requires_grad)), trace(model.net, torch.randn(4, 2))
    assert found.is_traced
    alike = {path.removeprefix("net."): param for path, param in found.by_path.items()}
    assert {path: param.uses for path, param in alike.items()} == {
        path: tuple(replace(use, after=tuple(f"net.{name}" for name in use.after)) for use in param.uses)
        for path, param in plain.by_path.items()
    }


def test_a_model_that_differentiates_is_traced_where_nothing_can_be():
    with torch.inference_mode():
        assert trace(of(looking_at_numbers, net=net()), torch.randn(4, 2)).is_traced


def test_gradients_are_on_only_where_they_must_be_and_that_is_noted():
    why = "RuntimeError: element 0 of tensors does not require grad and does not have a grad_fn"
    noted = f"traced with gradients on, because without them it raises {why}"
    assert trace(of(force, net=net()), torch.randn(4, 2)).notes == (noted,)
    assert trace(of(within, net=net()), torch.randn(4, 2)).notes == ()
    assert trace(of(looking_at_numbers, net=net()), torch.randn(4, 2)).notes == (
        "traced by running it on real numbers, because without numbers it raises DataDependentOutputException: "
        "aten._local_scalar_dense.default",
        noted,
    )
    assert trace(of(force, net=net())).notes == ("the input was made up: `x` float32 (2, 2)", noted)
    with torch.device("meta"):
        empty = of(looking_at_numbers, net=net())
    assert trace(empty, torch.randn(4, 2)).notes == (
        "the layers' types speak alone, because without numbers it raises DataDependentOutputException: "
        "aten._local_scalar_dense.default",
    )


def test_what_a_derivative_feeds_is_of_unknown_size():
    model = of(lambda m, x: m.post(force(m, x)), net=net(), post=nn.Linear(2, 3))
    found = trace(model, torch.randn(4, 2)).by_path
    assert (found["post.weight"].use.fed_by, found["post.weight"].use.moment) == ("unknown", None)
    assert (found["post.weight"].use.followed_by, found["net.4.weight"].use.followed_by) == (("output",), ("output",))


def inner_step(m, x):
    weights = dict(m.net.named_parameters())
    slopes = torch.autograd.grad(m.net(x).square().mean(), tuple(weights.values()), create_graph=True)
    moved = {name: value - 0.1 * slope for (name, value), slope in zip(weights.items(), slopes, strict=True)}
    return torch.func.functional_call(m.net, moved, (x,))


def inner_step_of_a_function(m, x):
    weights = dict(m.net.named_parameters())
    slopes = torch.func.grad(lambda own: torch.func.functional_call(m.net, own, (x,)).square().mean())(weights)
    return torch.func.functional_call(m.net, {name: weights[name] - 0.1 * slopes[name] for name in weights}, (x,))


@pytest.mark.parametrize("forward", [inner_step, inner_step_of_a_function])
def test_a_weight_that_an_inner_step_moved_is_that_weight(forward):
    found = trace(of(forward, net=net()), torch.randn(4, 2)).by_path
    assert [param.role for param in found.values()] == ["weight", "bias"] * 3
    assert [(use.fed_by, use.followed_by) for use in found["net.2.weight"].uses] == [("tanh", ("tanh",))] * 2


# Inputs.


@pytest.mark.parametrize(
    ("model", "note"),
    [
        (nn.Linear(4, 2), "the input was made up: `input` float32 (2, 4)"),
        (nn.Sequential(nn.Flatten(), nn.Linear(784, 2)), "the input was made up: `input` float32 (2, 784)"),
        (nn.Linear(4, 2).double(), "the input was made up: `input` float64 (2, 4)"),
        (nn.Conv2d(1, 2, 3), "the input was made up: `input` float32 (2, 1, 224, 224)"),
        (
            nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 30 * 30, 2)),
            "the input was made up: `input` float32 (2, 3, 32, 32)",
        ),
        (nn.Conv1d(3, 4, 3), "the input was made up: `input` float32 (2, 3, 64)"),
        (nn.Conv3d(3, 4, 3), "the input was made up: `input` float32 (2, 3, 32, 32, 32)"),
        (nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 2)), "the input was made up: `input` int64 (2, 8)"),
        (nn.GRU(6, 4), "the input was made up: `input` float32 (2, 8, 6)"),
        (nn.LSTMCell(6, 4), "the input was made up: `input` float32 (2, 6)"),
        (nn.Bilinear(3, 4, 5), "the input was made up: `input1` float32 (2, 3), `input2` float32 (2, 4)"),
        (
            nn.Transformer(8, 2, 1, 1, 8, batch_first=True),
            "the input was made up: `src` float32 (2, 8, 8), `tgt` float32 (2, 8, 8)",
        ),
    ],
)
def test_an_input_is_made_up_from_the_model(model, note):
    graph = trace(model)
    assert graph.is_traced
    assert graph.notes == (note,)


def test_an_example_is_a_tensor_an_array_a_tuple_or_a_dict():
    model = of(lambda m, x, y: m.b(x, y), b=nn.Bilinear(3, 4, 5))
    assert trace(model, (torch.zeros(2, 3), np.zeros((2, 4), np.float32))).is_traced
    assert trace(nn.Linear(3, 2), np.zeros((2, 3), np.float32)).is_traced
    assert trace(nn.Linear(3, 2), {"input": torch.zeros(2, 3)}).is_traced
    assert trace(of(lambda m, x: m.a(x["rows"]), a=nn.Linear(3, 2)), {"rows": torch.zeros(2, 3)}).is_traced


# Where numbers decide.


def branching(m, x):
    return m.a(x) if x.sum() > 0 else m.b(x)


def test_a_model_that_looks_at_numbers_is_run_on_numbers():
    graph = trace(of(branching, a=nn.Linear(8, 8), b=nn.Linear(8, 8)), torch.ones(2, 8))
    assert graph.is_traced
    assert graph.notes[0] == (
        "traced by running it on real numbers, because without numbers it raises DataDependentOutputException: "
        "aten._local_scalar_dense.default"
    )
    assert graph.by_path["a.weight"].uses
    assert not graph.by_path["b.weight"].uses


def test_a_model_without_numbers_that_looks_at_them_is_read_by_its_layers():
    with torch.device("meta"):
        model = of(branching, a=nn.Linear(8, 8), b=nn.Linear(8, 8))
    graph = trace(model, torch.ones(2, 8))
    assert not graph.is_traced
    assert graph.notes == (
        "the layers' types speak alone, because without numbers it raises DataDependentOutputException: "
        "aten._local_scalar_dense.default",
    )
    assert [p.role for p in graph.params] == ["weight", "bias", "weight", "bias"]


# Nothing is changed.


@pytest.mark.parametrize("example", [torch.ones(2, 3, 8, 8), torch.zeros(2, 5)])
def test_nothing_of_the_model_is_changed(example):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout())
    model[1].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state, ids = torch.get_rng_state(), [id(p) for p in model.parameters()]
    if example.ndim == 4:
        trace(model, example)
    else:
        with pytest.raises(ModelError):
            trace(model, example)
    assert [m.training for m in model] == [True, False, True]
    assert [id(p) for p in model.parameters()] == ids
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.backends.mha.get_fastpath_enabled()
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model)


def test_a_model_on_meta_has_the_same_graph_wherever_it_is_traced():
    with torch.device("meta"):
        empty = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.LSTM(8, 4))
        inside = trace(empty)
    full = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.LSTM(8, 4))
    assert trace(empty) == trace(full) == inside


def test_a_wrapped_model_has_the_bare_models_graph():
    model = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 4))
    assert trace(nn.DataParallel(model), torch.zeros(2, 4)) == trace(model, torch.zeros(2, 4))


# What is refused.


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 2)

    def forward(self, x, mask):
        return self.fc(x) * mask


def test_an_input_that_cannot_be_told_is_asked_for():
    with pytest.raises(ModelError) as error:
        trace(Net())
    assert str(error.value) == (
        "Initium cannot make up the input `mask` of Net.forward(x, mask). Pass example=..., a tensor, a tuple of "
        "arguments or a dict of keyword arguments."
    )


def test_a_model_that_raises_is_named_with_where_and_what_it_was_given():
    with pytest.raises(ModelError) as error:
        trace(Net(), (torch.zeros(2, 3), torch.ones(2, 2)))
    assert str(error.value) == (
        "Net raises RuntimeError in `fc`: mat1 and mat2 shapes cannot be multiplied (2x3 and 4x2).\n"
        "It was given `x` float32 (2, 3), `mask` float32 (2, 2). Pass an example that it runs on."
    )


def test_an_example_with_nan_is_refused():
    with pytest.raises(ModelError) as error:
        trace(Net(), {"x": torch.tensor([[1.0, math.nan, math.inf, 0.0]]), "mask": torch.ones(1, 2)})
    assert str(error.value) == (
        "The example's `x` holds 2 values of 4 that are NaN or infinite. Pass an example of finite numbers."
    )


def test_an_example_of_another_kind_is_refused():
    with pytest.raises(ModelError) as error:
        trace(nn.Linear(2, 2), [1.0, 2.0])
    assert str(error.value) == (
        "An example is a tensor, a tuple of arguments or a dict of keyword arguments, not a list. "
        "A data loader's batch holds labels too: pass its inputs alone, batch[0]."
    )


def test_a_model_that_returns_no_tensor_is_refused():
    with pytest.raises(ModelError) as error:
        trace(of(lambda m, x: 3, a=nn.Linear(8, 8)), X)
    assert str(error.value) == (
        "Made returns no tensor but an int, so nothing says what its parameters do. "
        "Trace a model whose forward returns its output."
    )


def test_a_lazy_model_without_an_example_is_refused():
    with pytest.raises(ModelError) as error:
        trace(nn.Sequential(nn.LazyLinear(3, bias=False)))
    assert str(error.value) == (
        "`0.weight` has no shape yet. Run the model once on a batch, `model(batch)`, so that its lazy layers "
        "get one; `plan` and `initialize` do so with example=batch."
    )


@pytest.mark.parametrize("recipe", ["auto", "he", "torch"])
def test_lazy_layers_get_their_shapes_from_an_example(recipe):
    def net(linear, norm):
        return nn.Sequential(linear(8), norm(), nn.BatchNorm1d(8), nn.Dropout(), nn.ReLU(), linear(2))

    model = net(nn.LazyLinear, nn.LazyBatchNorm1d)
    usual = net(lambda num: nn.Linear(6 if num == 8 else 8, num), lambda: nn.BatchNorm1d(8))
    random = torch.get_rng_state()
    example = torch.ones(4, 6)
    assert initialize(model, 0, recipe, example=example) == initialize(usual, 0, recipe, example=example)
    assert torch.equal(torch.get_rng_state(), random)
    assert all(module.training for module in model.modules())
    same = zip(model.state_dict().items(), usual.state_dict().items(), strict=True)
    assert all(one[0] == other[0] and torch.equal(one[1], other[1]) for one, other in same)


def refusal_of_lazy(build, example):
    with pytest.raises(ModelError) as error:
        plan(build(), example=example)
    return str(error.value)


def test_lazy_layers_that_get_no_shape_are_refused():
    two = lambda: of(lambda m, x: m.a(x), a=nn.LazyLinear(3, bias=False), b=nn.LazyLinear(2, bias=False))  # noqa: E731
    assert refusal_of_lazy(two, X) == (
        "`b.weight` has no shape yet, since the example does not reach its layer. "
        "Call that layer once, as training will."
    )
    assert refusal_of_lazy(lambda: nn.Sequential(nn.LazyConv2d(3, 3)), torch.zeros(3)).startswith(
        "Sequential has lazy layers, which get their shapes from a run, and raises RuntimeError: "
    )
    with torch.device("meta"):
        model = nn.Sequential(nn.LazyLinear(3), nn.Linear(3, 2))
    assert refusal_of_lazy(lambda: model, X) == (
        "The model has lazy layers, which get their shapes from a run, and no memory to run in. Build it with its "
        "sizes, `nn.Linear(8, 4)` for `nn.LazyLinear(4)`, or not on meta."
    )


def test_what_is_no_model_is_refused():
    with pytest.raises(ModelError) as error:
        trace(lambda x: x)
    assert str(error.value) == "`trace` takes a torch.nn.Module, not a function."


@pytest.mark.parametrize(
    "read",
    [
        lambda x, w: torch.einsum("boi,bi->bo", w, x),
        lambda x, w: torch.bmm(w, x[..., None])[..., 0],
    ],
)
def test_a_layers_weight_to_which_a_hypernetwork_adds_is_its_weight(read):
    model = of(
        lambda m, x: m.o(read(x, m.base.weight + m.h(x).view(-1, 6, 8)).relu()),
        base=nn.Linear(8, 6, bias=False),
        h=nn.Linear(8, 48),
        o=nn.Linear(6, 2),
    )
    found = trace(model, torch.zeros(4, 8)).by_path["base.weight"]
    assert (found.role, found.axes, found.because) == ("weight", "oi", "Linear, something is added to it first")
    assert (found.use.operation, found.use.fed_by, found.use.moment) == ("dense", "unknown", None)


def test_a_second_moment_that_no_signal_has_is_not_known():
    def near(m, x):
        return m.o(torch.exp(-m.width * (x[:, None] - m.centres).square().sum(-1)))

    model = of(near, centres=torch.randn(10, 8), width=torch.tensor(0.5), o=nn.Linear(10, 1))
    assert trace(model, torch.zeros(4, 8)).by_path["o.weight"].use.moment is None
