"""Runs as a table of pandas."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .._report._frame import frame

if TYPE_CHECKING:
    from pandas import DataFrame  # pyright: ignore[reportMissingImports]


def runs_frame(comparisons: Sequence[Any], axes: Sequence[str] = ()) -> "DataFrame":
    """A row a run of some comparisons, with a column for each axis of their grid.

    Raises:
        MissingExtraError: if pandas is not installed.
    """
    from .._store._export import records  # `import initium` stays light

    runs, _ = records([run.row for one in comparisons for runs in one.runs.values() for run in runs], axes)
    return frame(runs, [*runs[0]] if runs else ["start"], index=None)
