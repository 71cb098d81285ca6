"""Contents: which cells the storages hold, as events write them."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ._blank import View
from ._cells import Cell, Const, Draw, Matrix, Table, Unknown, Unset, after

Pieces = tuple[tuple[int, Cell], ...]


class Call(NamedTuple):
    """A call in words, and the part of the storage that it wrote, from and to; None is all of it."""

    text: str
    part: tuple[int, int] | None = None


class Content(NamedTuple):
    """What a tensor holds: stretches of cells in the order of its elements, and the calls that made them."""

    pieces: Pieces
    calls: tuple[Call, ...] = ()

    @property
    def only(self) -> Cell | None:
        """The one cell there is."""
        return self.pieces[0][1] if len(self.pieces) == 1 else None

    @property
    def is_known(self) -> bool:
        """Whether chance has no part in it."""
        return all(isinstance(cell, Const | Table | Unset) for _, cell in self.pieces)


# As many calls are noted of a storage; a constructor that writes it element by element makes as many as it has.
MOST_NOTED = 50


class _Storage:
    """Stretches of cells that follow on each other; where each ends is kept in order, to find them by."""

    def __init__(self, itemsize: int, num: int) -> None:
        self.itemsize, self.num = itemsize, num
        self.calls: tuple[Call, ...] = ()
        self._ends, self._cells = [num], list[Cell]([Unset()])

    def cut(self, start: int, stop: int) -> Pieces:
        """The part from one element to before another."""
        if start >= stop:
            return ()
        first, last = bisect_right(self._ends, start), bisect_left(self._ends, stop)
        at = self._ends[first - 1] if first else 0
        pieces = tuple(_pieces(at, self._ends[first : last + 1], self._cells[first : last + 1]))
        return _cut(pieces, start - at, stop - at)

    def put(self, start: int, stop: int, pieces: Pieces) -> None:
        """Put cells in the place of a part, joined with the neighbours that go on with them."""
        if start >= stop:
            return
        first = max(bisect_right(self._ends, start) - 1, 0)
        last = min(bisect_left(self._ends, stop) + 1, len(self._ends) - 1)
        low, high = self._ends[first - 1] if first else 0, self._ends[last]
        joined = _joined([*self.cut(low, start), *pieces, *self.cut(stop, high)])
        self._ends[first : last + 1] = [low + end for end in _ends(joined)]
        self._cells[first : last + 1] = [cell for _, cell in joined]

    def note(self, calls: tuple[Call, ...], *, extends: bool) -> None:
        """Add calls to those that were noted, or forget those."""
        self.calls = ((*self.calls, *calls) if extends else calls)[:MOST_NOTED]


def _pieces(at: int, ends: list[int], cells: list[Cell]) -> Iterator[tuple[int, Cell]]:
    for end, cell in zip(ends, cells, strict=True):
        yield end - at, cell
        at = end


@dataclass
class Memory:
    """The content of each storage so far.

    Attributes:
        nbytes: the size of each storage.
    """

    nbytes: list[int]
    _held: dict[int, _Storage] = field(default_factory=dict)

    def read(self, view: View) -> Content:
        """What a tensor holds."""
        held = self._of(view)
        if held.itemsize != view.dtype.itemsize:
            known = Content(held.cut(0, held.num)).is_known
            return Content(((view.numel, Table() if known else Unknown("bits of another type")),), held.calls)
        start, stop = _reach(view)
        within = Content(held.cut(start, stop), held.calls)
        if view.is_contiguous and not isinstance(within.only, Matrix):
            return within
        cell = within.only or (Table() if within.is_known else Unknown("unlike parts, read across"))
        return Content(((view.numel, _seen(cell, view)),), held.calls)

    def write(self, view: View, pieces: Pieces, calls: tuple[Call, ...], *, extends: bool) -> None:
        """Put a content in the place of a tensor.

        Args:
            view: the tensor.
            pieces: in the order of its elements.
            calls: that made them.
            extends: whether the calls follow those that are there, though they write all of it.
        """
        held = self._of(view)
        start, stop = _reach(view)
        if held.itemsize != view.dtype.itemsize:
            held.put(0, held.num, ((held.num, Unknown("bits of another type")),))
            return
        content = Content(pieces)
        if isinstance(content.only, Matrix) and view.is_dense:
            size = content.only.size
            stride = view.stride if view.size == size else (size[-1], 1)
            pieces = ((view.numel, replace(content.only, stride=stride)),)
        elif not view.is_contiguous:
            pieces = ((stop - start, self._strided(view, content, held)),)
        is_whole = start == 0 and stop == held.num
        held.put(start, stop, pieces)
        if not is_whole:
            calls = tuple(Call(call.text, (start, stop)) for call in calls)
        held.note(calls, extends=extends or not is_whole)

    def _strided(self, view: View, content: Content, held: _Storage) -> Cell:
        """What fills the stretch that a tensor reaches over, not all of which it may write."""
        cell = content.only
        if cell is not None and view.is_dense:
            return _seen(cell, view)
        there = Content(held.cut(*_reach(view)))
        if isinstance(cell, Const) and cell == there.only:
            return cell
        return Table() if content.is_known and there.is_known else Unknown("written in part of each row")

    def _of(self, view: View) -> _Storage:
        if view.storage not in self._held:
            size = view.dtype.itemsize
            self._held[view.storage] = _Storage(size, self.nbytes[view.storage] // size)
        return self._held[view.storage]


def _reach(view: View) -> tuple[int, int]:
    """From the first to behind the last element in memory."""
    if not view.numel:
        return view.offset, view.offset
    last = sum((size - 1) * stride for size, stride in zip(view.size, view.stride, strict=True))
    return view.offset, view.offset + last + 1


def _seen(cell: Cell, view: View) -> Cell:
    """A cell whose elements are taken in another order, or several times."""
    if isinstance(cell, Matrix):
        return _part(cell, view)
    if isinstance(cell, Draw):
        rearranged = replace(cell, origin=(cell.origin, cell.first, view.size, view.stride), first=0)
        return Unknown("one draw repeated") if view.repeats else rearranged
    return cell


def _part(matrix: Matrix, view: View) -> Cell:
    """The matrix itself, turned or not, or its diagonal."""
    if (view.size, view.stride) == (matrix.size, matrix.stride):
        return matrix
    if (view.size[::-1], view.stride[::-1]) == (matrix.size, matrix.stride):
        return replace(matrix, size=view.size, stride=view.stride, origin=(matrix.origin, "turned"))
    if matrix.part == "r" and (view.size, view.stride) == (matrix.size[:1], (sum(matrix.stride),)):
        return replace(matrix, part="diagonal", size=view.size, stride=view.stride)
    lies_in_order = view.is_contiguous and matrix.stride == (matrix.size[-1], 1)
    return matrix if lies_in_order else Unknown("a part of a matrix")


def _cut(pieces: Pieces, start: int, stop: int) -> Pieces:
    """The part from one element to before another."""
    return tuple(_each_cut(pieces, start, stop))


def _each_cut(pieces: Pieces, start: int, stop: int) -> Iterator[tuple[int, Cell]]:
    at = 0
    for count, cell in pieces:
        low, high = max(start, at), min(stop, at + count)
        if low < high:
            is_part = high - low < count and isinstance(cell, Matrix)
            yield high - low, Unknown("a part of a matrix") if is_part else after(cell, low - at)
        at += count


def _joined(pieces: Iterable[tuple[int, Cell]]) -> Pieces:
    """Neighbours that hold one constant, or draws that follow on each other, as one piece."""
    joined: list[tuple[int, Cell]] = []
    for count, cell in pieces:
        if joined and not isinstance(cell, Matrix) and after(joined[-1][1], joined[-1][0]) == cell:
            joined[-1] = joined[-1][0] + count, joined[-1][1]
        else:
            joined.append((count, cell))
    return tuple(joined)


def aligned(contents: Iterable[Content]) -> Iterator[tuple[int, list[Cell]]]:
    """Stretches over which none of several contents changes."""
    contents = list(contents)
    ends = sorted({end for content in contents for end in _ends(content.pieces)})
    for start, stop in zip([0, *ends], ends, strict=False):
        yield stop - start, [_cut(content.pieces, start, stop)[0][1] for content in contents]


def _ends(pieces: Pieces) -> Iterator[int]:
    at = 0
    for count, _ in pieces:
        at += count
        yield at
