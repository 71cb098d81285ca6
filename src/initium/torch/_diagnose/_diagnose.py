"""diagnose: one batch forward and backward through a model at step zero."""

import copy
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from ..._decisions import decide
from ..._diagnosis import Diagnosis, Evidence, Step, judge, wanted
from ..._diagnosis._judge import check_ignored
from ..._graph import Graph
from ..._recipes import Recipe
from ..._turn import in_turn
from .._apply import apply
from .._probe import Probe
from .._read import check, named
from .._trace import trace
from .._undisturbed import apart, default_device
from ._batch import batch, check_filled, example, few, num_samples
from ._layers import Layers, is_zero
from ._numbers import numbers_of
from ._pass import Gradients, Job, Tensors, passed

_ROUNDS = 4  # of zeros behind zeros
_STEP = 0.01


@in_turn
def diagnose(
    model: nn.Module,
    inputs: Any = None,
    targets: Any = None,
    *,
    loss: str | Callable[..., Any] | None = None,
    recipe: Recipe | None = None,
    ignore: Iterable[str] = (),
    step: Step | None = None,
    micro_batch: int | None = None,
    quick: bool = False,
) -> Diagnosis:
    """What is wrong with a model at step zero. See `initium.diagnose`.

    The model runs as it will in training: with the caller's autocast, default dtype and device.
    """
    check(model, "diagnose")
    check_ignored(ignore := tuple(ignore))
    place = torch.get_default_device()
    with apart(), default_device(place):
        if recipe is not None:
            model = _filled(model, recipe, inputs)
        check_filled(model)
        found, note = batch(model, inputs)
        if micro_batch is not None:
            found, targets = few(found, targets, micro_batch)
        graph = trace(model, example(found))
        job = Job(model, found, targets, loss)
        evidence = _measured(job, graph, step, quick=quick, notes=(note,) if note else ())
    return Diagnosis.of(evidence, judge(evidence, ignore))


def _filled(model: nn.Module, recipe: Recipe, inputs: Any) -> nn.Module:
    """A copy of the model, as a recipe starts it."""
    twin = copy.deepcopy(model)
    apply(decide(trace(twin, inputs), recipe, ()), twin, seed=0)
    return twin


def _measured(job: Job, graph: Graph, step: Step | None, *, quick: bool, notes: tuple[str, ...]) -> Evidence:
    found = {path: value for path, _, _, value in named(job.model) if path in graph.by_path}
    values = {param.path: found[param.path] for param in graph.params}
    seen = Layers(graph, num_samples(job.inputs), quick=quick)
    weights = {param.path: values[param.path] for param in graph.params if param.role in ("weight", "embedding")}
    judged, gradients = passed(job, values, Probe(weights, seen.met))
    moved, later = (values, gradients) if quick else _later(job, values, gradients)
    return Evidence(
        graph=graph,
        layers=seen.layers(),
        numbers=numbers_of(graph, values, gradients, later, moved, quick=quick),
        wanted=wanted(graph),
        loss=judged.told,
        step=step,
        notes=notes,
    )


def _later(job: Job, values: Tensors, gradients: Gradients) -> tuple[Tensors, Gradients]:
    """What has moved, and its gradients, seen on a few samples; on all of them if anything is still stuck there."""
    if not _zeros(gradients):
        return values, gradients
    try:
        found = _moved(job.few(), values, gradients)
    except Exception:  # whatever a user's own code may raise of fewer samples than it expects
        found = None
    if found is None or _zeros(found[1]):
        found = _moved(job, values, gradients)
    return found


def _moved(job: Job, values: Tensors, gradients: Gradients) -> tuple[Tensors, Gradients]:
    """The parameters and their gradients once all that can move has: what a zero blocks only at first is freed."""
    still = _zeros(gradients)
    for _ in range(_ROUNDS if still else 0):
        values = {path: _stepped(value, gradients[path]) for path, value in values.items()}
        _, gradients = passed(job, values)
        before, still = still, _zeros(gradients)
        if not still or still == before:
            break
    return values, gradients


def _zeros(gradients: Gradients) -> set[str]:
    """The parameters whose gradient came, and is exactly 0."""
    return {path for path, gradient in gradients.items() if gradient is not None and is_zero(gradient)}


def _stepped(value: torch.Tensor, gradient: torch.Tensor | None) -> torch.Tensor:
    """A step against the gradient, of a size of its own."""
    if gradient is None or is_zero(gradient):
        return value
    size = gradient.double().square().mean().sqrt().to(value.dtype)
    return (value.detach() - _STEP * gradient / size).requires_grad_(value.requires_grad)
