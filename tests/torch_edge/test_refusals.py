"""Which models and examples a trace does not take, and what it says."""

import math
import warnings
from typing import Any

import pytest
import torch
from torch import nn
from torch_edge.traced import X, of, refusal

from initium import ModelError, plan
from initium.torch._trace import trace


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
        "The model is compiled by torch.jit. Pass the model as it was before."
    )
    assert refusal(nn.Sequential(nn.Linear(2, 2), compiled(nn.Linear(2, 3)))) == (
        "`1` is compiled by torch.jit. Pass the model as it was before."
    )


class Packed(nn.Module):
    """Like the quantised layers of PyTorch, whose weights are no parameters."""

    def __init__(self):
        super().__init__()
        self._packed_params: Any = nn.Identity()
        self._packed_params._packed_params = object()


def test_a_quantised_model_is_refused():
    assert refusal(nn.Sequential(nn.Linear(2, 2), Packed(), Packed())) == (
        "`1`, `2` are quantised, with packed weights. Pass the model as it was before."
    )


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


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 2)

    def forward(self, x, mask):
        return self.fc(x) * mask


def test_an_input_that_cannot_be_told_is_asked_for():
    assert refusal(Net()) == (
        "Initium cannot make up the input `mask` of Net.forward(x, mask). Pass example=..., a tensor, a tuple of "
        "arguments or a dict of keyword arguments."
    )


def test_a_model_that_raises_is_named_with_where_and_what_it_was_given():
    assert refusal(Net(), (torch.zeros(2, 3), torch.ones(2, 2))) == (
        "Net raises RuntimeError in `fc`: mat1 and mat2 shapes cannot be multiplied (2x3 and 4x2).\n"
        "It was given `x` float32 (2, 3), `mask` float32 (2, 2). Pass inputs that it runs on."
    )


def test_an_example_with_nan_is_refused():
    assert refusal(Net(), {"x": torch.tensor([[1.0, math.nan, math.inf, 0.0]]), "mask": torch.ones(1, 2)}) == (
        "The example's `x` holds 2 values of 4 that are NaN or infinite. Pass finite numbers."
    )


def test_an_example_of_another_kind_is_refused():
    assert refusal(nn.Linear(2, 2), [1.0, 2.0]) == (
        "An example is a tensor, a tuple of arguments or a dict of keyword arguments, not a list. "
        "A data loader's batch holds labels too: pass its inputs alone, batch[0]."
    )


def test_a_model_that_returns_no_tensor_is_refused():
    assert refusal(of(lambda m, x: 3, a=nn.Linear(8, 8)), X) == (
        "Made returns no tensor but an int, so nothing says what its parameters do. Let its forward return its output."
    )


def test_a_lazy_model_without_an_example_is_refused():
    assert refusal(nn.Sequential(nn.LazyLinear(3, bias=False))) == (
        "`0.weight` has no shape yet. Run the model once on a batch, `model(batch)`, so that its lazy layers "
        "get one; `plan` and `initialize` do so with example=batch, `diagnose` with inputs=batch."
    )


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
    assert refusal(lambda x: x) == "`trace` takes a torch.nn.Module, not a function."
