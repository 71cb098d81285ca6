"""Whole Keras models: how long a plan and a fill take; how large signals are, beside Keras's own start and anyinit.

    KERAS_BACKEND=torch python bench/keras_models.py

Of each weight's layer E[x^2] of what it gives is measured on noise, or on random tokens, as a first step of training
sees it: the least and the greatest, and that of the model's output. `left` is how many weights stand as they were
built.
Where anyinit is not installed, its rows are left out.
"""

import os
import statistics
import time
from collections.abc import Callable
from datetime import date
from typing import Any

# Before NumPy is loaded: its BLAS takes as many threads as the fills.
THREADS = 2
os.environ |= {"OPENBLAS_NUM_THREADS": str(THREADS), "OMP_NUM_THREADS": str(THREADS)}
os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
from keras import layers
from processor import model_name

import initium

ROUNDS = 3
APPLICATIONS = ("ResNet50", "EfficientNetB0", "MobileNetV2", "ConvNeXtTiny")
WEIGHTS = (layers.Dense, layers.Conv2D, layers.DepthwiseConv2D, layers.EinsumDense)


def mlp() -> keras.Model:
    """Ten layers of tanh."""
    hidden = [layers.Dense(256, activation="tanh", name=f"hidden_{number}") for number in range(10)]
    return keras.Sequential([keras.Input((64,)), *hidden, layers.Dense(10, name="head")])


def transformer() -> keras.Model:
    """Six pre-norm blocks."""
    ids = keras.Input((64,), dtype="int32")
    x = layers.Embedding(1000, 256, name="words")(ids)
    for number in range(6):
        y = layers.LayerNormalization(name=f"norm_{number}a")(x)
        x = x + layers.MultiHeadAttention(4, 64, name=f"attention_{number}")(y, y)
        y = layers.Dense(1024, activation="gelu", name=f"up_{number}")(
            layers.LayerNormalization(name=f"norm_{number}b")(x)
        )
        x = x + layers.Dense(256, name=f"down_{number}")(y)
    return keras.Model(ids, layers.Dense(1000, name="logits")(layers.LayerNormalization(name="norm")(x)))


def application(name: str) -> keras.Model:
    """As it is published, without weights and without a softmax."""
    return getattr(keras.applications, name)(weights=None, classifier_activation=None)


def seconds(call: Callable[[], Any]) -> float:
    """The median time of a call."""
    taken = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def numbers(value: Any) -> Any:
    """As an array."""
    return np.array(keras.ops.convert_to_numpy(value))


def mean_square(value: Any) -> float:
    """E[x^2]."""
    return float(np.square(numbers(value)).mean())


def moments(model: keras.Model, batch: Any) -> list[float]:
    """E[x^2] of what each weight gives, before the activation that its layer may have; then of the output."""
    found: list[float] = []

    def noted(layer: Any) -> Callable[..., Any]:
        call, activation = layer.call, layer.activation

        def inner(*args: Any, **kwargs: Any) -> Any:
            layer.activation = None
            try:
                given = call(*args, **kwargs)
            finally:
                layer.activation = activation
            found.append(mean_square(given))
            return given if activation is None else activation(given)

        return inner

    watched = [layer for layer in model._flatten_layers() if isinstance(layer, WEIGHTS)]
    for layer in watched:
        layer.__dict__["call"] = noted(layer)
    output = model(batch, training=True)
    for layer in watched:
        del layer.__dict__["call"]
    return [*found, mean_square(output)]


def start(who: str, model: keras.Model, batch: Any) -> None:
    """Start a model as somebody does; Keras has by building it."""
    if who == "anyinit":
        import anyinit  # pyright: ignore[reportMissingImports]

        anyinit.initialize(model, seed=0)
    elif who == "initium":
        initium.initialize(model, seed=0)


def sizes(name: str, build: Callable[[], keras.Model], batch: Any) -> None:
    """A line for each way to start a model."""
    for who in ("keras", "anyinit", "initium"):
        keras.utils.set_random_seed(0)
        model = build()
        kernels = [v for v in model.trainable_variables if len(v.shape) > 1 and numbers(v).any()]
        before = [numbers(variable) for variable in kernels]
        begun = time.perf_counter()
        try:
            start(who, model, batch)
        except ImportError:
            continue
        except Exception as error:  # whatever another library may raise
            print(f"| {name} | {who} | {type(error).__name__}: {str(error).splitlines()[0][:80]} |", flush=True)
            continue
        taken = time.perf_counter() - begun
        same = sum(bool((one == numbers(v)).all()) for one, v in zip(before, kernels, strict=True))
        given = moments(model, batch)
        told = " | ".join(f"{one:.3g}" for one in (min(given), max(given), given[-1]))
        print(f"| {name} | {who} | {told} | {same if who != 'keras' else '-'} | {taken:.2f} |", flush=True)


def times(name: str) -> None:
    """How long it takes to plan a model, and to fill it."""
    model = application(name)
    plan = initium.plan(model)
    planned, filled = seconds(lambda: initium.plan(model)), seconds(lambda: plan.apply(model, seed=0))
    print(f"| {name} | {model.count_params() / 1e6:.1f} M | {planned:.2f} | {filled:.2f} |", flush=True)


def main() -> None:
    """Print both tables with the machine and the date."""
    backend = keras.backend.backend()
    print(f"{date.today()}, {model_name()}, {os.cpu_count()} cores, Keras {keras.__version__} on {backend}\n")
    print("| model | parameters | plan, s | fill, s |\n|---|---|---|---|")
    for name in APPLICATIONS:
        times(name)
    rng = np.random.Generator(np.random.Philox(0))
    images = rng.standard_normal((8, 224, 224, 3)).astype("float32")
    print("\n| model | start | least | greatest | output | left | s |\n|---|---|---|---|---|---|---|")
    sizes("MLP, tanh", mlp, rng.standard_normal((256, 64)).astype("float32"))
    sizes("transformer", transformer, rng.integers(0, 1000, (8, 64)))
    for name in APPLICATIONS:
        sizes(name, lambda name=name: application(name), images)


if __name__ == "__main__":
    main()
