"""by_run: what a start's runs have, by the run's number, which pairs them with those of other starts and cells."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from ._comparison import Comparison

T = TypeVar("T")


def by_run(cell: "Comparison", start: str, values: Iterable[T]) -> dict[int, T]:
    """Values of a start's runs, in their order, each under the number of its run."""
    return {run.index: value for run, value in zip(cell.runs[start], values, strict=True)}
