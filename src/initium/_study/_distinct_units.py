"""How many units of a layer differ from one another."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._fill import fill
from .._graph import Graph
from ..init._law import Normal
from ..init._weight import Weight

Array = NDArray[Any]

# Of the layer's largest weight. Identical units may part by rounding where a matrix product sums each in
# another order. (Those of an MLP on digits did not: equal to the last bit after 9,900 steps.)
_TOLERANCE = 1e-4


def distinct_hidden_units(graph: Graph, values: dict[str, Array]) -> tuple[int, ...]:
    """The number of distinct units of each weight but the last declared, taken for the output layer's.

    Units with the same incoming weights and bias compute the same thing: together they are one.
    """
    return tuple(distinct_rows(_incoming(graph, index, values)) for index in range(len(graph.weights) - 1))


def hidden_widths(graph: Graph) -> tuple[int, ...]:
    """The number of units of each weight but the last, distinct or not."""
    return tuple(weight.shape[weight.axes.index("o")] for weight in graph.weights[:-1])


def distinct_rows(rows: Array) -> int:
    """How many rows differ by more than rounding, of a matrix `(unit, input)`."""
    # Sixteen random directions tell rows apart as well as all inputs do, and bound the work.
    directions = np.empty((rows.shape[1], 16), np.float32)
    fill(directions, Normal(0, 1), Weight(shape=directions.shape, axes="io"), key=0)
    sketch = rows @ directions / max(np.sqrt(rows.shape[1]), 1)
    tolerance = _TOLERANCE * np.abs(rows).max(initial=0)
    if np.isfinite(sketch).all() and _all_differ(sketch, tolerance):
        return len(sketch)
    count = 0
    while len(sketch):
        sketch = sketch[np.abs(sketch - sketch[0]).max(axis=1) > tolerance]
        count += 1
    return count


def _all_differ(sketch: Array, tolerance: float) -> bool:
    """Whether no two rows are alike, as is usual: only rows that are neighbours in the first column can be."""
    sketch = sketch[np.argsort(sketch[:, 0])]
    for step in range(1, len(sketch)):
        apart = np.abs(sketch[step:] - sketch[:-step])
        near = apart[:, 0] <= tolerance
        if not near.any():
            return True
        if (apart[near] <= tolerance).all(axis=1).any():
            return False
    return True


def _incoming(graph: Graph, index: int, values: dict[str, Array]) -> Array:
    weight = graph.weights[index]
    rows = np.moveaxis(values[weight.path], weight.axes.index("o"), 0)
    rows = rows.reshape(rows.shape[0], -1)
    bias = graph.bias_of(weight)
    return np.column_stack([rows, values[bias.path]]) if bias else rows
