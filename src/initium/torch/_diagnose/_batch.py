"""The batch that a model is diagnosed on."""

import inspect
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from ..._errors import ModelError, in_bytes
from .._half_written import check_whole
from .._inputs import Inputs, cannot_make_up, described, given, made_up
from .._quietly import quietly
from .._torch import tree_leaves, tree_map
from .._undisturbed import default_device
from ._room import MOST, bytes_per_sample

_SAMPLES = 32  # of made-up inputs: enough to see what all inputs have in common
_SEED = 0


def batch(model: nn.Module, inputs: Any) -> tuple[Inputs, tuple[str, ...]]:
    """What the model is to take in, and notes of how it was made up or cast."""
    return made(model) if inputs is None else taken(model, inputs)


def taken(model: nn.Module, inputs: Any) -> tuple[Inputs, tuple[str, ...]]:
    """What somebody's inputs mean, and a note where they were cast.

    Raises:
        ModelError: if they are none, hold no sample, or hold NaN or infinity.
    """
    inputs, note = _cast(model, inputs)
    found = given(model, inputs, argument="inputs")
    if not num_samples(found):
        raise ModelError(f"The inputs hold no sample: {described(model, found)}. Pass a batch of some.")
    try:
        inspect.signature(model.forward).bind(*found.args, **found.kwargs)
    except TypeError as error:
        raise ModelError(
            f"{type(model).__name__}.forward cannot be called with `inputs`: {error}. A tuple is its arguments in "
            "their order; targets are passed by themselves: initium.diagnose(model, x, y)."
        ) from None
    return found, note


def made(model: nn.Module, most: int | None = None) -> tuple[Inputs, tuple[str, ...]]:
    """Inputs that the model takes, of so many samples at most and as many as there is room for, and a note of them.

    Raises:
        ModelError: if none can be made up.
    """
    tried = ""
    for one in _on_the_cpu(made_up(model, argument="inputs")):
        size = bytes_per_sample(model, one)
        samples = min(most or _SAMPLES, int(MOST // size) if size else _SAMPLES)
        if not samples:
            tried = tried or f" Of {described(model, one)}, one sample alone takes {in_bytes(size)}."
            continue
        for found in (_filled(model, one, samples), _filled(model, one, None)):
            try:
                with quietly(model), warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of what nobody passed
                    model(*found.args, **found.kwargs)
            except Exception as error:  # whatever a user's own forward may raise
                tried = tried or f" The first that was tried, {described(model, found)}, failed: {error}"
            else:
                what = described(model, found)
                return found, (f"the inputs were made up, Gaussian noise or random tokens: {what}",)
    raise cannot_make_up(model, tried=tried, argument="inputs")


def _on_the_cpu(made: Iterator[Inputs]) -> Iterator[Inputs]:
    """What an iterator makes, wherever else tensors are made by default."""
    while True:
        with default_device("cpu"):
            one = next(made, None)
        if one is None:
            return
        yield one


def _place(model: nn.Module) -> torch.device | None:
    """Where the model is; None where it has no numbers yet."""
    return next((value.device for value in model.parameters() if not value.is_meta), None)


def _cast(model: nn.Module, inputs: Any) -> tuple[Any, tuple[str, ...]]:
    """NumPy's arrays where the model is; its own float64 in the model's dtype: nobody chose it."""
    dtype = next((value.dtype for value in model.parameters() if value.is_floating_point()), torch.float64)
    found: list[str] = []

    def cast(value: Any) -> Any:
        if not isinstance(value, np.ndarray):
            return value
        given = torch.as_tensor(value, device=_place(model))
        if value.dtype != np.float64 or dtype is torch.float64:
            return given
        found.append(f"NumPy's float64 was cast to the model's {str(dtype).removeprefix('torch.')}")
        return given.to(dtype)

    return tree_map(cast, inputs), tuple(found[:1])


def example(inputs: Inputs) -> Any:
    """Inputs as whoever calls Initium passes them."""
    return inputs.kwargs if inputs.kwargs and not inputs.args else inputs.args


def tensors(inputs: Inputs) -> list[torch.Tensor]:
    """Those among the inputs."""
    return [leaf for leaf in tree_leaves((inputs.args, inputs.kwargs)) if isinstance(leaf, torch.Tensor)]


def num_samples(inputs: Inputs) -> int:
    """How long the first axis of the first input is."""
    return next((value.shape[0] for value in tensors(inputs) if value.ndim), 1)


def few(inputs: Inputs, targets: Any, count: int) -> tuple[Inputs, Any]:
    """The first samples of a batch."""
    whole = num_samples(inputs)

    def cut(value: Any) -> Any:
        is_batch = isinstance(value, torch.Tensor | np.ndarray) and value.shape[:1] == (whole,)
        return value[:count] if is_batch else value

    args, kwargs = tree_map(cut, (inputs.args, inputs.kwargs))
    return Inputs(args, kwargs), tree_map(cut, targets)


def check_filled(model: nn.Module) -> None:
    """Refuse a model without numbers, or with some of two lots.

    Raises:
        ModelError: if a parameter is on meta, or half-written.
    """
    check_whole(model)
    if any(value.is_meta for value in model.parameters()):
        raise ModelError(
            "The model is on meta, without numbers to diagnose. Name a recipe that fills a copy of it: "
            "initium.diagnose(model, recipe='auto')."
        )


def _filled(model: nn.Module, made: Inputs, samples: int | None) -> Inputs:
    """Made-up inputs with numbers, by a fixed seed, and with so many samples, where the model is."""
    tables = [module.num_embeddings for module in model.modules() if isinstance(module, nn.Embedding)]
    generator, place = torch.Generator("cpu").manual_seed(_SEED), _place(model)

    def filled(value: torch.Tensor) -> torch.Tensor:
        shape = (samples or value.shape[0], *value.shape[1:]) if value.ndim else value.shape
        if value.is_floating_point():
            return torch.randn(shape, generator=generator, device="cpu").to(place, value.dtype)
        if value.dtype in (torch.long, torch.int) and tables:
            return torch.randint(0, min(tables), shape, generator=generator, device="cpu").to(place, value.dtype)
        return (value.expand(shape) if value.ndim else value).to(place)

    args, kwargs = tree_map(
        lambda value: filled(value) if isinstance(value, torch.Tensor) else value, (made.args, made.kwargs)
    )
    return Inputs(args, kwargs)
