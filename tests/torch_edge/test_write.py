import numpy as np
import pytest
import torch
from torch import nn

from initium import ModelError, _stream, parse
from initium._fill import fill
from initium._graph import Graph
from initium._plan import plan
from initium._recipe import Recipe
from initium.torch import read, write


def written(model, spec="he_normal", seed=3):
    graph = read(model)
    write(model, graph, plan(graph, Recipe.parse(spec)), seed=seed)
    return graph


def expected(graph: Graph, spec="he_normal", seed=3):
    (weight,) = graph.weights
    out = np.empty(weight.shape, np.float32)
    fill(out, parse(spec).law(weight), weight, key=_stream.key(seed, weight.path))
    return torch.from_numpy(out)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_every_floating_dtype_is_filled_with_the_same_numbers(dtype):
    layer = nn.Linear(300, 200, dtype=dtype)
    wanted = expected(written(layer))
    tolerance = 1e-6 if dtype == torch.float64 else 0
    torch.testing.assert_close(layer.weight.detach().float(), wanted.to(dtype).float(), rtol=0, atol=tolerance)
    assert not layer.bias.any()


def test_a_weight_that_is_not_contiguous_gets_the_same_numbers():
    layer = nn.Linear(300, 200)
    layer.weight = nn.Parameter(torch.empty(300, 200).T)
    assert torch.equal(layer.weight, expected(written(layer)))
    assert layer.weight.stride() == (1, 200)


def test_autograd_notices_that_a_weight_was_written():
    layer = nn.Linear(3, 2)
    loss = (layer.weight * layer.weight).sum()
    written(layer)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "meta"}, "`weight` has no memory yet. Call `model.to_empty(device=...)` first."),
        (
            {"dtype": torch.complex64},
            "`weight` is torch.complex64; a fill writes float32, float64, float16 and bfloat16.",
        ),
    ],
)
def test_what_cannot_be_written_is_refused(options, message):
    with pytest.raises(ModelError) as found:
        written(nn.Linear(3, 2, bias=False, **options))
    assert str(found.value) == message
