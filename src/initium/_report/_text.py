"""A report in a terminal."""

import io

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from ._document import Report, Table


def renderable(report: Report) -> RenderableType:
    """A report as Rich draws it: at 80 columns or wider."""
    parts: list[RenderableType] = [Text(report.title, style="bold"), Text(report.subtitle, style="dim")]
    parts += [_table(s) for s in report.sections if isinstance(s, Table) and s.only != "page"]
    parts += [Padding(Text(report.answer, style="bold"), (1, 0, 0, 0))]
    parts += [Text(f"* {remark}") for remark in report.remarks]
    return Group(*parts)


def text(report: Report) -> str:
    """A report as plain text, 80 columns wide."""
    out = io.StringIO()
    Console(file=out, width=80, color_system=None).print(renderable(report))
    return out.getvalue().rstrip("\n")


def _table(table: Table) -> RenderableType:
    grid = RichTable(box=box.SIMPLE_HEAD, padding=0, show_edge=False, pad_edge=False)
    for index, name in enumerate(table.columns):
        if index:
            grid.add_column(name, justify="right", no_wrap=True)
        else:
            grid.add_column(name, overflow="fold", min_width=12)
    for row in table.rows:
        grid.add_row(*(Text(cell) for cell in row))
    note = [Text(table.note, style="dim")] if table.note else []
    return Padding(Group(Text(table.title, style="bold"), grid, *note), (1, 0, 0, 0))
