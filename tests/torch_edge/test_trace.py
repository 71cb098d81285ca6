"""Each mechanism of the tracer on a model made for it; whole architectures are in test_zoo."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812  its usual name
from torch import nn
from torch_edge.traced import X, of, use

from initium import gain, plan
from initium._graph import Branch
from initium.torch._trace import trace

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


@pytest.mark.parametrize(
    ("function", "frequency"),
    [
        (lambda x: torch.sin(30 * x), 30),
        (lambda x: torch.sin(x), 1),
        (lambda x: torch.sin(x / 0.1), 10),
        (lambda x: torch.cos(math.pi * x), 3.14159),
        (lambda x: 5 * torch.sin(20 * (1.5 * x + 0.3)), 30),
        (lambda x: torch.sin(100 * (2 * x).view(-1, 8)), 200),  # fast, and multiplied on the way
        (lambda x: torch.cat([torch.sin(7 * x), torch.cos(7 * x)], -1)[..., ::2], 7),
        (lambda x: torch.cat([torch.sin(7 * x), torch.cos(8 * x)], -1)[..., ::2], None),
        (lambda x: torch.sin(x) + x, None),
        (lambda x: torch.sin(30 * (x.abs() + 1) * x), None),
        (torch.tanh, None),
        (lambda x: 2 * x, None),
    ],
)
def test_the_frequency_within_a_sine_is_known(function, frequency):
    model = of(lambda m, x: m.b(function(m.a(x))), a=nn.Linear(8, 8), b=nn.Linear(8, 8))
    found = use(model, "a.weight", X)
    inside = found.frequency and found.frequency * found.behind
    assert inside == (frequency and pytest.approx(frequency, rel=1e-5))


@pytest.mark.parametrize(
    ("made_of", "told", "given"),
    [
        (lambda x: x, "; the sine's frequency 30 is the model's own", 1),
        (lambda x: 2 * x - 1, "; the sine's frequency 30 is the model's own", 1),
        (lambda x: torch.cat([x[..., :3], x[..., 3:].flip(-1)], -1), "; the sine's frequency 30 is the model's own", 1),
        (lambda x: x + x.flip(-1), "; the sine's frequency 30 is the model's own", 1),
        (torch.cos, ", divided by the sine's frequency 30", 1 / 900),
    ],
)
def test_the_frequency_is_its_author_s_in_the_layer_that_takes_data_in(made_of, told, given):
    model = of(lambda m, x: m.b(torch.sin(30 * m.a(made_of(x)))), a=nn.Linear(8, 8), b=nn.Linear(8, 8))
    (choice,) = (one for one in plan(model, example=X).choices if one.path == "a.weight")
    assert choice.because.endswith(told)
    assert (choice.param.use.given, choice.moment) == (pytest.approx(given), pytest.approx(given))


def test_a_complex_signal_is_measured_by_its_size():
    """|exp(i z)| is 1, and of its real part alone the mean square is 0.57."""
    model = of(lambda m, x: m.b(torch.exp(1j * m.a(x))), a=nn.Linear(8, 8), b=nn.Linear(8, 8, dtype=torch.cfloat))
    assert use(model, "b.weight", X).moment == pytest.approx(1, rel=1e-6)


def test_a_function_without_a_name_is_measured():
    model = of(lambda m, x: m.b(torch.tanh(m.a(x)) ** 2 + 1), a=nn.Linear(8, 8), b=nn.Linear(8, 8))
    found = use(model, "b.weight", X)
    assert found.fed_by == "f"
    assert found.moment == pytest.approx(gain(lambda z: np.tanh(z) ** 2 + 1) ** -2, rel=1e-6)


@pytest.mark.parametrize(
    ("function", "fed_by", "moment"),
    [
        (lambda m, x: m.b(m.a(x) * 3), "dense", 1.0),  # the constant counts as a's own
        (lambda m, x: m.b((m.a(x) + m.c(x)) * 3), "dense", 18.0),
        (lambda m, x: m.b(m.a(x) + m.c(x)), "dense", 2.0),
        (lambda m, x: m.b(F.silu(m.a(x)) * m.c(x)), "gate", gain("silu") ** -2),
        (lambda m, x: m.b(torch.cat([torch.relu(m.a(x))[..., :4], m.c(x)[..., :4]], -1)), "relu", 0.75),
        (lambda m, x: m.b(F.dropout(torch.relu(m.a(x)), 0.5, m.training)), "relu", 0.5),
        (lambda m, x: m.b(F.layer_norm(m.a(x), (8,))), "normalisation", 1.0),
        (lambda m, x: m.b(torch.relu(m.a(x) * 2)), "relu", 0.5),
        (lambda m, x: m.b(torch.relu(m.a(x)) * 2), "relu", 2.0),
        (lambda m, x: m.b(x), "data", 1.0),
        (lambda m, x: m.v(F.pad(m.a(x).mT, (3, 3))), "dense", 1.0),
        (lambda m, x: m.v(F.pad(m.a(x), (0, 0, 3, 0))[:, :8]), "dense", pytest.approx(0.625, rel=0.02)),
        (lambda m, x: m.b(torch.exp(m.t) * m.a(x)), "dense", None),
    ],
)
def test_what_feeds_a_weight_has_its_second_moment(function, fed_by, moment):
    model = of(
        function, a=nn.Linear(8, 8), b=nn.Linear(8, 8), c=nn.Linear(8, 8), t=torch.tensor(2.0), v=nn.Conv1d(8, 8, 3)
    )
    weights = trace(model, X).by_path
    found = (weights["v.weight"] if weights["v.weight"].uses else weights["b.weight"]).use
    assert found.fed_by == fed_by
    assert found.moment == (pytest.approx(moment, rel=1e-9) if isinstance(moment, float) else moment)


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
    taken = of(
        lambda m, x: m.c(m.s(x) + m.b(torch.relu(m.a(x)))),
        **{name: nn.Linear(8, 8) for name in "abcs"},
    )
    assert "1.b.weight" in branches(trace(nn.Sequential(plain, taken), X))


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
    assert graph.notes == ("not used in this pass: `spare.0-3.weight`, `spare.0-3.bias`",)
    spare = graph.by_path["spare.0.weight"]
    assert (spare.role, spare.axes, spare.because, spare.uses) == ("weight", "oi", "Linear, not used in this pass", ())


def test_a_frozen_parameter_is_kept():
    model = nn.Linear(8, 8)
    model.weight.requires_grad_(False)
    found = trace(model).by_path
    assert [(p.role, p.because) for p in found.values()] == [("kept", "frozen"), ("bias", "bias")]


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


@pytest.mark.parametrize("skip", [lambda m, x: m.s(x), lambda m, x: m.norm(x), lambda m, x: x])
def test_constants_leave_a_branch_its_share_whatever_its_stream_went_through(skip):
    layers = {name: nn.Linear(8, 8) for name in "sab"}
    model = of(
        lambda m, x: m.o((skip(m, x) + m.b(m.a(x).relu())) / math.sqrt(2)),
        **layers,
        norm=nn.LayerNorm(8),
        o=nn.Linear(8, 3),
    )
    assert use(model, "b.weight", X).branch.left == pytest.approx(1)
