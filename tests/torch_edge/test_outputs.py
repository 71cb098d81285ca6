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


def categorical(m, x, labels):
    chosen = torch.distributions.Categorical(logits=m.b(x), validate_args=False)
    return chosen.log_prob(labels), chosen.entropy()


def categorical_of_probabilities(m, x, labels):
    chosen = torch.distributions.Categorical(probs=m.b(x).softmax(-1), validate_args=False)
    return chosen.log_prob(labels), chosen.entropy()


def entropy(m, x):
    logs = m.b(x).log_softmax(-1)
    return -(logs.exp() * logs).sum(-1), logs


def focal(m, x, labels):
    logs = m.b(x).log_softmax(-1).gather(-1, labels[..., None])
    return -((1 - logs.exp()) ** 2 * logs).mean()


def normal_beside_a_vector(m, x, y):
    mean = m.b(x)
    return torch.distributions.Normal(mean, m.v.exp().expand_as(mean), validate_args=False).log_prob(y)


def squashed(m, x):
    spread = m.c(x).clamp(-5, 2).exp()
    raw = m.b(x) + spread * torch.randn_like(x)
    action = torch.tanh(raw)
    return action, -0.5 * ((raw - m.b(x)) / spread) ** 2 - spread.log() - torch.log(1 - action**2 + 1e-6)


def negative_binomial(m, x, y):
    return F.softplus(m.b(x)) * F.logsigmoid(-m.c(x)) + y * F.logsigmoid(m.c(x))


def rendered(m, x, distances):
    opaque = 1 - torch.exp(-torch.relu(m.b(x)) * distances)
    return (torch.cumprod(1 - opaque, 1) * opaque * torch.sigmoid(m.c(x))).sum(1)


def rendered_by_sums(m, x):
    dense = F.softplus(m.b(x)) * 0.1
    return (torch.exp(dense - dense.cumsum(1)) * (1 - torch.exp(-dense)) * torch.sigmoid(m.c(x))).sum(1)


def blocks(m, x):
    hidden = torch.relu(m.a(x))
    x = x - m.b(hidden)
    later = torch.relu(m.g(x))
    return m.c(hidden) + m.d(later)


def wide_and_deep(m, x):
    hidden = torch.relu(m.a(x))
    return m.b(hidden) + m.c(torch.relu(m.g(torch.relu(m.d(hidden)))))


def penalised(m, x, labels):
    logits = m.b(x)
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten()) + 1e-6 * (logits**2).sum()


@pytest.mark.parametrize(
    ("function", "others", "expected"),
    [
        (categorical, (LABELS,), {"b": "logits"}),
        (categorical_of_probabilities, (LABELS,), {"b": "logits"}),
        (entropy, (), {"b": "logits"}),
        (focal, (LABELS,), {"b": "logits"}),
        (penalised, (LABELS,), {"b": "logits"}),
        (lambda m, x: torch.relu(m.b(x)).softmax(-1), (), {"b": "logits"}),
        (normal_beside_a_vector, (Y,), {"b": "output"}),
        (squashed, (), {"b": "output", "c": "output"}),
        (negative_binomial, (Y,), {"b": "output", "c": "output"}),
        (rendered, (Y.abs(),), {"b": "output", "c": "output"}),
        (rendered_by_sums, (), {"b": "output", "c": "output"}),
        (lambda m, x: torch.sigmoid(m.b(x)) * F.softplus(m.c(x)), (), {"b": "output", "c": "output"}),
        (lambda m, x: 0.5 * (m.b(x) ** 2).sum(-1), (), {"b": "product"}),
        (lambda m, x, y: ((m.b(x) - y) ** 2).sum(-1), (Y,), {"b": "output"}),
        (lambda m, x: m.a(x) @ m.s @ torch.relu(m.b(x)).mT, (), {"s": "product", "b": "product"}),
        (blocks, (), {"c": "open", "d": "open"}),
        (wide_and_deep, (), {"b": "open", "c": "open"}),
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
        (lambda m, x: torch.relu(m.a(x)).mean(1) * 2, (), {}),
        (lambda m, x: F.normalize(torch.relu(m.a(x)), dim=-1), (), {}),
        (lambda m, x: torch.relu(m.b(x)) * torch.sigmoid(m.g(x)), (), {}),
        (lambda m, x: m.a(x) * torch.sigmoid(m.b(x)) * torch.sigmoid(m.g(x)), (), {"a": "output"}),
        (lambda m, x: torch.relu(m.a(x) + m.b(torch.relu(m.g(x)))), (), {}),
        (lambda m, x: m.n(m.a(x)).relu(), (), {}),
        (lambda m, x: on(m.a(x), lambda h: (m.g(h)[..., :1].softmax(1) * h).sum(1)), (), {}),
        (lambda m, x: F.scaled_dot_product_attention(m.a(x), m.b(x), m.c(x)), (), {}),
        (lambda m, x: (m.a(x) @ m.b(x).mT).softmax(-1) @ m.c(x), (), {}),
        (lambda m, x: torch.sigmoid(m.r(x)[0]), (), {}),
        (lambda m, x: on(m.b(x), lambda h: h + m.c(torch.relu(m.a(h)))), (), {}),
    ],
)
def test_what_gives_the_output_is_told(function, others, expected):
    layers = {name: nn.Linear(8, 8) for name in "abcdg"}
    raw = {"t": torch.tensor(2.0), "s": torch.randn(8, 8), "v": torch.randn(8)}
    model = of(function, **layers, **raw, r=nn.GRU(8, 8), n=nn.LayerNorm(8))
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


def pairs_of(rows):
    return 0.5 * (rows.sum(1) ** 2 - (rows**2).sum(1)).sum(-1)


@pytest.mark.parametrize(
    ("function", "factors", "size"),
    [
        (lambda m, ids: (m.a(ids) * m.b(ids)).sum(-1), 2, 8),
        (lambda m, ids: (m.a(ids) * m.b(ids)).sum(-1) / 2, 2, 2),
        (lambda m, ids: torch.bmm(m.a(ids), m.b(ids).mT), 2, 8),
        (lambda m, ids: torch.sigmoid((m.a(ids) * m.b(ids) * m.c(ids)).sum(-1)), 3, 8),
        (lambda m, ids: (m.a(ids) * F.normalize(m.b(ids), dim=-1)).sum(-1), 1, 1),
        (lambda m, ids: (torch.relu(m.a(ids)) * m.b(ids)).sum(-1), 2, 4),
        (lambda m, ids: (m.a(ids) * m.b(ids) + m.c(ids) * m.b(ids) - m.a(ids) * m.c(ids)).sum(-1), 2, 3 * 8),
        # E (sum of d squares)^2 = d (d + 2), for 5 rows that are summed times 5^2, times (1/2)^2.
        (lambda m, ids: pairs_of(m.a(ids)), 2, 8 * 10 * 25 / 4),
        (lambda m, ids: on(m.a(ids), lambda rows: pairs_of(rows) + m.d(rows.flatten(1)).sum(-1)), 2, 8 * 10 * 25 / 4),
        (lambda m, ids: on(m.a(ids), lambda a: ((a * m.b(ids)).sum(-1), (a * m.c(ids))[..., :2].sum(-1))), 2, 8),
    ],
)
def test_a_dot_product_has_its_size_and_the_factors_that_share_it(function, factors, size):
    parts = {name: nn.Embedding(9, 8) for name in "abc"}
    model = of(function, **parts, d=nn.Linear(40, 1))
    found = trace(model, torch.zeros(2, 5, dtype=torch.long)).by_path["a.weight"].use.output
    assert (found.kind, found.factors, found.size) == ("product", factors, pytest.approx(size))


def test_losses_that_are_added_are_no_stream():
    def forward(m, x, y):
        h = torch.relu(m.a(x))
        return F.mse_loss(m.b(h), y) + F.mse_loss(m.c(torch.relu(m.g(h))), y)

    found = trace(of(forward, **{name: nn.Linear(8, 8) for name in "abcg"}), (X, Y)).weights
    assert [(p.path, p.use.branch) for p in found if p.use.is_head] == [("b.weight", None), ("c.weight", None)]


@pytest.mark.parametrize(
    ("function", "others", "nums"),
    [
        (blocks, (), {"c": 2, "d": 2}),
        (lambda m, x: m.a(x) + m.b(x) - m.c(x), (), {"a": 3, "b": 3, "c": 3}),
        (lambda m, x: m.a(x) + on(m.b(x), lambda h: h - h.mean(-1, keepdim=True)), (), {"a": 2, "b": 2}),
        (lambda m, x: m.a(x) + m.b(x).exp(), (), {"a": 1, "b": 1}),
        (lambda m, x: m.a(x).log_softmax(-1) - m.b(x).log_softmax(-1), (), {"a": 1, "b": 1}),
        (lambda m, x, y: F.mse_loss(m.a(x), y) + F.mse_loss(m.b(x), y), (Y,), {"a": 1, "b": 1}),
    ],
)
def test_how_many_weights_are_added_to_an_output_is_told(function, others, nums):
    found = trace(of(function, **{name: nn.Linear(8, 8) for name in "abcdg"}), (X, *others)).weights
    outputs = {param.path.removesuffix(".weight"): param.use.output for param in found if param.use.output}
    assert {name: output.num_summed for name, output in outputs.items()} == nums


def test_a_weight_that_is_divided_by_its_own_size_is_told():
    def forward(m, x):
        return 30 * F.linear(F.normalize(x, dim=-1), F.normalize(m.s, dim=-1)) + m.a(x)

    model = of(forward, s=torch.randn(6, 8), a=nn.Linear(8, 6))
    assert {p.path: p.use.is_sized for p in trace(model, X).weights} == {"s": True, "a.weight": False}
