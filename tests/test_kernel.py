import decimal
import math

import mpmath
import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given
from hypothesis import strategies as st

from initium import SpecError
from initium._draw import draw
from initium._kernel import _probabilities, _within, kernel, normal_between
from initium.init._law import Constant, Normal, TruncatedNormal, Uniform

NUM = 1_000_000
KEY = 20_260_101


def drawn(kernel, number=np.float32, length=NUM):
    out = np.empty(length, number)
    draw(out, kernel, key=KEY)
    return out


@pytest.mark.parametrize("cut", [1e-45, 1e-17, 1e-3, 0.0099, 0.0101, 1, 2, 5, 8])
def test_a_cut_keeps_its_std_however_narrow(cut):
    mpmath.mp.dps = 160
    c = mpmath.mpf(cut)
    inside, outside, width = _within(cut)
    assert inside == float(mpmath.erf(c / mpmath.sqrt(2)))
    assert outside == float(mpmath.erfc(c / mpmath.sqrt(2)))
    assert width == float(mpmath.sqrt(1 - 2 * c * mpmath.npdf(c) / mpmath.erf(c / mpmath.sqrt(2))))


@pytest.mark.parametrize(("low", "high"), [(-2, 2), (-1, 3), (0.5, 0.6), (4, 8), (-8.9, -3), (-1e9, 1), (-50, 50)])
def test_probabilities_are_those_of_mpmath(low, high):
    mpmath.mp.dps = 50
    numbers = normal_between(0.0, 1.0, float(low), float(high), "float64").numbers
    below, between, above = (numbers[name] for name in ("below", "between", "above"))
    # Beyond 9 stds no word reaches; what is lost there is below 2.3e-19.
    assert below == pytest.approx(float(2 * mpmath.ncdf(low)), rel=1e-15, abs=2.3e-19)
    assert above == pytest.approx(float(2 * mpmath.ncdf(-mpmath.mpf(high))), rel=1e-15, abs=2.3e-19)
    assert between == pytest.approx(float(mpmath.ncdf(high) - mpmath.ncdf(low)), rel=1e-15)


def truncated(cut, loc=0, std=1):
    return scipy.stats.truncnorm(-cut, cut, loc=loc, scale=std / scipy.stats.truncnorm(-cut, cut).std())


@pytest.mark.parametrize(
    ("kernel", "law"),
    [
        (kernel(Uniform(-0.1, 0.3), "float32"), scipy.stats.uniform(-0.1, 0.4)),
        (kernel(Normal(0.5, 2), "float32"), scipy.stats.norm(0.5, 2)),
        (kernel(Normal(0.5, 2), "float64"), scipy.stats.norm(0.5, 2)),
        (kernel(TruncatedNormal(0, 1, 2), "float32"), truncated(2)),
        (kernel(TruncatedNormal(0, 1, 2), "float64"), truncated(2)),
        (kernel(TruncatedNormal(1, 3, 0.5), "float32"), truncated(0.5, 1, 3)),
        (kernel(TruncatedNormal(0, 1, 0.005), "float32"), scipy.stats.uniform(-math.sqrt(3), 2 * math.sqrt(3))),
        (normal_between(0, 1, -1, 3, "float32"), scipy.stats.truncnorm(-1, 3)),
        (normal_between(0, 1, 2, 5, "float32"), scipy.stats.truncnorm(2, 5)),
        (normal_between(1, 2, -9, -1, "float64"), scipy.stats.truncnorm(-5, -1, loc=1, scale=2)),
    ],
)
def test_a_million_draws_follow_scipys_distribution(kernel, law):
    x = drawn(kernel, np.float64 if "float64" in str(kernel) else np.float32).astype(np.float64)
    assert scipy.stats.kstest(x, law.cdf).pvalue > 1e-4
    assert x.mean() == pytest.approx(law.mean(), abs=5 * law.std() / math.sqrt(NUM))
    assert x.std() == pytest.approx(law.std(), rel=5 / math.sqrt(2 * NUM))


BOUNDS = st.floats(-1e3, 1e3).filter(lambda x: x == 0 or abs(x) > 1e-6)


@pytest.mark.parametrize("number", [np.float32, np.float64])
@given(low=BOUNDS, width=st.floats(1e-6, 1e3))
def test_a_uniform_stays_in_its_closed_interval_and_comes_near_both_ends(number, low, width):
    high = low + width
    ulp = float(np.spacing(number(max(abs(low), abs(high)))))
    assume(width >= 4 * ulp)  # else perhaps no number lies inside
    numbers = kernel(Uniform(low, high), np.dtype(number).name).numbers
    # The integer variates end at 2^31 in float32, which rounds, and at 2^52 - 1 in float64.
    greatest = 2.0**31 if number is np.float32 else 2.0**52 - 1
    ends = [float(number(numbers["shift"] + sign * numbers["scale"] * greatest)) for sign in (-1, 1)]
    assert low <= ends[0] <= low + 4 * ulp
    assert high - 4 * ulp <= ends[1] <= high


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_draw_leaves_its_cuts_and_some_come_near(dtype):
    for it, low, high in [
        (kernel(TruncatedNormal(0.3, 0.02, 2), dtype), None, None),
        (normal_between(0.1, 1, -0.05, 0.7, dtype), -0.05, 0.7),
        (normal_between(0, 1, 1, 1.001, dtype), 1, 1.001),
    ]:
        wide = 0.02 / _within(2)[2]
        low, high = (0.3 - 2 * wide, 0.3 + 2 * wide) if low is None else (low, high)
        x = drawn(it, np.dtype(dtype).type).astype(np.float64)
        assert low <= x.min() < low + 1e-4 * (high - low)
        assert high - 1e-4 * (high - low) < x.max() <= high


def test_a_uniform_of_equal_ends_is_that_number():
    assert set(drawn(kernel(Uniform(0.1, 0.1), "float32"), length=99)) == {np.float32(0.1)}


def test_two_laws_of_one_key_share_their_draws():
    uniform, normal = (drawn(kernel(law, "float32"), length=50_000) for law in (Uniform(-1, 1), Normal(0, 1)))
    assert scipy.stats.spearmanr(uniform, normal).statistic == pytest.approx(1)
    assert (np.sign(uniform) == np.sign(normal)).all()


def test_what_was_drawn_before_changes_nothing():
    zero = kernel(Constant(0.0), "float32")
    assert zero == kernel(Constant(-0.0), "float32")
    assert math.copysign(1, kernel(Constant(-0.0), "float32").numbers["shift"]) == 1


def test_a_callers_decimal_habits_change_nothing():
    expected = _within.__wrapped__(1.7), _probabilities.__wrapped__(-0.3, 2.2)
    with decimal.localcontext(decimal.Context(prec=3, traps=[decimal.FloatOperation, decimal.Inexact])):
        assert (_within.__wrapped__(1.7), _probabilities.__wrapped__(-0.3, 2.2)) == expected


def test_a_uniform_too_narrow_to_scale_is_refused():
    with pytest.raises(SpecError) as found:
        kernel(Uniform(-1e-37, 1e-37), "float32")
    assert str(found.value) == "uniform(-1e-37, 1e-37) is too narrow for float32. Widen it, or give it equal ends."
    assert np.ptp(drawn(kernel(Uniform(-1e-37, 1e-37), "float64"), np.float64)) == pytest.approx(2e-37, rel=1e-4)


def test_a_wide_uniform_does_not_overflow_on_the_way():
    x = drawn(kernel(Uniform(1e308, 1.7e308), "float64"), np.float64, length=1000)
    assert (x >= 1e308).all()
    assert (x <= 1.7e308).all()
