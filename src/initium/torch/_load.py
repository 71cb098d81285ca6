"""A model from its name on the command line."""

import re
import sys
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from .._diagnosis._geometry import seconds
from .._errors import ModelError
from .._model_name import model_function
from ._architectures import activation_of, mlp, sizes_of
from ._deferred import deferred

# A model of so many numbers, 4 GB, is not built only to be looked at more closely.
_MOST = 10**9


def load(text: str, *, with_numbers: bool = False, must_defer: bool = False, activation: str = "relu") -> nn.Module:
    """Build the model that a text names, deferred where that can be done, so that it takes no memory.

    Args:
        text: `file.py:function`, `package.module:function`, or the built-in `mlp(64, 128, 10)`.
        with_numbers: build it as it is, and take the memory.
        must_defer: refuse what cannot be deferred, since what its constructor does must be recorded.
        activation: of the hidden layers of an mlp.

    Raises:
        ModelError: if it cannot be built, or deferred where it must be, saying where and why.
        SpecError: if the widths of an mlp are none.
        UnknownNameError: with the nearest name there is.

    Example:
        >>> load("mlp(64, 128, 10)")[0].weight.shape
        torch.Size([128, 64])
    """
    build = model_function(text) if ":" in text or text.endswith(".py") else lambda: _mlp(text, activation)
    model = build() if with_numbers else _without_memory(build, must_defer)
    if not isinstance(model, nn.Module):
        raise ModelError(f"'{text}' gave a {type(model).__name__}, not a torch.nn.Module.")
    return model


def built(text: str, seed: int, activation: str) -> nn.Module:
    """The model that a text names with its numbers, of which what it draws is seeded."""
    torch.manual_seed(seed)
    return load(text, with_numbers=True, activation=activation)


def geometry_cost(model: nn.Module) -> str:
    """About how long the singular values of all weights take."""
    weights = [value for value in model.parameters() if value.ndim > 1 and len(value)]
    took = seconds((len(value), value.numel() // len(value)) for value in weights)
    return "under a second" if took < 1 else f"about {took:,.0f} seconds"


def is_large(model: nn.Module) -> bool:
    """Whether a model takes too much memory to be built only to be looked at more closely."""
    return sum(value.numel() for value in model.parameters()) > _MOST


def _without_memory(build: Callable[[], Any], must_defer: bool) -> Any:
    try:
        # What a constructor warns of when it has no memory is no news to whoever plans.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return deferred(build)
    except ModelError as error:
        if must_defer:
            raise
        model = build()  # what fails with memory too is told as that
        sys.stderr.write(f"The model is built for real, because {_in_one_line(error)}\n")
        return model


def _in_one_line(error: ModelError) -> str:
    """Its first sentence; what it advises has been done."""
    text = " ".join(str(error).split()).split(". ")[0].removesuffix(".")
    return f"{text[:1].lower()}{text[1:]}."


def _with_colon(text: str) -> str:
    """What was meant by a dotted name of a function."""
    module, _, name = text.rpartition(".")
    return f" Perhaps '{module}:{name}' was meant." if re.fullmatch(r"[a-z_]\w*(\.\w+)+", module) else ""


def _mlp(text: str, activation: str) -> nn.Module:
    if "(" not in text and not text.strip().isidentifier():
        raise ModelError(
            f"'{text}' names no model. A model is file.py:function, package.module:function, 'mlp(64, 128, 10)', or a "
            f"saved plan, whose name ends in .json.{_with_colon(text)}"
        )
    sizes = sizes_of(text, "Your own is named as 'file.py:function'.", "mlp(64, 128, 10)")
    return nn.Sequential(*mlp(sizes, activation_of(activation)))
