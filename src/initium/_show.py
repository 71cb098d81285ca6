"""What a study's runs say, in a terminal, as a page and as a table."""

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from ._asked import renamed
from ._compare import Comparison, Grid, check_margin, judged, show
from ._printable import printable
from ._report._page import check_page
from ._store._export import check_export, export
from ._store._store import Store
from ._study._kept import axes_of


def show_result(result: Comparison | Grid, page: str, table: str | None, *, names: list[Any]) -> None:
    """The page, the table, the runs, and what to know of them."""
    result = _with_command(result)
    saved = _saved(result, page)
    for alias, name in renamed(names):
        typer.echo(f"{alias} is {name}: one method, two names.")
    Console(highlight=False).print(result)
    if table:
        _export(result.store, table)
    typer.echo(f"\nRuns: {printable(result.store)}\n{saved}")


def show_store(path: str, page: str | None, table: str | None, margin: float | None) -> None:
    """What a store holds: the table, and where they are asked for a page and the runs."""
    check_margin(margin)
    if page:
        check_page(page)
    if table:
        check_export(Path(table))
    result = judged(show(path), margin)
    Console(highlight=False).print(result)
    if table:
        _export(path, table)
    if page:
        typer.echo(f"\n{_saved(_with_command(result), page)}")


def _saved(result: Comparison | Grid, page: str) -> str:
    """Write the page, and say where it is, and whether another was there before."""
    replaced = " (replaced)" if Path(page).exists() else ""
    result.save(page)
    return f"Page with curves: {printable(page)}{replaced}"


def _export(path: str, table: str) -> None:
    with Store.read(Path(path)) as store:
        said, rows = store.facts(), store.rows()
    cells = list(said["cells"])
    starts = list(dict.fromkeys(start for cell in said["cells"].values() for start in cell["starts"]))
    asked = [row for row in rows if row.key.cell in cells and row.key.start in starts]
    export(
        Path(table),
        sorted(asked, key=lambda row: (starts.index(row.key.start), cells.index(row.key.cell), row.key.number)),
        axes_of(said),
    )
    typer.echo(f"\nTable: {printable(table)}")


def _with_command(result: Comparison | Grid) -> Comparison | Grid:
    command = f"initium {shlex.join(sys.argv[1:])}"
    if isinstance(result, Comparison):
        return replace(result, command=command)
    return replace(result, cells={name: replace(one, command=command) for name, one in result.cells.items()})
