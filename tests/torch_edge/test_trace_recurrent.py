"""Recurrent layers, of which a trace sees one operation."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  its usual name
from torch import nn
from torch_edge.traced import X, of, use

from initium.torch._trace import trace


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
