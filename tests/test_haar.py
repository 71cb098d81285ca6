import numpy as np
import pytest
import scipy.stats

from initium import _haar
from initium._draw import draw
from initium._haar import haar
from initium._kernel import kernel
from initium.init._law import Normal


def made(num, rows, n, number=np.float64, key=1):
    out = np.full((num, rows, n), np.nan, number)
    haar(out, key=key)
    return out


@pytest.mark.parametrize(("number", "tolerance"), [(np.float32, 2e-6), (np.float64, 1e-14)])
@pytest.mark.parametrize(
    ("num", "rows", "n"), [(1, 1, 1), (2, 1, 5), (1, 5, 5), (3, 4, 9), (1, 600, 600), (1, 300, 999)]
)
def test_rows_are_orthonormal(num, rows, n, number, tolerance):
    for matrix in made(num, rows, n, number).astype(np.float64):
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(rows), atol=tolerance)


def one_by_one(rows, n, key):
    """Stewart's product, one reflection after another, as his theorem states it."""
    normals = np.empty((rows, n))
    draw(normals, kernel(Normal(0, 1), "float64"), key=key)
    matrix = np.eye(rows, n)
    signs = np.empty(rows)
    for j in reversed(range(rows)):
        v = np.concatenate([np.zeros(j), normals[j, j:]])
        signs[j] = -1 if v[j] >= 0 else 1
        if j == n - 1:
            signs[j] = -signs[j]
            continue
        v[j] -= signs[j] * np.linalg.norm(v)
        matrix -= 2 * np.outer(matrix @ v, v) / (v @ v)
    return signs[:, None] * matrix


@pytest.mark.parametrize(("rows", "n"), [(5, 5), (7, 20), (20, 20), (30, 31)])
@pytest.mark.parametrize("panel", [1, 3, 256])
def test_the_blocked_product_is_the_product_of_reflections(monkeypatch, rows, n, panel):
    monkeypatch.setattr(_haar, "_panel", lambda n: panel)
    np.testing.assert_allclose(made(1, rows, n, key=6)[0], one_by_one(rows, n, 6), atol=1e-13)


def test_strips_batches_and_memory_order_change_rounding_alone(monkeypatch):
    expected = made(7, 40, 60)
    monkeypatch.setattr(_haar, "_STRIP", 11)
    monkeypatch.setattr(_haar, "_BATCH", 2 * 40 * 60)
    monkeypatch.setattr(_haar, "_panel", lambda n: 16)
    np.testing.assert_allclose(made(7, 40, 60), expected, atol=1e-13)
    columns = np.empty((7, 60, 40)).swapaxes(1, 2)
    haar(columns, key=1)
    np.testing.assert_allclose(columns, expected, atol=1e-13)


def test_the_same_matrix_in_either_precision():
    np.testing.assert_allclose(made(1, 90, 200, np.float32), made(1, 90, 200, np.float64), atol=2e-5)


def test_matrices_are_uniform_over_all_orthogonal_ones():
    """Haar moments (Diaconis and Shahshahani 1994) and the law of an entry, Beta((n-1)/2, (n-1)/2) on [-1, 1]."""
    num, n = 4000, 24
    q = made(num, n, n)
    traces = np.trace(q, axis1=1, axis2=2)
    assert scipy.stats.kstest(traces, "norm").pvalue > 1e-3
    squares = np.einsum("gij,gji->g", q, q)
    assert squares.mean() == pytest.approx(1, abs=5 * np.sqrt(2 / num))
    assert squares.var() == pytest.approx(2, rel=0.2)
    assert scipy.stats.binomtest(int((np.linalg.det(q) > 0).sum()), num).pvalue > 1e-3
    for i, j in [(0, 0), (5, 7), (23, 23), (23, 0), (0, 23), (12, 12)]:
        law = scipy.stats.beta((n - 1) / 2, (n - 1) / 2, loc=-1, scale=2)
        assert scipy.stats.kstest(q[:, i, j], law.cdf).pvalue > 1e-3


def test_rows_fewer_than_columns_are_uniform_too():
    num, n = 20_000, 3
    x = made(num, 1, n)[:, 0]
    # A point of the sphere: each coordinate is uniform on [-1, 1] (Archimedes).
    for coordinate in x.T:
        assert scipy.stats.kstest(coordinate, scipy.stats.uniform(-1, 2).cdf).pvalue > 1e-3
    one = made(num, 1, 1)[:, 0, 0]
    assert set(one) == {-1.0, 1.0}
    assert scipy.stats.binomtest(int((one > 0).sum()), num).pvalue > 1e-3
