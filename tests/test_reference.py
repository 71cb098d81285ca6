import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import reference
import scipy.stats
from hypothesis import assume, given
from hypothesis import strategies as st

from initium._kernel import kernel
from initium.init._law import Normal, TruncatedNormal, Uniform

# Random123, tests/kat_vectors, "philox4x32 10": counter, key, result.
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]
SEEDS = st.integers(0, 2**64 - 1)


def normal(words, mean, std):
    return reference.normal(words, **kernel(Normal(mean, std), "float32").numbers)


def uniform(words, low, high):
    return reference.uniform(words, **kernel(Uniform(low, high), "float32").numbers)


def truncated_normal(words, mean, std, cut):
    return reference.truncated_normal(words, **kernel(TruncatedNormal(mean, std, cut), "float32").numbers)


def ints(text):
    return [int(word, 16) for word in text.split()]


@pytest.mark.parametrize(("counter", "key", "result"), KNOWN)
def test_philox_gives_the_known_answers_of_random123(counter, key, result):
    low, high = ints(key)
    found = reference.philox(tuple(ints(counter)), low | high << 32)
    assert [int(word) for word in found] == ints(result)


def test_words_are_philox_of_block_and_stream():
    # Element 2^34 + 5 is word 1 of block 2^32 + 1: counter words (1, 1, stream, 0).
    key = 0x0123456789ABCDEF
    expected = reference.philox((1, 1, 7, 0), key)[1]
    assert reference.words(key, 2**34 + 5, 1, stream=7)[0] == expected


@given(key=SEEDS, start=st.integers(0, 2**40), length=st.integers(0, 60), skip=st.integers(0, 60))
def test_a_slice_equals_its_part_of_the_whole(key, start, length, skip):
    whole = reference.words(key, start, skip + length)
    np.testing.assert_array_equal(reference.words(key, start + skip, length), whole[skip:])


FLOATS = st.floats(-1e6, 1e6, width=32)


@given(a=FLOATS, b=FLOATS, c=FLOATS)
def test_fma_rounds_the_exact_value_once(a, b, c):
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    found = float(reference._fma(np.float32(a), np.float32(b), np.float32(c)))
    neighbours = [float(np.nextafter(np.float32(found), np.float32(way))) for way in (-math.inf, math.inf)]
    distance = abs(Fraction(found) - exact)
    assert all(distance <= abs(Fraction(other) - exact) for other in neighbours)


def test_fma_is_not_fooled_by_a_double_rounding():
    # (1 + 2^-12)^2 = 1 + 2^-11 + 2^-24 is a tie of float32; c breaks it, but is lost in a float64 sum.
    a, c = np.float32(1 + 2**-12), np.float32(2**-60)
    assert float(reference._fma(a, a, c)) == 1 + 2**-11 + 2**-23
    assert float(reference._fma(a, a, -c)) == 1 + 2**-11


EXTREME = np.concatenate([np.arange(300), 2**31 - 1 - np.arange(300), np.geomspace(1, 2**31 - 1, 600).astype(int)])


def quantile(n, total=2**31):
    """|z| with P(|Z| < |z|) = (n + 1/2) / total, from the nearer end."""
    mpmath.mp.dps = 30
    x = (mpmath.mpf(int(n)) + 0.5) / total
    if x < 0.5:
        return mpmath.sqrt(2) * mpmath.erfinv(x)
    guess = mpmath.mpf(float(scipy.stats.norm.isf(float((1 - x) / 2))))
    return mpmath.findroot(lambda z: mpmath.erfc(z / mpmath.sqrt(2)) - (1 - x), guess)


def test_the_normal_is_within_3e_7_of_the_true_quantile():
    found = normal(EXTREME.astype(np.uint32), 0, 1)
    worst = max(abs(float(z) / quantile(n) - 1) for n, z in zip(EXTREME, found, strict=True))
    assert worst < 3e-7


def test_a_float64_normal_is_within_5e_16_of_the_true_quantile():
    steps = [int(step) for step in np.geomspace(1, 2**51, 60)]
    even = [i * (2**52 - 1) // 60 for i in range(60)]
    for n in {*range(30), *steps, *even, *(2**52 - 1 - step for step in steps), *(2**52 - 1 - i for i in range(30))}:
        z = reference.float64("normal", n >> 21, (n & (2**21 - 1)) << 11, {"scale": 1.0, "shift": 0.0})
        assert abs(mpmath.mpf(z) / quantile(n, 2**52) - 1) < 5e-16, n


def test_the_normal_is_antisymmetric_never_zero_and_reaches_6_3():
    words = EXTREME.astype(np.uint32)
    z = normal(words, 0, 1)
    np.testing.assert_array_equal(normal(words | np.uint32(2**31), 0, 1), -z)
    assert z.min() > 0
    assert 6.3 < z.max() < 6.4


@given(key=SEEDS)
def test_normal_and_uniform_of_one_word_rise_together(key):
    words = reference.words(key, 0, 4000)
    magnitude = (words & np.uint32(2**31 - 1)).astype(np.int64)
    order = np.argsort(np.where(words >> 31, -1 - magnitude, magnitude))
    assert (np.diff(uniform(words, -1, 1)[order]) >= 0).all()
    z = normal(words, 0, 1)[order].astype(np.float64)
    # Up to the last bits of a float32: the quantile may step back by 2.4e-7 of itself.
    assert (np.diff(z) >= -5e-7 * np.abs(z[1:])).all()


BOUNDS = st.floats(-1e3, 1e3).filter(lambda x: x == 0 or abs(x) > 1e-6)


@given(low=BOUNDS, width=st.floats(1e-6, 1e3))
def test_the_uniform_stays_in_its_closed_interval_and_reaches_both_ends(low, width):
    high = low + width
    words = np.array([0x7FFFFFFF, 0xFFFFFFFF, 0, 2**31], np.uint32)
    found = uniform(words, low, high).astype(np.float64)
    ulp = float(np.spacing(np.float32(max(abs(low), abs(high)))))
    assume(width >= 2 * ulp)  # else perhaps no float32 lies inside
    assert low <= found.min()
    assert found.max() <= high
    assert high - found.max() <= 2 * ulp
    assert found.min() - low <= 2 * ulp


NUM = 1_000_000


@pytest.mark.parametrize(
    ("draw", "law"),
    [
        (lambda w: uniform(w, -0.1, 0.3), scipy.stats.uniform(-0.1, 0.4)),
        (lambda w: normal(w, 0.5, 2), scipy.stats.norm(0.5, 2)),
        (
            lambda w: truncated_normal(w, 0, 1, 2),
            scipy.stats.truncnorm(-2, 2, scale=1 / scipy.stats.truncnorm(-2, 2).std()),
        ),
        (
            lambda w: truncated_normal(w, 1, 3, 0.5),
            scipy.stats.truncnorm(-0.5, 0.5, loc=1, scale=3 / scipy.stats.truncnorm(-0.5, 0.5).std()),
        ),
        (
            lambda w: truncated_normal(w, 0, 1, 0.005),
            scipy.stats.uniform(-math.sqrt(3), 2 * math.sqrt(3)),
        ),
    ],
)
def test_a_million_draws_follow_scipys_distribution(draw, law):
    x = draw(reference.words(12345, 0, NUM)).astype(np.float64)
    assert scipy.stats.kstest(x, law.cdf).pvalue > 1e-4
    assert x.mean() == pytest.approx(law.mean(), abs=5 * law.std() / math.sqrt(NUM))
    assert x.std() == pytest.approx(law.std(), rel=5 / math.sqrt(2 * NUM))


def test_a_truncated_normal_ends_at_its_cut_before_the_widening():
    words = np.array([0x7FFFFFFF, 0xFFFFFFFF], np.uint32)
    ends = truncated_normal(words, 0, 1, 2)
    assert ends == pytest.approx([2 / 0.87962566103423978, -2 / 0.87962566103423978], rel=1e-6)


def test_no_word_draws_a_uniform_of_zero_from_a_symmetric_interval():
    assert uniform(np.array([0, 2**31], np.uint32), -1, 1).tolist() == [2**-31, -(2**-31)]
