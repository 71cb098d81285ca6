"""read_table: features and a target from a CSV file."""

import csv
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._errors import DataError, counted, few
from .._reading import contents

TARGET = "target"
_MOST = 1 << 30  # bytes
# What parts the columns, and what to say of it; commas go without saying.
_SEPARATORS = {",": "", ";": "separated by semicolons; ", "\t": "separated by tabs; "}


@dataclass(frozen=True, eq=False)
class Table:
    """Features `(sample, feature)`, target `(sample,)`, and what to say of them."""

    x: NDArray[Any]
    y: NDArray[Any]
    said: str


def read_table(path: str, target: str | None = None) -> Table:
    """A table; the target is the column that is asked for, else `target`, else the last.

    The first line names the columns, in any language; the file is UTF-8, with or without a mark, or GB18030. Commas
    part the columns, or else semicolons, beside which a number may have a decimal comma, or tabs.

    Raises:
        DataError: if it is no such file, a feature is no number, or a line has other columns than the first.
    """
    text = _text(path).splitlines()
    separator = _separator(text)
    lines = [row for row in csv.reader(text, delimiter=separator) if row]
    if len(lines) < 2:
        raise DataError(f"'{path}' holds {counted(len(lines), 'line')}; a table has a line of names and one a sample.")
    names, rows = lines[0], lines[1:]
    _check_names(path, names)
    for number, row in enumerate(rows, start=2):
        if len(row) != len(names):
            raise DataError(f"Line {number} of '{path}' has {counted(len(row), 'column')} and the first {len(names)}.")
    said = _SEPARATORS[separator]
    if separator == ";" and rows != (pointed := [[_with_point(cell) for cell in row] for row in rows]):
        rows, said = pointed, "separated by semicolons, with decimal commas; "
    place = place_of(f"'{path}'", names, target)
    columns = list(zip(*rows, strict=True))
    features = [_numbers(path, names[at], column) for at, column in enumerate(columns) if at != place]
    if not features:
        raise DataError(f"'{path}' has one column, '{names[0]}', and so no features.")
    check_there(f"'{path}'", names[place], columns[place], line="line", first=2)
    others = few([f"'{name}'" for at, name in enumerate(names) if at != place])
    return Table(np.stack(features, axis=1), _labels(columns[place]), f"{said}target '{names[place]}' from {others}; ")


def _separator(text: Sequence[str]) -> str:
    """What parts the first two lines into as many columns, if there are several."""
    first = list(itertools.islice(filter(None, text), 2))
    for one in _SEPARATORS:
        numbers = {len(row) for row in csv.reader(first, delimiter=one)}
        if len(numbers) == 1 and numbers != {1}:
            return one
    return ","


def _with_point(cell: str) -> str:
    """A number that is written with a decimal comma, as it is written with a point."""
    pointed = cell.replace(",", ".")
    return pointed if not is_number(cell) and is_number(pointed) else cell


def _check_names(path: str, names: Sequence[str]) -> None:
    """Refuse a first line that is a sample's: numbers that nobody calls columns by."""
    numbers = [name for name in names if is_number(name)]
    if len(numbers) >= len(names) - 1 and any("." in name or numbers.count(name) > 1 for name in numbers):
        raise DataError(
            f"The first line of '{path}' names no columns, it holds {few(names)}. Put a line of names above it."
        )


def place_of(table: str, names: Sequence[str], target: str | None) -> int:
    """Which column is the target.

    Raises:
        DataError: listing the columns, if the one that is asked for is not there.
    """
    if target is not None and target not in names:
        raise DataError(f"There is no column '{target}' in {table}; its columns are {few(list(names))}.")
    wanted = TARGET if target is None else target
    return names.index(wanted) if wanted in names else len(names) - 1


def check_there(table: str, target: str, column: Sequence[Any], *, line: str, first: int) -> None:
    """Refuse a target with gaps, which would pass for one more class.

    Raises:
        DataError: with how many there are, and the first line.
    """
    gaps = [number for number, value in enumerate(column, start=first) if _is_missing(value)]
    if gaps:
        where = f"{counted(len(gaps), line)}, the first {line} {gaps[0]}"
        raise DataError(f"The target '{target}' of {table} is missing in {where}. Leave those samples out.")


def check_finite(what: str, column: NDArray[Any], *, line: str, first: int) -> None:
    """Refuse numbers that nothing can be learnt from.

    Raises:
        DataError: with how many there are, and the first line.
    """
    bad = np.flatnonzero(~np.isfinite(column))
    if len(bad):
        where = f"{counted(len(bad), line)}, the first {line} {int(bad[0]) + first}"
        raise DataError(f"{what} is NaN or infinite in {where}. Drop those samples or fill the gaps before comparing.")


def _is_missing(value: Any) -> bool:
    if value is None or isinstance(value, str):
        return not (value and value.strip())
    try:
        return bool(value != value)
    except TypeError:  # the NA of pandas is neither like itself nor unlike
        return True


def _text(path: str) -> str:
    data = contents(Path(path), refuse=DataError, most=_MOST)
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise DataError(f"'{path}' is text neither in UTF-8 nor in GB18030.")


def _numbers(path: str, name: str, column: Sequence[str]) -> NDArray[Any]:
    try:
        found = np.array(column, dtype=np.float64)
    except ValueError:
        bad = [f"'{cell}'" for cell in column if not is_number(cell)]
        if empty := [line for line, cell in enumerate(column, start=2) if not cell.strip()]:
            raise DataError(
                f"Column '{name}' of '{path}' has {counted(len(empty), 'empty cell')}, the first in line {empty[0]}. "
                "Drop those lines or fill the gaps before comparing."
            ) from None
        raise DataError(
            f"Column '{name}' of '{path}' holds {few(bad)}, no numbers. Leave it out or encode it."
        ) from None
    check_finite(f"Column '{name}' of '{path}'", found, line="line", first=2)
    return found


def _labels(column: Sequence[str]) -> NDArray[Any]:
    """Whole numbers or texts are classes, fractions are not."""
    for kind in (np.int64, np.float64):
        try:
            return np.array(column, dtype=kind)
        except ValueError:
            continue
    return np.array(column)


def is_number(cell: Any) -> bool:
    """Whether it is a number, or the text of one."""
    try:
        float(cell)
    except (TypeError, ValueError):
        return False
    return True
