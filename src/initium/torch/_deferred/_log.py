"""Log: what a constructor did, operation by operation, and which part of it one tensor needs."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from types import UnionType
from typing import Any, NamedTuple

import torch

from ..._errors import ModelError
from .._torch import schema_of
from ._blank import View


class Event(NamedTuple):
    """One operation that made or wrote something.

    Attributes:
        op: an operator of PyTorch, or `constant`, `unseen` and `trunc_normal_` of ours.
        args: in which tensors are Views.
        kwargs: as `args`.
        makes: of each tensor that it returned, in order, where it lies; None if that was there before.
        writes: what it changed.
    """

    op: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    makes: tuple[View | None, ...]
    writes: tuple[View, ...]


def constant(values: torch.Tensor) -> torch.Tensor:
    """Numbers that came from outside of PyTorch."""
    return values.clone()


def unseen() -> torch.Tensor:
    """Memory that appeared without an operation."""
    raise ModelError("What made a tensor of this model was not seen and cannot be repeated. Build the model for real.")


def trunc_normal_(
    tensor: torch.Tensor, mean: float, std: float, a: float, b: float, *, generator: torch.Generator | None = None
) -> torch.Tensor:
    """PyTorch's own, which draws until all lie within [a, b] and is written down as one operation."""
    return torch.nn.init.trunc_normal_(tensor, mean, std, a, b, generator)


@cache
def is_random(op: Any) -> bool:
    """Whether an operation draws."""
    return op is trunc_normal_ or torch.Tag.nondeterministic_seeded in getattr(op, "tags", ())


# They look at nothing of what they write over.
_OVERWRITES = {
    "normal_", "uniform_", "trunc_normal_", "fill_", "zero_", "copy_", "exponential_", "random_", "bernoulli_",
    "log_normal_", "cauchy_", "geometric_",
}  # fmt: skip


@cache
def name_of(op: Any) -> str:
    """`mul_` of `aten.mul_.Tensor`."""
    return op.overloadpacket.__name__ if hasattr(op, "overloadpacket") else op.__name__


@cache
def overwrites(op: Any) -> bool:
    """Whether what an operation writes does not depend on what was there."""
    return name_of(op) in _OVERWRITES or any(argument.is_out for argument in getattr(schema_of(op), "arguments", ()))


@dataclass
class Log:
    """Every event in order.

    Attributes:
        events: what was done.
        writers: of each storage, the numbers of the events that made or wrote it, in order.
        nbytes: the size of each storage.
        known: what was read from it so far, by whoever read it.
    """

    events: list[Event] = field(default_factory=list)
    writers: defaultdict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    nbytes: list[int] = field(default_factory=list)
    known: dict[Any, Any] = field(default_factory=dict)

    def add(self, event: Event) -> None:
        """Write an event down."""
        for view in (*event.makes, *event.writes):
            if view is not None and self.writers[view.storage][-1:] != [len(self.events)]:
                self.writers[view.storage].append(len(self.events))
        self.events.append(event)
        self.known.clear()

    def needed(self, storage: int, before: int | None = None) -> list[int]:
        """The numbers of the events on which a storage's content depends, from the last that wrote over all of it."""
        found: set[int] = set()
        waiting, seen = [(storage, len(self.events) if before is None else before)], set[tuple[int, int]]()
        while waiting:
            place = waiting.pop()
            for index in self._since_made(*place):
                if (place[0], index) in seen:
                    break  # and what is before it was seen with it
                seen.add((place[0], index))
                found.add(index)
                reads = read_by(self.events[index])
                waiting += [(view.storage, index) for view in reads if view.storage != place[0]]
        return sorted(found)

    def _since_made(self, storage: int, before: int) -> Iterator[int]:
        """Backwards, what wrote a storage, up to what made it or wrote over all of it."""
        writers = self.writers[storage]
        for place in reversed(range(bisect_left(writers, before))):
            yield writers[place]
            event = self.events[writers[place]]
            if any(view and view.storage == storage for view in event.makes) or self._starts_anew(event, storage):
                return

    def _starts_anew(self, event: Event, storage: int) -> bool:
        """Whether nothing of what a storage held is left."""
        is_whole = any(self._is_whole(view) for view in event.writes if view.storage == storage)
        return is_whole and overwrites(event.op) and all(view.storage != storage for view in read_by(event))

    def _is_whole(self, view: View) -> bool:
        """Whether a view is of each byte of its storage; only then is what was there before gone."""
        return view.is_dense and view.numel * view.dtype.itemsize == self.nbytes[view.storage]

    def is_random(self, needed: list[int]) -> bool:
        """Whether any of some events draws."""
        return any(is_random(self.events[index].op) for index in needed)


# They change running means and variances, of which their schemas say nothing.
_UNSAID: dict[str, tuple[tuple[int, str], ...]] = dict.fromkeys(
    ("native_batch_norm", "cudnn_batch_norm", "miopen_batch_norm"), ((3, "running_mean"), (4, "running_var"))
)


@cache
def places_written(op: Any) -> tuple[tuple[int, str], ...]:
    """The arguments that an operation changes, by place and name."""
    if (schema := schema_of(op)) is None:
        return ((0, "tensor"),) if op is trunc_normal_ else ()
    arguments = enumerate(schema.arguments)
    return _UNSAID.get(name_of(op), ()) + tuple(
        (place, one.name) for place, one in arguments if one.alias_info and one.alias_info.is_write
    )


def read_by(event: Event) -> list[View]:
    """The tensors on whose content an event depends."""
    written = places_written(event.op) if overwrites(event.op) else ()
    places, names = [place for place, _ in written], [name for _, name in written]
    args = tuple(arg for place, arg in enumerate(event.args) if place not in places)
    return list(views_in((args, {name: arg for name, arg in event.kwargs.items() if name not in names})))


def views_in(tree: Any) -> Iterator[View]:
    """Every tensor among some arguments."""
    if isinstance(tree, View):
        yield tree
    elif isinstance(tree, tuple | list):
        for part in tree:
            yield from views_in(part)
    elif isinstance(tree, dict):
        yield from views_in(tuple(tree.values()))


def mapped(tree: Any, kind: type | UnionType, function: Callable[[Any], Any]) -> Any:
    """The same arguments with each thing of a kind replaced."""
    if isinstance(tree, kind):
        return function(tree)
    if type(tree) in (tuple, list):
        return type(tree)([mapped(part, kind, function) for part in tree])
    if type(tree) is dict:
        return {key: mapped(part, kind, function) for key, part in tree.items()}
    return tree
