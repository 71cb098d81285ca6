"""Which weights give the output of a model, and what lies behind them."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  its usual name
from torch import nn
from torch_edge.traced import X, of, use

from initium.torch._trace import trace


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
