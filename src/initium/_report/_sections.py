"""What stands in a report, as data; one that is empty is not shown."""

from dataclasses import dataclass
from os import PathLike
from typing import Any, Literal

from .._printable import printable


@dataclass(frozen=True)
class Table:
    """Cells as text, the first column names, which are never cut.

    Attributes:
        words: the columns that hold words, which are wrapped; the others hold figures.
        only: a rendering that alone shows it: the terminal's `text` or the `page`.
        is_linked: whether lists of the same page lead to its rows.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    words: tuple[str, ...] = ()
    only: Literal["text", "page"] | None = None
    is_linked: bool = False

    def __post_init__(self) -> None:
        """Show what a file may have brought as it can be shown, wherever it is rendered."""
        object.__setattr__(self, "rows", tuple(tuple(map(printable, row)) for row in self.rows))


@dataclass(frozen=True)
class List:
    """Lines of one kind, such as paths; the first five are seen at once.

    Attributes:
        about: the name of the row, in a table of the same page, that it leads to.
    """

    title: str
    lines: tuple[str, ...]
    about: str = ""

    def __post_init__(self) -> None:
        """As a table."""
        object.__setattr__(self, "lines", tuple(map(printable, self.lines)))


@dataclass(frozen=True)
class Figure:
    """Charts that belong together, each in Plotly's JSON schema; shown on the page only, with one legend.

    Attributes:
        narrowest: pixels below which a chart is scrolled and shrinks no more; 0 where it always fits.
    """

    title: str
    plots: tuple[dict[str, Any], ...]
    note: str = ""
    narrowest: int = 0

    def save(self, path: str | PathLike[str]) -> None:
        """Write all its charts as one picture, by Kaleido (`pip install kaleido`), which needs Chrome or Chromium.

        Args:
            path: of a new file, .svg, .png or .pdf.

        Raises:
            MissingExtraError: if Kaleido or a browser is missing.
            OutputError: if it cannot be written there.
        """
        from ._picture import save

        save(self, path)
