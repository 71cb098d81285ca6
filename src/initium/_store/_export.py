"""export: a study's runs as one table, and their curves as a second."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .._errors import OutputError
from .._files import check_writable, write_bytes
from .._report import plain
from .._require import require
from ._row import Row
from ._shown import plainly

_FIGURES = ("train_loss", "test_loss", "score")
# The columns that are there without an axis; an argument of a model function may be called like one.
_OWN = ("start", "run", "split", *_FIGURES, "diverged", "seconds", "epoch")
# By what a table that was exported before is known, near its beginning; of Parquet it is at the end.
_MARKS = {".csv": ",train_loss,test_loss,score", ".json": '"train_loss": ', ".parquet": "runs of a study of Initium"}


def check_export(path: Path) -> None:
    """Refuse what cannot be exported to, before anything is trained.

    Raises:
        OutputError: if the ending is none of those, or nothing can be written there.
        MissingExtraError: if a package that writes it is not installed.
    """
    if path.suffix not in _MARKS:
        raise OutputError(f"'{path}': runs are exported to a file that ends in .csv, .parquet or .json.")
    if path.suffix == ".parquet":
        _parquet()
    for one in _places(path):
        check_writable(one, mark=_MARKS[path.suffix])


def export(path: Path, rows: Sequence[Row], axes: Sequence[str]) -> None:
    """Write a row a run: the start, a column an axis, and what it came to; beside it a row an epoch.

    Args:
        path: its ending says how. The curves are `NAME.curves.csv` or `.parquet` beside it, in JSON a second list.
        rows: the runs.
        axes: the settings that have columns.
    """
    runs, curves = records(rows, axes)
    if path.suffix == ".json":
        _write(path, json.dumps(plain({"runs": runs, "curves": curves}), indent=1).encode())
        return
    for place, table in zip(_places(path), (runs, curves), strict=True):
        _write(place, _csv(table) if path.suffix == ".csv" else _parquet()(table))


def records(rows: Sequence[Row], axes: Sequence[str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The two tables, as lists of rows by column; an axis that is called as a figure is `argument NAME`."""
    columns = {axis: f"argument {axis}" if axis in _OWN else axis for axis in axes}
    runs: list[dict[str, Any]] = []
    curves: list[dict[str, Any]] = []
    for row in rows:
        cell = json.loads(row.key.cell)
        place = {"start": row.key.start, **{column: plainly(cell.get(axis)) for axis, column in columns.items()}}
        place["run"] = row.key.number
        figures = {name: getattr(row, name) for name in _FIGURES}
        runs.append({**place, "split": row.split, **figures, "diverged": row.diverged, "seconds": row.seconds})
        curves += [
            {**place, "epoch": epoch, **dict(zip(_FIGURES, point, strict=True))}
            for epoch, point in enumerate(row.curve)
        ]
    return runs, curves


def _places(path: Path) -> list[Path]:
    return [path] if path.suffix == ".json" else [path, path.with_suffix(f".curves{path.suffix}")]


def _csv(table: Sequence[dict[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(table[0]) if table else ["start"])
    writer.writeheader()
    writer.writerows({name: "" if value is None else value for name, value in row.items()} for row in table)
    return text.getvalue().encode()


def _parquet() -> Any:
    pandas = require("pandas", to="Writing Parquet", install="initium[tables]")
    pyarrow = require("pyarrow.parquet", to="Writing Parquet", install="initium[tables]")

    def written(table: Sequence[dict[str, Any]]) -> bytes:
        file = io.BytesIO()
        found = require("pyarrow", to="Writing Parquet").Table.from_pandas(
            pandas.DataFrame(_of_one_kind(table)), preserve_index=False
        )
        told = {**(found.schema.metadata or {}), b"holds": _MARKS[".parquet"].encode()}
        pyarrow.write_table(found.replace_schema_metadata(told), file)
        return file.getvalue()

    return written


def _of_one_kind(table: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """With columns of several kinds, and of numbers beyond 64 bits, as texts: a column of Parquet has one type."""
    kinds: dict[str, set[str]] = {}
    for row in table:
        for name, value in row.items():
            kinds.setdefault(name, set()).update(() if value is None else [_kind(value)])
    mixed = {name for name, found in kinds.items() if len(found) > 1 or "large" in found}
    return [
        {name: str(value) if name in mixed and value is not None else value for name, value in row.items()}
        for row in table
    ]


def _kind(value: Any) -> str:
    if isinstance(value, bool | str):
        return type(value).__name__
    return "large" if isinstance(value, int) and not -(2**63) <= value < 2**63 else "number"


def _write(path: Path, content: bytes) -> None:
    write_bytes(path, content, mark=_MARKS[path.suffix])
