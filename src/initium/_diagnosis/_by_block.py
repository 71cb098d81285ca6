"""What was measured by layer as a table that a terminal has room for: repeated blocks are one row."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from .._decisions._fold import Row, fold
from .._errors import few
from .._report import Table
from ._evidence import Layer
from ._spark import Scale

_WIDTH = 10  # of a line of bars

Values = Sequence[float | None]
# What is shown where any layer has it.
_SHARES: dict[str, tuple[Callable[[Layer], float | None], str]] = {
    "alike": (lambda layer: layer.similarity, "cosine between what two inputs become"),
    "dead": (lambda layer: layer.dead, "share of dead units"),
    "flat": (lambda layer: layer.saturated, "share of numbers where the activation is flat"),
}


def by_block(layers: Sequence[Layer]) -> Table:
    """A row for each layer, or for all of a place in repeated blocks, in the order of execution."""
    courses = [_Course("signal", _signals(layers)), _Course("gradient", _gradients(layers))]
    shares = {name: [value(x) for x in layers] for name, (value, _) in _SHARES.items()}
    shown = [name for name, values in shares.items() if any(value is not None for value in values)]
    most = f" The largest {few([_SHARES[name][1] for name in shown])}." if shown else ""
    return Table(
        title="",
        columns=(*_columns(courses), *shown),
        rows=tuple(
            (*_cells(row, courses), *(_most(shares[name][at] for at in row.members) for name in shown))
            for row in _rows(layers)
        ),
        note="Second moments, or mean squares, of what a layer gives and of its gradient, from a row's first layer "
        f"to its last; all bars of a column share one logarithmic scale.{most}",
        only="text",
    )


def both_by_block(diagnosed: Mapping[str, Sequence[Layer]]) -> tuple[Table, Table]:
    """The signal, and the gradient, of two diagnoses of one model beside each other."""
    signal, gradient = (
        _beside(title, {name: values_of(layers) for name, layers in diagnosed.items()}, _rows(layers))
        for layers in [next(iter(diagnosed.values()))]
        for title, values_of in (("Signal", _signals), ("Gradient", _gradients))
    )
    return signal, gradient


def _beside(title: str, found: Mapping[str, Values], rows: Sequence[Row[str]]) -> Table:
    scale = Scale([value for values in found.values() for value in values])
    courses = [_Course(name, values, scale) for name, values in found.items()]
    return Table(
        title=title,
        columns=_columns(courses),
        rows=tuple(_cells(row, courses) for row in rows),
        note="Second moments, from a row's first layer to its last; all bars share one logarithmic scale.",
        only="text",
    )


class _Course:
    """One quantity over all layers, as numbers and bars."""

    def __init__(self, name: str, values: Values, scale: Scale | None = None) -> None:
        self.name, self._values, self._scale = name, values, scale or Scale(values)

    def of(self, row: Row[str]) -> tuple[str, str, str]:
        """That of the first layer of a row, the bars of all, and that of the last."""
        own = [self._values[at] for at in row.members]
        last = short(own[-1]) if len(own) > 1 else ""
        return short(own[0]), self._scale.line(own, _WIDTH).ljust(_WIDTH), last


def _columns(courses: Sequence[_Course]) -> tuple[str, ...]:
    return "layer", *(name for course in courses for name in (course.name, "", "to"))


def _cells(row: Row[str], courses: Sequence[_Course]) -> tuple[str, ...]:
    name = row.paths if len(row.members) == 1 else f"{row.paths} ({len(row.members)})"
    return name, *(cell for course in courses for cell in course.of(row))


def _rows(layers: Sequence[Layer]) -> list[Row[str]]:
    return fold((layer.path, "") for layer in layers)


def _signals(layers: Sequence[Layer]) -> Values:
    return [layer.moment for layer in layers]


def _gradients(layers: Sequence[Layer]) -> Values:
    return [layer.gradient for layer in layers]


def _most(shares: Iterable[float | None]) -> str:
    return share(max((one for one in shares if one is not None), default=None))


def short(value: float | None) -> str:
    """Two digits of what was measured."""
    return "" if value is None else f"{value:.2g}"


def number(value: float | None) -> str:
    """Three digits of what was measured."""
    return "" if value is None else f"{value:.3g}"


def share(value: float | None) -> str:
    """Two digits of a share."""
    return "" if value is None else f"{value:.2g}"
