"""A report in a terminal."""

import textwrap
from collections.abc import Iterator
from itertools import zip_longest
from typing import TYPE_CHECKING

from .._errors import listed
from ._sections import List, Table

if TYPE_CHECKING:
    from ._report import Report

_INDENT = 4  # where all names have a line of their own
_NARROWEST = 12  # the last column, if it holds words

Line = tuple[str, str]  # and its style: bold, dim or none
Layout = tuple[int, str, list[int]]  # how wide a line is, what stands between two columns, how wide each is


def text(report: "Report", width: int = 80) -> str:
    """A report as plain text. No path is cut, so that a line with a long one may be wider."""
    return "\n".join(line for line, _ in lines(report, width))


def lines(report: "Report", width: int) -> Iterator[Line]:
    """A report line by line. Tables and the answer stand between blank lines."""
    title = [(report.title, "bold")] if report.title else []
    blocks = [[*title, *_paragraph(report.subtitle, width, "dim")]]
    remarks = [(line, "") for remark in report.remarks for line in _hung(remark, width, first="* ", after="  ")]
    answer = [*_paragraph(report.answer, width, "bold"), *remarks]
    if report.leads:
        blocks += [answer, []]
    for section in report.sections:
        if isinstance(section, List) and section.lines:
            blocks[-1] += _list(section, width)
        elif isinstance(section, Table) and section.rows and section.only != "page":
            blocks += [_table(section, width), []]
    if not report.leads:
        blocks.append(answer)
    for number, block in enumerate(filter(None, blocks)):
        yield from [("", "")] if number else []
        yield from block


def _paragraph(words: str, width: int, style: str) -> list[Line]:
    return [(part, style) for line in words.splitlines() for part in _hung(line, width)]


def _hung(line: str, width: int, *, first: str = "", after: str = "") -> list[str]:
    """A line that is wrapped, with what stands before its first part and before the others; no path is broken."""
    return textwrap.wrap(
        line, width, initial_indent=first, subsequent_indent=after, break_long_words=False, break_on_hyphens=False
    )


def _list(section: List, width: int) -> list[Line]:
    parts = _hung(f"{section.title}:", width, after="    ")
    for line in listed(section.lines).splitlines():
        parts += _hung(line, width, first="  ", after="    ")
    return [(part, "") for part in parts]


def _table(table: Table, width: int) -> list[Line]:
    layout = _layout(table, width)
    _, gap, sizes = layout
    header, *rows = (list(_row(table, cells, *layout)) for cells in (table.columns, *table.rows))
    rule = "-" * min(width, sum(sizes) + len(gap) * (len(sizes) - 1))
    return [
        *([(table.title, "bold")] if table.title else []),
        *((line, "bold") for line in header),
        (rule, ""),
        *((line, "") for row in rows for line in row),
        *_paragraph(table.note, width, "dim"),
    ]


def _layout(table: Table, width: int) -> Layout:
    """With what between them and how wide the columns are, so that the table is shortest."""
    rows = (table.columns, *table.rows)
    # Figures, set to the right, can stand closer to each other than words.
    layouts = [layout for gap in (("  ",) if table.words else ("  ", " ")) for layout in _layouts(table, width, gap)]
    return min(layouts, key=lambda layout: sum(1 for row in rows for _ in _row(table, row, *layout)))


def _layouts(table: Table, width: int, gap: str) -> Iterator[Layout]:
    """For each width that the names could have, the widest first; if the last column holds words, it takes the rest."""
    names, *others = zip(table.columns, *table.rows, strict=True)
    sizes = [_size(cells, width, in_words=cells[0] in table.words) for cells in others]
    gaps = len(gap) * len(sizes)
    stretches = table.columns[-1] in table.words
    room = width // 2 if stretches else width - sum(sizes) - gaps
    for size in [*sorted({len(name) for name in names if len(name) <= room}, reverse=True), _INDENT]:
        last = [max(width - size - sum(sizes[:-1]) - gaps, _NARROWEST)] if stretches else sizes[-1:]
        yield width, gap, [size, *sizes[:-1], *last]


def _size(cells: tuple[str, ...], width: int, *, in_words: bool) -> int:
    if not in_words:
        return max(map(len, cells))
    words = max(min(len(cell), max(width * 3 // 10, _longest_word(cell))) for cell in cells)
    return min(words, width // 2)


def _longest_word(cell: str) -> int:
    return max(map(len, cell.split()), default=0)


def _row(table: Table, cells: tuple[str, ...], width: int, gap: str, sizes: list[int]) -> Iterator[str]:
    """The lines of one row; a name that is too long for its column has lines of its own."""
    name, *others = cells
    if len(name) > sizes[0]:
        yield from _hung(name, width, after="    ")
        name = ""
    columns = [
        _wrapped(cell, size) if column in table.words else [cell.rjust(size)]
        for column, cell, size in zip(table.columns[1:], others, sizes[1:], strict=True)
    ]
    for line in zip_longest([name], *columns, fillvalue=""):
        yield gap.join(part.ljust(size) for part, size in zip(line, sizes, strict=True)).rstrip()


def _wrapped(cell: str, size: int) -> list[str]:
    # Most cells fit as they are, and wrapping is what a long table spends its time on.
    fits = len(cell) <= size and cell.isprintable()
    return [cell] if fits else textwrap.wrap(cell, size, break_on_hyphens=False)
