import numpy as np
import pytest

from initium._draw import draw
from initium._graph import Graph, Param
from initium._kernel import kernel
from initium._study._distinct_units import distinct_hidden_units, distinct_rows
from initium.init._law import Normal


def rows(num, width):
    out = np.empty((num, width), np.float32)
    draw(out, kernel(Normal(0, 1), "float32"), key=9)
    return out


def test_distinct_rows_are_counted_and_copies_are_not():
    assert distinct_rows(rows(50, 30)) == 50
    assert distinct_rows(rows(50, 30)[[0, 1, 0, 2, 2, 1, 0]]) == 3
    assert distinct_rows(np.zeros((7, 5), np.float32)) == 1
    assert distinct_rows(np.zeros((0, 5), np.float32)) == 0


@pytest.mark.parametrize("scale", [1e-6, 1, 1e6])
def test_rounding_does_not_make_units_distinct_at_any_scale(scale):
    copies = np.repeat(rows(3, 30), 5, axis=0) * scale
    jitter = 1 + 1e-6 * rows(15, 30)
    assert distinct_rows(copies * jitter) == 3
    assert distinct_rows(copies * (1 + 3e-3 * rows(15, 30))) == 15


def param(path, shape, axes, role):
    return Param(path=path, shape=shape, axes=axes, role=role, because="")


def test_hidden_layers_count_units_by_weight_and_bias():
    graph = Graph(
        (
            param("0.weight", (4, 3), "oi", "weight"),
            param("0.bias", (4,), "o", "bias"),
            param("2.weight", (4, 5, 2), "iow", "weight"),
            param("4.weight", (2, 5), "oi", "weight"),
        )
    )
    values = {
        "0.weight": np.ones((4, 3), np.float32),
        "0.bias": np.array([0, 0, 1, 2], np.float32),
        "2.weight": np.repeat(rows(4, 2)[:, None], 5, axis=1),
        "4.weight": rows(2, 5),
    }
    assert distinct_hidden_units(graph, values) == (3, 1)
