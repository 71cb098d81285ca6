"""called: a function of parameters as a module, for a framework whose models hold theirs elsewhere."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from .._graph import Graph
from ._inputs import Inputs, Told
from ._trace import trace

_LAYERS: dict[str, Any] = {"LSTM": nn.LSTM, "GRU": nn.GRU, "RNN": nn.RNN}


class Recurrence(NamedTuple):
    """A recurrent layer, which is traced as one operation.

    Attributes:
        kind: `LSTM`, `GRU` or `RNN`.
        kernels: on the input and on the state, `(in, gate * out)`.
    """

    kind: str
    kernels: tuple[torch.Tensor, torch.Tensor]


class Called(NamedTuple):
    """A function of parameters and of inputs.

    Attributes:
        name: by which messages call its type.
        function: of all that follows, by path, and of the inputs.
        signature: of the inputs, after `self`.
        params: what stands for them is passed under the same path.
        buffers: likewise.
        usual: the paths of those parameters that are built as such are: nobody has chosen their numbers.
        recurrences: for each a function is passed, of a sequence `(sample, time, in)` and of a list of states, none or
            each `(sample, out)`; it gives both anew.
    """

    name: str
    function: Callable[..., Any]
    signature: inspect.Signature
    params: Mapping[str, nn.Parameter]
    buffers: Mapping[str, torch.Tensor]
    usual: frozenset[str]
    recurrences: Mapping[str, Recurrence]


def trace_called(called: Called, example: Any, tries: Iterable[Sequence[Any]]) -> Graph:
    """What a function does with each of its parameters, found as of a model.

    Args:
        called: the function.
        example: inputs; None to try others.
        tries: arrays in the place of inputs, the likeliest first; they say shapes and dtypes alone.

    Returns:
        The Graph. The kernels of a recurrence go by `PATH.weight_ih_l0` and `PATH.weight_hh_l0` in it, with their
        outputs first.

    Raises:
        ModelError: see `trace`.
    """
    module = _module(called)
    module.inputs = tuple(Inputs(tuple(map(_tensors, inputs))) for inputs in tries)
    return trace(module, example)


def _tensors(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {name: _tensors(part) for name, part in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(map(_tensors, tree))
    return torch.as_tensor(tree) if isinstance(tree, np.ndarray) else tree


def _module(called: Called) -> Told:
    """A module that has these parameters and buffers, under these paths, and is run by calling the function."""
    paths = (*called.params, *called.buffers)

    def forward(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        held = {path: _held(self, path) for path in paths}
        held |= {path: _recurred(_held(self, path)) for path in called.recurrences}
        return called.function(held, *args, **kwargs)

    forward.__signature__ = called.signature  # pyright: ignore[reportFunctionMemberAccess]
    module = type(called.name, (Told,), {"forward": forward})()
    for path, value in called.params.items():
        owner, own = _owner(module, path)
        owner.register_parameter(own, value)
        owner.usual |= {own} if path in called.usual else set()
    for path, value in called.buffers.items():
        owner, own = _owner(module, path)
        owner.register_buffer(own, value)
    for path, one in called.recurrences.items():
        owner, own = _owner(module, path)
        owner.add_module(own, _recurrent(one))
    return module


def _recurrent(one: Recurrence) -> nn.RNNBase:
    num_inputs, num_units = (kernel.shape[0] for kernel in one.kernels)
    layer = _LAYERS[one.kind](num_inputs, num_units, bias=False, batch_first=True, device="meta")
    for name, kernel in zip(("weight_ih_l0", "weight_hh_l0"), one.kernels, strict=True):
        setattr(layer, name, nn.Parameter(kernel.detach().t(), requires_grad=kernel.requires_grad))
    return layer


def _recurred(layer: Any) -> Callable[..., tuple[Any, list[Any]]]:
    def call(sequence: torch.Tensor, states: Sequence[torch.Tensor]) -> tuple[Any, list[Any]]:
        begun = [state[None] for state in states]  # (layer, sample, out)
        given = (tuple(begun) if isinstance(layer, nn.LSTM) else begun[0]) if begun else None
        outputs, last = layer(sequence, given)
        return outputs, [state[0] for state in (last if isinstance(last, tuple) else (last,))]

    return call


def _held(module: nn.Module, path: str) -> Any:
    """What stands at a path now, which in a run is no parameter."""
    owner, _, name = path.rpartition(".")
    return getattr(module.get_submodule(owner), name)


def _owner(module: Any, path: str) -> tuple[Any, str]:
    """The module that holds what a path names, made if it is not there, and the name within it."""
    *within, own = path.split(".")
    for name in within:
        if name not in dict(module.named_children()):
            module.add_module(name, Told())
        module = module.get_submodule(name)
    return module, own
