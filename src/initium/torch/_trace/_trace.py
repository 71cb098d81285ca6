"""trace: what a model does with each of its parameters, found by running it once."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch._subclasses import fake_tensor

from ..._errors import ModelError
from ..._graph import Graph
from .._read import named, read
from ._gather import gather
from ._inputs import Inputs, cannot_make_up, described, given, made_up
from ._run import NoOutputError, RunError, run

# What tensors without memory cannot do, though the model is right.
_NEEDS_NUMBERS = (
    fake_tensor.DataDependentOutputException,
    fake_tensor.DynamicOutputShapeException,
    fake_tensor.UnsupportedOperatorException,
    fake_tensor.UnsupportedFakeTensorException,
    NotImplementedError,
)


def trace(model: nn.Module, example: Any = None) -> Graph:
    """What a model does with each of its parameters, found by running it once without memory or arithmetic.

    The model is run on tensors that have a shape and no numbers, so that neither its size nor its device matters
    and nothing of it changes. Where numbers decide what it does, it is run once more on its own; where it has none,
    its layers' types speak alone. The Graph's notes say which it was.

    Args:
        model: on any device, `meta` too; it is run as in evaluation.
        example: a tensor, a tuple of arguments or a dict of keyword arguments. Without one the input is made up
            from the model: token ids, an image, features, a sequence.

    Raises:
        ModelError: if the model raises, returns no tensor, has weights without a shape yet, or takes an input that
            cannot be made up; if the example holds NaN.

    Example:
        >>> graph = trace(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)))
        >>> use = graph.by_path["2.weight"].use
        >>> use.fed_by, use.moment, use.followed_by
        ('relu', 0.5, ('output',))
    """
    model = _unwrapped(model)
    _check(model)
    if torch.get_default_device().type == "cpu":
        return _trace(model, example)
    with torch.device("cpu"):
        return _trace(model, example)


def _trace(model: nn.Module, example: Any) -> Graph:
    if example is not None:
        inputs = given(model, example)
        return _traced(model, inputs, is_sure=True)
    for inputs in made_up(model):
        try:
            graph = _traced(model, inputs, is_sure=False)
        except RunError:
            continue
        return replace(graph, notes=(f"the input was made up: {described(model, inputs)}", *graph.notes))
    raise cannot_make_up(model)


def _unwrapped(model: nn.Module) -> nn.Module:
    """The model within wrappers that only say where it runs, and what torch.compile made of it."""
    while isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel) or hasattr(model, "_orig_mod"):
        model = model.module if hasattr(model, "module") else model._orig_mod  # pyright: ignore
    return model


def _check(model: nn.Module) -> None:
    if not isinstance(model, nn.Module):
        raise ModelError(f"`trace` takes a torch.nn.Module, not a {type(model).__name__}.")
    lazy = [path for path, _, _, value in named(model) if nn.parameter.is_lazy(value)]
    if lazy:
        raise ModelError(
            f"{_listed(lazy)} {'has' if len(lazy) == 1 else 'have'} no shape yet. "
            "Run the model once on a batch, so that its lazy layers get one."
        )


def _traced(model: nn.Module, inputs: Inputs, *, is_sure: bool) -> Graph:
    """Without numbers if that goes, with them if it must."""
    try:
        return _without_numbers(model, inputs)
    except NoOutputError as error:
        raise _no_output(model, error) from None
    except RunError as error:
        if not is_sure and not isinstance(error.error, _NEEDS_NUMBERS):
            raise
        return _on_numbers(model, inputs, error, is_sure=is_sure)


def _without_numbers(model: nn.Module, inputs: Inputs) -> Graph:
    """In the model's own dtype, or in the one that a kernel insists on."""
    try:
        return gather(model, run(model, inputs.args, inputs.kwargs))
    except RunError as error:
        if "BF16" not in str(error):
            raise
        recording = run(model, inputs.args, inputs.kwargs, dtype=torch.bfloat16)
        return gather(model, recording, (f"traced in bfloat16, because in its own dtype it raises {_said(error)}",))


def _on_numbers(model: nn.Module, inputs: Inputs, first: RunError, *, is_sure: bool) -> Graph:
    """On the model's own numbers; by its layers' types if it has none."""
    why = f"without numbers it raises {_said(first)}"
    if not _has_numbers(model, inputs):
        if is_sure and not isinstance(first.error, _NEEDS_NUMBERS):
            raise _raised(model, inputs, first) from first.error
        graph = read(model)
        return replace(graph, notes=(f"the layers' types speak alone, because {why}", *graph.notes))
    try:
        recording = run(model, inputs.args, inputs.kwargs, fake=False)
    except NoOutputError as error:
        raise _no_output(model, error) from None
    except RunError as error:
        if not is_sure:
            raise
        raise _raised(model, inputs, error) from error.error
    return gather(model, recording, (f"traced by running it on real numbers, because {why}",))


def _has_numbers(model: nn.Module, inputs: Inputs) -> bool:
    given = [value for value in (*inputs.args, *inputs.kwargs.values()) if isinstance(value, torch.Tensor)]
    return not any(tensor.is_meta for tensor in (*model.parameters(), *model.buffers(), *given))


def _raised(model: nn.Module, inputs: Inputs, error: RunError) -> ModelError:
    where = f" in `{error.path}`" if error.path else ""
    return ModelError(
        f"{type(model).__name__} raises {_said(error, where)}.\n"
        f"It was given {described(model, inputs)}. Pass an example that it runs on."
    )


def _no_output(model: nn.Module, error: NoOutputError) -> ModelError:
    return ModelError(
        f"{type(model).__name__} returns no tensor but a {error}, so nothing says what its parameters do. "
        "Trace a model whose forward returns its output."
    )


def _said(error: RunError, where: str = "") -> str:
    """The exception's type and the first line of what it says."""
    line = next(iter(str(error.error).splitlines()), "").rstrip(".")
    return f"{type(error.error).__name__}{where}" + (f": {line}" if line else "")


def _listed(paths: Iterable[str]) -> str:
    paths = sorted(paths)
    more = f" and {len(paths) - 5} more" if len(paths) > 5 else ""
    return ", ".join(f"`{path}`" for path in paths[:5]) + more
