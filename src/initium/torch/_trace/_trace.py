"""trace: what a model does with each of its parameters, found by running it once."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import local
from typing import Any

import torch
from torch import nn

from ..._errors import ModelError, with_article
from ..._graph import Graph
from .._history import history_of
from .._inputs import Inputs, cannot_make_up, described, given, made_up, was_given
from .._lazy import give_shapes
from .._path import unwrapped_model
from .._read import check, check_shapes, named, quoted, read
from .._shards import is_sharded
from .._torch import NEEDS_NUMBERS, tree_leaves, wants_bfloat16
from .._undisturbed import undisturbed
from ._gather import gather
from ._meant import meant_by_type
from ._run import NoOutputError, Recording, RunError, run, runs

_here = local()


@undisturbed
def trace(model: nn.Module, example: Any = None) -> Graph:
    """What a model does with each of its parameters, found by running it once without memory or arithmetic.

    The model is run on tensors that have a shape and no numbers, so that neither its size nor its device matters
    and nothing of it changes; lazy layers alone get their shapes from an example. Where numbers decide what it does, it
    is run once more on a copy of its own; where it has none, or runs but cannot be followed, its layers' types speak
    alone. The Graph's notes say which it was.

    Args:
        model: on any device, `meta` too; it is run as in evaluation.
        example: a tensor, a tuple of arguments or a dict of keyword arguments. Without one the input is made up
            from the model: token ids, an image, features, a sequence.

    Raises:
        ModelError: if the model raises, returns no tensor, has weights without a shape yet, is compiled by
            torch.jit or quantised, or takes an input that cannot be made up; if the example holds NaN.

    Example:
        >>> graph = trace(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)))
        >>> use = graph.by_path["2.weight"].use
        >>> use.fed_by, use.moment, use.followed_by
        ('relu', 0.5, ('output',))
    """
    model = unwrapped_model(model) if isinstance(model, nn.Module) else model
    check(model, "trace")
    if example is not None:
        give_shapes(model, given(model, example))
    check_shapes(model, is_run=example is not None)
    _check_unsharded(model)
    if next(model.parameters(), None) is None:
        return read(model)
    with _once(type(model)):
        return _trace(model, example)


@contextmanager
def _once(kind: type) -> Iterator[None]:
    """A model whose run asks for a plan of itself, or of a copy, would be run without end."""
    running = getattr(_here, "running", frozenset())
    if kind in running:
        raise ModelError(
            f"{kind.__name__} runs itself to be planned, and this run asks for its plan again. "
            "Plan it before it is called."
        )
    _here.running = running | {kind}
    try:
        yield
    finally:
        _here.running = running


def _trace(model: nn.Module, example: Any) -> Graph:
    if example is not None:
        inputs = given(model, example)
        return _traced(model, inputs, is_sure=True)
    tried = ""
    for inputs in made_up(model):
        try:
            graph = _traced(model, inputs, is_sure=False)
        except RunError as error:
            tried = tried or f" The first that was tried, {described(model, inputs)}, failed: {error}"
            continue
        note = f"the input was made up: {described(model, inputs)}{_assumed(inputs)}"
        return replace(graph, notes=(note, *graph.notes))
    raise cannot_make_up(model, tried=tried)


def _assumed(inputs: Inputs) -> str:
    """What is assumed of made-up data."""
    tensors = [value for value in tree_leaves((inputs.args, inputs.kwargs)) if isinstance(value, torch.Tensor)]
    is_data = any(tensor.is_floating_point() for tensor in tensors)
    return "; data are taken to have second moment 1" if is_data else ""


def _check_unsharded(model: nn.Module) -> None:
    if sharded := [path for path, _, _, value in named(model) if is_sharded(value)]:
        raise ModelError(
            f"{quoted(sharded)} {'is' if len(sharded) == 1 else 'are'} sharded, and a model is traced whole. "
            "Plan it before it is sharded, on meta if it is large, and apply the plan afterwards."
        )


def _traced(model: nn.Module, inputs: Inputs, *, is_sure: bool) -> Graph:
    """Without numbers if that goes, with them if it must."""
    try:
        return _without_numbers(model, inputs, is_sure=is_sure)
    except NoOutputError as error:
        raise _no_output(model, error) from None
    except RunError as error:
        if not is_sure and not isinstance(error.error, NEEDS_NUMBERS):
            raise
        return _on_numbers(model, inputs, error, is_sure=is_sure)


def _without_numbers(model: nn.Module, inputs: Inputs, *, is_sure: bool) -> Graph:
    """In the model's own dtype, or in the one that a kernel insists on."""
    try:
        return _gathered(model, *_ran(model, inputs, is_given=is_sure))
    except RunError as error:
        if not wants_bfloat16(error.error):
            raise
        recording, notes = _ran(model, inputs, dtype=torch.bfloat16, is_given=is_sure)
        why = f"in its own dtype it raises {said(error.error)}"
        return _gathered(model, recording, (f"traced in bfloat16, because {why}", *notes))


def _ran(model: nn.Module, inputs: Inputs, **how: Any) -> tuple[Recording, tuple[str, ...]]:
    """Without gradients if that goes, with them if the model differentiates on its way.

    Whether it does is seen by whether they help. Of runs that all fail the one that came farthest tells why.
    """
    failed: list[RunError] = []
    for grads, by_inputs in ((False, False), (True, False), (True, True)):
        try:
            recording = run(model, inputs.args, inputs.kwargs, **how, grads=grads, by_inputs=by_inputs)
        except RunError as error:
            # What fails where PyTorch differentiates, and expects no error, ends the whole process.
            tells = isinstance(error.error, NEEDS_NUMBERS) or wants_bfloat16(error.error)
            if tells or not error.is_its_own:
                raise
            failed.append(error)
        else:
            why = [f"traced with gradients on, because without them it raises {said(e.error)}" for e in failed[:1]]
            return recording, tuple(why)
    raise max(failed, key=lambda error: error.num_steps)  # the first of those that came as far


def _on_numbers(model: nn.Module, inputs: Inputs, first: RunError, *, is_sure: bool) -> Graph:
    """On the model's own numbers; by its layers' types if it has none."""
    why = f"without numbers it raises {said(first.error)}"
    if not _has_numbers(model, inputs):
        if is_sure and not isinstance(first.error, NEEDS_NUMBERS):
            raise _raised(model, inputs, first) from first.error
        return _by_layers(model, why)
    try:
        recording, notes = _ran(model, inputs, fake=False, is_given=is_sure)
    except NoOutputError as error:
        raise _no_output(model, error) from None
    except RunError as error:
        if runs(model, inputs.args, inputs.kwargs):
            return _by_layers(model, f"it runs, but with each operation written down it raises {said(error.error)}")
        if not is_sure:
            raise
        raise _raised(model, inputs, error) from error.error
    return _gathered(model, recording, (f"traced by running it on real numbers, because {why}", *notes))


def _gathered(model: nn.Module, recording: Recording, notes: tuple[str, ...] = ()) -> Graph:
    """What the run tells; what the layers' types do where it is of a kind that nobody foresaw."""
    try:
        return gather(model, recording, notes)
    except ModelError:
        raise
    except Exception as error:  # a model that runs is not refused because of how it is read
        return _by_layers(model, f"it runs, but what it does cannot be told: {said(error)}")


def _by_layers(model: nn.Module, why: str) -> Graph:
    try:
        graph = read(model)
    except ModelError as error:
        raise ModelError(f"{type(model).__name__} cannot be traced, because {why}.\n{error}") from error
    params = meant_by_type(model, graph.params)
    return replace(
        graph, params=params, notes=(f"the layers' types speak alone, because {why}", *graph.notes), **history_of(model)
    )


def _has_numbers(model: nn.Module, inputs: Inputs) -> bool:
    given = [value for value in tree_leaves((inputs.args, inputs.kwargs)) if isinstance(value, torch.Tensor)]
    return not any(tensor.is_meta for tensor in (*model.parameters(), *model.buffers(), *given))


def _raised(model: nn.Module, inputs: Inputs, error: RunError) -> ModelError:
    where = f" in `{error.path}`" if error.path else ""
    return ModelError(f"{type(model).__name__} raises {said(error.error, where)}.\n{was_given(model, inputs)}")


def _no_output(model: nn.Module, error: NoOutputError) -> ModelError:
    return ModelError(
        f"{type(model).__name__} returns no tensor but {with_article(str(error))}, "
        "so nothing says what its parameters do. Let its forward return its output."
    )


def said(error: Exception, where: str = "") -> str:
    """The exception's type and the first line of what it says."""
    line = next(iter(str(error).splitlines()), "").rstrip(".")
    return f"{type(error).__name__}{where}" + (f": {line}" if line else "")
