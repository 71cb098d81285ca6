"""The places of a grid: what a start has to train, apart from the settings that one would tune there."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._store._shown import shown
from .._study._study import AXES, SHAPE

if TYPE_CHECKING:
    from ._comparison import Comparison

At = tuple[tuple[str, Any], ...]  # where in a grid, as axis and value

_FIRST = "lr"  # what is tuned before all else


@dataclass(frozen=True, eq=False)
class Place:
    """One network and task, with a cell for each way to train it.

    Attributes:
        at: what it is; empty where a grid varies the training alone.
        cells: the comparisons, by what is tuned; by nothing where a grid tunes nothing.
    """

    at: At
    cells: "dict[At, Comparison]"

    @property
    def starts(self) -> tuple[str, ...]:
        """Those of any cell, in the order asked for."""
        return starts_of(self.cells.values())


def places(cells: "Iterable[Comparison]", axes: Sequence[str]) -> tuple[Place, ...]:
    """The cells of a grid by what they train, in the order of the grid."""
    tuned = tuned_axes(axes)
    posed = [axis for axis in axes if axis not in tuned]
    found: dict[At, dict[At, Comparison]] = {}
    for cell in cells:
        found.setdefault(at_of(cell, posed), {})[at_of(cell, tuned)] = cell
    return tuple(Place(at, group) for at, group in found.items())


def tuned_axes(axes: Sequence[str]) -> tuple[str, ...]:
    """The settings of training among the axes, the learning rate first."""
    return tuple(sorted((axis for axis in axes if axis in AXES and axis not in SHAPE), key=lambda axis: axis != _FIRST))


def at_of(cell: "Comparison", axes: Iterable[str]) -> At:
    """Where a cell stands."""
    return tuple((axis, _value(cell, axis)) for axis in axes)


def values_of(cells: "Iterable[Comparison]", axis: str) -> tuple[Any, ...]:
    """The values of an axis: numbers in their order, others as they come."""
    found = tuple(dict.fromkeys(_value(cell, axis) for cell in cells))
    return tuple(sorted(found)) if all(map(is_number, found)) else found


def _value(cell: "Comparison", axis: str) -> Any:
    """A number as it is, all else as it is written: no two are alike, as `1` and `True` are to Python."""
    value = cell.study.settings.get(axis)
    return value if is_number(value) else shown(value)


def is_number(value: Any) -> bool:
    """Whether values such as this one have an order."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def starts_of(cells: "Iterable[Comparison]") -> tuple[str, ...]:
    """All starts, in the order asked for."""
    return tuple(dict.fromkeys(start for cell in cells for start in cell.runs))


def place_words(at: At | Mapping[str, Any]) -> str:
    """`depth 3, width 32`."""
    return ", ".join(f"{axis} {value}" for axis, value in dict(at).items())
