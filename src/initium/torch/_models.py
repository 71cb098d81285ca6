"""The built-in models, and a study's model built."""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

from torch import nn

from .._errors import ModelError, SpecError
from .._spec import Call, parse_call, unknown_name
from .._study._data import Data
from .._study._study import Study

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "selu": nn.SELU,
    "elu": nn.ELU,
    "leaky_relu": nn.LeakyReLU,
    "softplus": nn.Softplus,
    "mish": nn.Mish,
}
_HIDDEN = (128, 64)


def build(study: Study) -> nn.Module:
    """A new, freshly made model of the study."""
    if not isinstance(study.model, str):
        return _built(study.model)
    activation = activation_of(study.activation)
    flat = [nn.Flatten()] if len(study.data.features) > 1 else []
    return nn.Sequential(*flat, *mlp(_sizes(study.model, study.data), activation))


def activation_of(name: str) -> type[nn.Module]:
    """The layer of an activation.

    Raises:
        UnknownNameError: with the nearest name there is.
    """
    if name not in ACTIVATIONS:
        raise unknown_name("activation", name, ACTIVATIONS, f"There are {', '.join(ACTIVATIONS)}.")
    return ACTIVATIONS[name]


def mlp(sizes: Sequence[int], activation: type[nn.Module] = nn.ReLU) -> Iterator[nn.Module]:
    """The layers of a multilayer perceptron."""
    for index, (width, next_width) in enumerate(itertools.pairwise(sizes)):
        if index:
            yield activation()
        yield nn.Linear(width, next_width)


def sizes_of(spec: str, hint: str, example: str) -> list[int]:
    """The widths of the layers that a text names; what is refused comes with a hint, or an example."""
    call = parse_call(spec)
    if call.name != "mlp":
        raise unknown_name("built-in model", call.name, ["mlp"], hint)
    sizes = list(call.args)
    if call.kwargs or len(sizes) < 2 or any(type(size) is not int or size < 1 for size in sizes):
        raise SpecError(f"'{spec}': an mlp is named by the widths of its layers, as in `{example}`.")
    return sizes


def _built(function: Any) -> nn.Module:
    if not callable(function) or isinstance(function, nn.Module):
        raise ModelError(
            "model is 'mlp', 'mlp(10, 20, 2)' or a function without arguments that builds a new torch.nn.Module; "
            f"got a {type(function).__name__}. Every run needs a model of its own: pass `lambda: MyNet(...)`."
        )
    try:
        model = function()
    except Exception as error:  # whatever a user's own code may raise
        raise ModelError(f"The model function fails: {type(error).__name__}: {error}") from error
    if not isinstance(model, nn.Module):
        raise ModelError(f"The model function returned a {type(model).__name__}, not a torch.nn.Module.")
    return model


def _sizes(spec: str, data: Data) -> list[int]:
    """The width of each layer, checked against the data."""
    if ":" in spec or spec.endswith(".py"):
        raise ModelError(
            f"A comparison builds an mlp from its name, as in 'mlp(10, 20, 2)', and not yet '{spec}'. Your own model "
            "is compared from Python, where build() returns it: initium.compare(build, 'digits', inits=[...])."
        )
    num_features = math.prod(data.features)
    if parse_call(spec) == Call("mlp"):
        return [num_features, *_HIDDEN, data.num_outputs]
    sizes = sizes_of(spec, "From Python, pass a function that builds your own.", "mlp(10, 20, 2)")
    if (sizes[0], sizes[-1]) != (num_features, data.num_outputs):
        outputs = "classes" if data.is_classification else "targets"
        fitting = ", ".join(map(str, [num_features, *sizes[1:-1], data.num_outputs]))
        hint = f" Use 'mlp({fitting})'"
        hint += f", or '{data.name}(features={sizes[0]})'." if sizes[0] < num_features else "."
        raise ModelError(
            f"'{spec}' takes {sizes[0]} features and gives {sizes[-1]} outputs, but {data.name} has {num_features} "
            f"features and {data.num_outputs} {outputs}.{hint}"
        )
    return sizes
