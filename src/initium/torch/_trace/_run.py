"""Run a model once under the Tracer, with nothing of it changed afterwards."""

import contextlib
import functools
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn

from ..._trace._operations import PASSES
from ..._trace._value import Recording, Value
from .._kept import kept
from .._random import nothing_drawn, own_draws
from .._torch import (
    FakeTensor,
    FakeTensorMode,
    engine,
    flat_weights_names,
    numpy_refused,
    put_engine,
    put_flat_weights,
    tree_map,
)
from .._twin import twin
from ._stray import strays_forgotten
from ._tracer import Tracer


class RunError(Exception):
    """The model raised; carries the module it was in, after how many steps, and whether its own code did."""

    def __init__(self, error: Exception, path: str, *, num_steps: int, is_its_own: bool) -> None:
        super().__init__(str(error))
        self.error, self.path, self.num_steps, self.is_its_own = error, path, num_steps, is_its_own


class NoOutputError(Exception):
    """The model returned no tensor."""


def run(
    model: nn.Module,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    fake: bool = True,
    dtype: torch.dtype | None = None,
    grads: bool = False,
    by_inputs: bool = False,
    is_given: bool = False,
) -> Recording:
    """What happens when a model is called with these inputs.

    Args:
        model: of which nothing changes.
        args: tensors, real or not, and whatever else it takes.
        kwargs: likewise.
        fake: run it on tensors without memory, else on its own numbers.
        dtype: of the tensors without memory that hold fractions, instead of their own.
        grads: as in training, for a model that differentiates on its way.
        by_inputs: give every input a gradient, as whoever calls such a model does.
        is_given: whether the inputs are an example, whose numbers say something.

    Raises:
        RunError: if the model raises.
        NoOutputError: if it returns no tensor.
    """
    mode = FakeTensorMode(allow_non_fake_inputs=True) if fake else contextlib.nullcontext()
    tracer = Tracer({id(module): path for path, module in model.named_modules()})

    def stand_in(tensor: torch.Tensor) -> torch.Tensor:
        made = _fake(mode, tensor, dtype) if isinstance(mode, FakeTensorMode) else _own(tensor)
        return made.requires_grad_(grads and tensor.requires_grad)

    try:
        given = _tensors((args, kwargs))
        state, params, buffers = _declare_state(model, tracer, stand_in)
        args, kwargs = tree_map(lambda a: stand_in(a) if isinstance(a, torch.Tensor) else a, (args, kwargs))
        inputs: dict[Value, torch.Tensor] = {}
        for tensor, numbers in zip(_tensors((args, kwargs)), given, strict=True):
            tensor.requires_grad_(tensor.requires_grad or (by_inputs and tensor.is_floating_point()))
            floating = tensor.is_floating_point() or tensor.is_complex()
            value = tracer.declare(tensor, "input", is_signal=floating, is_tokens=not floating)
            inputs |= {value: numbers} if is_given and not numbers.is_meta else {}
        own = strays_forgotten(model, lambda thing: _is_of(mode, thing)) if fake else own_draws()
        settled = _settled(model, tracer, state)
        with nothing_drawn(), settled, numpy_refused(), torch.set_grad_enabled(grads), own, mode, tracer:
            output = torch.func.functional_call(model, state, args, kwargs, tie_weights=False)
    except Exception as error:  # whatever a user's own code may raise
        path = next((path for _, path in reversed(tracer.stack) if path), "")
        raise RunError(error, path, num_steps=len(tracer.values), is_its_own=not tracer.is_writing_down) from error
    outputs = [tracer.value(tensor) for tensor in _tensors(output)]
    if not outputs:
        raise NoOutputError(type(output).__name__)
    differentiated = [*dict.fromkeys(map(_summed, tracer.differentiated))]
    outputs = _with_differentiated(outputs, differentiated)
    return Recording(tracer.values, outputs, differentiated, params, buffers, inputs)


def _is_of(mode: Any, thing: Any) -> bool:
    """Whether something is a tensor that was made without memory, in this run."""
    return isinstance(thing, FakeTensor) and thing.fake_mode is mode


def _with_differentiated(outputs: Sequence[Value], differentiated: Sequence[Value]) -> list[Value]:
    """The outputs, and what was differentiated: nothing is made of it but derivatives, which are signals of their own.

    It counts as it was before it was summed to one number, also where it is an output.
    """
    kept = (_summed(value) if _summed(value) in differentiated else value for value in outputs)
    return [*dict.fromkeys((*kept, *differentiated))]


def _summed(value: Value) -> Value:
    """Of what a sum or mean is made."""
    while value.operation in PASSES | {"sum", "mean"} and value.signals:
        value = value.signals[0]
    return value


def runs(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a copy of the model runs on these inputs when nobody looks on."""
    return any(_runs(model, args, kwargs, grads=grads) for grads in (False, True))


def _runs(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], *, grads: bool) -> bool:
    try:
        args, kwargs = tree_map(
            lambda a: _own(a).requires_grad_(a.requires_grad) if isinstance(a, torch.Tensor) else a, (args, kwargs)
        )
        model, args, kwargs = twin(model, args, kwargs)
        with nothing_drawn(), own_draws(), torch.set_grad_enabled(grads):
            model.eval()(*args, **kwargs)
    except Exception:  # whatever a user's own code may raise
        return False
    return True


def _declare_state(
    model: nn.Module, tracer: Tracer, make: Callable[[torch.Tensor], torch.Tensor]
) -> tuple[dict[str, Any], dict[int, nn.Parameter], dict[Value, torch.Tensor]]:
    """A stand-in for each parameter and buffer; shared ones share it."""
    stand_ins: dict[int, torch.Tensor] = {}

    def stand_in(tensor: torch.Tensor) -> torch.Tensor:
        if id(tensor) not in stand_ins:
            stand_ins[id(tensor)] = make(tensor)
        return stand_ins[id(tensor)]

    state, params = {}, {}
    buffers: dict[Value, torch.Tensor] = {}
    for path, module in model.named_modules():  # each once: a shared one is swapped only once
        for name, param in module.named_parameters(recurse=False):
            state[_joined(path, name)] = stand_in(param)
            if id(param) not in params:
                params[id(param)] = param
                tracer.declare(stand_in(param), "parameter", params=frozenset([id(param)]))
            tracer.declare_owner(id(param), module)
        for name, buffer in module.named_buffers(recurse=False):
            state[_joined(path, name)] = stand_in(buffer)
            buffers[tracer.value(stand_in(buffer))] = buffer
    return state, params, buffers


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _own(tensor: torch.Tensor) -> torch.Tensor:
    """A copy of the own numbers: a module may write even its parameters, as a renormalised embedding does."""
    return tensor.detach().clone()


def _fake(mode: FakeTensorMode, tensor: torch.Tensor, dtype: torch.dtype | None) -> torch.Tensor:
    """One without memory, as the mode would make it."""
    kind = dtype if dtype and tensor.is_floating_point() else tensor.dtype
    # Straight from its shape: to have the mode dispatch an operation takes four times as long.
    if tensor.layout is torch.strided:
        bare = torch.empty_strided(tensor.shape, tensor.stride(), dtype=kind, device="meta")
    else:
        bare = torch.empty(tensor.shape, dtype=kind, device="meta")
    return FakeTensor(mode, bare, torch.device("cpu"))


@contextlib.contextmanager
def _settled(model: nn.Module, tracer: Tracer, state: dict[str, Any]) -> Iterator[None]:
    """Evaluation without fused attention, hooks in place; all as before afterwards."""
    fast = torch.backends.mha.get_fastpath_enabled()
    differentiates = engine()
    log = logging.getLogger("torch._subclasses.fake_tensor")
    was_silent, log.disabled = log.disabled, True  # what fails is told by whoever called
    try:
        with kept(model) as (modules, _):
            torch.backends.mha.set_fastpath_enabled(False)
            for module in modules:
                # Before any hook of its own, as those make weights too.
                module.register_forward_pre_hook(tracer.enter, prepend=True)
                module.register_forward_hook(tracer.leave, with_kwargs=True, prepend=True)
            for module in model.modules():
                module.training = False
            _swap_flat_weights(model, state)
            put_engine(functools.partial(tracer.differentiate, differentiates))
            yield
    finally:
        put_engine(differentiates)
        log.disabled = was_silent
        torch.backends.mha.set_fastpath_enabled(fast)
        for tensor, numbers in reversed(tracer.overwritten):
            tensor.data.copy_(numbers)


def _swap_flat_weights(model: nn.Module, state: dict[str, Any]) -> None:
    """Recurrent modules hold their weights a second time, in a list that nobody else swaps."""
    for path, module in model.named_modules():
        if isinstance(module, nn.RNNBase):
            stand_ins = [state.get(_joined(path, name)) for name in flat_weights_names(module)]
            if None not in stand_ins:  # a parametrised one makes them anew
                put_flat_weights(module, stand_ins)


def _tensors(tree: Any) -> list[torch.Tensor]:
    """Tensors in containers, and in the dict-like outputs of other libraries."""
    if isinstance(tree, torch.Tensor):
        return [tree]
    if isinstance(tree, dict) or hasattr(tree, "items"):
        tree = tree.values()
    elif not isinstance(tree, list | tuple):
        tree = vars(tree).values() if hasattr(tree, "__dataclass_fields__") else ()
    return [tensor for part in tree for tensor in _tensors(part)]
