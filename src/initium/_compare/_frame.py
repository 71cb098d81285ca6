"""Runs as a table of pandas."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .._require import require

if TYPE_CHECKING:
    from pandas import DataFrame  # pyright: ignore[reportMissingImports]


def frame(comparisons: Sequence[Any], axes: Sequence[str] = ()) -> "DataFrame":
    """A row a run of some comparisons, with a column for each axis of their grid.

    Raises:
        MissingExtraError: if pandas is not installed.
    """
    from .._store._export import records

    pandas = require("pandas", to="`to_pandas`", install="pandas")
    rows = [run.row for one in comparisons for runs in one.runs.values() for run in runs]
    return pandas.DataFrame(records(rows, axes)[0])
