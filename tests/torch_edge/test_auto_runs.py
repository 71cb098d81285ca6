"""What `auto` promises, on models that are really filled and run."""

import math

import pytest
import torch
from torch import nn
from torch_edge import zoo
from torch_edge.small_nets import NETS

import initium


def last_moment(model, batch):
    with torch.no_grad():
        return model(batch).square().mean().item()


def deep(activation, *, depth=30, width=256):
    layers = [layer for _ in range(depth) for layer in (nn.Linear(width, width, bias=False), activation())]
    return nn.Sequential(*layers)


@pytest.mark.parametrize(
    ("activation", "left", "k", "slope"),
    # E f(z)^2 at gain 1 / sqrt(E f^2) is 1 behind each weight; k = Var f^2 / (E f^2)^2 of relu is 5 by its moments.
    [(nn.ReLU, 0.5, 5.0, 1.0), (lambda: nn.LeakyReLU(0.2), 0.52, 4.1, 1.0), (nn.SELU, 1.0, 5.2, 0.7826)],
)
@pytest.mark.slow
def test_thirty_layers_keep_the_second_moment_within_the_band_of_their_width(activation, left, k, slope):
    logs = []
    for seed in range(10):
        torch.manual_seed(seed)
        model, batch = deep(activation), torch.randn(256, 256)
        initium.initialize(model, seed=seed, example=batch)
        logs.append(math.log(last_moment(model, batch) / left))
    steps = [slope**j for j in range(30)]
    drift, variance = -k / 2 / 256 * sum(steps), k / 256 * sum(step**2 for step in steps)
    assert abs(sum(logs) / 10 - drift) < 3 * math.sqrt(variance / 10)


def test_an_unknown_gain_would_leave_that_band():
    torch.manual_seed(0)
    model, batch = deep(nn.ReLU), torch.randn(256, 256)
    initium.initialize(model, recipe="lecun_normal", example=batch)
    assert last_moment(model, batch) < 1e-6


class Sines(nn.Module):
    """A net of sines, each with its frequency; what was inside the last one is kept."""

    def __init__(self, *frequencies, width=256):
        super().__init__()
        self.first, self.last = nn.Linear(2, width), nn.Linear(width, 1)
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in frequencies[1:])
        self.frequencies = frequencies

    def forward(self, x):
        for layer, frequency in zip([self.first, *self.layers], self.frequencies, strict=True):
            self.inside = frequency * layer(x)
            x = torch.sin(self.inside)
        return self.last(x)


@pytest.mark.parametrize(("recipe", "low", "high"), [("auto", 0.85, 1.15), ("siren", 0.7, 1.6)])  # siren has biases
@pytest.mark.parametrize("frequencies", [(30, 30, 30, 30), (30, 1, 1, 1), (10, 10, 10, 10), (30, 5, 0.1, 20)])
def test_what_is_inside_a_sine_is_about_1_at_any_frequency(recipe, low, high, frequencies):
    torch.manual_seed(0)
    model = Sines(*frequencies)
    initium.initialize(model, recipe=recipe)
    model(torch.rand(2048, 2) * 2 - 1)
    assert low < model.inside.square().mean().item() ** 0.5 < high


def excess(logits):
    """By how much of log k the loss exceeds it, as a mean over all labels."""
    loss = (logits.logsumexp(-1) - logits.mean(-1)).mean().item()
    return loss / math.log(logits.shape[-1]) - 1


@pytest.mark.slow
@pytest.mark.parametrize("name", zoo.classifiers())
def test_a_classifier_starts_within_a_tenth_of_log_k(name):
    build, batch, logits_of = zoo.classifiers()[name]
    torch.manual_seed(0)
    model = build()  # training: an untrained BatchNorm in eval mode is the identity
    initium.initialize(model, seed=0, example=batch)
    with torch.no_grad():
        logits = logits_of(zoo.call(model, batch)).flatten(0, -2).float()
    assert abs(excess(logits)) < 0.1


@pytest.mark.parametrize("name", NETS)
def test_a_head_knows_what_reaches_it(name):
    build, batch = NETS[name]
    excesses = []
    for seed in range(5):  # of which a mean: one draw of a narrow net strays
        model = build()
        initium.initialize(model, seed=seed, example=batch)
        with torch.no_grad():
            excesses.append(excess(model(batch).flatten(0, -2)))
    assert 0.02 < sum(excesses) / 5 < 0.1  # 0.05 is meant


@pytest.mark.slow
@pytest.mark.parametrize("name", zoo.small())
def test_every_parameter_of_every_model_is_decided_and_filled(name):
    build, batch = zoo.small()[name]
    model = build()
    plan = initium.plan(model, example=batch)
    ledger = plan.apply(model, seed=0)
    drawn = [choice for choice in plan.choices if str(choice.init) != "framework"]
    assert len(ledger.filled) >= len(drawn) > 0
    assert all(torch.isfinite(value).all() for value in model.parameters())


class Tied(nn.Module):
    """Two layers under a head that is the embedding: norms at once, before the branches, or behind them."""

    def __init__(self, *, embedding_norm, post_norm, width=1024, num=4000):
        super().__init__()
        self.words, self.places = nn.Embedding(num, width), nn.Embedding(16, width)
        self.first = nn.LayerNorm(width) if embedding_norm else nn.Identity()
        self.mixers = nn.ModuleList(nn.MultiheadAttention(width, 8, batch_first=True) for _ in range(2))
        self.nets = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width)) for _ in range(2)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(5))
        self.post_norm = post_norm

    def forward(self, ids):
        x = self.first(self.words(ids) + self.places(torch.arange(ids.shape[1])))
        norms = iter(self.norms)
        for mixer, net in zip(self.mixers, self.nets, strict=True):
            for branch in (lambda z, mixer=mixer: mixer(z, z, z)[0], net):
                norm = next(norms)
                x = norm(x + branch(x)) if self.post_norm else x + branch(norm(x))
        x = x if self.post_norm else next(norms)(x)
        return x @ self.words.weight.T


@pytest.mark.parametrize(
    "norms",
    [
        {"embedding_norm": True, "post_norm": False},
        {"embedding_norm": True, "post_norm": True},
        {"embedding_norm": False, "post_norm": True},
        {"embedding_norm": False, "post_norm": False},
    ],
)
def test_a_tied_head_behind_norms_does_not_find_its_token(norms):
    torch.manual_seed(0)
    model, ids = Tied(**norms), torch.randint(0, 4000, (2, 16))
    initium.initialize(model, seed=0, example=ids)
    with torch.no_grad():
        logits = model(ids)
    own = logits.gather(-1, ids[..., None]).mean().item()
    assert own < math.log(4000) / 2
    assert abs(excess(logits)) < 0.1


class Offset(nn.Module):
    """A normalisation whose scale is 1 + w."""

    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(width))

    def forward(self, x):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * (1 + self.weight)


class Enlarged(nn.Module):
    """Rows that are tied to the head, times sqrt(d); branches with attention, with gates, or with either in turn."""

    def __init__(self, kinds, *, post_norm=False, width=256, num=1000):
        super().__init__()
        self.words, self.kinds, self.post_norm = nn.Embedding(num, width), kinds, post_norm
        self.norms = nn.ModuleList(Offset(width) for _ in range(2 * len(kinds) + 1))
        wide = {"attention": width, "gate": 4 * width}
        self.ins = nn.ModuleList(nn.Linear(width, wide[kind]) for kind in kinds)
        self.gates = nn.ModuleList(nn.Linear(width, wide[kind]) for kind in kinds)
        self.outs = nn.ModuleList(nn.Linear(wide[kind], width) for kind in kinds)

    def forward(self, ids):
        x = self.words(ids) * self.words.weight.shape[1] ** 0.5
        norms = iter(self.norms)
        for kind, up, gate, out in zip(self.kinds, self.ins, self.gates, self.outs, strict=True):
            z, last = next(norms)(x), next(norms)
            if kind == "attention":
                mixed = nn.functional.scaled_dot_product_attention(gate(z), gate(z), up(z))
            else:
                mixed = nn.functional.gelu(gate(z)) * up(z)
            x = x + (last(out(mixed)) if self.post_norm else out(mixed))
        return next(norms)(x) @ self.words.weight.T


@pytest.mark.parametrize("post_norm", [False, True])
@pytest.mark.parametrize("kinds", [("attention", "gate") * 3, ("gate",) * 4, ("attention",) * 4])
def test_rows_that_are_enlarged_and_tied_to_the_head_do_not_find_themselves(kinds, post_norm):
    torch.manual_seed(0)
    model, ids = Enlarged(kinds, post_norm=post_norm), torch.randint(0, 1000, (4, 32))
    initium.initialize(model, seed=0, example=ids)
    with torch.no_grad():
        logits = model(ids)
    assert logits.gather(-1, ids[..., None]).mean().item() < 1.02 * math.log(1000) / 2  # one draw strays
    assert abs(excess(logits)) < 0.1


class Factors(nn.Module):
    def __init__(self):
        super().__init__()
        self.users, self.items = nn.Embedding(1000, 64), nn.Embedding(1000, 64)
        self.tower = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 64))

    def forward(self, users, items):
        raise NotImplementedError


class Factorisation(Factors):
    def forward(self, users, items):
        return (self.users(users) * self.items(items)).sum(-1)


class TwoTowers(Factors):
    def forward(self, users, items):
        return self.tower(self.users(users)) @ self.items(items).T


@pytest.mark.parametrize("kind", [Factorisation, TwoTowers])
def test_a_dot_product_of_towers_has_a_tenth_of_log_2(kind):
    torch.manual_seed(0)
    model, ids = kind(), (torch.randint(0, 1000, (1000,)), torch.randint(0, 1000, (1000,)))
    initium.initialize(model, seed=0, example=ids)
    with torch.no_grad():
        assert model(*ids).square().mean().item() == pytest.approx(math.log(2) / 10, rel=0.15)


class Blocks(nn.Module):
    """Each block forecasts, and takes what it explained from what the next one sees."""

    def __init__(self, num=6):
        super().__init__()
        self.nets = nn.ModuleList(nn.Sequential(nn.Linear(20, 256), nn.ReLU()) for _ in range(num))
        self.backs = nn.ModuleList(nn.Linear(256, 20) for _ in range(num))
        self.ahead = nn.ModuleList(nn.Linear(256, 8) for _ in range(num))

    def forward(self, x):
        total = torch.zeros(len(x), 8)
        for net, back, ahead in zip(self.nets, self.backs, self.ahead, strict=True):
            hidden = net(x)
            x, total = x - back(hidden), total + ahead(hidden)
        return total


class Biaffine(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(64, 128), nn.Linear(64, 128)
        self.middle = nn.Parameter(torch.randn(128, 128))

    def forward(self, x):
        return self.left(x).relu() @ self.middle @ self.right(x).relu().mT


class Pairs(nn.Module):
    """Products of all pairs of rows."""

    def __init__(self):
        super().__init__()
        self.rows = nn.Embedding(1000, 16)

    def forward(self, ids):
        rows = self.rows(ids)
        return 0.5 * (rows.sum(1) ** 2 - (rows**2).sum(1)).sum(-1)


@pytest.mark.parametrize(
    ("build", "example", "least", "most"),
    [
        (Blocks, lambda: torch.randn(512, 20), math.log(8) / 20, math.log(8) / 5),
        (Biaffine, lambda: torch.randn(8, 32, 64), math.log(2) / 20, math.log(2) / 5),
        (Pairs, lambda: torch.randint(0, 1000, (512, 10)), 0.001, math.log(2) / 10),
    ],
)
def test_an_output_that_several_weights_make_is_small_and_not_nothing(build, example, least, most):
    torch.manual_seed(0)
    model, batch = build(), example()
    initium.initialize(model, seed=0, example=batch)
    assert least < last_moment(model, batch) < most


class Scaled(nn.Module):
    """A normalisation written out, whose scale reaches it by a function."""

    def __init__(self, function, built):
        super().__init__()
        self.weight, self.function = nn.Parameter(torch.full((16,), built)), function

    def forward(self, x):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * self.function(self.weight)


@pytest.mark.parametrize("recipe", ["auto", "llama", "gpt2", "he_normal", "t_fixup"])
@pytest.mark.parametrize(
    ("function", "built"),
    [
        (lambda w: 1 + w, 0.0),
        (lambda w: 0 + w, 0.3),
        (lambda w: w + 1e-6, 0.3),
        (lambda w: 0.5 + w, 0.3),
        (lambda w: 1 - w, 0.3),
        (lambda w: 2 * w, 0.3),
        (lambda w: w.abs() + 1e-6, 1.0),
    ],
)
def test_a_normalisation_gives_second_moment_1_whatever_reaches_its_scale(recipe, function, built):
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = Scaled(function, built)
            self.q, self.k, self.v, self.o = (nn.Linear(16, 16) for _ in range(4))
            self.up, self.down = nn.Linear(16, 16), nn.Linear(16, 16)

        def forward(self, x):
            y = self.norm(x)
            x = x + self.o(nn.functional.scaled_dot_product_attention(self.q(y), self.k(y), self.v(y)))
            return x + self.down(self.up(x).relu())

    model, batch = Block(), torch.randn(4, 8, 16)
    initium.initialize(model, seed=0, recipe=recipe, example=batch)
    assert last_moment(model.norm, batch) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    "function",
    [
        lambda m, x: x @ (m.square + m.square.T),
        lambda m, x: x @ ((m.square - m.square.T) / 2),
        lambda m, x: torch.einsum("bi,bio->bo", x, m.stack[torch.arange(len(x)) % 8 + 0 * x[:, 0].long()]),
        lambda m, x: (x[..., None] * m.stack[x[:, 0].long() % 8]).sum(-2),
        lambda m, x: x.view(32, 8, 256) @ (m.mix @ m.stack.flatten(1)).view(32, 256, 256),
        lambda m, x: torch.addcmul(m.shift, m.scale, x @ m.square),
    ],
)
def test_a_weight_hands_on_second_moment_1_whatever_it_is_made_by(function):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.square, self.stack = nn.Parameter(torch.zeros(256, 256)), nn.Parameter(torch.zeros(8, 256, 256))
            self.mix = nn.Parameter(torch.zeros(32, 8))
            self.scale, self.shift = nn.Parameter(torch.randn(256)), nn.Parameter(torch.randn(256))
            self.head = nn.Linear(256, 4)

        def hidden(self, x):
            return function(self, x)

        def forward(self, x):
            return self.head(self.hidden(x).tanh())

    torch.manual_seed(0)
    model, batch = Net(), torch.randn(256, 256)
    initium.initialize(model, seed=0, example=batch)
    with torch.no_grad():  # three times sqrt(2 / 256), by which the 32 * 8 numbers that mix stray
        assert model.hidden(batch).square().mean().item() == pytest.approx(1, rel=0.26)


class Sequences(nn.Module):
    """A recurrent layer, and a way to use it that a pass may not follow."""

    def __init__(self, layer, use):
        super().__init__()
        self.layer, self.head, self.own = layer, nn.Linear(8, 2), use

    def forward(self, x, lengths):
        self.own(self.layer, x, lengths)
        return self.head(x)


def packed(layer, x, lengths):
    layer(nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False))


def not_at_all(layer, x, lengths):
    pass


def on_zeros(layer, x, lengths):
    layer(torch.zeros(5, 3, 8))


class OwnCell(nn.LSTMCell):
    pass


RECURRENT = {
    "packed": (lambda: nn.LSTM(8, 16), packed),
    "packed both ways": (lambda: nn.LSTM(8, 16, 2, bidirectional=True), packed),
    "packed and projected": (lambda: nn.LSTM(8, 16, proj_size=4), packed),
    "not reached": (lambda: nn.LSTM(8, 16, 2, bidirectional=True), not_at_all),
    "projected, not reached": (lambda: nn.LSTM(8, 16, 2, proj_size=4), not_at_all),
    "cell, not reached": (lambda: nn.LSTMCell(8, 16), not_at_all),
    "cell of one's own, not reached": (lambda: OwnCell(8, 16), not_at_all),
    "GRU, not reached": (lambda: nn.GRU(8, 16), not_at_all),
    "on numbers of its own": (lambda: nn.LSTM(8, 16), on_zeros),
    "weight norm": (lambda: nn.utils.parametrizations.weight_norm(nn.LSTM(8, 16), "weight_hh_l0"), not_at_all),
}


def first_gates(layer):
    """Of each state to state, the matrix of the first gate."""
    return [value[:16] for path, value in layer.named_parameters() if path.startswith("weight_hh")]


@pytest.mark.parametrize("recipe", ["auto", "keras", "orthogonal", "glorot", "he", "lecun", "torch"])
@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("name", RECURRENT)
def test_a_recurrent_layer_starts_as_one_however_it_is_used(name, device, recipe):
    build, use = RECURRENT[name]
    with torch.device(device):
        model = Sequences(build(), use)
    plan = initium.plan(model, recipe, example=(torch.randn(5, 3, 8), torch.tensor([5, 2, 4])))
    plan.apply(model.to_empty(device="cpu") if device == "meta" else model, seed=0)
    layer = model.layer
    if recipe == "torch":
        values = [value for path, value in layer.named_parameters() if "parametrizations" not in path]
        assert all(value.abs().max() <= 1 / 4 for value in values)
        assert all(value.abs().max() > 0.9 / 4 for value in values if value.numel() > 200)
        return
    if recipe in ("auto", "orthogonal"):
        assert all(
            torch.allclose(torch.linalg.svdvals(gate), torch.ones(min(gate.shape))) for gate in first_gates(layer)
        )
    biases = [value for path, value in layer.named_parameters() if "bias" in path]
    for one, other in zip(biases[::2], biases[1::2], strict=True):
        gates = (one + other).detach().view(-1, 16)
        assert gates.mean(1).tolist() == ([0.0, 1.0, 0.0, 0.0] if len(gates) == 4 else [0.0, 0.0, 0.0])
        assert gates.eq(gates[:, :1]).all()


@pytest.mark.parametrize("bias", ["bias_ih_l0", "bias_hh_l0"])
def test_a_forget_gate_is_one_in_the_same_bias_however_its_weight_is_made(bias):
    model = nn.LSTM(8, 16)
    nn.utils.parametrizations.weight_norm(model, bias.replace("bias", "weight"))
    plan = initium.plan(model, "lecun", example=torch.randn(5, 3, 8))
    assert {c.path: str(c.init) for c in plan.choices if "bias" in c.path} == {
        "bias_ih_l0": "forget_gate_bias",
        "bias_hh_l0": "zeros",
    }
