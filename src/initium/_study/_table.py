"""read_table: features and a target from a CSV file."""

import csv
import io
import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._errors import DataError, counted, few
from .._reading import contents
from ._labels import is_missing, is_number, labels_of

TARGET = "target"
_MOST = 1 << 30  # bytes
_SHOWN = 40  # letters of a cell
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
    text = _text(path)
    separator, lines = _lines(path, text)
    if len(lines) < 2:
        raise DataError(f"'{path}' holds {counted(len(lines), 'line')}; a table has a line of names and one a sample.")
    (_, names), *numbered = lines
    _check_names(path, names)
    for number, row in numbered:
        if len(row) != len(names):
            raise DataError(f"Line {number} of '{path}' has {counted(len(row), 'column')} and the first {len(names)}.")
    at, rows = [number for number, _ in numbered], [row for _, row in numbered]
    said = _SEPARATORS[separator]
    if separator == ";" and rows != (pointed := [[_with_point(cell) for cell in row] for row in rows]):
        rows, said = pointed, "separated by semicolons, with decimal commas; "
    place = place_of(f"'{path}'", names, target)
    columns = list(zip(*rows, strict=True))
    features = [_numbers(path, names[one], column, at) for one, column in enumerate(columns) if one != place]
    if not features:
        raise DataError(f"'{path}' has one column, '{names[0]}', and so no features.")
    y = labels_of(f"The target '{names[place]}' of '{path}'", columns[place], line="line", at=at)
    others = few([f"'{name}'" for one, name in enumerate(names) if one != place])
    return Table(np.stack(features, axis=1), y, f"{said}target '{names[place]}' from {others}; ")


def _lines(path: str, text: str) -> tuple[str, list[tuple[int, list[str]]]]:
    """What parts the columns, and the lines that are not empty, each with the number of its first."""
    separator = _separator(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    lines: list[tuple[int, list[str]]] = []
    begins = 1
    try:
        for row in reader:
            lines += [(begins, row)] if row else []
            begins = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"Line {begins} of '{path}' cannot be read as a table: {error}.") from None
    return separator, lines


def _separator(text: str) -> str:
    """What parts the first two lines into as many columns, if there are several."""
    for one in _SEPARATORS:
        rows = filter(None, csv.reader(io.StringIO(text, newline=""), delimiter=one))
        try:
            numbers = {len(row) for row in itertools.islice(rows, 2)}
        except csv.Error:  # told with its line where all are read
            break
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
        DataError: listing the columns, if the one that is asked for is not there, or several go by one name.
    """
    if twice := [f"'{name}'" for name, number in Counter(names).items() if number > 1]:
        raise DataError(f"Several columns of {table} are called {few(twice)}. Give each a name of its own.")
    if target is not None and target not in names:
        raise DataError(f"There is no column '{target}' in {table}; its columns are {few(list(names))}.")
    wanted = TARGET if target is None else target
    return names.index(wanted) if wanted in names else len(names) - 1


def check_finite(what: str, column: NDArray[Any], *, line: str, at: Sequence[int]) -> None:
    """Refuse numbers that nothing can be learnt from.

    Raises:
        DataError: with how many there are, and the first line.
    """
    bad = np.flatnonzero(~np.isfinite(column))
    if len(bad):
        where = f"{counted(len(bad), line)}, the first {line} {at[int(bad[0])]}"
        raise DataError(f"{what} is NaN or infinite in {where}. Drop those samples or fill the gaps before comparing.")


def _text(path: str) -> str:
    data = contents(Path(path), refuse=DataError, most=_MOST)
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise DataError(f"'{path}' is text neither in UTF-8 nor in GB18030.")


def _numbers(path: str, name: str, column: Sequence[str], at: Sequence[int]) -> NDArray[Any]:
    what = f"Column '{name}' of '{path}'"
    try:
        found = np.array(column, dtype=np.float64)
    except ValueError:
        bad = [(line, cell) for line, cell in zip(at, column, strict=True) if not is_number(cell)]
        if gaps := [(line, cell.strip()) for line, cell in bad if is_missing(cell)]:
            line, mark = gaps[0]
            gap = f"{counted(len(gaps), 'missing value')}, '{mark}'" if mark else counted(len(gaps), "empty cell")
            raise DataError(
                f"{what} has {gap}, the first in line {line}. Drop those lines or fill the gaps before comparing."
            ) from None
        texts = few(list(dict.fromkeys(f"'{cell[:_SHOWN]}'" for _, cell in bad)))
        raise DataError(
            f"{what} holds {texts}, no numbers, first in line {bad[0][0]}. Leave it out or encode it."
        ) from None
    check_finite(what, found, line="line", at=at)
    return found
