"""diagnose: one batch forward and backward through a model at step zero."""

import copy
import math
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import nn

from ..._decisions import decide
from ..._diagnosis import Diagnosis, Evidence, Step, judge, wanted
from ..._diagnosis._judge import check_ignored
from ..._errors import ModelError
from ..._graph import Graph
from ..._recipes import Recipe
from ..._turn import in_turn
from .._apply import apply
from .._deferred import carry, record_of
from .._inputs import Inputs
from .._probe import Probe
from .._quietly import quietly
from .._read import check, named
from .._torch import is_checkpointed, tree_map
from .._trace import said, trace
from .._undisturbed import apart, default_device
from ._attention import Attentions
from ._batch import batch, check_filled, num_samples
from ._layers import Layers, is_zero, moment
from ._losses import Judged, loss_of
from ._numbers import numbers_of

Tensors = Mapping[str, torch.Tensor]
Gradients = Mapping[str, torch.Tensor | None]
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
            found, targets = _few(found, targets, micro_batch)
        graph = trace(model, _example(found))
        job = _Job(model, found, targets, loss)
        notes = filter(None, (note, _FROZEN if job.is_frozen else "", _QUICK if quick else ""))
        evidence = _measured(job, graph, step, quick=quick, notes=tuple(notes))
    return Diagnosis.of(evidence, judge(evidence, ignore))


def _filled(model: nn.Module, recipe: Recipe, inputs: Any) -> nn.Module:
    """A copy of the model, as a recipe starts it."""
    twin = copy.deepcopy(model)
    carry(model, twin)
    apply(decide(trace(twin, inputs), recipe, ()), twin, seed=0)
    return twin


def _example(inputs: Inputs) -> Any:
    return inputs.kwargs if inputs.kwargs and not inputs.args else inputs.args


@dataclass(frozen=True)
class _Job:
    """What is run: a model, on what, and for which loss."""

    model: nn.Module
    inputs: Inputs
    targets: Any
    loss: str | Callable[..., Any] | None

    @property
    def is_frozen(self) -> bool:
        """Whether it has parameters, and none of them is trained."""
        trained = [value.requires_grad for value in self.model.parameters()]
        return bool(trained) and not any(trained)

    @property
    def has_loss(self) -> bool:
        """Whether a loss can be told: one is asked for, or the way back needs some."""
        return self.loss is not None or self.targets is not None or not self.is_frozen

    def few(self) -> "_Job":
        """The same on a few samples."""
        inputs, targets = _few(self.inputs, self.targets, _FEW)
        return replace(self, inputs=inputs, targets=targets)


def _measured(job: _Job, graph: Graph, step: Step | None, *, quick: bool, notes: tuple[str, ...]) -> Evidence:
    found = {path: value for path, _, _, value in named(job.model) if path in graph.by_path}
    values = {param.path: found[param.path] for param in graph.params}
    seen = Layers(graph, num_samples(job.inputs), quick=quick)
    weights = {param.path: values[param.path] for param in graph.params if param.role in ("weight", "embedding")}
    attentions = Attentions(lambda: seen.near_query)
    has_attention = any(param.use.fed_by == "attention" or _ASKS & {*param.use.followed_by} for param in graph.params)
    with ExitStack() as watching:
        if has_attention and not quick:
            watching.enter_context(attentions)
        judged, gradients = _pass(job, values, Probe(weights, seen.met, split=False))
    moved, later = (values, gradients) if quick else _later(job, values, gradients)
    return Evidence(
        graph=graph,
        layers=seen.layers(),
        numbers=numbers_of(graph, values, gradients, later, moved, unset=_unset(job.model), quick=quick),
        attentions=tuple(attentions.found),
        recurrences=seen.recurrences(),
        wanted=wanted(graph),
        loss=judged and judged.told,
        step=step,
        notes=notes,
    )


def _unset(model: nn.Module) -> set[str]:
    """The parameters that a deferred model's record says nobody filled."""
    return {
        f"{path}.{name}".lstrip(".")
        for path, module in model.named_modules()
        for name, record in record_of(module).items()
        if record.is_unset
    }


def _pass(job: _Job, values: Tensors, probe: Probe | None = None) -> tuple[Judged | None, Gradients]:
    """Forward and backward; the gradient of each parameter, None where none came. Nothing of the model changes."""

    @cache
    def own(value: torch.Tensor) -> torch.Tensor:
        return _apart(value).requires_grad_(value.requires_grad)

    leaves = {path: own(value) for path, value in values.items()}
    trained = {path: leaf for path, leaf in leaves.items() if leaf.requires_grad}
    args, kwargs = tree_map(
        lambda value: value.detach().clone() if isinstance(value, torch.Tensor) else value,
        (job.inputs.args, job.inputs.kwargs),
    )

    def run() -> tuple[Judged | None, Gradients]:
        outputs = _outputs(job.model, args, kwargs, probe)
        judged = loss_of(outputs, job.inputs, job.targets, job.loss) if job.has_loss else None
        if judged is None or job.is_frozen:
            return judged, dict.fromkeys(leaves)
        gradients = _gradients(job.model, judged.value, [*trained.values()])
        return judged, dict.fromkeys(leaves) | dict(zip(trained, gradients, strict=True))

    with torch.enable_grad(), quietly(job.model), _steps_seen(job.model):
        return torch.func.functional_call(_Within(job.model), _state(job.model, leaves), (run,))


@contextmanager
def _steps_seen(model: nn.Module) -> Iterator[None]:
    """No LSTM as one operation, which hides its weights and its steps."""
    was = torch.backends.mkldnn.enabled
    if not was or not any(isinstance(module, nn.LSTM) for module in model.modules()):
        yield
        return
    torch.backends.mkldnn.enabled = False
    try:
        yield
    finally:
        torch.backends.mkldnn.enabled = was


class _Within(nn.Module):
    """Runs something while the model has other parameters.

    The loss and the way back belong to it as well: a loss may read the model, and a checkpointed block is run again.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, run: Callable[[], Any]) -> Any:
        return run()


def _state(model: nn.Module, leaves: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What the model is to have while it runs, by its names below `_Within`."""
    paths = {id(value): path for path, _, _, value in named(model) if path in leaves}  # a tied one by its first
    state = {name: leaves[paths[id(value)]] for name, value in model.named_parameters()}
    state |= {name: buffer.clone() for name, buffer in model.named_buffers()}
    return {f"model.{name}": value for name, value in state.items()}


def _apart(value: torch.Tensor) -> torch.Tensor:
    """A tensor of its own with the same numbers; what was made in inference cannot be differentiated but as a copy."""
    return value.clone() if value.is_inference() else value.detach()


def _outputs(model: nn.Module, args: Any, kwargs: Any, probe: Probe | None) -> Any:
    try:
        with probe or nullcontext():
            return model(*args, **kwargs)
    except Exception as error:  # whatever a user's own forward may raise
        raise ModelError(f"{type(model).__name__} raises {said(error, _where(model, error))}.") from error


def _gradients(model: nn.Module, value: torch.Tensor, leaves: Sequence[torch.Tensor]) -> Sequence[torch.Tensor | None]:
    """Of each leaf; by what is stored at the leaves where a checkpoint knows no other way.

    Raises:
        ModelError: if nothing leads from the loss to one, or the way back fails.
    """
    if not value.requires_grad:
        raise ModelError("The loss cannot be differentiated: nothing leads from it to a parameter that is trained.")
    try:
        if is_checkpointed(value):
            value.backward()
            found = [leaf.grad for leaf in leaves]
        else:
            found = torch.autograd.grad(value, leaves, allow_unused=True)
        return [grad.to_dense() if grad is not None and grad.is_sparse else grad for grad in found]
    except Exception as error:  # whatever a user's own backward may raise
        where = _where(model, error)
        raise ModelError(f"{type(model).__name__} raises {said(error, where)}, on the way back.") from error


def _where(model: nn.Module, error: BaseException) -> str:
    """In which layer it was raised, by its path."""
    paths = {id(module): path for path, module in model.named_modules()}
    owners = [frame.f_locals.get("self") for frame, _ in traceback.walk_tb(error.__traceback__)]
    found = [path for owner in owners if (path := paths.get(id(owner)))]
    return f" in `{found[-1]}`" if found else ""


def _later(job: _Job, values: Tensors, gradients: Gradients) -> tuple[Tensors, Gradients]:
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


def _moved(job: _Job, values: Tensors, gradients: Gradients) -> tuple[Tensors, Gradients]:
    """The parameters and their gradients once all that can move has: what a zero blocks only at first is freed."""
    still = _zeros(gradients)
    for _ in range(_ROUNDS if still else 0):
        values = {path: _stepped(value, gradients[path]) for path, value in values.items()}
        _, gradients = _pass(job, values)
        before, still = still, _zeros(gradients)
        if not still or still == before:
            break
    return values, gradients


def _zeros(gradients: Gradients) -> set[str]:
    """The parameters whose gradient came, and is exactly 0."""
    return {path for path, gradient in gradients.items() if gradient is not None and is_zero(gradient)}


def _few(inputs: Inputs, targets: Any, few: int) -> tuple[Inputs, Any]:
    """The first samples of a batch."""
    count = num_samples(inputs)

    def cut(value: Any) -> Any:
        is_batch = isinstance(value, torch.Tensor | np.ndarray) and value.shape[:1] == (count,)
        return value[:few] if is_batch else value

    args, kwargs = tree_map(cut, (inputs.args, inputs.kwargs))
    return Inputs(args, kwargs), tree_map(cut, targets)


def _stepped(value: torch.Tensor, gradient: torch.Tensor | None) -> torch.Tensor:
    """A step against the gradient, of a size of its own."""
    if gradient is None or is_zero(gradient):
        return value
    size = math.sqrt(moment(gradient))
    return value.detach().add(gradient, alpha=-_STEP / size).requires_grad_(value.requires_grad)
