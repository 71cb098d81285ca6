"""Networks that train together, against plain loops that are written here."""

import copy
import itertools
import math
import random
from collections import deque
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from initium import ModelError, _stream
from initium._graph import Graph
from initium._study._prepared import Data
from initium._study._study import Study
from initium._study._way import Way
from initium.torch._together import train_together
from initium.torch._updates import Updates
from initium.torch._way import way

ROWS, FEATURES, CLASSES = 150, 12, 3
EMPTY = Graph(())


@pytest.fixture(autouse=True)
def _one_thread():
    """As the processes that train have: several share a product out by its size, and so by the size of a chunk."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def data(kind=np.float64, rows=ROWS, features=(FEATURES,)):
    draws = np.random.default_rng(1)
    x = draws.normal(size=(rows + 30, *features)).astype(kind)
    y = (x.reshape(len(x), -1)[:, :CLASSES] + draws.normal(size=(len(x), CLASSES)) / 2).argmax(1)
    return Data("made up", "classification", x[:rows], y[:rows], x[rows:], y[rows:], CLASSES)


def tokens(rows=120):
    draws = np.random.default_rng(2)
    x = draws.integers(0, 9, size=(rows + 30, 7))
    y = (x[:, 0] + x[:, 3]) % CLASSES
    return Data("made up", "classification", x[:rows], y[:rows], x[rows:], y[rows:], CLASSES)


def study(model, given=None, **settings):
    return Study(
        model,
        given or data(),
        ["framework", "zeros"],
        **{**({} if "steps" in settings else {"epochs": 10}), "batch_size": 16, **settings},
    )


def models(made, number, kind=torch.float64):
    found = []
    for seed in range(number):
        torch.manual_seed(seed)
        found.append(made.model().to(kind))
    return found


def together(studies, nets, found=None, chunk=None):
    """The runs of copies of some models, run r with order r; and the models as they are afterwards."""
    nets = copy.deepcopy(nets)
    found = found or way(studies[0], studies[0].inits[0], {})
    asked = [(one, net, EMPTY, "a", index) for index, (one, net) in enumerate(zip(studies, nets, strict=True))]
    chunk = chunk or len(asked)
    runs = [run for first in range(0, len(asked), chunk) for run in train_together(asked[first : first + chunk], found)]
    return runs, nets


def step_of(made, net):
    own = {"lr": made.lr, "weight_decay": made.weight_decay}
    if made.optimizer in ("sgd", "nesterov"):
        own |= {"momentum": made.momentum, "nesterov": made.optimizer == "nesterov"}
        return torch.optim.SGD(net.parameters(), **own, foreach=False)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[made.optimizer]
    return kind(net.parameters(), **own, foreach=False)


def rate(made, step, steps):
    if step < made.warmup:
        return made.lr * (step + 1) / (made.warmup + 1)
    if made.schedule == "cosine":
        return made.lr * (1 + math.cos(math.pi * (step - made.warmup) / (steps - made.warmup))) / 2
    if made.schedule == "step":
        return made.lr * (0.1 if step >= 0.5 * steps else 1) * (0.1 if step >= 0.75 * steps else 1)
    return made.lr


def alone(made, net, index, loss=functional.cross_entropy):
    """A plain loop: the loss over the training split at step zero and after every epoch."""
    net = copy.deepcopy(net)
    x, y = torch.tensor(made.data.x_train), torch.tensor(made.data.y_train)
    optimizer, step = step_of(made, net), 0
    steps = made.steps or made.epochs * -(-len(x) // made.batch_size)

    def whole():
        net.eval()
        with torch.no_grad():
            return loss(net(x), y).item()

    found = [whole()]
    for epoch in range(-(-steps // -(-len(x) // made.batch_size))):
        order = torch.tensor(_stream.permutation(_stream.key(made.order_seed + index, f"order.{epoch}"), len(x)))
        net.train()
        for rows in order.split(made.batch_size):
            if step == steps:
                break
            optimizer.param_groups[0]["lr"] = rate(made, step, steps)
            optimizer.zero_grad()
            loss(net(x[rows]), y[rows]).backward()
            if made.clip is not None:
                nn.utils.clip_grad_norm_(net.parameters(), made.clip)
            optimizer.step()
            step += 1
        found.append(whole())
    return found, net


def mlp(*sizes, act=nn.Tanh):
    layers = [layer for wide, after in pairwise(sizes) for layer in (nn.Linear(wide, after), act())]
    return nn.Sequential(*layers[:-1])


def dense():
    return mlp(FEATURES, 20, 16, CLASSES)


class Tied(nn.Module):
    """Reads and writes by one table, and has a layer that nothing uses."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(9, 6, padding_idx=2)
        self.back = nn.Linear(6, 9, bias=False)
        self.back.weight = self.table.weight
        self.head, self.spare = nn.Linear(9, CLASSES), nn.Linear(2, 2)

    def forward(self, x):
        return self.head(torch.tanh(self.back(self.table(x).mean(1))))


class Twice(nn.Module):
    """One layer and one normalisation at several places each."""

    def __init__(self):
        super().__init__()
        layer, self.norm = nn.Linear(8, 8), nn.BatchNorm1d(8)
        self.first, self.layers = nn.Linear(FEATURES, 8), nn.ModuleList([layer, layer])
        self.last, self.head = self.norm, nn.Linear(8, CLASSES)

    def forward(self, x):
        x = self.first(x)
        for layer in self.layers:
            x = torch.tanh(layer(self.last(x)))
        return self.head(self.norm(x))


class Shifted(nn.Sequential):
    """A bias before a normalisation, whose gradient is nothing but rounding."""

    def __init__(self):
        super().__init__(nn.Linear(FEATURES, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, CLASSES))


class Normed(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(FEATURES, 16, bias=False), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, CLASSES))


class Frozen(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(FEATURES, 16), nn.GELU(), nn.LayerNorm(16), nn.Linear(16, CLASSES))
        self[0].weight.requires_grad_(False)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell, self.head = nn.GRU(4, 8, batch_first=True), nn.Linear(8, CLASSES)

    def forward(self, x):
        return self.head(self.cell(x.reshape(len(x), 3, 4))[0][:, -1])


class Convolutional(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Unflatten(1, (1, 3, 4)), nn.Conv2d(1, 5, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(60, CLASSES)
        )


SETTINGS = [
    [{"momentum": 0.9, "lr": lr} for lr in (0.01, 0.03, 0.1)],
    [{"momentum": momentum, "weight_decay": decay} for momentum, decay in ((0.0, 0.01), (0.5, 0.0), (0.9, 0.1))],
    [
        {"optimizer": "nesterov", "momentum": momentum, "weight_decay": decay}
        for momentum, decay in ((0.5, 0), (0.9, 0.1))
    ],
    [{"optimizer": "adam", "lr": lr, "weight_decay": decay} for lr, decay in ((0.001, 0.0), (0.01, 0.1))],
    [{"optimizer": "adamw", "lr": lr, "weight_decay": decay} for lr, decay in ((0.001, 0.0), (0.01, 0.3))],
    [{"clip": clip, "lr": 0.2} for clip in (0.05, 0.2, None)],
    [{"schedule": schedule, "warmup": warmup} for schedule in ("constant", "cosine", "step") for warmup in (0, 7)],
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda one: "-".join(one[0]))
def test_replicas_with_settings_of_their_own_are_plain_loops(settings):
    studies = [study(dense, **one) for one in settings]
    nets = models(studies[0], len(studies))
    runs, ends = together(studies, nets)
    for index, (made, net, run, end) in enumerate(zip(studies, nets, runs, ends, strict=True)):
        wanted, after = alone(made, net, index)
        assert len(wanted) == 11  # 100 steps, each tenth a smaller one
        assert wanted[-1] < wanted[0]
        np.testing.assert_allclose(run.train_loss, wanted, rtol=1e-10)
        for own, other in zip(end.parameters(), after.parameters(), strict=True):
            torch.testing.assert_close(own, other, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(
    "net", [Tied, Twice, Normed, Shifted, Frozen, Recurrent, Convolutional], ids=lambda one: one.__name__
)
def test_what_a_model_is_made_of_trains_as_in_a_plain_loop(net):
    made = study(net, tokens() if net is Tied else data(), momentum=0.9, lr=0.02, weight_decay=0.01)
    nets = models(made, 3)
    found = way(study(net, tokens() if net is Tied else data(np.float32)), made.inits[0], {})
    assert found.size > 1, found.why
    runs, ends = together([made] * 3, nets, found)
    for index in range(3):
        wanted, after = alone(made, nets[index], index)
        np.testing.assert_allclose(runs[index].train_loss, wanted, rtol=1e-10)
        for own, other in zip(ends[index].state_dict().values(), after.state_dict().values(), strict=True):
            torch.testing.assert_close(own, other, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("net", [dense, Normed, Convolutional], ids=lambda one: one.__name__)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_in_float32_the_first_step_differs_by_rounding(net, optimizer):
    made = study(net, data(np.float32), optimizer=optimizer, steps=1, lr=0.01)
    nets = models(made, 4, torch.float32)
    runs, _ = together([made] * 4, nets)
    for index in range(4):
        np.testing.assert_allclose(runs[index].train_loss, alone(made, nets[index], index)[0], rtol=1e-6)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_dense_nets_are_the_same_bits_in_chunks_of_any_size(optimizer):
    made = study(dense, data(np.float32), optimizer=optimizer, lr=0.01, clip=1.0)
    nets = models(made, 16, torch.float32)
    whole, ends = together([made] * 16, nets)
    for chunk in (1, 2, 5):
        runs, others = together([made] * 16, nets, chunk=chunk)
        assert [run.train_loss for run in runs] == [run.train_loss for run in whole]
        for one, other in zip(ends, others, strict=True):
            assert all(map(torch.equal, one.parameters(), other.parameters()))


def test_convolutions_differ_between_chunks_by_rounding():
    made = study(Convolutional, data(np.float32), steps=1)
    nets = models(made, 16, torch.float32)
    whole, _ = together([made] * 16, nets)
    for chunk in (1, 5):
        runs, _ = together([made] * 16, nets, chunk=chunk)
        np.testing.assert_allclose([run.train_loss for run in runs], [run.train_loss for run in whole], rtol=1e-6)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_replica_that_diverges_leaves_its_neighbours_alone(optimizer):
    calm = study(dense, data(np.float32), optimizer=optimizer, lr=0.01, clip=1.0, weight_decay=0.1)
    wild = study(dense, data(np.float32), optimizer=optimizer, lr=1e38, clip=1e30, weight_decay=0.1)
    nets = models(calm, 3, torch.float32)
    with_it, ends = together([calm, wild, calm], nets)
    without, others = together([calm, calm, calm], nets)
    assert with_it[1].diverged
    assert len(with_it[1].train_loss) == 11
    assert np.isnan(with_it[1].train_loss[-1])
    for place in (0, 2):
        assert with_it[place].train_loss == without[place].train_loss
        assert all(map(torch.equal, ends[place].parameters(), others[place].parameters()))


def test_a_study_of_steps_ends_within_an_epoch():
    made = study(dense, steps=27, schedule="cosine")  # ten an epoch
    nets = models(made, 2)
    runs, _ = together([made] * 2, nets)
    for index in range(2):
        wanted, _ = alone(made, nets[index], index)
        assert len(wanted) == 4
        np.testing.assert_allclose(runs[index].train_loss, wanted, rtol=1e-10)


class Branching(nn.Linear):
    def __init__(self):
        super().__init__(FEATURES, CLASSES)

    def forward(self, x):
        return super().forward(x) * (2 if x.sum().item() > 0 else 1)


class Counting(nn.Linear):
    calls = 0

    def __init__(self):
        super().__init__(FEATURES, CLASSES)

    def forward(self, x):
        self.calls += 1
        return super().forward(x) * (2 if self.calls > 50 else 1)


class Marks:
    """Something of the model's own, by whose number it changes long after any trial."""

    num = 0

    def moved(self):
        self.num += 1
        return self.num


def enclosed():
    kept = [0]

    def moved():
        kept[0] += 1
        return kept[0]

    return moved


class Counted(nn.Linear):
    """Counts by what `made` gives, in a way that no attribute of the module itself shows."""

    def __init__(self, made, moved):
        super().__init__(FEATURES, CLASSES)
        self.made, self.moved = made(), moved

    def forward(self, x):
        return super().forward(x) * (2 if self.moved(self.made) > 50 else 1)


COUNTS = {
    "object": (Marks, Marks.moved),
    "nested list": (lambda: {"seen": []}, lambda made: made["seen"].append(1) or len(made["seen"])),
    "deque": (lambda: deque(maxlen=99), lambda made: made.append(1) or len(made)),
    "tensor": (lambda: torch.zeros(()), lambda made: made.add_(1)),
    "array": (lambda: np.zeros(()), lambda made: np.add(made, 1, out=made)),
    "iterator": (itertools.count, next),
    "function": (enclosed, lambda made: made()),
    "generator": (lambda: np.random.default_rng(0), lambda made: 60 * (made.random() > 0.99)),
}


@pytest.mark.parametrize("kind", COUNTS)
def test_what_counts_as_it_runs_trains_alone_wherever_it_keeps_its_count(kind):
    made = study(lambda: Counted(*COUNTS[kind]), data(np.float32))
    assert "counts or keeps something" in way(made, made.inits[0], {}).why


class Annealed:
    """A loss that falls as it is called."""

    calls = 0

    def __call__(self, outputs, y):
        self.calls += 1
        return functional.cross_entropy(outputs, y) * (2 if self.calls > 50 else 1)


def test_a_loss_that_counts_trains_alone_and_one_that_does_not_as_replicas():
    made = study(dense, data(np.float32), loss=Annealed())
    assert "counts or keeps something" in way(made, made.inits[0], {}).why
    made = study(dense, data(np.float32), loss=nn.CrossEntropyLoss(torch.tensor([1.0, 2.0, 3.0]), label_smoothing=0.1))
    assert way(made, made.inits[0], {}).size > 1


class Skipping(nn.Linear):
    def __init__(self, drawn):
        super().__init__(FEATURES, CLASSES)
        self.drawn = drawn

    def forward(self, x):
        return super().forward(x) * (0 if self.training and self.drawn() < 1e-9 else 1)


@pytest.mark.parametrize("drawn", [lambda: 1 - random.random(), lambda: 1 - np.random.random_sample()])
def test_draws_that_replicas_would_share_train_alone(drawn):
    made = study(lambda: Skipping(drawn), data(np.float32))
    assert "the random numbers of Python or NumPy" in way(made, made.inits[0], {}).why


class Applied(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def times(factor):
    return lambda x: torch.tanh(x) * factor


DIFFERENT = {
    "module": (nn.Tanh, nn.Tanh, nn.ReLU),
    "function": tuple(partial(Applied, one) for one in (torch.tanh, torch.tanh, torch.relu)),
    "number that a function encloses": tuple(partial(Applied, times(factor)) for factor in (1, 1, 2)),
    "default of a function": tuple(partial(Applied, lambda x, by=by: torch.tanh(x) * by) for by in (1, 1, 2)),
}


@pytest.mark.parametrize("kind", DIFFERENT)
def test_models_that_differ_in_more_than_numbers_are_no_replicas(kind):
    """Those of a trial may be alike by chance."""
    made, acts = study(dense), DIFFERENT[kind]
    together([made] * 2, [mlp(FEATURES, 8, CLASSES, act=act).double() for act in acts[:2]], Way())
    with pytest.raises(ModelError, match="beside its parameters differs"):
        together([made] * 3, [mlp(FEATURES, 8, CLASSES, act=act).double() for act in acts], Way())


def test_models_of_which_one_has_a_frozen_tensor_are_no_replicas():
    nets = models(study(dense), 2)
    nets[1][0].bias.requires_grad_(False)
    with pytest.raises(ModelError, match="its parameters differ"):
        together([study(dense)] * 2, nets, Way())


def test_a_norm_that_overflows_leaves_a_run_without_clipping_alone():
    studies = [study(dense, lr=1e-30, clip=clip) for clip in (None, 1.0)]
    values = torch.zeros(2, 4)
    Updates(studies, values, 1).step(torch.full((2, 4), 1e30))
    torch.testing.assert_close(values[0], -torch.ones(4))


class Coarse(nn.Linear):
    def __init__(self):
        super().__init__(FEATURES, CLASSES, dtype=torch.bfloat16)

    def forward(self, x):
        return super().forward(x.bfloat16()).float()


class Hooked(nn.Linear):
    """Its gradient is scaled by hand, on the parameter."""

    def __init__(self):
        super().__init__(FEATURES, CLASSES)
        self.weight.register_hook(lambda gradient: gradient / 2)


class Noisy(nn.Linear):
    def __init__(self):
        super().__init__(FEATURES, CLASSES)

    def forward(self, x):
        return super().forward(x + torch.randn_like(x))


class Drawn(nn.Linear):
    """Each has a number of its own that is no parameter."""

    def __init__(self):
        super().__init__(FEATURES, CLASSES)
        self.factor = torch.rand(()).item() + 1

    def forward(self, x):
        return super().forward(x) * self.factor


class Spectral(nn.Sequential):
    def __init__(self):
        layer = nn.utils.parametrizations.spectral_norm(nn.Linear(FEATURES, 8))
        super().__init__(layer, nn.ReLU(), nn.Linear(8, CLASSES))


class Large(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(FEATURES, 60_000), nn.ReLU(), nn.Linear(60_000, CLASSES))


ONE_BY_ONE = {
    Branching: ".item()",
    Counting: "counts or keeps something in Python as it runs",
    Coarse: "another precision",
    Hooked: "a parameter has a hook",
    Noisy: "random",
    Drawn: "beside its parameters differs from run to run",
    Spectral: "Batching rule not implemented",
    Large: "replicas would crowd each other out",
}


@pytest.mark.parametrize("net", ONE_BY_ONE, ids=lambda one: one.__name__)
def test_what_cannot_be_stacked_is_found_out_and_why(net):
    made = study(net, data(np.float32))
    before = torch.get_rng_state()
    found = way(made, made.inits[0], {})
    assert torch.equal(torch.get_rng_state(), before)
    assert (found.size, found.bytes) == (1, 0)
    assert ONE_BY_ONE[net] in found.why


class Padded(nn.Module):
    """Its padding is said where the table is read, and of a token that the trial does not meet."""

    def __init__(self):
        super().__init__()
        self.table, self.head = nn.Parameter(torch.randn(10, 6)), nn.Linear(6, CLASSES)

    def forward(self, x):
        return self.head(functional.embedding(x, self.table, padding_idx=9).mean(1))


def test_a_padding_row_is_never_trained():
    """The gradient of the sum of all losses would train it, in PyTorch 2.13."""
    for net in (Tied, Padded):
        made = study(net, tokens())
        assert way(made, made.inits[0], {}).inside


class Dropping(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(FEATURES, 16), nn.Dropout(0.3), nn.Tanh(), nn.Dropout(0.5), nn.Linear(16, CLASSES))


class Attending(nn.Module):
    """Drops numbers that do not lie in their order in memory."""

    def __init__(self):
        super().__init__()
        self.ask, self.drop, self.head = nn.Linear(4, 4), nn.Dropout(0.3), nn.Linear(12, CLASSES)

    def forward(self, x):
        x = x.view(-1, 3, 4)
        x = functional.dropout(x, 0.5, training=False)
        return self.head(self.drop(self.ask(x).transpose(1, 2)).flatten(1))


class Reading(nn.Module):
    """Its gradient has to be taken within, for the padding and for the recurrent layer."""

    def __init__(self):
        super().__init__()
        self.table, self.cell = nn.Embedding(9, 4, padding_idx=2), nn.GRU(4, 6, batch_first=True)
        self.drop, self.head = nn.Dropout(0.3), nn.Linear(6, CLASSES)

    def forward(self, x):
        return self.head(self.drop(self.cell(self.drop(self.table(x)))[0][:, -1]))


@pytest.mark.parametrize("net", [Dropping, Attending, Reading], ids=lambda one: one.__name__)
def test_dropout_is_what_each_would_draw_by_itself_in_chunks_of_any_size(net):
    made = study(net, tokens() if net is Reading else data(np.float32), momentum=0.9, lr=0.02, epochs=5)
    nets = models(made, 6, torch.float32)
    found = way(made, made.inits[0], {})
    assert found.draws
    assert found.inside == (net is Reading)
    whole, _ = together([made] * 6, nets, found)
    assert [run.train_loss for run in together([made] * 6, nets, found, chunk=4)[0]] == [r.train_loss for r in whole]
    exact = study(net, tokens() if net is Reading else data(), momentum=0.9, lr=0.02, epochs=5)
    nets = models(exact, 2)
    runs, _ = together([exact] * 2, nets, found)
    for index in range(2):
        torch.manual_seed(_stream.key(index, "dropout"))
        np.testing.assert_allclose(runs[index].train_loss, alone(exact, nets[index], index)[0], rtol=1e-10)


def test_a_chunk_shares_the_data_of_one_index_and_each_has_its_own_order():
    made = study(dense, momentum=0.5)
    nets = models(made, 2)
    asked = [(made, copy.deepcopy(nets[at]), EMPTY, "a", index) for index in (0, 3) for at in (0, 1)]
    runs = train_together(asked, Way())
    for (_, _, _, _, index), run, net in zip(asked, runs, nets * 2, strict=True):
        np.testing.assert_allclose(run.train_loss, alone(made, net, index)[0], rtol=1e-10)
