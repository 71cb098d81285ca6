"""What was measured by layer as a table that a terminal has room for: repeated blocks are one row."""

from collections.abc import Iterable, Sequence

from .._decisions._fold import Row, fold
from .._report import Table
from ._evidence import Layer
from ._spark import Scale

_WIDTH = 10  # of a line of bars


def by_block(layers: Sequence[Layer]) -> Table:
    """A row for each layer, or for all of a place in repeated blocks, in the order of execution.

    Signal and gradient are second moments: the last layer's of a row, and the course over its layers as bars. All bars
    of a column share one logarithmic scale. Of the shares the largest is told.
    """
    courses = (_signals, _gradients)
    scales = [Scale(course(layers)) for course in courses]
    rows = []
    for row in fold((layer.path, "") for layer in layers):
        own = [layers[member] for member in row.members]
        shown = [cell for course, scale in zip(courses, scales, strict=True) for cell in _course(course(own), scale)]
        shares = [share(_most(some)) for some in zip(*map(_shares, own), strict=True)]
        rows.append((_named(row), *shown, *shares))
    return Table(
        title="",
        columns=("layer", "signal", "", "to", "gradient", "", "to", "alike", "dead", "flat"),
        rows=tuple(rows),
        note="Second moments of what a layer gives and of its gradient, from a row's first layer to its last; all bars "
        "of a column share one logarithmic scale. The largest cosine between what two inputs become, share of dead "
        "units, and share of numbers where the activation is flat.",
        only="text",
    )


def _course(values: Sequence[float | None], scale: Scale) -> tuple[str, str, str]:
    last = short(values[-1]) if len(values) > 1 else ""
    return short(values[0]), scale.line(values, _WIDTH).ljust(_WIDTH), last


def short(value: float | None) -> str:
    """Two digits of what was measured."""
    return "" if value is None else f"{value:.2g}"


def number(value: float | None) -> str:
    """Three digits of what was measured."""
    return "" if value is None else f"{value:.3g}"


def share(value: float | None) -> str:
    """Two digits of a share."""
    return "" if value is None else f"{value:.2g}"


def _named(row: Row[str]) -> str:
    return row.paths if len(row.members) == 1 else f"{row.paths} ({len(row.members)})"


def _signals(layers: Iterable[Layer]) -> list[float | None]:
    return [layer.moment for layer in layers]


def _gradients(layers: Iterable[Layer]) -> list[float | None]:
    return [layer.gradient for layer in layers]


def _shares(layer: Layer) -> tuple[float | None, ...]:
    return layer.similarity, layer.dead, layer.saturated


def _most(shares: Iterable[float | None]) -> float | None:
    return max((one for one in shares if one is not None), default=None)
