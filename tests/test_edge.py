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


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
def test_a_keras_model_is_told_how_its_layers_start_before_and_after_they_are_built():
    keras = pytest.importorskip("keras")
    import initium.keras

    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(4)])
    message = refused(model)
    assert message.startswith("A Keras model is not planned: `plan` and `initialize` take a torch.nn.Module.\n")
    # What it says works, as it is printed.
    exec(code(message, "for layer"), {"model": model, "initium": initium})
    kernel = model.layers[0].kernel
    expected = initium.array("he_normal", (3, 4), seed=0, path=kernel.path, axes="io")
    assert (keras.ops.convert_to_numpy(kernel) == expected).all()
    layer = eval(code(message, "keras.layers.Dense").splitlines()[0], {"keras": keras, "initium": initium})
    layer.build((None, 3))
    assert np.any(keras.ops.convert_to_numpy(layer.kernel))


def told(model):
    """The call that a model of JAX's is told, as it is printed."""
    message = refused(model)
    assert "is a function of parameters that lie beside it, and both are planned together:\n" in message
    return code(message, "params = ").removeprefix("params = ")


def test_a_model_of_flax_linen_is_told_how_it_starts():
    linen, jax = pytest.importorskip("flax.linen"), pytest.importorskip("jax")
    import initium.jax

    model, x = linen.Dense(2), jax.numpy.ones((4, 3))
    params = eval(told(model), {"initium": initium, "model": model, "key": jax.random.key(0), "x": x})
    assert params["params"]["kernel"].shape == (3, 2)


def test_a_haiku_model_is_told_how_it_starts():
    haiku, jax = pytest.importorskip("haiku"), pytest.importorskip("jax")
    import initium.jax

    model, x = haiku.transform(lambda x: haiku.Linear(2)(x)), jax.numpy.ones((4, 3))
    params = eval(told(model), {"initium": initium, "model": model, "key": jax.random.key(0), "x": x})
    assert params["linear"]["w"].shape == (3, 2)


def test_an_equinox_model_is_told_how_it_starts():
    eqx, jax = pytest.importorskip("equinox"), pytest.importorskip("jax")
    import initium.jax

    model, x = eqx.nn.Linear(64, 32, key=jax.random.key(0)), jax.numpy.ones((4, 64))
    made = eval(told(model), {"initium": initium, "model": model, "jax": jax, "x": x})
    assert isinstance(made, eqx.nn.Linear)
    assert not (made.weight == model.weight).any()


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
