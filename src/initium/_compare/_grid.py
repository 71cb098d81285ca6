"""The Grid: one Comparison for each place in a study's grid."""

from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING

from .._errors import counted
from .._printable import printable
from .._report import Report, Reported, Table
from .._spec import unknown_name
from ._comparison import Comparison
from ._frame import runs_frame
from ._present import present, summary_table

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
    """

    cells: dict[str, Comparison]
    axes: tuple[str, ...]
    interrupted: bool = False
    store: str = ""
    num_asked: int = 0

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

    def report(self) -> Report:
        """The verdict and the table of each place, as data."""
        first, missing = next(iter(self.cells.values())), self.num_asked - len(self.cells)
        left = f"; {counted(missing, 'place')} without two runs of every start yet" if missing > 0 else ""
        tables: list[Table] = [summary_table(one, title=name) for name, one in self.cells.items()]
        return Report(
            title=f"{first.study.model} on {first.study.data}: which start trains it better?",
            subtitle=f"{first.study.num_train} training and {first.study.num_test} test samples; "
            f"{counted(len(self.cells), 'place')} of a grid over {', '.join(self.axes)}{left}",
            answer="\n".join(f"{name}: {one.verdict}" for name, one in self.cells.items()),
            remarks=tuple(f"{name}: {told}" for name, one in self.cells.items() for told in one.remarks),
            sections=tuple(tables),
            facts=present(first).facts,
        )

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
