"""What a trace leaves of the model, and what it makes of inputs and examples."""

import collections
import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812  its usual name
from torch import nn
from torch_edge.traced import of, refusal

import initium.torch._trace._trace as tracing
from initium import ModelError, initialize
from initium.torch._inputs import made_up
from initium.torch._torch import FakeTensor, FakeTensorMode, engine, wants_bfloat16
from initium.torch._trace import trace

DATA = "; data are taken to have second moment 1"  # said of made-up inputs


class Model(nn.Module):
    """One linear layer, and whatever a test's own forward does."""

    def __init__(self, forward, **attributes):
        super().__init__()
        self.fc = nn.Linear(4, 4)
        for name, value in attributes.items():
            setattr(self, name, value)
        self.own: Any = forward

    def forward(self, x):
        return self.own(self, x)


def starting(m, x):
    initialize(m)
    return m.fc(x)


@pytest.mark.parametrize("wrap", [lambda m: m, lambda m: nn.Sequential(m, nn.ReLU())], ids=["itself", "within another"])
def test_a_model_that_plans_itself_while_it_runs_is_told_so_and_planned_no_further(wrap):
    why = "Model runs itself to be planned, and this run asks for its plan again. Plan it before it is called."
    assert why in refusal(wrap(Model(starting)), torch.ones(2, 4))
    assert why in refusal(wrap(Model(starting)))
    trace(Model(lambda m, x: m.fc(x)))  # the next one is planned as ever


# Nothing stays behind.


class Cache:
    def __init__(self):
        self.keys, self.length = [], 0


def caching(m, x):
    m.loss = x.mean()
    m.count += 1
    m.cache["x"] = x
    m.rows.append(x)
    m.seen.add("x")
    m.recent.appendleft(x)
    m.nested["rows"].append(x)
    m.kept.keys.append(x)
    m.kept.length += 1
    m.register_buffer("table", torch.arange(4.0))
    m.late = nn.Linear(2, 2)
    return m.fc(x) + m.count


def looking(m, x):
    return caching(m, x) * x.sum().item()


@pytest.mark.parametrize("forward", [caching, looking])
def test_what_forward_stores_does_not_stay(forward):
    nested, recent = {"rows": []}, collections.deque(["a"], maxlen=3)
    model: Any = Model(forward, count=3, cache={}, rows=[1], seen=set(), recent=recent, nested=nested, kept=Cache())
    names, held = list(vars(model)), model.rows
    trace(model, torch.ones(2, 4))
    assert list(vars(model)) == names
    assert (model.count, model.cache, model.rows, model.seen) == (3, {}, [1], set())
    assert (list(model.recent), model.nested, model.kept.keys, model.kept.length) == (["a"], {"rows": []}, [], 0)
    assert model.rows is held
    assert [name for name, _ in model.named_children()] == ["fc"]
    assert not dict(model.named_buffers())


def test_a_forward_that_raises_stores_nothing_either():
    def forward(m, x):
        m.aux = x
        raise ValueError

    model: Any = Model(forward)
    refusal(model, torch.ones(2, 4))
    assert not hasattr(model, "aux")


def writing(m, x):
    m.plain.add_(1)
    m.plain[0].mul_(3)
    m.listed[0].zero_()
    m.fc.weight.data.mul_(2)
    return m.fc(x) + m.plain


def writing_numbers(m, x):
    return writing(m, x) * x.sum().item()


@pytest.mark.parametrize("forward", [writing, writing_numbers])
def test_tensors_that_forward_writes_keep_their_numbers(forward):
    plain = torch.arange(4.0)
    model: Any = Model(forward, plain=plain, listed=[torch.ones(3)])
    weight = model.fc.weight.detach().clone()
    trace(model, torch.ones(2, 4))
    assert model.plain is plain
    assert plain.tolist() == [0, 1, 2, 3]
    assert model.listed[0].tolist() == [1, 1, 1]
    assert torch.equal(model.fc.weight, weight)


def differentiating(m, x):
    for tensor in (m.plain, m.table, m.listed[0]):
        tensor.requires_grad_()
    u = m.fc(m.plain) + m.fc(m.table) + m.listed[0] + m.fc(x.requires_grad_())
    u.sum().backward()
    return u + m.plain.grad + torch.dropout(x.grad, 0.5, True)


def differentiating_numbers(m, x):
    return differentiating(m, x) * x.sum().item()


@pytest.mark.parametrize("forward", [differentiating, differentiating_numbers])
def test_gradients_that_forward_asks_for_do_not_stay(forward):
    model: Any = Model(forward, plain=torch.ones(4), listed=[torch.ones(4)], own_weight=[])
    model.register_buffer("table", torch.ones(4))
    model.own_weight.append(model.fc.bias.requires_grad_(False))
    model.fc.weight.grad = slope = torch.ones(4, 4)
    example, random, before = torch.ones(2, 4), torch.get_rng_state(), engine()
    assert trace(model, example).is_traced
    asked = [model.plain, model.table, model.listed[0], model.fc.bias, example]
    assert [(tensor.requires_grad, tensor.grad) for tensor in asked] == [(False, None)] * 5
    assert model.fc.weight.requires_grad
    assert model.fc.weight.grad is slope
    assert slope.eq(1).all()
    assert torch.equal(torch.get_rng_state(), random)
    assert engine() is before


def test_an_embedding_that_renormalises_keeps_its_numbers():
    model: Any = nn.Sequential(nn.Embedding(5, 4, max_norm=0.1), Model(lambda m, x: m.fc(x) * x.sum().item()))
    table = model[0].weight.detach().clone()
    graph = trace(model, torch.arange(5))
    assert graph.notes[0].startswith("traced by running it on real numbers")
    assert torch.equal(model[0].weight, table)


def test_a_recurrent_layer_keeps_its_weights():
    model = nn.LSTM(3, 4)
    trace(model)
    assert [id(weight) for weight in model._flat_weights] == [id(param) for param in model.parameters()]


# What runs is not refused.


def test_a_sparse_product_is_traced():
    graph = trace(Model(lambda m, x: torch.sparse.mm(x.to_sparse(), m.fc(x))), torch.ones(4, 4))
    assert graph.is_traced
    assert graph.by_path["fc.weight"].uses


def test_a_sparse_product_is_traced_on_numbers():
    graph = trace(
        Model(lambda m, x: torch.sparse.mm(x.to_sparse(), m.fc(x)) * x.sum().item()), torch.ones(4, 4).to_sparse()
    )
    assert graph.is_traced


def test_a_kernel_that_takes_bfloat16_alone_still_says_so():
    with FakeTensorMode(), pytest.raises(RuntimeError) as told:
        torch._grouped_mm(torch.ones(4, 16), torch.ones(2, 16, 16), offs=torch.tensor([2, 4], dtype=torch.int32))
    assert wants_bfloat16(told.value)


def test_a_model_of_such_a_kernel_is_traced_in_bfloat16():
    model = of(lambda m, x: torch._grouped_mm(x, m.experts, offs=m.ends), experts=nn.Parameter(torch.randn(2, 16, 16)))
    model.register_buffer("ends", torch.tensor([2, 4], dtype=torch.int32))
    graph = trace(model, torch.ones(4, 16))
    assert graph.notes == (
        "traced in bfloat16, because in its own dtype it raises RuntimeError: Expected inputs of BF16 type but got "
        "mat_a.dtype=torch.float32 and mat_b.dtype=torch.float32",
    )


# What looks at numbers.


def by_numpy(m, x):
    return m.last(torch.from_numpy(np.tanh(m.fc(x).detach().numpy())))


LOOKING = {
    "item": lambda m, x: m.last(m.fc(x) * x.sum().item()),
    "tolist": lambda m, x: m.last(m.fc(x) * x.tolist()[0][0]),
    "numpy": lambda m, x: m.last(m.fc(x) * float(x.numpy().max())),
    "a function of numpy": lambda m, x: m.last(m.fc(x) * np.asarray(x).mean().item()),
    "truth": lambda m, x: m.last(m.fc(x) if x.sum() > 0 else -m.fc(x)),
    "numpy between": by_numpy,
}


@pytest.mark.parametrize("forward", LOOKING.values(), ids=LOOKING)
@pytest.mark.parametrize("example", [None, torch.ones(2, 4)])
def test_a_model_that_looks_at_numbers_is_run_on_some(forward, example):
    graph = trace(Model(forward, last=nn.Linear(4, 3)), example)
    assert graph.is_traced
    notes = graph.notes if example is not None else graph.notes[1:]
    assert notes[0].startswith("traced by running it on real numbers, because without numbers it raises ")
    use = graph.by_path["last.weight"].use
    assert use.is_head


@pytest.mark.parametrize("example", [None, torch.ones(2, 4)])
def test_a_weight_whose_numbers_leave_pytorch_is_not_called_unused(example):
    graph = trace(Model(by_numpy, last=nn.Linear(4, 3), spare=nn.Linear(4, 4)), example)
    assert graph.notes[-2:] == (
        "used in this pass without a way to an output: `fc.weight`, `fc.bias`",
        "not used in this pass: `spare.weight`, `spare.bias`",
    )
    assert [graph.by_path[path].because for path in ("fc.weight", "spare.weight")] == [
        "Linear, used in this pass without a way to an output",
        "Linear, not used in this pass",
    ]


def test_what_looks_at_numbers_by_numpy_on_meta_is_told_by_its_layers():
    with torch.device("meta"):
        model = Model(by_numpy, last=nn.Linear(4, 3))
    assert trace(model, torch.ones(2, 4)).notes == (
        "the layers' types speak alone, because without numbers it raises DataDependentOutputException: numpy",
    )


def test_numpy_refuses_tensors_without_memory_as_before_afterwards():
    trace(Model(by_numpy, last=nn.Linear(4, 3)), torch.ones(2, 4))
    assert "numpy" not in vars(FakeTensor)


def fail(*args, **kwargs):
    raise KeyError("what")


def test_what_the_analysis_cannot_tell_the_layers_do(monkeypatch):
    monkeypatch.setattr(tracing, "gather", fail)
    graph = trace(nn.Linear(4, 2), torch.ones(2, 4))
    assert not graph.is_traced
    assert graph.notes == (
        "the layers' types speak alone, because it runs, but what it does cannot be told: KeyError: 'what'",
    )
    assert [param.role for param in graph.params] == ["weight", "bias"]


def test_what_cannot_be_written_down_the_layers_tell(monkeypatch):
    monkeypatch.setattr("initium.torch._trace._tracer.Tracer._record", fail)
    graph = trace(nn.Linear(4, 2), torch.ones(2, 4))
    assert not graph.is_traced
    assert graph.notes == (
        "the layers' types speak alone, because it runs, but with each operation written down it raises "
        "KeyError: 'what'",
    )


def test_what_neither_the_analysis_nor_the_layers_tell_is_refused_once(monkeypatch):
    monkeypatch.setattr(tracing, "gather", fail)
    layer = nn.Linear(4, 2)
    layer.register_parameter("own", nn.Parameter(torch.ones(2, 2)))
    assert refusal(layer, torch.ones(2, 4)) == (
        "Linear cannot be traced, because it runs, but what it does cannot be told: KeyError: 'what'.\n"
        "Initium does not know yet what these parameters do:\n"
        "  own  (Linear)\n"
        "Only `framework` can start such a model, or write the layer with Linear and Conv."
    )


# Examples.


@pytest.mark.parametrize("example", [{"rows": torch.tensor([1, math.nan])}, [np.array([math.inf, 1.0], np.float32)]])
def test_numbers_within_an_example_are_checked(example):
    assert refusal(nn.Linear(2, 2), (example,)) == (
        "The example's argument 0 holds 1 values of 2 that are NaN or infinite. Pass finite numbers."
    )


def test_a_sparse_and_an_eight_bit_example_are_checked():
    for example in (torch.tensor([[0, math.nan]]).to_sparse(), torch.tensor([math.nan]).to(torch.float8_e4m3fn)):
        assert "holds 1 values of 1 that are NaN" in refusal(nn.Linear(2, 2), example)


def test_an_example_that_holds_a_tensor_without_memory_has_no_numbers():
    model: Any = Model(lambda m, x: m.fc(x["rows"]) if x["rows"].sum() > 0 else x["rows"])
    graph = trace(model, ({"rows": torch.ones(2, 4, device="meta")},))
    assert graph.notes == (
        "the layers' types speak alone, because without numbers it raises DataDependentOutputException: "
        "aten._local_scalar_dense.default",
    )


class ByName(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, *, mask=None, x):
        return self.fc(x)


def test_an_example_goes_by_name_where_forward_takes_names_alone():
    assert trace(ByName(), torch.ones(2, 4)).is_traced
    assert trace(ByName(), (torch.ones(2, 4), torch.ones(2))).is_traced
    assert trace(ByName()).notes == ("the input was made up: `x` float32 (2, 4)" + DATA,)


NORMS = [nn.utils.parametrizations.weight_norm, nn.utils.parametrizations.spectral_norm]


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(
    ("layer", "shape"),
    [(nn.Linear(4, 3), (2, 4)), (nn.Conv1d(4, 3, 3), (2, 4, 64)), (nn.Conv2d(4, 3, 3), (2, 4, 224, 224))],
)
def test_the_input_of_a_parametrised_layer_is_made_up(norm, layer, shape):
    graph = trace(nn.Sequential(norm(layer), nn.ReLU()))
    assert graph.notes == (f"the input was made up: `input` float32 {shape}" + DATA,)


# Inputs.


@pytest.mark.parametrize(
    ("model", "note"),
    [
        (nn.Linear(4, 2), "the input was made up: `input` float32 (2, 4)" + DATA),
        (
            nn.Sequential(nn.Flatten(), nn.Linear(784, 2)),
            "the input was made up: `input` float32 (2, 784)" + DATA,
        ),
        (
            nn.Linear(4, 2).double(),
            "the input was made up: `input` float64 (2, 4)" + DATA,
        ),
        (
            nn.Conv2d(1, 2, 3),
            "the input was made up: `input` float32 (2, 1, 224, 224)" + DATA,
        ),
        (
            nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 30 * 30, 2)),
            "the input was made up: `input` float32 (2, 3, 32, 32)" + DATA,
        ),
        (
            nn.Conv1d(3, 4, 3),
            "the input was made up: `input` float32 (2, 3, 64)" + DATA,
        ),
        (
            nn.Conv3d(3, 4, 3),
            "the input was made up: `input` float32 (2, 3, 32, 32, 32)" + DATA,
        ),
        (nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 2)), "the input was made up: `input` int64 (2, 8)"),
        (nn.GRU(6, 4), "the input was made up: `input` float32 (2, 8, 6)" + DATA),
        (nn.LSTMCell(6, 4), "the input was made up: `input` float32 (2, 6)" + DATA),
        (
            nn.Bilinear(3, 4, 5),
            "the input was made up: `input1` float32 (2, 3), `input2` float32 (2, 4)" + DATA,
        ),
        (
            nn.Transformer(8, 2, 1, 1, 8, batch_first=True),
            "the input was made up: `src` float32 (2, 8, 8), `tgt` float32 (2, 8, 8)" + DATA,
        ),
    ],
)
def test_an_input_is_made_up_from_the_model(model, note):
    graph = trace(model)
    assert graph.is_traced
    assert graph.notes == (note,)


def test_an_input_of_a_later_layer_is_made_up_no_sooner_than_it_is_tried():
    made = made_up(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(10**12, 4, 3, device="meta")))
    assert next(made).args[0].shape == (2, 3, 224, 224)


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


BYTES = (torch.arange(2 * 3 * 8 * 8) * 37 % 256).view(2, 3, 8, 8).to(torch.uint8)
MEAN, STD = torch.tensor([0.4, 0.5, 0.6])[:, None, None], torch.tensor([0.2, 0.2, 0.3])[:, None, None]
SCALED = {
    "bytes": (lambda m, x: x.float() / 255.0, BYTES, 1),
    "bytes, divided at once": (lambda m, x: x / 255, BYTES, 1),
    "bytes as they are": (lambda m, x: x.float(), BYTES, 65536),
    "bytes, by channel": (lambda m, x: (x.float() / 255 - MEAN) / STD, BYTES, 1),
    "bytes, pooled": (lambda m, x: F.avg_pool2d(x / 255, 2), BYTES, 1),
    "fractions to 255": (lambda m, x: x, BYTES.float(), 65536),
    "fractions to 255, divided": (lambda m, x: x / 255, BYTES.float(), 1),
    "about zero": (lambda m, x: x * 2 - 1, BYTES / 255, 1),
    "by channel": (lambda m, x: (x - MEAN) / STD, BYTES / 255, 1),
    "by channel, made up": (lambda m, x: (x - MEAN) / STD, torch.zeros(2, 3, 8, 8), 1),
    "divided, made up": (lambda m, x: x[:, [2, 1, 0]] / 255, torch.zeros(2, 3, 8, 8), 1),
    "divided and pooled, made up": (lambda m, x: m.p(x / 255), torch.zeros(2, 3, 8, 8), 1),
    "black bytes": (lambda m, x: x / 255, torch.zeros_like(BYTES), 1),
    "bytes of one": (lambda m, x: x / 255, torch.ones_like(BYTES), 1),
    "a logarithm": (lambda m, x: torch.log1p(x), BYTES.float() * 8, 16),
    "one of many": (lambda m, x: x, F.one_hot(BYTES[:, 0].long() % 3, 3).movedim(-1, 1).float(), 1 / 3),
    "ones": (lambda m, x: x, torch.ones(2, 3, 8, 8), 1),
    "tiny": (lambda m, x: x, BYTES / 255e3, 2**-24),
}


@pytest.mark.parametrize("case", SCALED)
def test_data_count_by_an_example_behind_the_models_own_scaling(case):
    function, example, moment = SCALED[case]
    model = of(
        lambda m, x: m.o(m.c(function(m, x)).relu().mean((2, 3))), c=nn.Conv2d(3, 4, 3, padding=2), o=nn.Linear(4, 3)
    )
    model.p = nn.AvgPool2d(1)
    found = trace(model, example).by_path
    assert found["c.weight"].use.moment == pytest.approx(moment, rel=0.01)
    assert found["c.weight"].use.fed_by in ("data", "f", "pooling")
    assert found["o.weight"].use.fed_by == "pooling"


@pytest.mark.parametrize(
    ("example", "told"),
    [
        (
            BYTES,
            "the example's numbers are about 256 times as large as 1 (second moment 65,536) where they enter "
            "`0.weight`, which starts smaller to match: scale them (divide by 256), or learning rates that are usual "
            "do not fit",
        ),
        (
            BYTES / 255e3,
            "the example's numbers are about 1/4,096 times as large as 1 (second moment 5.96e-08) where they enter "
            "`0.weight`, which starts larger to match: scale them (multiply by 4,096), or learning rates that are "
            "usual do not fit",
        ),
    ],
)
def test_numbers_of_another_size_than_1_are_told(example, told):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
    assert trace(model, example.float()).notes == (told,)
    normed = nn.Sequential(nn.BatchNorm2d(3), model)
    assert trace(normed, example.float()).notes == ()
    assert trace(model, BYTES / 255).notes == ()


def test_an_example_of_zeros_ones_or_noise_gives_the_plan_of_made_up_numbers():
    model = nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 2))
    alike = {trace(model, make(2, 8)).params for make in (torch.zeros, torch.ones, torch.randn)}
    assert alike == {trace(model).params}


def test_whole_numbers_made_to_fractions_feed_a_recurrence_a_norm_and_a_dense_layer_as_data():
    layers = {"l": nn.LSTM(8, 8, batch_first=True), "n": nn.LayerNorm(8), "d": nn.Linear(8, 8), "o": nn.Linear(24, 3)}

    def forward(m, x):
        return m.o(torch.cat([m.l(x.float())[0], m.n(x.double().float()), m.d(x.sqrt())], -1))

    found = trace(of(forward, **layers), torch.arange(80).view(2, 5, 8) % 4).by_path
    assert {found[path].use.fed_by for path in ("l.weight_ih_l0", "n.weight", "d.weight")} == {"data"}


def test_a_product_with_one_hot_rows_of_tokens_picks_rows():
    model = of(lambda m, x: m.o(m.e(F.one_hot(x, 9).float()).relu()), e=nn.Linear(9, 8), o=nn.Linear(8, 3))
    found = trace(model, torch.arange(6) % 9).by_path["e.weight"]
    assert (found.role, found.axes) == ("embedding", "ov")
