"""contents: what a tensor holds, read from the events that made it."""

from collections.abc import Hashable
from dataclasses import replace
from typing import Any

import torch

from ._blank import View
from ._cells import Cell, Const, Distribution, Draw, Matrix, Table, Unknown, Unset, cell_of, rounded
from ._contents import Call, Content, Memory, Pieces, aligned
from ._log import Event, Log, constant, is_random, name_of, overwrites, read_by, views_in
from ._pointwise import combined
from ._replay import replay
from ._words import COPIES, EMPTY, arguments, filled, said

# Tables of more elements are not looked at for whether they are all one number.
_LARGE = 1 << 20


def contents(log: Log, view: View) -> Content:
    """What a tensor holds."""
    if view not in log.known:
        reader = _Reader(log)
        for index in log.needed(view.storage):
            reader.take(index)
        log.known[view] = reader.memory.read(view)
    return log.known[view]


def origin_of(log: Log, view: View) -> Hashable:
    """Which draws a tensor holds the elements of, and in which order; None if chance has no part in it.

    Two tensors of one origin hold the same numbers, but for a factor above 0, a shift, or what `through` does.
    """
    content = contents(log, view)
    if content.is_known:
        return None
    needed = log.needed(view.storage)
    draws = tuple(index for index in needed if is_random(log.events[index].op))
    if any(isinstance(cell, Unknown | Table | Unset) for _, cell in content.pieces):
        return draws, tuple(index for index in needed if _computes(log.events[index])), view.size
    return draws, tuple((count, _origin(cell)) for count, cell in content.pieces), view.size


def _computes(event: Event) -> bool:
    return name_of(event.op) not in COPIES | EMPTY


def _origin(cell: Cell) -> Hashable:
    match cell:
        case Draw(distribution=distribution, source=source):
            distribution = distribution or source
            return cell.origin, cell.first, distribution.kind, distribution.is_turned
        case Matrix():
            return cell.origin, cell.part, cell.gain > 0
    return None


class _Reader:
    def __init__(self, log: Log) -> None:
        self.log, self.memory = log, Memory(log.nbytes)

    def take(self, index: int) -> None:
        """One event, after those before it."""
        event = self.log.events[index]
        targets = [(place, view) for place, view in enumerate(event.makes) if view]
        for place, view in [*targets, *((0, view) for view in event.writes)]:
            content, extends = self._outcome(index, event, view, place)
            pieces = tuple((count, rounded(cell, view.dtype)) for count, cell in content.pieces)
            self.memory.write(view, pieces, content.calls, extends=extends)

    def _outcome(self, index: int, event: Event, target: View, place: int) -> tuple[Content, bool]:
        """What an event puts in a tensor, and whether its calls follow those of the tensor itself."""
        given = self._given(event)
        pieces = self._pieces(index, event, target, given, place)
        own = [Call(text)] if (text := said(event)) else []
        if event.writes and not overwrites(event.op):
            return Content(pieces, tuple(own)), True
        if is_random(event.op) or name_of(event.op) in EMPTY or filled(event) is not None:
            given = []  # of which it took no more than the shape
        before = next((content.calls for _, content in given if not content.is_known), None)
        before = before if before is not None else next((content.calls for _, content in given), ())
        return Content(pieces, (*before, *own)), False

    def _given(self, event: Event) -> list[tuple[View, Content]]:
        return [(view, self.memory.read(view)) for view in read_by(event)]

    def _pieces(self, index: int, event: Event, target: View, given: list[tuple[View, Content]], place: int) -> Pieces:
        name, num = name_of(event.op), target.numel
        if event.op is constant:
            return ((num, cell_of(event.args[0])),)
        if is_random(event.op):
            return ((num, _drawn(index, event, target)),)
        if name in EMPTY:
            return ((num, Unset()),)
        if (value := filled(event)) is not None:
            return ((num, Const(value)),)
        if name in COPIES:
            return _copied(target, *given[0])
        if name in ("cat", "stack") and _is_first_axis(event):
            return tuple(piece for _, content in given for piece in content.pieces)
        if name in ("fill_", "fill"):
            return ((num, given[-1][1].only or Unknown()),)
        if name == "linalg_qr":
            return ((num, _factor(index, given[0], target, place)),)
        if torch.Tag.pointwise in getattr(event.op, "tags", ()):
            return self._pointwise(index, event, target, given)
        if name in ("diag", "diagonal_copy") and isinstance(cell := given[0][1].only, Matrix):
            return ((num, replace(cell, part="diagonal", size=target.size) if cell.part == "r" else Unknown()),)
        return ((num, Table() if all(content.is_known for _, content in given) else Unknown()),)

    def _pointwise(self, index: int, event: Event, target: View, given: list[tuple[View, Content]]) -> Pieces:
        if all(content.is_known and not isinstance(content.only, Const) for _, content in given):
            return ((target.numel, Table()),)
        given = [(view, self._resolved(index, view, content)) for view, content in given]
        spread = [self._spread(view, content, target) for view, content in given]
        return tuple((count, combined(event, cells)) for count, cells in aligned(spread))

    def _resolved(self, index: int, view: View, content: Content) -> Content:
        """A small table as a constant, if it is one."""
        if not isinstance(content.only, Table) or view.numel > _LARGE:
            return content
        values = replay(self.log, view, before=index)
        return Content(((view.numel, cell_of(values)),), content.calls)

    def _spread(self, view: View, content: Content, target: View) -> Content:
        """As many elements as the outcome has."""
        if view.numel == target.numel and _trimmed(view.size) == _trimmed(target.size):
            return content
        cell = content.only if isinstance(content.only, Const | Matrix) else None
        return Content(((target.numel, cell or (Table() if content.is_known else Unknown("one draw repeated"))),))


def _trimmed(size: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(one for one in size if one != 1)


def _drawn(index: int, event: Event, target: View) -> Cell:
    if not target.dtype.is_floating_point:
        return Unknown()
    said = arguments(event)
    match name_of(event.op):
        case "normal_" | "normal":
            return _normal(index, said.get("mean"), said.get("std"))
        case "randn" | "randn_like":
            return _draw(index, "normal", 0.0, 1.0)
        case "uniform_":
            low, high = float(said["from"]), float(said["to"])
            return _draw(index, "uniform", low, high) if low < high else Const(low)
        case "rand" | "rand_like":
            return _draw(index, "uniform", 0.0, 1.0)
        case "trunc_normal_":
            return _draw(index, "truncated", *(float(said[name]) for name in ("mean", "std", "a", "b")))
    return Unknown()


def _normal(index: int, mean: Any, std: Any) -> Cell:
    """Of one mean and one std; tensors of them are something else."""
    if not isinstance(mean, float | int) or not isinstance(std, float | int):
        return Unknown()
    return _draw(index, "normal", float(mean), float(std)) if std else Const(float(mean))


def _draw(index: int, kind: Any, *numbers: float) -> Draw:
    distribution = Distribution(kind, numbers)
    return Draw(distribution, distribution, index)


def _copied(target: View, view: View, content: Content) -> Pieces:
    is_number = target.dtype.is_floating_point or target.dtype.is_complex
    if content.is_known:
        same = _trimmed(view.size) == _trimmed(target.size)
        return content.pieces if same else ((target.numel, content.only or Table()),)
    if not is_number:
        return ((target.numel, Unknown("draws made whole")),)
    fits = _trimmed(view.size) == _trimmed(target.size)
    return content.pieces if fits else ((target.numel, Unknown("one draw repeated")),)


def _is_first_axis(event: Event) -> bool:
    ranks = {len(view.size) for view in views_in(event.args)}
    return len(ranks) == 1 and arguments(event)["dim"] == 0


def _factor(index: int, given: tuple[View, Content], target: View, place: int) -> Cell:
    view, content = given
    cell = content.only
    is_normal = (
        isinstance(cell, Draw)
        and cell.distribution
        and cell.distribution.kind == "normal"
        and cell.distribution.numbers[0] == 0
    )
    if not is_normal or len(view.size) != 2 or view.size[0] < view.size[1]:
        return Unknown()
    return Matrix("q" if place == 0 else "r", index, target.size, target.stride)
