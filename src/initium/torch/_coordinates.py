"""What each weight gives while a model takes its first steps, measured for widths to be compared."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from .._errors import ModelError
from .._graph import Graph
from .._spec import unknown_name
from .._turn import in_turn
from ._diagnose import Gradients, Job, Judged, Tensors, batch, example, passed
from ._optimizer import OPTIMIZERS
from ._probe import Meeting, Probe
from ._random import nothing_drawn, own_draws
from ._read import named
from ._undisturbed import apart, default_device


@dataclass(frozen=True)
class Run:
    """What the first steps of a model showed.

    Attributes:
        sizes: mean absolute values by path, step by step, of the weights that each pass met, the first met first.
        reads_outputs: whether the gradients go with what the outputs are.
    """

    sizes: dict[str, tuple[float, ...]]
    reads_outputs: bool


def optimizer_of(name: str) -> Callable[..., torch.optim.Optimizer]:
    """The optimiser that goes by a name.

    Raises:
        UnknownNameError: with the nearest name there is.
    """
    if name not in OPTIMIZERS:
        raise unknown_name("optimiser", name, OPTIMIZERS, "")
    return OPTIMIZERS[name]


def seeded(build: Callable[[], Any], seed: int) -> Any:
    """What a function builds, what it draws by itself seeded; the random state stays as it was."""
    with nothing_drawn(), own_draws():
        torch.manual_seed(seed)
        return build()


def example_of(model: nn.Module, inputs: Any) -> tuple[Any, str]:
    """The batch that a model is to take in, and a note where it was made up."""
    with apart():
        found, notes = batch(model, inputs)
    return example(found), "; ".join(notes)


@in_turn
def coordinates(
    model: nn.Module,
    graph: Graph,
    groups: list[dict[str, Any]],
    inputs: Any,
    targets: Any = None,
    *,
    loss: str | Callable[..., Any] | None = None,
    optimizer: str,
    steps: int,
) -> Run:
    """The size of what each weight gives at the start, and after each step of what the steps have added to it.

    The same batch at each step, without dropout. The model is trained by it.

    Args:
        model: at step zero.
        graph: of it.
        groups: its parameters, for the optimiser.
        inputs: of the batch.
        targets: of the batch.
        loss: see `initium.diagnose`.
        optimizer: its name.
        steps: how many.

    Raises:
        ModelError: if the model raises, or nothing can be differentiated.
    """
    place = torch.get_default_device()
    sizes: dict[str, list[float]] = {}
    first: dict[str, torch.Tensor] = {}
    reads_outputs = False
    with apart(), default_device(place):
        job = Job(model, batch(model, inputs)[0], targets, loss)
        values, trained = _values(model, graph), optimizer_of(optimizer)(groups)
        for step in range(steps + 1):
            now, judged, gradients = _gone_through(job, graph, values)
            reads_outputs = judged is not None and not judged.is_projection
            for path, output in now.items():
                start = first.setdefault(path, output)
                added = output - start if step else output
                sizes.setdefault(path, []).append(added.abs().mean().item())
            if step < steps:
                _stepped(trained, values, gradients)
    found = {path: tuple(each) for path, each in sizes.items() if len(each) == steps + 1}
    return Run(found, reads_outputs)


def _values(model: nn.Module, graph: Graph) -> Tensors:
    found = {path: value for path, _, _, value in named(model)}
    return {param.path: found[param.path] for param in graph.params}


def _gone_through(job: Job, graph: Graph, values: Tensors) -> tuple[dict[str, torch.Tensor], Judged | None, Gradients]:
    """What each weight gives at its first use, its bias added; the loss and the gradients."""
    given: dict[str, torch.Tensor] = {}

    def met(meeting: Meeting) -> None:
        if not meeting.is_backward:
            meeting.on_output.append(partial(_noted, given, meeting.path))

    weights = {param.path: values[param.path] for param in graph.params if param.makes_signal}
    judged, gradients = passed(job, values, Probe(weights, met))
    if not given:
        raise ModelError("The model uses no weight: there is no size to be measured.")
    return given, judged, gradients


def _noted(given: dict[str, torch.Tensor], path: str, output: torch.Tensor) -> None:
    if path not in given:
        given[path] = output.detach().to(torch.float64, copy=True)  # an activation may write to what was given


def _stepped(optimizer: torch.optim.Optimizer, values: Tensors, gradients: Gradients) -> None:
    for path, value in values.items():
        value.grad = gradients[path]
    optimizer.step()
