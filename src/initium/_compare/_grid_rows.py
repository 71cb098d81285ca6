"""How the rows of a grid's tables are named, and where the long ones are shown."""

from collections.abc import Sequence
from typing import Any, Literal

from ._places import At

MOST_ROWS = 40  # in a terminal; longer tables are on the page alone


def only_if_long(rows: Sequence[Any]) -> Literal["page"] | None:
    """Where a table is shown."""
    return "page" if len(rows) > MOST_ROWS else None


def words(at: At) -> tuple[str, ...]:
    """The values of a place, a column each."""
    return tuple(str(value) for _, value in at)
