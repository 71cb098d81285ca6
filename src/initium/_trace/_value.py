"""Value: one tensor of a recorded run, and what it was made from; Recording: all that one run has left."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._members import Members
from ._operations import WeightOperation, weight_operation


@dataclass(eq=False, slots=True)
class Value:
    """One tensor at one time. An edge's own kind of it does operations again, on NumPy's arrays.

    Attributes:
        index: its place in the order of execution.
        operation: the name of what made it, as ATen has it.
        tensor: of the framework, or what stands for one, with the shape, the strides and the dtype that PyTorch's
            have; kept alive, so that its id stays its own.
        inputs: what it was made from.
        function: what made it; None for what was there before, and for a module recorded as one operation.
        args: with values in the place of tensors, in ATen's order.
        kwargs: likewise.
        position: which of the operation's outputs it is.
        module: that ran the operation.
        path: of that module.
        is_signal: whether it changes with the model's input, or is a learned start of a signal.
        is_tokens: whether it is made from whole numbers of the input alone.
        params: keys of the parameters that it is made from; none for a signal.
        consumers: what is made from it.
        is_weighted: whether a weight made it; this and what follows is known once a recording is marked.
        last_weight: index of the last weight's result that it is made from, or its own; -1 if there is none.
        before: indices of the signals that it is made from, and its own.
    """

    index: int
    operation: str
    tensor: Any
    inputs: tuple["Value", ...] = ()
    function: Callable[..., Any] | None = None
    args: Any = ()
    kwargs: Any = field(default_factory=dict)
    position: int = 0
    module: Any = None
    path: str = ""
    is_signal: bool = False
    is_tokens: bool = False
    params: frozenset[int] = frozenset()
    consumers: list["Value"] = field(default_factory=list)
    is_weighted: bool = False
    last_weight: int = -1
    before: Members = field(default_factory=Members)

    @property
    def row(self) -> WeightOperation:
        """How its operation takes a weight."""
        return weight_operation(self.operation)

    @property
    def signals(self) -> list["Value"]:
        """The signals among its inputs, each once."""
        return list(dict.fromkeys(value for value in self.inputs if value.is_signal))

    def depends_on(self, other: "Value") -> bool:
        """Whether it was made from another signal, or is it."""
        return other.index in self.before

    @property
    def storage(self) -> Hashable:
        """What tensors that share memory have in common."""
        return id(self.tensor)

    @property
    def layer(self) -> str:
        """The type of the module that ran the operation."""
        return type(self.module).__name__

    @property
    def state_moment(self) -> float:
        """Of a recurrent layer, recorded as one operation, the second moment at which what it gives settles."""
        return 1.0

    @property
    def cell_moment(self) -> float:
        """The same of what its cell gives, before any projection."""
        return 1.0

    def name_of(self, operand: "Value") -> str:
        """What the operation calls an argument; empty if it calls it nothing."""
        return ""

    @property
    def constant(self) -> Any:
        """Its numbers if the framework keeps them as a constant of the run; None if not."""
        return None

    @property
    def held(self) -> Any:
        """Its numbers if it is a tensor with memory; None if not."""
        return None

    def read(self, numbers: Any) -> NDArray[Any]:
        """The framework's numbers as an array.

        Raises:
            ValueError: if they have no memory, or no array can hold them.
        """
        return np.asarray(numbers)

    def done(self, args: Any, kwargs: Any, *, is_wide: bool = False, seed: int = 0) -> NDArray[Any]:
        """The operation on arrays and numbers in the place of values; it writes into none of them.

        Args:
            args: as its own.
            kwargs: likewise.
            is_wide: whether fractions are made in 64 bits, not 32.
            seed: of what it draws, if it does.

        Raises:
            Exception: whatever it may raise.
        """
        raise ValueError("unknown")

    def moved(self, args: Any, kwargs: Any) -> NDArray[Any]:
        """The operation on the numbers of elements that it hands on; what it gives may share their memory."""
        return self.done(args, kwargs)

    def noise(self, seed: int) -> Callable[[list[int]], NDArray[Any]]:
        """What draws Gaussian numbers of a shape, others at each call."""
        raise NotImplementedError


@dataclass(frozen=True)
class Recording:
    """What one run of a model has left.

    Attributes:
        values: all of them, in the order of execution.
        outputs: those that the model returned, and those that it differentiated.
        differentiated: those of them.
        params: the parameter behind each key.
        buffers: the framework's numbers behind each value that is a buffer.
        inputs: likewise of each value that is an input, if they say anything.
    """

    values: list[Any]  # of values, of an edge's own kind
    outputs: Sequence[Value]
    differentiated: Sequence[Value]
    params: dict[int, Any]
    buffers: dict[Value, Any]
    inputs: dict[Value, Any]
