"""`initium.jax.initializers` against `jax.nn.initializers`: the same laws, arguments and errors."""

import inspect
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax._src.nn.initializers import _compute_fans
from jax.nn import initializers as theirs
from scipy import stats

import initium
from initium.jax import initializers as ours

KEY = jax.random.key(3)
NAMES = [name for name in dir(theirs) if not name.startswith("_")]
DTYPES = [jnp.float32, jnp.float16, jnp.bfloat16]
CUT = 0.8796256610342398  # the std of a standard normal cut at 2

# The call, and the std it claims for a weight of shape (400, 250).
CLAIMS = {
    "uniform": (lambda module: module.uniform(0.3), 0.3 / math.sqrt(12)),
    "normal": (lambda module: module.normal(0.3), 0.3),
    "truncated_normal": (lambda module: module.truncated_normal(0.3), 0.3 * CUT),
    "glorot_uniform": (lambda module: module.glorot_uniform(), math.sqrt(2 / 650)),
    "glorot_normal": (lambda module: module.glorot_normal(), math.sqrt(2 / 650)),
    "lecun_uniform": (lambda module: module.lecun_uniform(), math.sqrt(1 / 400)),
    "lecun_normal": (lambda module: module.lecun_normal(), math.sqrt(1 / 400)),
    "he_uniform": (lambda module: module.he_uniform(), math.sqrt(2 / 400)),
    "he_normal": (lambda module: module.he_normal(), math.sqrt(2 / 400)),
    "variance_scaling": (lambda module: module.variance_scaling(3, "fan_out", "normal"), math.sqrt(3 / 250)),
    "orthogonal": (lambda module: module.orthogonal(2), 2 / math.sqrt(400)),
    "delta_orthogonal": (lambda module: module.delta_orthogonal(2), 2 / math.sqrt(400)),
}
claims = pytest.mark.parametrize(("call", "std"), CLAIMS.values(), ids=CLAIMS)


def shape_of(call):
    return (1, 250, 400) if "delta" in repr(call(ours)) else (400, 250)


def same(x, y):
    return x.dtype == y.dtype and x.shape == y.shape and np.asarray(x).tobytes() == np.asarray(y).tobytes()


def test_every_public_name_of_jax_is_here_with_its_arguments():
    assert set(NAMES) <= set(dir(ours))
    for name in NAMES:
        found, wanted = (inspect.signature(getattr(module, name)).parameters for module in (ours, theirs))
        assert list(found) == list(wanted), name
        assert [each.default for each in found.values()] == [each.default for each in wanted.values()], name


@claims
def test_the_realised_std_is_the_one_that_is_claimed_and_jaxs(call, std):
    shape = shape_of(call)
    weight, reference = (np.asarray(call(module)(KEY, shape)) for module in (ours, theirs))
    tolerance = 5 / math.sqrt(2 * weight.size)
    assert weight.std() == pytest.approx(std, rel=tolerance)
    assert weight.std() == pytest.approx(reference.std(), rel=2 * tolerance)
    assert weight.dtype == reference.dtype


@pytest.mark.parametrize("name", [name for name in CLAIMS if "orthogonal" not in name])
def test_the_law_is_jaxs(name):
    call = CLAIMS[name][0]
    weight, reference = (np.asarray(call(module)(KEY, (400, 250))).ravel() for module in (ours, theirs))
    assert stats.ks_2samp(weight, reference).pvalue > 1e-4
    # 100,000 numbers come within 1% of a bound; the outermost of a Gaussian's vary by 8%.
    slack = (0.25 if name in ("normal", "variance_scaling") else 0.01) * float(np.abs(reference).max())
    assert weight.min() == pytest.approx(reference.min(), abs=slack)
    assert weight.max() == pytest.approx(reference.max(), abs=slack)


def test_a_cut_is_in_stds_and_may_be_lopsided():
    for low, high, std in [(-1.0, 2.0, 0.3), (0.5, 3.0, 0.3), (-1.0, 2.0, -0.3)]:
        weight, reference = (
            np.asarray(module.truncated_normal(std, lower=low, upper=high)(KEY, (100_000,)))
            for module in (ours, theirs)
        )
        law = stats.truncnorm(*((low, high) if std > 0 else (-high, -low)), scale=abs(std))
        assert weight.std() == pytest.approx(law.std(), rel=5 / math.sqrt(2 * weight.size))
        assert weight.mean() == pytest.approx(law.mean(), abs=5 * law.std() / math.sqrt(weight.size))
        assert stats.ks_2samp(weight, reference).pvalue > 1e-4
        assert law.support()[0] <= weight.min()
        assert weight.max() <= law.support()[1]


AXES = [
    ((3, 3, 40, 50), {}),
    ((40, 50), {"in_axis": 1, "out_axis": 0}),
    ((4, 5, 6, 50), {"in_axis": (0, 1), "out_axis": [2, 3]}),
    ((8, 40, 50), {"in_axis": -2, "out_axis": -1, "batch_axis": 0}),
    ((8, 2, 40, 50), {"in_axis": 2, "out_axis": 3, "batch_axis": (0,)}),
    ((50,), {"in_axis": 0, "out_axis": ()}),
]


@pytest.mark.parametrize(("shape", "axes"), AXES)
def test_fans_are_those_that_jax_computes(shape, axes):
    fan_in, fan_out = _compute_fans(shape, **axes)
    for mode, fan in {
        "fan_in": fan_in,
        "fan_out": fan_out,
        "fan_avg": (fan_in + fan_out) / 2,
        "fan_geo_avg": math.sqrt(fan_in * fan_out),
    }.items():
        weight = ours.variance_scaling(1.0, mode, "uniform", **axes)(KEY, shape)
        # The outermost of n numbers is about 1/n of the bound inside it.
        assert float(jnp.abs(weight).max()) == pytest.approx(math.sqrt(3 / fan), rel=10 / math.prod(shape)), mode


@claims
def test_a_compiled_program_and_a_batch_draw_the_same_numbers(call, std):
    init, shape = call(ours), shape_of(call)
    for dtype in DTYPES:
        expected = init(KEY, shape, dtype)
        assert expected.dtype == dtype
        assert same(jax.jit(lambda key, dtype=dtype: init(key, shape, dtype))(KEY), expected)
    keys = jax.random.split(KEY, 2)
    assert same(jax.vmap(lambda key: init(key, shape))(keys)[1], init(keys[1], shape))


@claims
def test_narrow_numbers_are_the_wide_ones_rounded(call, std):
    init, shape = call(ours), shape_of(call)
    wide = np.asarray(init(KEY, shape))
    for dtype in (jnp.float16, jnp.bfloat16):
        assert np.allclose(np.asarray(init(KEY, shape, dtype), np.float32), wide, rtol=2**-7, atol=1e-6)


def test_dtype_means_what_it_means_in_jax():
    for how, told in [({}, ()), ({"dtype": jnp.bfloat16}, ()), ({"dtype": jnp.bfloat16}, (None,)),
                      ({"dtype": jnp.bfloat16}, (jnp.float16,)), ({}, ("float16",))]:  # fmt: skip
        found, wanted = (module.normal(**how)(KEY, (4, 5), *told).dtype for module in (ours, theirs))
        assert found == wanted, (how, told)
    with jax.enable_x64(True):
        for how in ({}, {"dtype": jnp.float32}, {"dtype": jnp.float64}):
            found, wanted = (module.normal(**how)(KEY, (4, 5)).dtype for module in (ours, theirs))
            assert found == wanted, how
    assert ours.normal()(KEY, (4, 5)).dtype == jnp.float32


def test_float64_is_drawn_in_float64():
    with jax.enable_x64(True):
        weight = np.asarray(ours.he_normal()(KEY, (400, 250)))
        assert weight.dtype == np.float64
        assert (weight != weight.astype(np.float32)).mean() > 0.99
        assert weight.std() == pytest.approx(math.sqrt(2 / 400), rel=5 / math.sqrt(2 * weight.size))


@pytest.mark.parametrize(("shape", "axis"), [((6, 9), -1), ((9, 6), -1), ((9, 6), 0), ((2, 3, 4), 1), ((2, 3, 4), -1)])
def test_an_orthogonal_weight_has_orthonormal_columns_along_the_axis_that_jax_means(shape, axis):
    for module in (ours, theirs):
        columns = np.moveaxis(np.asarray(module.orthogonal(2.0, axis)(KEY, shape)), axis, -1).reshape(-1, shape[axis])
        rows, width = columns.shape
        gram = columns.T @ columns if rows >= width else columns @ columns.T
        assert np.allclose(gram, 4 * np.eye(min(rows, width)), atol=1e-5)


@pytest.mark.parametrize("space", [(3,), (4, 3), (2, 3, 5)])
def test_a_delta_orthogonal_kernel_is_where_jax_puts_it(space):
    shape = (*space, 4, 7)
    weight, reference = (np.asarray(module.delta_orthogonal()(KEY, shape)) for module in (ours, theirs))
    assert ((weight == 0) == (reference == 0)).all()
    centre = weight[tuple((size - 1) // 2 for size in space)]
    assert np.allclose(centre @ centre.T, np.eye(4), atol=1e-5)


@claims
def test_complex_weights_are_jaxs_own(call, std):
    if "truncated" in call(ours).name or call(ours).name == "uniform":
        with pytest.raises(ValueError, match="must be a float"):
            call(ours)(KEY, (4, 5), jnp.complex64)
        return
    shape = (1, 4, 5) if "delta" in repr(call(ours)) else (4, 5)
    assert same(call(ours)(KEY, shape, jnp.complex64), call(theirs)(KEY, shape, jnp.complex64))


def test_what_a_fill_cannot_draw_is_jaxs_own():
    for call in [
        lambda module: module.normal(jnp.array([1.0, 2.0]))(KEY, (3, 2)),
        lambda module: jax.jit(lambda std: module.normal(std)(KEY, (3, 2)))(0.5),
        lambda module: module.normal(30_000.0)(KEY, (3, 2), jnp.float16),
        lambda module: module.truncated_normal(1.0, lower=-math.inf)(KEY, (3, 2)),
        lambda module: module.truncated_normal(0.0)(KEY, (3, 2)),
        lambda module: module.truncated_normal(1.0, lower=3.0, upper=4.0)(KEY, (3, 2)),
        lambda module: module.variance_scaling(-1.0, "fan_in", "normal")(KEY, (3, 2)),
        lambda module: module.normal()(KEY, (0, 2)),
        lambda module: module.normal()(KEY, 5),
    ]:
        assert same(call(ours), call(theirs))


def test_a_scalar_of_numpy_or_jax_is_a_number():
    for scale in (np.sqrt(2), np.float32(2), jnp.sqrt(2.0), np.array(2.0)):
        assert ours.orthogonal(scale) == ours.orthogonal(float(scale))


def outcome(call):
    try:
        call()
    except Exception as error:
        return type(error), str(error)
    return None


ERRORS = {
    "mode": lambda module: module.variance_scaling(1.0, "in", "normal")(KEY, (4, 5)),
    "distribution": lambda module: module.variance_scaling(1.0, "fan_in", "cauchy")(KEY, (4, 5)),
    "one axis": lambda module: module.he_normal()(KEY, (4,)),
    "axis out of range": lambda module: module.he_normal(in_axis=3)(KEY, (4, 5)),
    "no inputs": lambda module: module.he_normal()(KEY, (0, 5)),
    "orthogonal of one axis": lambda module: module.orthogonal()(KEY, (4,)),
    "column axis": lambda module: module.orthogonal(column_axis=2)(KEY, (4, 5)),
    "delta of two axes": lambda module: module.delta_orthogonal()(KEY, (4, 5)),
    "delta with more inputs": lambda module: module.delta_orthogonal()(KEY, (3, 5, 4)),
    "integers": lambda module: module.he_normal()(KEY, (4, 5), jnp.int32),
    "integers of a uniform": lambda module: module.uniform()(KEY, (4, 5), jnp.int32),
    "no key": lambda module: module.normal()(0, (4, 5)),
    "many keys": lambda module: module.normal()(jax.random.split(KEY, 3), (4, 5)),
    "a shape below 0": lambda module: module.normal()(KEY, (-1, 5)),
    "a fraction as shape": lambda module: module.normal()(KEY, (1.5, 5)),
}


@pytest.mark.parametrize("call", ERRORS.values(), ids=ERRORS)
def test_what_jax_refuses_is_refused_in_its_words(call):
    assert outcome(lambda: call(theirs)) is not None
    assert outcome(lambda: call(ours)) == outcome(lambda: call(theirs))


def test_the_shape_alone_draws_nothing():
    for name, (call, _) in CLAIMS.items():
        shape = (1, 1 << 20, 1 << 20) if name == "delta_orthogonal" else (1 << 20, 1 << 20)
        found = jax.eval_shape(lambda key, call=call, shape=shape: call(ours)(key, shape), KEY)
        assert (found.shape, found.dtype) == (shape, jnp.float32), name


def test_initialisers_are_equal_when_their_arguments_are():
    assert ours.he_normal() == ours.variance_scaling(2, "fan_in", "truncated_normal")
    assert hash(ours.he_normal(in_axis=[0])) == hash(ours.he_normal(in_axis=(0,)))
    assert ours.normal(0.1) != ours.normal(0.2)
    assert ours.normal() != ours.normal(dtype=jnp.float16)
    assert ours.truncated_normal(lower=-1) != ours.truncated_normal()
    assert ours.kaiming_normal is ours.he_normal
    assert ours.xavier_uniform is ours.glorot_uniform


def test_an_initialiser_prints_as_what_makes_it():
    init = ours.truncated_normal(0.5, dtype=jnp.bfloat16)
    assert repr(init) == "initium.jax.initializers.truncated_normal(0.5, lower=-2.0, upper=2.0, dtype='bfloat16')"
    for made in (init, ours.he_normal(), ours.orthogonal(2), ours.uniform()):
        assert eval(repr(made), {"initium": initium}) == made


def test_a_drop_in_may_stand_in_jaxs_own_place(monkeypatch):
    weight = ours.he_normal()(KEY, (40, 30))
    for name in NAMES:
        monkeypatch.setattr(jax.nn.initializers, name, getattr(ours, name))
    assert (jax.nn.initializers.he_normal()(KEY, (40, 30)) == weight).all()
    assert jax.nn.initializers.he_normal()(KEY, (4, 4), "complex64").dtype == "complex64"  # which JAX draws
