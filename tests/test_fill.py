import numpy as np
import pytest
import scipy.stats

from initium import _stream
from initium._fill import fill
from initium.init._law import Constant, Keep, Normal, Orthogonal, TruncatedNormal, Uniform
from initium.init._weight import Weight


def filled(law, shape, axes="oi", key=1):
    out = np.full(shape, np.nan, np.float32)
    fill(out, law, Weight(shape=shape, axes=axes), key=key)
    return out


def test_an_element_depends_on_its_place_alone_not_on_the_shape():
    wide, tall = (filled(Normal(0, 1), shape).ravel() for shape in ((6, 10), (20, 3)))
    np.testing.assert_array_equal(wide, tall)


def test_two_starts_of_one_key_share_their_draws():
    base = filled(Uniform(-1, 1), (50, 40))
    np.testing.assert_allclose(filled(Uniform(-0.1, 0.1), (50, 40)), base * 0.1, rtol=1e-5)
    np.testing.assert_allclose(filled(Normal(0, 3), (50, 40)), 3 * filled(Normal(0, 1), (50, 40)), rtol=1e-6)
    assert scipy.stats.spearmanr(base.ravel(), filled(Normal(0, 1), (50, 40)).ravel()).statistic == pytest.approx(1)


def test_keep_leaves_and_constant_sets():
    assert np.isnan(filled(Keep(), (3, 2))).all()
    assert (filled(Constant(0.1), (3, 2)) == np.float32(0.1)).all()


@pytest.mark.parametrize(
    ("shape", "axes"), [((6, 6), "oi"), ((9, 4), "oi"), ((4, 9), "oi"), ((8, 3, 2, 2), "oihw"), ((3, 8, 5), "iow")]
)
def test_an_orthogonal_start_has_every_singular_value_at_its_gain(shape, axes):
    weight = filled(Orthogonal(2), shape, axes)
    matrix = np.moveaxis(weight, axes.index("o"), 0)
    matrix = matrix.reshape(matrix.shape[0], -1)
    np.testing.assert_allclose(np.linalg.svd(matrix, compute_uv=False), 2, rtol=1e-6)


@pytest.mark.parametrize("transposed", [False, True])
def test_an_orthogonal_start_of_a_grouped_convolution_is_orthogonal_group_by_group(transposed):
    shape, axes = ((8, 12, 3), "iow") if transposed else ((12, 8, 3), "oiw")
    out = np.empty(shape, np.float32)
    weight = Weight(shape=shape, axes=axes, groups=4, transposed=transposed)
    fill(out, Orthogonal(1), weight, key=1)
    for block in np.split(out, 4, axis=0):
        matrix = (np.moveaxis(block, 1, 0) if transposed else block).reshape(12 if transposed else 3, -1)
        np.testing.assert_allclose(np.linalg.svd(matrix, compute_uv=False), 1, rtol=1e-6)
    assert len({block.tobytes() for block in np.split(out, 4, axis=0)}) == 4


def test_orthogonal_starts_are_uniform_over_all_orthogonal_matrices():
    """Haar: the trace is almost N(0, 1) and the sign of the determinant is fair (Diaconis, Shahshahani 1994)."""
    matrices = np.array([filled(Orthogonal(1), (24, 24), key=key) for key in range(2000)], np.float64)
    traces = np.trace(matrices, axis1=1, axis2=2)
    assert scipy.stats.kstest(traces, "norm").pvalue > 1e-3
    assert scipy.stats.binomtest(int((np.linalg.det(matrices) > 0).sum()), 2000).pvalue > 1e-3


@pytest.mark.parametrize("law", [Normal(0, 1), Uniform(0, 1), TruncatedNormal(0, 1, 2), Orthogonal(1), Constant(1)])
def test_an_empty_weight_is_filled_with_nothing(law):
    assert filled(law, (0, 4)).shape == (0, 4)


def test_the_key_changes_every_draw():
    assert (filled(Normal(0, 1), (30, 30), key=1) != filled(Normal(0, 1), (30, 30), key=2)).all()
    assert _stream.key(0, "a") != _stream.key(1, "a") != _stream.key(1, "b")
