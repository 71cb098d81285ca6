"""The Tracer: every tensor that a model makes, and from what it was made."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.nn.utils.parametrize import ParametrizationList

from ..._trace._nature import nature_of, taken_as_data
from ..._trace._operations import RECURRENT, is_norm, weight_operation
from .._torch import (
    FakeTensor,
    TorchDispatchMode,
    differentiated_by,
    disable_current_modes,
    dispatch_modes,
    flat_weights_names,
    schema_of,
    storage_of,
    tree_leaves,
    tree_map,
    unwrapped,
)
from ._fused import taken_apart
from ._value import TensorValue as Value

# Modules recorded as one operation: the additions of an unrolled cell would pass for residual ones.
OPAQUE = (nn.RNNBase, nn.RNNCellBase)


class Tracer(TorchDispatchMode):
    """Writes down each operation that is dispatched."""

    def __init__(self, names: dict[int, str]) -> None:
        super().__init__()
        self.values: list[Value] = []
        self.stack: list[tuple[nn.Module, str]] = []
        self.overwritten: list[tuple[torch.Tensor, torch.Tensor]] = []  # with the numbers before
        self.differentiated: list[Value] = []
        self.is_writing_down = False  # still so where that itself has failed
        self._names = names  # of modules
        self._thread = threading.get_ident()
        self._current: dict[int, Value] = {}
        self._aliases: dict[int, list[torch.Tensor]] = defaultdict(list)
        self._foreign: dict[int, torch.Tensor] = {}
        self._owners: dict[int, set[int]] = defaultdict(set)
        self._num_opaque = 0

    def declare(self, tensor: torch.Tensor, operation: str, **facts: Any) -> Value:
        """A tensor that is there before the model runs."""
        value = Value(len(self.values), operation, tensor, **facts)
        self.values.append(value)
        self._current[id(tensor)] = value
        self._aliases[_storage(tensor)].append(tensor)
        return value

    def declare_owner(self, key: int, module: nn.Module) -> None:
        """Which module holds a parameter."""
        self._owners[key].add(id(module))

    def value(self, tensor: torch.Tensor) -> Value:
        """What is known of a tensor now."""
        return self._current.get(id(tensor)) or self._unseen(tensor)

    def _unseen(self, tensor: torch.Tensor) -> Value:
        """A tensor that no operation made: what `.data` is of another, or one that the model holds beside its state."""
        owners = (self._current[id(other)] for other in self._aliases.get(_storage(tensor), ()))
        source = next((one for one in owners if _is_same(one.tensor, tensor)), None)
        if source is None:
            return self.declare(tensor, "constant")
        facts = self._nature("detach", (source,), (source,))
        value = Value(len(self.values), "detach", tensor, (source,), torch.ops.aten.detach.default, (source,), **facts)
        self._add(value)
        self._aliases[_storage(tensor)].append(tensor)
        return value

    def enter(self, module: nn.Module, args: Any = ()) -> None:
        """A module starts."""
        if not self._is_here:
            return
        self.stack.append((module, self._names.get(id(module), "")))
        self._num_opaque += isinstance(module, OPAQUE)

    def leave(self, module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        """A module has returned."""
        if not self._is_here:
            return
        if isinstance(module, OPAQUE):
            self._num_opaque -= 1
            if not self._num_opaque:
                self._record_recurrent(module, args, kwargs, output)
        self.stack.pop()

    def _record_recurrent(self, module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        """A whole recurrent layer; of packed sequences their numbers, without what says how long they are."""
        given = _fractions((args, kwargs.get("input"), kwargs))
        weights = {name: getattr(module, name) for name in recurrent_names(module)}
        self._record(RECURRENT, None, [*given, *weights.values()], given, weights, _fractions(output))

    def differentiate(self, engine: Callable[..., Any], roots: Any, *args: Any, **kwargs: Any) -> Any:
        """Let PyTorch differentiate, as one operation: what is done on the way back is no use of a parameter.

        What is differentiated counts as an output, as nothing may be made from it but its derivatives.
        """
        if self not in dispatch_modes():  # of another thread
            return engine(roots, *args, **kwargs)
        self.differentiated += [self.value(unwrapped(root)) for root in roots]
        self._num_opaque += 1
        try:
            derivatives = engine(roots, *args, **kwargs)
        finally:
            self._num_opaque -= 1
        if derivatives:
            told = zip(map(self.value, map(unwrapped, differentiated_by(args))), derivatives, strict=True)
        else:  # `backward` leaves them at what they are by
            told = [(value, value.tensor.grad) for value in self.values if value.tensor.is_leaf]
        for source, tensor in told:
            if tensor is not None and id(unwrapped(tensor)) not in self._current:
                self.declare(unwrapped(tensor), "derivative", is_signal=not source.params)
        return derivatives

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation and write it down."""
        tensors = _tensors((args, kwargs or {}))
        self._save_foreign(func, tensors)
        name = func.overloadpacket.__name__
        if not self._num_opaque and (apart := taken_apart(name, args, kwargs or {})):
            with self:
                return apart()
        output = func(*args, **(kwargs or {}))
        if not self._num_opaque:
            self.is_writing_down = True
            self._record(name.rstrip("_"), func, tensors, args, kwargs or {}, output)
            self.is_writing_down = False
        return output

    def _save_foreign(self, func: Any, tensors: list[torch.Tensor]) -> None:
        """The numbers of a real tensor that the model holds besides its state, before they are written."""
        for tensor in tensors:
            if id(tensor) not in self._current and not isinstance(tensor, FakeTensor):
                self._foreign[_storage(tensor)] = tensor
        if self._foreign and schema_of(func).is_mutable:
            with disable_current_modes():
                for key in self._foreign.keys() & set(map(_storage, tensors)):
                    tensor = self._foreign.pop(key)
                    self.overwritten.append((tensor, tensor.detach().clone()))

    def _record(
        self, operation: str, function: Any, tensors: list[torch.Tensor], args: Any, kwargs: Any, output: Any
    ) -> None:
        inputs = {id(tensor): self.value(tensor) for tensor in tensors}
        self._mark_learned_signal(operation, args, inputs)
        self._mark_data(operation, args, inputs)
        args, kwargs = _with_values((args, kwargs), inputs)
        facts = {"inputs": tuple(inputs.values()), "function": function, "args": args, "kwargs": kwargs}
        facts |= self._nature(operation, args, facts["inputs"])
        module, path = self.stack[-1] if self.stack else (None, "")
        for position, tensor in enumerate(_tensors(output)):
            is_inplace = id(tensor) in inputs
            value = Value(len(self.values), operation, tensor, position=position, module=module, path=path, **facts)
            self._add(value)
            if is_inplace:
                self._write_aliases(value)
            self._aliases[_storage(tensor)].append(tensor)

    def _nature(self, operation: str, args: Any, inputs: Iterable[Value]) -> dict[str, Any]:
        return nature_of(operation, args, inputs, is_parametrising=self._is_parametrising)

    def _mark_learned_signal(self, operation: str, args: Any, inputs: dict[int, Value]) -> None:
        """A parameter that another module's layer takes in is a signal: learned queries and latents."""
        row = weight_operation(operation)
        if row.word not in ("dense", "convolution", "recurrent") and not is_norm(operation):
            return
        tensor = next(iter(row.factors(args) or args), None)
        value = inputs.get(id(tensor))
        if tensor is None or value is None or not value.params or self._is_parametrising or not self.stack:
            return
        others = frozenset[int]().union(*(other.params for other in inputs.values() if other is not value))
        here = id(self.stack[-1][0])
        if any(here in self._owners[key] for key in others) and not any(
            here in self._owners[key] for key in value.params
        ):
            learned = Value(len(self.values), "learned signal", tensor, (value,), args=(value,), is_signal=True)
            self._add(learned)
            inputs[id(tensor)] = learned

    def _mark_data(self, operation: str, args: Any, inputs: dict[int, Value]) -> None:
        if self._is_parametrising:
            return
        for value in taken_as_data(operation, _with_values(args, inputs)):
            data = Value(len(self.values), "input", value.tensor, (value,), args=(value,), is_signal=True)
            self._add(data)
            inputs[id(value.tensor)] = data

    @property
    def _is_here(self) -> bool:
        """Whether it is asked by the thread that it looks on: others may run modules and differentiate meanwhile."""
        return threading.get_ident() == self._thread

    @property
    def _is_parametrising(self) -> bool:
        return any(isinstance(module, ParametrizationList) for module, _ in self.stack)

    def _add(self, value: Value) -> None:
        for other in value.inputs:
            other.consumers.append(value)
        self.values.append(value)
        self._current[id(value.tensor)] = value

    def _write_aliases(self, value: Value) -> None:
        """What was written through one view is seen through all others."""
        for tensor in self._aliases[_storage(value.tensor)]:
            other = self._current.get(id(tensor))
            if tensor is not value.tensor and other is not None and other.index < value.index:
                is_signal = other.is_signal or value.is_signal
                params = frozenset() if is_signal else other.params | value.params
                facts = {"is_signal": is_signal, "params": params, "args": (other, value)}
                self._add(Value(len(self.values), "alias", tensor, (other, value), **facts))


def recurrent_names(module: nn.Module) -> list[str]:
    """The attributes of a recurrent module that are its weights and biases."""
    cells = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]
    names = flat_weights_names(module) if isinstance(module, nn.RNNBase) else cells
    return [name for name in names if isinstance(getattr(module, name, None), torch.Tensor)]


def _fractions(tree: Any) -> list[torch.Tensor]:
    """The tensors of a tree that hold no whole numbers, each once."""
    return [*{id(tensor): tensor for tensor in _tensors(tree) if tensor.is_floating_point()}.values()]


def _storage(tensor: torch.Tensor) -> int:
    """What tensors that share memory have in common; a sparse one shares with nobody."""
    return storage_of(tensor) if tensor.layout is torch.strided else id(tensor)


def _is_same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two tensors that share memory are the same part of it."""
    parts = [(t.shape, t.stride(), t.storage_offset()) for t in (one, other) if t.layout is torch.strided and t.numel()]
    return len(parts) == 2 and parts[0] == parts[1]


def _tensors(tree: Any) -> list[torch.Tensor]:
    """In their order; what an operation takes is flat, and not worth what PyTorch's own walk takes."""
    if isinstance(tree, torch.Tensor):
        return [tree]
    if type(tree) in (tuple, list, dict):
        return [tensor for part in (tree.values() if type(tree) is dict else tree) for tensor in _tensors(part)]
    return [] if type(tree) in _PLAIN else [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def _with_values(tree: Any, values: dict[int, Value]) -> Any:
    """The same with values in the place of tensors."""
    if isinstance(tree, torch.Tensor):
        return values[id(tree)]
    if type(tree) in (tuple, list):
        return type(tree)([_with_values(part, values) for part in tree])
    if type(tree) is dict:
        return {name: _with_values(part, values) for name, part in tree.items()}
    if type(tree) in _PLAIN:
        return tree
    return tree_map(lambda a: values[id(a)] if isinstance(a, torch.Tensor) else a, tree)


_PLAIN = (int, float, bool, str, type(None), torch.dtype, torch.device, torch.layout)
