"""diagnose: one batch forward and backward through a model at step zero."""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ..._diagnosis import Diagnosis, Evidence, Step, ignored_of, judge, lines, wanted
from ..._graph import Graph
from ..._recipes import Recipe, parse_recipe
from ..._rule import Rules
from ..._turn import in_turn
from ...init import Initialiser
from .._deferred import carry, record_of
from .._probe import Probe
from .._read import check, named
from .._trace import trace
from .._twin import twin
from .._undisturbed import apart, default_device
from ._attention import Attentions
from ._batch import check_filled, example, few, made, num_samples, taken
from ._geometry import geometry
from ._layers import Layers, is_zero, moment
from ._numbers import numbers_of
from ._pass import Gradients, Job, Tensors, passed

if TYPE_CHECKING:
    from ..._plan import Plan

Start = Callable[[nn.Module, Recipe, Rules, Any], "Plan"]  # plans a model and fills it
_ROUNDS = 4  # of zeros behind zeros
_STEP = 0.01
_ASKS = {"query", "key"}
_FROZEN = "nothing is trained, all parameters are frozen: the forward pass alone was measured"
_QUICK = "quick: units, parameters and inputs were not compared, attention and recurrences not measured"
_FEW = 4  # samples, which tell as well whether a gradient is 0


@in_turn
def diagnose(
    model: nn.Module,
    inputs: Any = None,
    targets: Any = None,
    *,
    loss: str | Callable[..., Any] | None = None,
    recipe: Recipe | None = None,
    start: Start | None = None,
    ignore: str | Iterable[str] = (),
    step: Step | None = None,
    micro_batch: int | None = None,
    quick: bool = False,
    thorough: bool = False,
) -> Diagnosis:
    """What is wrong with a model at step zero. See `initium.diagnose`.

    `start` plans and fills a copy of the model, for a recipe and for what is asked of a diagnosis later; without it
    there is neither, and the diagnosis holds on to nothing.

    The model runs as it will in training: with the caller's autocast, default dtype and device.
    """
    check(model, "diagnose")
    ignore = ignored_of(ignore)
    place = torch.get_default_device()
    with apart(), default_device(place):
        found, notes = (None, ()) if inputs is None else taken(model, inputs)
        if recipe is not None and start is not None:
            _, model = _started(start, model, recipe, (), found and example(found))
        check_filled(model)
        if found is None:
            found, notes = made(model, micro_batch)
        if micro_batch is not None:
            found, targets = few(found, targets, micro_batch)
        job = Job(model, found, targets, loss)
        notes = (*notes, _alone(job), _FROZEN if job.is_frozen else "", _QUICK if quick else "")
        task = _Task(job, start, step, ignore, tuple(filter(None, notes)), is_quick=quick, is_thorough=thorough)
        return _diagnosed(task, "as built" if recipe is None else str(recipe))


def _alone(job: Job) -> str:
    """What cannot be told of one sample."""
    if num_samples(job.inputs) != 1:
        return ""
    has_norm = any(isinstance(module, nn.BatchNorm1d) for module in job.model.modules())
    step = "; a training step raises in BatchNorm1d, which needs two" if has_norm else ""
    return f"one sample: whether the net keeps inputs apart, and which units are dead for all, was not judged{step}"


@dataclass(frozen=True)
class _Task:
    """What is run, and how it is judged."""

    job: Job
    start: Start | None
    step: Step | None
    ignore: tuple[str, ...]
    notes: tuple[str, ...]
    is_quick: bool
    is_thorough: bool


def _diagnosed(task: _Task, name: str) -> Diagnosis:
    with _as_trained(task.job.model) if task.job.is_frozen else nullcontext():
        graph = trace(task.job.model, example(task.job.inputs))
    evidence = replace(_measured(task, graph), start=name)
    findings = judge(evidence, task.ignore)
    again = None if task.start is None else partial(_again, task, task.start)
    return Diagnosis.of(evidence, findings, is_quick=task.is_quick, ignored=task.ignore, again=again)


@in_turn
def _again(task: _Task, start: Start, recipe: str | Initialiser | Recipe, rules: Rules) -> "tuple[Plan, Diagnosis]":
    """The plan of another recipe, and what is found in a copy that it starts, on the same batch."""
    place = torch.get_default_device()
    with apart(), default_device(place):
        read = parse_recipe(recipe)
        made, own = _started(start, task.job.model, read, rules, example(task.job.inputs))
        return made, _diagnosed(replace(task, job=replace(task.job, model=own)), str(read))


@contextmanager
def _as_trained(model: nn.Module) -> Iterator[None]:
    """What is frozen whole, as what will be trained: else the trace says of each weight that it is to be kept."""
    values = [value for value in model.parameters() if value.is_floating_point() and not value.is_inference()]
    try:
        for value in values:
            value.requires_grad_(True)
        yield
    finally:
        for value in values:
            value.requires_grad_(False)


def _started(start: Start, model: nn.Module, recipe: Recipe, rules: Rules, inputs: Any) -> "tuple[Plan, nn.Module]":
    """A copy of the model, as a recipe starts it."""
    (own,) = twin(model)
    carry(model, own)
    return start(own, recipe, rules, inputs), own


def _measured(task: _Task, graph: Graph) -> Evidence:
    job, quick = task.job, task.is_quick
    found = {path: value for path, _, _, value in named(job.model) if path in graph.by_path}
    values = {param.path: found[param.path] for param in graph.params}
    seen = Layers(graph, num_samples(job.inputs), quick=quick, thorough=task.is_thorough)
    weights = {param.path: values[param.path] for param in graph.params if param.makes_signal}
    attentions = Attentions(lambda: seen.near_query)
    has_attention = any(param.use.fed_by == "attention" or _ASKS & {*param.use.followed_by} for param in graph.params)
    with ExitStack() as watching:
        if has_attention and not quick:
            watching.enter_context(attentions)
        judged, gradients = passed(job, values, Probe(weights, seen.met, split=False))
    moved, later = (values, gradients) if quick else _later(job, values, gradients)
    evidence = Evidence(
        graph=graph,
        layers=seen.layers(),
        numbers=numbers_of(graph, values, gradients, later, moved, unset=_unset(job.model), quick=quick),
        attentions=tuple(attentions.found),
        recurrences=seen.recurrences(),
        wanted=wanted(graph),
        loss=judged and judged.told,
        step=task.step,
        strays=judged.strays if judged else (),
        notes=task.notes,
    )
    if not task.is_thorough:
        return evidence
    depth = max((len(line.layers) for line in lines(evidence)), default=0)
    found, note = geometry(job, graph, values, seen.ranks, depth)
    return replace(evidence, geometry=found, notes=(*evidence.notes, *filter(None, [note])))


def _unset(model: nn.Module) -> set[str]:
    """The parameters that a deferred model's record says nobody filled."""
    return {
        f"{path}.{name}".lstrip(".")
        for path, module in model.named_modules()
        for name, record in record_of(module).items()
        if record.is_unset
    }


def _later(job: Job, values: Tensors, gradients: Gradients) -> tuple[Tensors, Gradients]:
    """What has moved, and its gradients, seen on a few samples; on all of them if anything is still stuck there."""
    if not _zeros(gradients):
        return values, gradients
    try:
        found = _moved(job.cut(_FEW), values, gradients)
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
    size = math.sqrt(moment(gradient))
    return value.detach().add(gradient, alpha=-_STEP / size).requires_grad_(value.requires_grad)
