"""Stack: the tensors of several replicas of a model, each kind as one."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import nn
from torch.func import functional_call, grad_and_value, vmap

from .._errors import ModelError
from .._study._way import Way
from ._held import are_equal, held
from ._loss import Judge
from ._masks import Masks
from ._torch import own_buffers, own_parameters

_LINE = 16  # numbers: each tensor begins where a line of the cache does, in every replica alike
_KINDS = {torch.float32, torch.float64}


class Stack:
    """Replicas that step together, and stay models of their own: their tensors are views of the stack.

    Attributes:
        values: all that is trained, `(replica, number)`; between the tensors are zeros.
    """

    def __init__(self, models: Sequence[nn.Module], way: Way, generators: Sequence[torch.Generator] = ()) -> None:
        """Lay the models' tensors together.

        Args:
            models: alike, but for their numbers.
            way: how they train.
            generators: of what each draws, if they do.

        Raises:
            ModelError: if the models differ in more than numbers, or mix precisions.
        """
        self._model, self._inside = models[0], way.inside
        self._drawing = Masks(generators) if way.draws else nullcontext()
        _check_alike(models)
        trained = [
            name for name, value in models[0].named_parameters() if value.requires_grad and name not in way.unused
        ]
        parts = [dict(model.named_parameters()) for model in models]
        self.values, self._places = _laid(models[0], trained, len(models))
        self._trained = self.views(self.values)
        for name, stacked in self._trained.items():
            for own, part in zip(stacked, parts, strict=True):
                own.copy_(part[name].detach())
                part[name].data = own
        self._fixed = _stacked(models, trained)
        self._spots = _spots(models[0])
        self._gradients = torch.zeros_like(self.values)
        self._into = list(self.views(self._gradients).values())
        for stacked in self._trained.values():
            stacked.requires_grad_(not way.inside)

    def gradients(self, judge: Judge, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Losses `(replica,)`, and gradients `(replica, number)` as `values` has them, good until the next call.

        Args:
            judge: whose loss is meant.
            x: inputs of each, `(replica, sample, *feature)`.
            y: targets likewise.
        """

        def outputs(trained: Any, fixed: Any, inputs: torch.Tensor) -> torch.Tensor:
            stacked = {**trained, **fixed}
            tensors = {spot: stacked[name] for spot, name in self._spots.items()}
            return functional_call(self._model, tensors, (inputs,), tie_weights=False)

        def loss(trained: Any, fixed: Any, inputs: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
            return judge.function(outputs(trained, fixed, inputs), wanted)

        if self._inside:
            with self._drawing:
                found, losses = vmap(grad_and_value(loss))(self._trained, self._fixed, x, y)
            gradients = list(found.values())
        else:
            with self._drawing:
                found = vmap(outputs)(self._trained, self._fixed, x)
            losses = judge.of_replicas(found, y)
            gradients = torch.autograd.grad(losses.sum(), list(self._trained.values()))
        with torch.no_grad():
            for into, gradient in zip(self._into, gradients, strict=True):
                into.copy_(gradient)
        return losses.detach(), self._gradients

    def train(self) -> None:
        """As a model is before an epoch."""
        self._model.train()

    def views(self, values: torch.Tensor) -> dict[str, torch.Tensor]:
        """Each tensor in numbers laid out as `values` are, by path, `(replica, *shape)`."""
        return {
            name: values[:, first : first + shape.numel()].view(-1, *shape)
            for name, (first, shape) in self._places.items()
        }


def _laid(model: nn.Module, names: Sequence[str], number: int) -> tuple[torch.Tensor, dict[str, Any]]:
    """Room for what is trained, and where each begins."""
    own, places, end = dict(model.named_parameters()), dict[str, Any](), 0
    for name in names:
        places[name] = end, own[name].shape
        end += -(-own[name].numel() // _LINE) * _LINE
    return torch.zeros(number, end, dtype=own[names[0]].dtype), places


def _spots(model: nn.Module) -> dict[str, str]:
    """Each place that holds a tensor, and the path by which that goes: of a module with two paths one will do.

    PyTorch's own (`tie_weights`) puts a tensor twice into such a module, and after that not the old one back.
    """
    paths = {id(tensor): name for name, tensor in reversed(_tensors(model))}
    return {
        f"{path}.{name}".lstrip("."): paths[id(tensor)]
        for path, module in model.named_modules()
        for name, tensor in {**own_parameters(module), **own_buffers(module)}.items()
        if tensor is not None
    }


def _stacked(models: Sequence[nn.Module], trained: Sequence[str]) -> dict[str, torch.Tensor]:
    """What no gradient is taken of, buffers too; in-place changes of it are the models' own."""
    parts = [{**dict(model.named_parameters()), **dict(model.named_buffers())} for model in models]
    fixed = {name: torch.stack([part[name].detach() for part in parts]) for name in parts[0] if name not in trained}
    for name, stacked in fixed.items():
        for own, part in zip(stacked, parts, strict=True):
            part[name].data = own
    return fixed


def _check_alike(models: Sequence[nn.Module]) -> None:
    found = [
        [(name, value.shape, value.dtype, value.requires_grad) for name, value in _tensors(model)] for model in models
    ]
    if any(one != found[0] for one in found):
        raise ModelError("its parameters differ from run to run")
    what = held(models[0])
    if not all(are_equal(held(model), what) for model in models[1:]):
        raise ModelError("what it holds beside its parameters differs from run to run")
    kinds = {value.dtype for _, value in _tensors(models[0]) if value.requires_grad}
    if len(kinds) != 1 or not kinds <= _KINDS:
        raise ModelError("its parameters have another precision, or several")


def _tensors(model: nn.Module) -> list[tuple[str, torch.Tensor]]:
    return [*model.named_parameters(), *model.named_buffers()]
