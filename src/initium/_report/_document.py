"""A report as data: what any noun says of itself, before anyone renders it."""

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Table:
    """Cells as text, the first column names, the others figures.

    Attributes:
        only: a rendering that alone shows it: the terminal's `text` or the `page`.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    only: Literal["text", "page"] | None = None


@dataclass(frozen=True)
class Figure:
    """Charts that belong together, each in Plotly's JSON schema; shown on the page only."""

    title: str
    plots: tuple[dict[str, Any], ...]
    note: str = ""


@dataclass(frozen=True)
class Report:
    """A title, the answer, and what carries it.

    Attributes:
        facts: what was run, as name and value.
    """

    title: str
    subtitle: str
    answer: str
    remarks: tuple[str, ...]
    sections: tuple[Table | Figure, ...]
    facts: tuple[tuple[str, str], ...]
