"""The Recorder: writes down operations as values, in ATen's words, each with what does it again."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..._trace._nature import nature_of, taken_as_data
from ..._trace._tree import tree_map
from ..._trace._value import Value
from ._shape import Shape
from ._value import Done, JaxValue

Argument = Any  # a value, or a number that all elements of an array are


class Recorder:
    """All values so far, in the order of execution."""

    def __init__(self) -> None:
        self.values: list[Value] = []
        self.notes: dict[str, None] = {}

    def declare(self, operation: str, shape: Sequence[int], dtype: str, given: Any = None, **facts: Any) -> JaxValue:
        """What is there before anything is done: a parameter, an input, a buffer, a constant and its numbers."""
        function = None if given is None else Done(operation, lambda: given, given)
        return self._add(JaxValue(len(self.values), operation, Shape(shape, dtype), function=function, **facts))

    def full(self, argument: Argument, aval: Any) -> Value:
        """An argument as a value, also where all its elements are one number."""
        if isinstance(argument, Value):
            return argument
        dtype = np.dtype(aval.dtype)
        number = np.asarray(argument, dtype if dtype.kind in "biufc" else np.float32)
        return self.declare("constant", aval.shape, str(aval.dtype), np.broadcast_to(number, aval.shape))

    def emit(self, operation: str, run: Callable[..., Any], args: Any, aval: Any, *, key: str = "") -> JaxValue:
        """What an operation makes of its arguments.

        Args:
            operation: as ATen calls it.
            run: of arrays in the place of values.
            args: in ATen's order.
            aval: of the result, with a shape and a dtype; a Shape stays itself.
            key: equal for equal functions, if the operation's name and its arguments do not tell all.
        """
        return self.emit_all(operation, run, args, [aval], key=key)[0]

    def emit_all(
        self, operation: str, run: Callable[..., Any], args: Any, avals: Sequence[Any], *, key: str = ""
    ) -> list[JaxValue]:
        """The same of an operation with several results."""
        for value in taken_as_data(operation, args):
            data = JaxValue(len(self.values), "input", value.tensor, (value,), args=(value,), is_signal=True)
            self._add(data)
            args = tree_map(lambda a, value=value, data=data: data if a is value else a, args)
        inputs = tuple(dict.fromkeys(_values(args)))
        facts = {"inputs": inputs, "function": Done(key or operation, run), "args": args}
        facts |= nature_of(operation, args, inputs)
        tensors = [aval if isinstance(aval, Shape) else Shape(aval.shape, str(aval.dtype)) for aval in avals]
        return [
            self._add(JaxValue(len(self.values), operation, tensor, position=position, **facts))
            for position, tensor in enumerate(tensors)
        ]

    def _add(self, value: JaxValue) -> JaxValue:
        for other in value.inputs:
            other.consumers.append(value)
        self.values.append(value)
        return value

    def view(self, value: Value, shape: Sequence[int]) -> Value:
        """The same elements in another shape."""
        shape = tuple(shape)
        if shape == value.tensor.shape:
            return value
        tensor = value.tensor.moved(lambda view: np.reshape(view, shape, copy=False), shape)
        return self.emit("view", np.reshape, (value, shape), tensor)

    def permuted(self, value: Value, axes: Sequence[int]) -> Value:
        """The same with its axes in another order."""
        axes = tuple(axes)
        if axes == tuple(range(len(axes))):
            return value
        shape = [value.tensor.shape[axis] for axis in axes]
        tensor = value.tensor.moved(lambda view: view.transpose(axes), shape)
        return self.emit("permute", np.transpose, (value, axes), tensor)

    def expanded(self, value: Value, shape: Sequence[int]) -> Value:
        """The same repeated along axes of size 1."""
        shape = tuple(shape)
        if shape == value.tensor.shape:
            return value
        tensor = value.tensor.moved(lambda view: np.broadcast_to(view, shape), shape)
        return self.emit("expand", np.broadcast_to, (value, shape), tensor)

    def cut(self, value: Value, cuts: tuple[slice, ...]) -> JaxValue:
        """A part of it."""
        sizes = [len(range(size)[cut]) for size, cut in zip(value.tensor.shape, cuts, strict=True)]
        tensor = value.tensor.moved(lambda view: view[cuts], sizes)
        bounds = [(cut.start, cut.stop, cut.step) for cut in cuts]
        return self.emit("slice", lambda x, _: x[cuts], (value, bounds), tensor)

    def picked(self, value: Value, place: int) -> JaxValue:
        """One entry of its first axis."""
        tensor = value.tensor.moved(lambda view: view[place], value.tensor.shape[1:])
        return self.emit("select", lambda x, _, at: x[at], (value, 0, place), tensor)

    def product(self, left: Value, right: Value) -> JaxValue:
        """Of matrices, `(block, row, column)` or without blocks."""
        shape = (*left.tensor.shape[:-1], right.tensor.shape[-1])
        operation = "mm" if len(shape) == 2 else "bmm"
        return self.emit(operation, np.matmul, (left, right), Shape(shape, left.tensor.dtype))


def _values(tree: Any) -> list[Value]:
    """All values among some arguments, in their order."""
    if isinstance(tree, Value):
        return [tree]
    if isinstance(tree, dict):
        tree = tree.values()
    return [value for part in tree for value in _values(part)] if isinstance(tree, (list, tuple)) else []
