"""A function whose parameters lie in a mapping by path, as those of a model of Keras on JAX."""

import jax
import jax.numpy as jnp
import pytest

import initium
from initium.jax._called import Called, trace_called

X = jax.ShapeDtypeStruct((8, 30), "float32")


def net(held, x):
    """A layer norm as Keras writes it down, between two layers."""
    x = jax.nn.relu(x @ held["net/fc/kernel"])
    mean = x.mean(-1, keepdims=True)
    inverse = jax.lax.rsqrt(jnp.square(x).mean(-1, keepdims=True) - jnp.square(mean) + 1e-3) * held["net/norm/gamma"]
    x = x * inverse + (-mean * inverse + held["net/norm/beta"])
    return x / held["net/average"] @ held["net/head/kernel"]


def shape(*sizes):
    return jax.ShapeDtypeStruct(sizes, "float32")


CALLED = Called(
    "Net",
    net,
    {
        "net/fc/kernel": shape(30, 64),
        "net/norm/gamma": shape(64),
        "net/norm/beta": shape(64),
        "net/head/kernel": shape(64, 2),
    },
    {"net/average": shape(64)},
)


def test_its_parameters_are_told_by_their_paths():
    graph = trace_called(CALLED, X)
    assert {param.path: param.role for param in graph.params} == {
        "net/fc/kernel": "weight",
        "net/head/kernel": "weight",
        "net/norm/gamma": "scale",
        "net/norm/beta": "shift",
    }
    assert graph.by_path["net/norm/gamma"].use.fed_by == "relu"
    assert {graph.by_path[f"net/norm/{name}"].use.operation for name in ("gamma", "beta")} == {"normalisation"}
    assert graph.by_path["net/head/kernel"].stream == "net.head.weight"
    assert [buffer.path for buffer in graph.buffers] == ["net/average"]


def test_without_an_example_others_are_tried_and_the_first_that_failed_is_told():
    wrong = jax.ShapeDtypeStruct((8, 31), "float32")
    assert trace_called(CALLED, None, [(wrong,), (X,)]).by_path["net/fc/kernel"].fans == (30, 64)
    with pytest.raises(initium.ModelError, match=r"float32\[8, 31\]"):
        trace_called(CALLED, None, [(wrong,)])
    with pytest.raises(initium.ModelError, match="Net does not say what it takes: pass example="):
        trace_called(CALLED, None)
