"""A report as data, and the base of every noun that has one."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING

from .._printable import printable, printable_lines
from .._spec import unknown_name
from ._sections import Figure, List, Table

# Renderers are imported when used: `import initium` stays light, and printing needs no Rich.
if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.text import Text


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a noun says of itself, before anyone renders it. It prints as text, and a notebook shows it.

    Attributes:
        title: one line, never wrapped.
        subtitle: what belongs to it, on a line or several.
        sections: what carries the answer.
        answer: the last that a terminal shows and the first on a page; empty where the title says it.
        remarks: what to know besides.
        facts: what was run, as name and value; on the page only.
        leads: whether a terminal shows answer and remarks before the sections, where these are many.
    """

    title: str = ""
    subtitle: str = ""
    sections: tuple[Table | List | Figure, ...] = ()
    answer: str = ""
    remarks: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    leads: bool = False

    def __post_init__(self) -> None:
        """Show what a file may have brought as it can be shown, wherever it is rendered."""
        for name in ("title", "subtitle", "answer"):
            object.__setattr__(self, name, printable_lines(getattr(self, name)))
        object.__setattr__(self, "remarks", tuple(map(printable_lines, self.remarks)))
        object.__setattr__(self, "facts", tuple((name, printable_lines(value)) for name, value in self.facts))

    def figure(self, title: str) -> Figure:
        """One of its figures, by its title on the page, to be saved as a picture.

        Raises:
            UnknownNameError: which is a KeyError, with the nearest title there is.
        """
        found = {section.title: section for section in self.sections if isinstance(section, Figure)}
        if title not in found:
            raise unknown_name("figure", title, found, "")
        return found[title]

    def save(self, path: str | PathLike[str]) -> None:
        """Write one HTML page that needs nothing else, whole or not at all.

        Args:
            path: of a new file, or of a page that Initium wrote.

        Raises:
            OutputError: if it cannot be written there.
        """
        from ._page import save

        save(self, path)

    def __repr__(self) -> str:
        return printable(f"<Report: {next(iter((self.title or self.answer).splitlines()), '')}>")

    def __str__(self) -> str:
        from ._text import text

        return text(self)

    def _repr_html_(self) -> str:
        from ._page import fragment

        return fragment(self)

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "Iterator[Text]":
        from rich.text import Text

        from ._text import lines

        width = min(max(options.max_width, 60), 120)  # wider is no easier to read
        yield from (Text(line, style) for line, style in lines(self, width))


class Reported(ABC):
    """A noun that is shown by its report: printed, in a terminal, in a notebook."""

    @abstractmethod
    def report(self) -> Report:
        """All that it says of itself, as data."""

    def __str__(self) -> str:
        return str(self.report())

    def _repr_html_(self) -> str:
        return self.report()._repr_html_()

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "Iterator[Report]":
        yield self.report()
