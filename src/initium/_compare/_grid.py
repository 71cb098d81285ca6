"""The Grid: one Comparison for each place in a study's grid."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING

from .._errors import counted
from .._printable import printable
from .._report import Report, Reported
from .._spec import unknown_name
from .._study._signal import LayerSignal
from ._comparison import Comparison
from ._contest import Contest, cell_contest, family
from ._frame import runs_frame
from ._places import Place, at_of, places, starts_of, tuned_axes
from ._questions import questions
from ._tuned import tuned_contest

if TYPE_CHECKING:
    from pandas import DataFrame  # pyright: ignore[reportMissingImports]


@dataclass(frozen=True)
class Grid(Reported):
    """What a study's runs say at each place of its grid.

    `grid["lr=0.1, depth=3"]` is the Comparison of one place; a loop goes through the names.

    Attributes:
        cells: the comparisons by name.
        axes: what varies.
        interrupted: whether Ctrl-C ended the study early.
        store: the file that the runs are kept in.
        num_asked: places that were asked for; those without two whole pairs of runs are not here yet.
        signals: by cell and start, the layers at step zero; of one cell for all the ways to train the same.
    """

    cells: dict[str, Comparison]
    axes: tuple[str, ...]
    interrupted: bool = False
    store: str = ""
    num_asked: int = 0
    signals: dict[str, dict[str, tuple[LayerSignal, ...]]] = field(default_factory=dict, repr=False)

    def __repr__(self) -> str:
        return printable(f"<Grid: {', '.join(self.axes)}, {counted(len(self.cells), 'cell')}>")

    def __getitem__(self, name: str) -> Comparison:
        """The comparison at one place.

        Raises:
            UnknownNameError: which is a KeyError, with the nearest name there is.
        """
        if name not in self.cells:
            raise unknown_name(
                "place of the grid", str(name), self.cells, "A loop over the grid goes through them all."
            )
        return self.cells[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.cells)

    def __len__(self) -> int:
        return len(self.cells)

    @property
    def starts(self) -> tuple[str, ...]:
        """What is compared at any place, in the order asked for."""
        return starts_of(self.cells.values())

    @property
    def tuned(self) -> tuple[str, ...]:
        """The axes that one would tune, such as the learning rate; a start is judged at its own best of them."""
        return tuned_axes(self.axes)

    @property
    def posed(self) -> tuple[str, ...]:
        """The other axes, such as the depth: what a start has to train."""
        return tuple(axis for axis in self.axes if axis not in self.tuned)

    @property
    def across(self) -> str:
        """The axis along which scores are laid out: what is tuned first, else the last."""
        return (*self.tuned, *self.axes[::-1])[0]

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """What a start has to train, each with the cells of all that is tuned."""
        return places(self.cells.values(), self.axes)

    @cached_property
    def cell_contests(self) -> tuple[Contest, ...]:
        """All pairs at every cell, corrected over all of them."""
        return family([cell_contest(cell, at_of(cell, self.axes)) for cell in self.cells.values()], self.spent)

    @cached_property
    def contests(self) -> tuple[Contest, ...]:
        """All pairs at every place, each start at its own best setting; corrected over all of them."""
        if not self.tuned:
            return self.cell_contests
        return family([found for place in self.places if (found := tuned_contest(place))], self.spent)

    @property
    def spent(self) -> float:
        """Of the error that may be made, what this look at the runs may spend."""
        return next(iter(self.cells.values())).spent

    @property
    def verdict(self) -> str:
        """Which start to take, and what changes along each axis: a sentence a line."""
        return "\n".join(questions(self))

    def report(self) -> Report:
        """The answer, the tables and the figures, as data."""
        from ._grid_report import grid_report

        return grid_report(self)

    def to_pandas(self) -> "DataFrame":
        """The runs as a table of pandas: the start, a column for each axis, and what a run came to.

        Raises:
            MissingExtraError: if pandas is not installed.
        """
        return runs_frame(list(self.cells.values()), self.axes)

    def save(self, path: str | PathLike[str]) -> None:
        """Write one self-contained HTML page, whole or not at all.

        Raises:
            OutputError: if it cannot be written there.
        """
        self.report().save(path)
