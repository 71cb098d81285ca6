"""Probe: every use of a weight while a model runs, forward and backward."""

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.utils.weak import WeakTensorKeyDictionary

from .._trace._operations import weight_operation
from ._memory import extent
from ._operations import split
from ._torch import TorchDispatchMode, can_decompose, is_backward, tree_leaves

_COPIES = {"_to_copy", "clone", "_unsafe_view", "_reshape_alias", "_weight_norm_interface"}
_MULTIPLES = {"mul", "div", "neg"}


@dataclass(eq=False)
class Meeting:
    """One use of a weight.

    Attributes:
        path: of the weight.
        weight: it, or what was made of it, as the operation took it in.
        signals: what it multiplied; of a table, the indices.
        given: what came of it, before any bias.
        is_backward: whether it happened in a backward pass, which multiplies gradients by weights too.
        on_output: functions to be called with what came of it, its bias added.
        on_gradient: functions to be called with the gradient of `given` once it is known.
    """

    path: str
    weight: torch.Tensor
    signals: tuple[Any, ...]
    given: torch.Tensor
    is_backward: bool
    on_output: list[Callable[[torch.Tensor], None]] = field(default_factory=list)
    on_gradient: list[Callable[[torch.Tensor], None]] = field(default_factory=list)


class Probe(TorchDispatchMode):
    """Tells of each use of a weight what it gives, and lets that be changed.

    `met` is called at each use; what it returns, unless None, goes on in the place of what the weight gave, and the
    bias is added to that. Nothing of the model is changed.

    It sees what lies below autograd, where nothing has a gradient yet. So `met` leaves a function in `on_gradient`,
    and the Probe hooks it to the output once autograd has it; any later backward pass calls it, whether the Probe is
    still on or not. Without autograd, in inference or in the forward of an autograd function, nothing calls it.
    Autograd does not learn of what `met` returns: who wants gradients returns None.

    Args:
        weights: by path.
        met: called at each use.
        split: whether the bias is split off, which costs a pass over each output; else it is in what a weight gives.

    Attributes:
        seen: paths of weights that took part in anything else.
    """

    def __init__(
        self,
        weights: Mapping[str, torch.Tensor],
        met: Callable[[Meeting], torch.Tensor | None],
        *,
        split: bool = True,
    ) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self._met, self._split = met, split
        spans = sorted((w.data_ptr(), w.data_ptr() + extent(w), path) for path, w in weights.items())
        self._starts, self._spans = [start for start, _, _ in spans], spans
        # What is a multiple of a weight and lies elsewhere: a cast, a copy.
        self._multiples: Any = WeakTensorKeyDictionary()
        self._unhooked: list[tuple[torch.Tensor, Meeting]] = []  # at most the last operation's output

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operation of the model."""
        kwargs, name = kwargs or {}, func.overloadpacket.__name__
        self._hook()
        if torch.is_inference_mode_enabled() and can_decompose(func):
            with self:  # there PyTorch leaves the taking apart to whoever watches
                return func.decompose(*args, **kwargs)
        row = weight_operation(name)
        for place in row.weights if row.is_use else ():
            if path := self._path(args[place]):
                signals = tuple(args[other] for other in row.operands if other != place)
                given, bias = split(row, func, args, kwargs) if self._split else (func(*args, **kwargs), None)
                return self._meet(Meeting(path, args[place], signals, given, is_backward()), bias)
        self.seen.update(path for arg in args if (path := self._path(arg)))
        given = func(*args, **kwargs)
        if args and (func.is_view or name in _COPIES or name in _MULTIPLES):
            self._follow(name, args, given)
        return given

    def __exit__(self, *error: Any) -> None:
        """Stop watching."""
        self._hook()
        super().__exit__(*error)

    def _path(self, tensor: Any) -> str | None:
        """The weight that a tensor is, or is a part or a multiple of."""
        address = _address(tensor)
        if address is None:
            return None
        index = bisect_right(self._starts, address) - 1
        if index >= 0 and address < self._spans[index][1]:
            return self._spans[index][2]
        return self._multiples.get(tensor)

    def _follow(self, name: str, args: Any, given: Any) -> None:
        """Remember what is a weight still, in other memory."""
        weights = [(self._path(arg), arg) for arg in (args[:2] if name in _MULTIPLES else args[:1])]
        weights = [(path, weight) for path, weight in weights if path]
        if len(weights) == 1 and (name not in _MULTIPLES or given.shape == weights[0][1].shape):
            for part in tree_leaves(given):
                self._multiples[part] = weights[0][0]

    def _meet(self, meeting: Meeting, bias: torch.Tensor | None) -> torch.Tensor:
        """The output: what the weight gives, or is changed to, and then the bias."""
        changed = self._met(meeting)
        given = meeting.given if changed is None else changed
        output = given if bias is None else given + bias
        for function in meeting.on_output:
            function(output)
        self._unhooked = [(output, meeting)] if meeting.on_gradient else []
        return output

    def _hook(self) -> None:
        """Hook what is to be called to the last output, which autograd has by now and no later operation wrote to."""
        for output, meeting in self._unhooked:
            for function in meeting.on_gradient if output.requires_grad else ():
                output.register_hook(function)
        self._unhooked = []


def _address(tensor: Any) -> int | None:
    """Where a tensor lies; None if it is none, or one that a transform holds."""
    try:
        return tensor.data_ptr()
    except (AttributeError, RuntimeError):
        return None
