"""What a trace leaves of the model, and which models and examples it takes."""

import collections
import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import initium.torch._trace._trace as tracing
from initium import ModelError
from initium.torch._torch import engine
from initium.torch._trace import trace


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


def refusal(model, example=None):
    with pytest.raises(ModelError) as error:
        trace(model, example)
    return str(error.value)


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


# Models that hold no weights, or hide them.


@pytest.mark.parametrize("example", [None, torch.ones(2)])
def test_a_model_without_parameters_is_noted(example):
    graph = trace(nn.ReLU(), example)
    assert (graph.params, graph.notes) == ((), ("this model has no parameters",))


def compiled(model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.script(model)


def test_a_compiled_model_is_refused():
    assert refusal(compiled(nn.Linear(2, 3))) == (
        "The model is compiled by torch.jit. Plan the model as it was before."
    )
    assert refusal(nn.Sequential(nn.Linear(2, 2), compiled(nn.Linear(2, 3)))) == (
        "`1` is compiled by torch.jit. Plan the model as it was before."
    )


class Packed(nn.Module):
    """Like the quantised layers of PyTorch, whose weights are no parameters."""

    def __init__(self):
        super().__init__()
        self._packed_params: Any = nn.Identity()
        self._packed_params._packed_params = object()


def test_a_quantised_model_is_refused():
    assert refusal(nn.Sequential(nn.Linear(2, 2), Packed(), Packed())) == (
        "`1`, `2` are quantised, with packed weights. Plan the model as it was before."
    )


# Examples.


@pytest.mark.parametrize("example", [{"rows": torch.tensor([1, math.nan])}, [np.array([math.inf, 1.0], np.float32)]])
def test_numbers_within_an_example_are_checked(example):
    assert refusal(nn.Linear(2, 2), (example,)) == (
        "The example's argument 0 holds 1 values of 2 that are NaN or infinite. Pass an example of finite numbers."
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
    assert trace(ByName()).notes == ("the input was made up: `x` float32 (2, 4)",)


class Free(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, **kw):
        return self.fc(kw["rows"])


class Unwritten(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)


class Optional(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x=None, *others):
        return self.fc(others[0])


def test_an_input_without_a_name_is_asked_for():
    ask = "Pass example=..., a tensor, a tuple of arguments or a dict of keyword arguments."
    tried = " The first that was tried, "
    assert (
        refusal(Free()) == f"Initium cannot make up an input of Free.forward(**kw). {ask}{tried}nothing, failed: 'rows'"
    )
    assert refusal(Optional()) == (
        f"Initium cannot make up the input `x` of Optional.forward(x, *others). {ask}{tried}"
        "`x` float32 (2, 4), failed: tuple index out of range"
    )
    assert refusal(Unwritten()) == (
        f"Initium cannot make up an input of Unwritten.forward(*input). {ask}{tried}"
        '`input` float32 (2, 4), failed: Module [Unwritten] is missing the required "forward" function'
    )
    assert trace(Free(), {"rows": torch.ones(2, 4)}).is_traced


def test_what_is_no_output_is_named_with_its_article():
    assert refusal(Model(lambda m, x: 3), torch.ones(2, 4)) == (
        "Model returns no tensor but an int, so nothing says what its parameters do. "
        "Trace a model whose forward returns its output."
    )


NORMS = [nn.utils.parametrizations.weight_norm, nn.utils.parametrizations.spectral_norm]


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(
    ("layer", "shape"),
    [(nn.Linear(4, 3), (2, 4)), (nn.Conv1d(4, 3, 3), (2, 4, 64)), (nn.Conv2d(4, 3, 3), (2, 4, 224, 224))],
)
def test_the_input_of_a_parametrised_layer_is_made_up(norm, layer, shape):
    graph = trace(nn.Sequential(norm(layer), nn.ReLU()))
    assert graph.notes == (f"the input was made up: `input` float32 {shape}",)


def test_a_sharded_model_is_to_be_planned_before(tmp_path):
    from torch import distributed
    from torch.distributed.fsdp import fully_shard

    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        model = fully_shard(nn.Linear(2, 2), mesh=distributed.init_device_mesh("cpu", (1,)))
        with pytest.raises(ModelError) as error:
            trace(model)
    finally:
        distributed.destroy_process_group()
    assert str(error.value) == (
        "`bias`, `weight` are sharded, and a model is traced whole. "
        "Plan it before it is sharded, on meta if it is large, and apply the plan afterwards."
    )
