"""Which models are planned, and what the others are told."""

import textwrap

import numpy as np
import pytest

import initium
from initium import ModelError

torch = pytest.importorskip("torch")


def refused(model):
    with pytest.raises(ModelError) as error:
        initium.initialize(model)
    return str(error.value)


def code(message, first):
    """The lines of a message from that which begins so."""
    lines = message.splitlines()
    start = next(index for index, line in enumerate(lines) if line.strip().startswith(first))
    indent = len(lines[start]) - len(lines[start].lstrip())
    end = next((i for i in range(start, len(lines)) if not lines[i].startswith(" " * indent)), len(lines))
    return textwrap.dedent("\n".join(lines[start:end]))


def test_a_flax_model_is_told_how_its_layers_start():
    nnx = pytest.importorskip("flax.nnx")
    import initium.jax

    message = refused(nnx.Linear(3, 2, rngs=nnx.Rngs(0)))
    assert message.startswith("A Flax model is not planned: `plan` and `initialize` take a torch.nn.Module.\n")
    layer = eval(code(message, "nnx.Linear"), {"nnx": nnx, "initium": initium, "rngs": nnx.Rngs(0)})
    assert layer.kernel.shape == (64, 32)
    one = message.rpartition(": ")[2]
    weight = np.asarray(eval(one, {"initium": initium}))
    assert (weight == initium.array("he_normal", (32, 64), seed=0, path="hidden").T).all()


def test_an_equinox_model_is_told_how_its_layers_start():
    eqx, jax = pytest.importorskip("equinox"), pytest.importorskip("jax")
    import initium.jax

    layer = eqx.nn.Linear(64, 32, key=jax.random.key(0))
    line = code(refused(layer), "eqx.tree_at")
    made = eval(line, {"eqx": eqx, "layer": layer, "initium": initium, "key": jax.random.key(1)})
    assert not (made.weight == layer.weight).any()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            torch.nn.Linear(3, 2).state_dict(),
            "got an OrderedDict. Pass the model itself; its parameters alone do not say what becomes of them.",
        ),
        (
            torch.nn.Linear(3, 2).parameters(),
            "got a generator. Pass the model itself; its parameters alone do not say what becomes of them.",
        ),
        ("mlp(3, 2)", "got a str. Names of models are for the command line; call the function that builds it."),
        (
            torch.nn.Linear(3, 2).weight,
            "got a Parameter. One weight is started by `initium.torch.he_normal()`; see `initium.torch.Start`.",
        ),
        (torch.nn.Linear, "got the class Linear. Call it: Linear()."),
        (lambda: None, "got a function. Call it: build()."),
        (None, "got a NoneType."),
    ],
)
def test_what_is_no_model_is_told_the_way_to_one(model, message):
    assert refused(model) == f"A model is a torch.nn.Module, built; {message}"
