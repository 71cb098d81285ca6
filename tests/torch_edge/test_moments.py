"""The second moment that is claimed for what feeds a weight, against the one that is measured."""

import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  its usual name
from torch import nn
from torch_edge.traced import of

import initium
from initium._decisions import decide
from initium._recipes import parse_recipe
from initium._trace import _measured
from initium.torch._apply import apply
from initium.torch._trace import trace

WIDTH = 128
DRAWN = torch.Generator().manual_seed(0)


def flat():
    return torch.randn(256, WIDTH, generator=DRAWN)


def sequence():
    return torch.randn(16, 64, WIDTH, generator=DRAWN)


def image():
    return torch.randn(8, WIDTH, 8, 8, generator=DRAWN)


def linear(num_outputs=WIDTH):
    return nn.Linear(WIDTH, num_outputs)


def fill(model, graph):
    """Weights that give independent Gaussians of second moment 1 if what is claimed of their operands holds."""
    for path, value in model.named_parameters():
        param = graph.by_path[path]
        std = (
            math.sqrt(param.use.given / (param.fans.fan_in * (param.use.moment or 1)))
            if param.role == "weight"
            else 0.0
        )
        if param.role in ("weight", "bias"):
            nn.init.normal_(value.detach(), std=std, generator=DRAWN)


def measured(model, example):
    """Of what reaches `last`."""
    seen = []
    model.last.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    model.eval()
    with torch.no_grad():
        model(example)
    return float(seen[0].double().square().mean())


def cell(m, x):
    """An LSTM written out, without the forget gate's bias."""
    h = c = x[:, 0] * 0
    for step in range(12):
        i, f, g, o = (m.a(x[:, step]) + m.b(h)).chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
    return m.last(h)


def chunks_added(m, x):
    return m.last(sum(m.a(x).chunk(2, -1)))


def ring(num):
    return torch.eye(num).roll(1, 0) + torch.eye(num).roll(-1, 0)


GIVEN = torch.arange(64) % 5
KEPT = (torch.arange(64) < 20).float()[:, None]


def written_into(m, x):
    made = torch.zeros(16, 64, WIDTH)
    made[:, ::2] = m.a(x)[:, ::2]
    made[:, 1:9] += torch.relu(m.b(x))[:, :8]
    return m.last(made)


def highway(m, x):
    for opens, layer in ((m.a, m.b), (m.c, m.d), (m.e, m.f)):
        gate = torch.sigmoid(opens(x))
        x = gate * torch.relu(layer(x)) + (1 - gate) * x
    return m.last(x)


def half_bent(m, x):
    u, v = m.a(x).chunk(2, -1)
    return m.last(u + torch.relu(v))


def rotated(m, x):
    angles = torch.arange(64.0)[:, None] * torch.arange(WIDTH // 2)[None] / 7
    cos, sin = angles.cos().repeat(1, 2), angles.sin().repeat(1, 2)
    y = m.a(x)
    low, high = y.chunk(2, -1)
    return m.last(y * cos + torch.cat([-high, low], -1) * sin)


def rotated_by_halves(m, x):
    angles = torch.arange(64.0)[:, None] * torch.arange(WIDTH // 2)[None] / 7
    low, high = m.a(x).chunk(2, -1)
    return m.last(torch.cat([low * angles.cos() - high * angles.sin(), low * angles.sin() + high * angles.cos()], -1))


class Joined(nn.Module):
    """A block whose branch joins its stream in one of several ways."""

    def __init__(self, join):
        super().__init__()
        self.up, self.down, self.join = linear(), linear(), join

    def forward(self, x):
        return self.join(x, self.down(torch.relu(self.up(x))))


# How the branch joins, and which second moment it is meant to give by itself so that the stream stays at 1.
JOINS = {
    "scaled sum": (lambda x, f: (x + f) / math.sqrt(2), 1.0),
    "weighed": (lambda x, f: 0.8 * x + 0.6 * f, 1.0),
    "half each": (lambda x, f: 0.5 * x + 0.5 * f, 3.0),
    "mean": (lambda x, f: (x + f) / 2, 3.0),
    "a lerp": (lambda x, f: torch.lerp(x, f, 0.3), 0.51 / 0.09),
    "plain": (lambda x, f: x + f, 1 / 6),
    "a small branch": (lambda x, f: x + 0.1 * f, 1.0),
    "enlarged": (lambda x, f: 2 * x + f, 1 / 6),
}


@pytest.mark.parametrize("name", JOINS)
def test_what_joins_a_stream_leaves_it_at_one_where_constants_say_how(name):
    join, meant = JOINS[name]
    model, example = Last(linear(), *(Joined(join) for _ in range(6)), linear()), flat()
    plan = initium.initialize(model, seed=0, example=example).choices
    ends = [choice for choice in plan if choice.path.endswith("down.weight")]
    assert [choice.moment for choice in ends] == [pytest.approx(meant)] * 6
    if name in ("scaled sum", "weighed", "half each", "mean", "a lerp"):
        assert measured(model, example) == pytest.approx(1.0, rel=0.5)


ROWS = {
    "sum of two layers": (lambda m, x: m.last(m.a(x) + m.b(x)), {"a": linear, "b": linear}, flat),
    "chunk and add": (chunks_added, {"a": lambda: linear(2 * WIDTH)}, flat),
    "chunk, bend and add": (half_bent, {"a": lambda: linear(2 * WIDTH)}, flat),
    "minus its neighbour": (lambda m, x: m.last((lambda y: y - y.roll(1, -1))(m.a(x))), {"a": linear}, flat),
    "a rotation": (rotated, {"a": linear}, sequence),
    "a rotation by halves": (rotated_by_halves, {"a": linear}, sequence),
    "a product": (lambda m, x: m.last(m.a(x) * m.b(x)), {"a": linear, "b": linear}, flat),
    "a gate": (lambda m, x: m.last(F.silu(m.a(x)) * m.b(x)), {"a": linear, "b": linear}, flat),
    "glu": (lambda m, x: m.last(F.glu(m.a(x))), {"a": lambda: linear(2 * WIDTH)}, flat),
    "concatenation": (
        lambda m, x: m.last(torch.cat([torch.relu(m.a(x))[:, :96], m.b(x)[:, :32]], -1)),
        {"a": linear, "b": linear},
        flat,
    ),
    "sum over time": (lambda m, x: m.last(m.a(x).sum(1)), {"a": linear}, sequence),
    "sum over time of relu": (lambda m, x: m.last(torch.relu(m.a(x)).sum(1)), {"a": linear}, sequence),
    "highest over time": (lambda m, x: m.last(m.a(x).amax(1)), {"a": linear}, sequence),
    "highest over time of relu": (lambda m, x: m.last(torch.relu(m.a(x)).max(1).values), {"a": linear}, sequence),
    "max pool, then relu": (
        lambda m, x: m.last(torch.relu(F.max_pool2d(m.a(x), 2)).flatten(2).transpose(1, 2)),
        {"a": lambda: nn.Conv2d(WIDTH, WIDTH, 1)},
        image,
    ),
    "relu, then max pool": (
        lambda m, x: m.last(F.max_pool1d(torch.relu(m.a(x)).transpose(1, 2), 4).transpose(1, 2)),
        {"a": linear},
        sequence,
    ),
    "mean of one": (lambda m, x: m.last(m.a(x).mean(1)), {"a": linear}, lambda: sequence()[:, :1]),
    "padded channels": (
        lambda m, x: m.last(F.pad(m.a(x), (0, WIDTH // 2))),
        {"a": lambda: linear(WIDTH // 2)},
        flat,
    ),
    "scores written out": (
        lambda m, x: m.last((m.a(x) @ m.b(x).transpose(1, 2) / math.sqrt(WIDTH)).softmax(-1) @ m.c(x)),
        {"a": linear, "b": linear, "c": linear},
        lambda: sequence()[:, :1],
    ),
    "a given graph": (lambda m, x: m.last(ring(16) @ m.a(x)[:, :16]), {"a": linear}, sequence),
    "attention without softmax": (
        lambda m, x: m.last((F.elu(m.a(x)) + 1) @ (F.elu(m.b(x)) + 1).mT @ m.c(x) / 64),
        {"a": linear, "b": linear, "c": linear},
        sequence,
    ),
    "a running sum": (lambda m, x: m.last(m.a(x).cumsum(1)), {"a": linear}, sequence),
    "scattered": (
        lambda m, x: m.last(m.a(x).index_add(1, GIVEN, torch.relu(m.b(x)))),
        {"a": linear, "b": linear},
        sequence,
    ),
    "the middle": (lambda m, x: m.last(m.a(x).median(1).values), {"a": linear}, sequence),
    "sorted": (lambda m, x: m.last(m.a(x).sort(1).values[:, -8:]), {"a": linear}, sequence),
    "a spectrum": (lambda m, x: m.last(torch.fft.rfft(m.a(x), dim=1).abs()), {"a": linear}, sequence),
    "a mean over what is not padding": (
        lambda m, x: m.last((m.a(x) * KEPT).sum(1) / KEPT.sum()),
        {"a": linear},
        sequence,
    ),
    "written into": (written_into, {"a": linear, "b": linear}, sequence),
    "windows around": (
        lambda m, x: m.last(F.pad(m.a(x).mT, (3, 3), mode="circular").unfold(-1, 7, 1).sum(-1).mT),
        {"a": linear},
        sequence,
    ),
    "equal members": (
        lambda m, x: m.last(sum(torch.relu(f(x)) for f in (m.a, m.b, m.c)) / 3),
        dict.fromkeys("abc", linear),
        flat,
    ),
    "a generated matrix": (
        lambda m, x: m.last(
            torch.relu(F.linear(torch.relu(m.a(x)), m.b(F.layer_norm(x[:1], (WIDTH,))).view(-1, WIDTH)))
        ),
        {"a": linear, "b": lambda: linear(WIDTH * WIDTH)},
        flat,
    ),
    "a highway": (highway, dict.fromkeys("abcdef", linear), flat),
}


@pytest.mark.parametrize("name", ROWS)
def test_the_claimed_moment_is_the_measured_one(name):
    function, parts, make = ROWS[name]
    example = make()
    model = of(function, **{part: build() for part, build in parts.items()}, last=linear())
    graph = trace(model, example)
    fill(model, graph)
    assert measured(model, example) == pytest.approx(graph.by_path["last.weight"].use.moment, rel=0.15)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.down = linear(), linear()

    def forward(self, x):
        return torch.relu(x + self.down(torch.relu(self.up(x))))


class Last(nn.Sequential):
    @property
    def last(self):
        return self[-1]


class First(nn.Module):
    """Of a recurrent layer the output, without the state."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x)[0]


AUTO = {
    "a plain chain": lambda: Last(linear(), nn.Tanh(), linear(), nn.GELU(), linear(), nn.SiLU(), linear()),
} | {
    f"{kind.__name__} {layers} {settings}": lambda kind=kind, layers=layers, settings=settings: Last(
        First(kind(WIDTH, 256, layers, batch_first=True, **settings)),
        nn.Linear(settings.get("proj_size", 256), 8),
    )
    for kind, settings in [
        (nn.LSTM, {}),
        (nn.GRU, {}),
        (nn.RNN, {}),
        (nn.RNN, {"nonlinearity": "relu"}),
    ]
    for layers in ((1,) if kind is not nn.RNN or settings else (1, 2))
}


@pytest.mark.parametrize("name", AUTO)
def test_the_claimed_moment_is_the_measured_one_under_auto(name):
    model, example = AUTO[name](), sequence()
    graph = trace(model, example)
    apply(decide(graph, parse_recipe("auto")), model, seed=0)
    *_, last = graph.weights
    assert measured(model, example) == pytest.approx(last.use.moment, rel=0.15)


@pytest.mark.parametrize(
    ("layer", "most"),
    [
        (lambda: nn.LSTM(WIDTH, 256, 2, batch_first=True), 2.1),
        (lambda: nn.GRU(WIDTH, 256, 2, batch_first=True), 1.6),
        (lambda: nn.LSTM(WIDTH, 256, batch_first=True, proj_size=64), 1.4),
    ],
)
@pytest.mark.filterwarnings("ignore:LSTM with projections")
def test_inputs_that_persist_make_a_state_at_most_twice_as_large(layer, most):
    built, example = layer(), sequence()
    model = Last(First(built), nn.Linear(built.proj_size or 256, 8))
    graph = trace(model, example)
    apply(decide(graph, parse_recipe("auto")), model, seed=0)
    *_, last = graph.weights
    assert last.use.moment < measured(model, example) < most * last.use.moment


def started(model, example, path):
    """The choice for one parameter of a model, which is initialised."""
    choices = initium.initialize(model, seed=0, example=example).choices
    return next(choice for choice in choices if choice.path == path)


def recurrence(function):
    def forward(m, x):
        h = torch.zeros(len(x), WIDTH)
        for step in range(12):
            h = function(m.a(x[:, step]) + m.b(h))
        return m.last(h)

    return forward


def injected(m, x):
    h = torch.zeros_like(x)
    for _ in range(12):
        h = torch.relu(m.a(x) + m.b(h))
    return m.last(h)


def read_twice(m, x):
    """As channel attention does it: a mean and a maximum, of different sizes, pass the same weight."""
    y = torch.relu(m.a(x))
    return m.last(m.b(y.mean(1)) + m.b(y.amax(1)))


# What is done again and again with one weight: the function, how wide its parts are, the example, and how many times
# what is claimed the second moment may be.
AGAIN = {
    "a cell": (cell, 4, sequence, 1.4),
    "tanh": (recurrence(torch.tanh), 1, sequence, 1.3),
    "relu": (recurrence(torch.relu), 1, sequence, 1.3),
    "one input at each step": (injected, 1, flat, 2.5),
    "a mean and a maximum": (read_twice, 1, sequence, 1.0),
}


@pytest.mark.parametrize("name", AGAIN)
def test_what_is_done_again_with_one_weight_neither_grows_nor_dies(name):
    function, width, make, most = AGAIN[name]
    example, parts = make(), {part: linear(width * WIDTH) for part in "ab"}
    model = of(function, **parts, last=linear())
    last = started(model, example, "last.weight").param
    assert last.use.moment / 2 < measured(model, example) < most * last.use.moment


class Again(nn.Module):
    """One branch of which a stream takes the sum, again and again."""

    def __init__(self, norm):
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH) if norm else nn.Identity()
        self.up, self.down, self.last = linear(), linear(), linear()

    def forward(self, x):
        for _ in range(12):
            x = x + self.down(torch.relu(self.up(self.norm(x))))
        return self.last(x)


@pytest.mark.parametrize("norm", [True, False])
def test_a_branch_that_is_done_again_adds_in_all_as_much_as_went_in(norm):
    model, example = Again(norm), flat()
    down = started(model, example, "down.weight")
    assert down.because.startswith("ends residual branch, 1/12, the same 12 times; ")
    assert 1.5 < measured(model, example) < 4  # each for itself: 12 and 80


def waves(m, x):
    for layer, number in zip((m.a, m.b, m.c), (m.u, m.v, m.w), strict=True):
        x = torch.sin(number * layer(x))
    return m.last(x)


def mixed(m, x):
    x = F.layer_norm(m.a(x), (WIDTH,), m.v)
    return m.last(x * m.u + x.roll(1, -1) * (1 - m.u))


# A number that its author chose is the number that is there, though it is learned.
CHOSEN = {
    "frequencies": (waves, {"u": 30.0, "v": 30.0, "w": 30.0}, flat),
    "a mixture": (mixed, {"u": 0.5, "v": 1.0}, flat),
}


@pytest.mark.parametrize("name", CHOSEN)
def test_a_learned_number_that_its_author_chose_counts_as_it_is(name):
    function, numbers, make = CHOSEN[name]
    parameters = {key: torch.full((WIDTH,), number) for key, number in numbers.items()}
    model, example = of(function, **{part: linear() for part in "abc"}, last=linear()), make()
    for key, value in parameters.items():
        setattr(model, key, nn.Parameter(value))
    last = started(model, example, "last.weight").param
    assert measured(model, example) == pytest.approx(last.use.moment, rel=0.15)


def test_a_weight_inside_a_sine_is_divided_by_a_learned_frequency_too():
    model, example = of(waves, **{part: linear() for part in "abc"}, last=linear()), flat()
    for key in "uvw":
        setattr(model, key, nn.Parameter(torch.tensor(30.0)))
    assert started(model, example, "b.weight").because.endswith(", divided by the sine's frequency 30")
    assert model.b.weight.std().item() == pytest.approx(math.sqrt(2) / 30 / math.sqrt(WIDTH), rel=0.05)


def test_layers_with_a_learned_frequency_between_them_are_not_told_to_lose_a_gradient():
    layers = {part: linear() for part in "abcdef"}

    def deep(m, x):
        for part in layers:
            x = torch.sin(m.w * getattr(m, part)(x))
        return m.last(x)

    model = of(deep, **layers, w=torch.tensor(30.0), last=linear())
    assert initium.plan(model, example=flat()).notes == ()


MATRICES = {
    "a function": (lambda m: torch.tanh(m.w), {"w": (WIDTH, WIDTH)}, "`w` is"),
    "a product": (lambda m: torch.kron(m.u, m.v), {"u": (8, 8), "v": (16, 16)}, "`u`, `v` are"),
}


@pytest.mark.parametrize("name", MATRICES)
def test_a_matrix_that_stays_as_it_was_built_is_told_and_claims_no_size(name):
    matrix, shapes, told = MATRICES[name]
    parts = {key: torch.randn(shape, generator=DRAWN) for key, shape in shapes.items()}
    model, example = of(lambda m, x: m.last(m.b(torch.relu(x @ matrix(m)))), **parts, b=linear(), last=linear()), flat()
    plan = initium.plan(model, example=example)
    (note,) = plan.notes
    assert note == (
        f"{told} changed by a function or a product before use: left as built, and what follows may explode or die: "
        "plan.calibrate(model, batch) mends what lies behind"
    )
    (choice,) = (choice for choice in plan.choices if choice.path == "b.weight")
    assert choice.because == "fed by relu, of unknown size: gain 1 assumed, fan_in 128"


def test_a_projected_state_has_the_moment_of_its_projection():
    found = trace(nn.LSTM(8, 16, 2, proj_size=4)).by_path
    moments = {path: found[path].use.moment for path in ("weight_hh_l0", "weight_ih_l1")}
    assert moments == {"weight_hh_l0": 1.0, "weight_ih_l1": 1.0}
    assert found["weight_hr_l0"].use.moment < 0.1


def test_a_relu_on_a_stream_that_had_one_changes_nothing():
    model, example = Last(linear(), nn.ReLU(), *(Block() for _ in range(6)), linear()), flat()
    graph = trace(model, example)
    assert [(p.use.fed_by, p.use.moment) for p in graph.weights if p.use.branch and p.use.branch.layer == 1][1:] == [
        ("relu", 1.0)
    ] * 5
    assert (graph.by_path["8.weight"].use.fed_by, graph.by_path["8.weight"].use.moment) == ("relu", 1.0)


class Squeezed(nn.Module):
    """A block of which a layer reads the mean of what ends its branch."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(WIDTH, WIDTH, 3, padding=1), nn.BatchNorm2d(WIDTH)
        self.fc = linear()

    def forward(self, x):
        y = self.norm(self.conv(torch.relu(x)))
        return x + y * torch.sigmoid(self.fc(y.mean((2, 3))))[:, :, None, None]


def ids(x):
    """Five whole numbers of each example."""
    return x[:, :5, 0, 0].long().abs() % 9


# Where numbers of noise are the right ones: the positions of a picture agree by 0.3, behind a batch norm by 0.05.
MEANS = {
    "of a picture": (lambda m, x: m.last(m.c(x).mean((2, 3))), 0.3 + 0.7 / 64),
    "behind a batch norm": (lambda m, x: m.last(m.n(m.c(x)).mean((2, 3))), 0.05 + 0.95 / 64),
    "of tokens": (lambda m, x: m.last((m.e(ids(x)) + m.p(ids(x))).mean(1)), 1 / 5),
    "of what depends on itself": (lambda m, x: m.last((lambda y: y * (y + m.b(x.mean((2, 3)))))(m.a(x[..., 0, 0]))), 4),
}


@pytest.mark.parametrize("name", MEANS)
def test_what_is_made_of_noise_has_the_moment_that_follows_from_it(name):
    function, expected = MEANS[name]
    tables = {key: nn.Embedding(9, WIDTH) for key in "ep"}
    layers = {"c": nn.Conv2d(WIDTH, WIDTH, 1), "n": nn.BatchNorm2d(WIDTH), "a": linear(), "b": linear()}
    model = of(function, **tables, **layers, last=linear())
    assert trace(model, image()).by_path["last.weight"].use.moment == pytest.approx(expected, rel=0.06)


def test_what_ends_a_branch_is_of_the_size_that_its_depth_leaves():
    one, four = (trace(nn.Sequential(*(Squeezed() for _ in range(num))), image()).by_path for num in (1, 4))
    assert one["0.fc.weight"].use.moment == pytest.approx(4 * four["0.fc.weight"].use.moment, rel=0.02)


def test_what_cannot_be_done_again_is_unknown_and_tried_once(monkeypatch):
    tried = []

    def fail(value, numbers, *, seed):
        tried.append(value.operation)
        raise RuntimeError("no kernel")

    monkeypatch.setattr(_measured, "done_again", fail)

    def twice(m, x):
        summed = m.a(x).cumsum(-1)
        return m.last(torch.cat([m.b(summed), m.c(summed)], -1))

    found = trace(of(twice, a=linear(), b=linear(), c=linear(), last=nn.Linear(2 * WIDTH, 3)), flat()).by_path
    assert [found[f"{name}.weight"].use.moment for name in "bc"] == [None, None]
    assert tried == ["cumsum"]
