"""Rows as a table of pandas, which whoever asks for it installs."""

from collections.abc import Sequence
from typing import Any

from .._require import require


def frame(rows: Sequence[Any], columns: Sequence[str], *, index: str | list[str] | None = "path") -> Any:
    """A DataFrame, however many rows there are.

    Args:
        rows: each a tuple in the order of the columns, or a dict by their names.
        columns: all of them.
        index: those that name a row; None if numbers do.

    Raises:
        MissingExtraError: if pandas is not installed.
    """
    pandas = require("pandas", to="`to_pandas`", install="pandas")
    table = pandas.DataFrame(rows, columns=[*columns])
    return table if index is None else table.set_index(index)
