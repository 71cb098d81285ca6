"""One pass forward and backward, of which nothing stays in the model."""

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
from torch import nn

from ..._errors import ModelError
from .._inputs import Inputs, dtype_hint
from .._probe import Probe
from .._quietly import quietly
from .._read import named
from .._torch import is_checkpointed, tree_map
from .._trace import said
from ._batch import few
from ._losses import Judged, loss_of
from ._strays import strays

Tensors = Mapping[str, torch.Tensor]
Gradients = Mapping[str, torch.Tensor | None]


@dataclass(frozen=True)
class Job:
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

    def cut(self, samples: int) -> "Job":
        """The same on so many samples at most."""
        inputs, targets = few(self.inputs, self.targets, samples)
        return replace(self, inputs=inputs, targets=targets)


def passed(job: Job, values: Tensors, probe: Probe | None = None) -> tuple[Judged | None, Gradients]:
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

    def within() -> tuple[Judged | None, Gradients]:
        given = outputs(job.model, args, kwargs, probe)
        judged = loss_of(given, job.inputs, job.targets, job.loss) if job.has_loss else None
        if judged is None or job.is_frozen:
            return judged, dict.fromkeys(leaves)
        judged = replace(judged, strays=strays(job.model, given, trained.values()) if probe else ())
        gradients = _gradients(job.model, judged.value, [*trained.values()])
        return judged, dict.fromkeys(leaves) | dict(zip(trained, gradients, strict=True))

    with torch.enable_grad(), quietly(job.model), _steps_seen(job.model):
        return torch.func.functional_call(_Within(job.model), _state(job.model, leaves), (within,))


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


def outputs(model: nn.Module, args: Any, kwargs: Any, probe: Probe | None = None) -> Any:
    """What a model returns.

    Raises:
        ModelError: if it raises, with what and where.
    """
    try:
        with probe or nullcontext():
            return model(*args, **kwargs)
    except Exception as error:  # whatever a user's own forward may raise
        hint = dtype_hint(model, Inputs(args, kwargs))
        raise ModelError(f"{type(model).__name__} raises {said(error, _where(model, error))}.{hint}") from error


def _gradients(model: nn.Module, value: torch.Tensor, leaves: Sequence[torch.Tensor]) -> Sequence[torch.Tensor | None]:
    """Of each leaf; by what is stored at the leaves where a checkpoint knows no other way.

    Raises:
        ModelError: if nothing leads from the loss to one, or the way back fails.
    """
    if not value.requires_grad:
        raise ModelError(
            "The loss cannot be differentiated: nothing leads from it to a parameter that is trained. The model has "
            "none, or works without gradients: `torch.no_grad`, `detach`, NumPy."
        )
    if not leaves:
        return []
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
