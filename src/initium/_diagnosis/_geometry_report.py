"""What the geometry of a start says, as a table and a chart."""

from collections.abc import Iterable, Sequence

import numpy as np

from .._decisions._fold import fold
from .._report import Figure, Table
from .._report._plots import GREY, Plot, axis, heading, layout, line_style, numbers
from ._geometry import Geometry, Jacobian, Spectrum, random_matrix_curve

_MOST = 24  # charts


def geometry_table(geometry: Geometry, name: str = "") -> Table:
    """A row for each weight, or for all of a place in repeated blocks; under which name, if there are two."""
    found = _known(geometry)
    rows = []
    for row in fold((one.path, one.shape) for one in found):
        own = [found[member] for member in row.members]
        low, high = own[0].edges
        ranks = [one.rank for one in own if one.rank is not None]
        rows.append(
            (
                row.paths if len(own) == 1 else f"{row.paths} ({len(own)})",
                f"{row.kind[0]} x {row.kind[1]}",
                f"{max(one.values[0] for one in own):.3g}",
                f"{min(one.values[-1] for one in own):.2g}",
                "all alike" if all(one.is_orthogonal for one in own) else f"{high:.3g}, {low:.2g}",
                f"{ranks[0]:.3g} > {ranks[-1]:.3g} of {own[-1].rank_of}" if ranks else "",
                _most(one.peak for one in own),
            )
        )
    return Table(
        title=_titled("Geometry", name),
        columns=("weight", "shape", "largest", "smallest", "random", "rank", "far"),
        rows=tuple(rows),
        note="Largest and smallest singular value, and what they are of a large random matrix of this size (Marchenko "
        "and Pastur); the effective rank of what the weight takes in, from a row's first to its last; how many "
        "standard deviations the farthest number lies out.",
    )


def jacobian_line(jacobian: Jacobian) -> str:
    """What it is beside what theory says of random and of orthogonal layers."""
    depth, bends = jacobian.depth, jacobian.depth - 1
    beside = (
        f": 0 is an isometry, and {depth} square layers with a straight line between them have {depth} if they are "
        f"Gaussian and 0 if orthogonal, with ReLU between them {depth + bends} and {bends}"
        if depth
        else ""
    )
    return (
        f"the input-output Jacobian's squared singular values have mean {jacobian.mean:.3g}, and variance "
        f"{jacobian.variance:.3g} times the square of that{beside}"
    )


def geometry_figure(geometry: Geometry, name: str = "") -> Figure:
    """The singular values of each weight beside those of a random matrix; under which name, if there are two."""
    found = _known(geometry)
    places = np.linspace(0, len(found) - 1, min(len(found), _MOST)).round().astype(int)
    shown = [found[place] for place in places]
    left = f" {len(shown)} of {len(found)} weights." if len(shown) < len(found) else ""
    return Figure(
        _titled("Singular values", name),
        tuple(map(_curve, shown)),
        "From the largest to the smallest. Dotted grey: a large random matrix of the same shape and size (Marchenko "
        f"and Pastur, 1967). An orthogonal weight is a level line.{left}",
    )


def _titled(title: str, name: str) -> str:
    return f"{title}, {name}" if name else title


def _known(geometry: Geometry) -> list[Spectrum]:
    """Those that have singular values: of weights that hold numbers."""
    return [spectrum for spectrum in geometry.spectra if spectrum.values]


def _curve(spectrum: Spectrum) -> Plot:
    count = len(spectrum.values)
    x: Sequence[float] = [round(100 * (place + 0.5) / count, 1) for place in range(count)]
    look = {"type": "scatter", "mode": "lines", "x": x}
    theory = numbers(random_matrix_curve(spectrum.shape, spectrum.rms, count))
    return {
        "data": [
            {**look, "y": theory, "line": {"color": GREY, "dash": "dot"}, "name": "random"},
            {**look, "y": numbers(np.array(spectrum.values)), "line": line_style(0), "name": "measured"},
        ],
        "layout": layout(
            200,
            title=heading(spectrum.path[-28:]),
            xaxis=axis(ticksuffix=" %", nticks=4),
            yaxis=axis(nticks=4, rangemode="tozero"),
            showlegend=False,
            margin={"l": 40, "r": 10, "t": 30, "b": 34},
        ),
    }


def _most(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{max(known):.2g}" if known else ""
