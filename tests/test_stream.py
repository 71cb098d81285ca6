import hashlib
import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given
from hypothesis import strategies as st

from initium import _stream

# Random123, tests/kat_vectors, "philox4x32 10": counter, key, result.
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]
SEEDS = st.integers(0, 2**64 - 1)


def ints(text):
    return [int(word, 16) for word in text.split()]


@pytest.mark.parametrize(("counter", "key", "result"), KNOWN)
def test_philox_gives_the_known_answers_of_random123(counter, key, result):
    low, high = ints(key)
    found = _stream.philox(tuple(ints(counter)), low | high << 32)
    assert [int(word) for word in found] == ints(result)


def test_words_are_philox_of_block_and_stream():
    # Element 2^34 + 5 is word 1 of block 2^32 + 1: counter words (1, 1, stream, 0).
    key = 0x0123456789ABCDEF
    expected = _stream.philox((1, 1, 7, 0), key)[1]
    assert _stream.words(key, 2**34 + 5, 1, stream=7)[0] == expected


def test_the_key_is_blake2b_of_version_seed_and_path():
    message = b"initium/1\x00" + bytes([5, 0, 0, 0, 0, 0, 0, 0]) + "h.0.wö".encode()
    digest = hashlib.blake2b(message, digest_size=8).digest()
    assert _stream.key(5, "h.0.wö") == sum(byte << 8 * i for i, byte in enumerate(digest))


@given(key=SEEDS, start=st.integers(0, 2**40), length=st.integers(0, 60), skip=st.integers(0, 60))
def test_a_slice_equals_its_part_of_the_whole(key, start, length, skip):
    whole = _stream.words(key, start, skip + length)
    np.testing.assert_array_equal(_stream.words(key, start + skip, length), whole[skip:])


FLOATS = st.floats(-1e6, 1e6, width=32)


@given(a=FLOATS, b=FLOATS, c=FLOATS)
def test_fma_rounds_the_exact_value_once(a, b, c):
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    found = float(_stream._fma(np.float32(a), np.float32(b), np.float32(c)))
    neighbours = [float(np.nextafter(np.float32(found), np.float32(way))) for way in (-math.inf, math.inf)]
    distance = abs(Fraction(found) - exact)
    assert all(distance <= abs(Fraction(other) - exact) for other in neighbours)


def test_fma_is_not_fooled_by_a_double_rounding():
    # (1 + 2^-12)^2 = 1 + 2^-11 + 2^-24 is a tie of float32; c breaks it, but is lost in a float64 sum.
    a, c = np.float32(1 + 2**-12), np.float32(2**-60)
    assert float(_stream._fma(a, a, c)) == 1 + 2**-11 + 2**-23
    assert float(_stream._fma(a, a, -c)) == 1 + 2**-11


EXTREME = np.concatenate([np.arange(300), 2**31 - 1 - np.arange(300), np.geomspace(1, 2**31 - 1, 600).astype(int)])


def quantile(n):
    """|z| with P(|Z| < |z|) = (n + 1/2) / 2^31, from the nearer end."""
    mpmath.mp.dps = 30
    x = (mpmath.mpf(int(n)) + 0.5) / 2**31
    if x < 0.5:
        return mpmath.sqrt(2) * mpmath.erfinv(x)
    guess = mpmath.mpf(float(scipy.stats.norm.isf(float((1 - x) / 2))))
    return mpmath.findroot(lambda z: mpmath.erfc(z / mpmath.sqrt(2)) - (1 - x), guess)


def test_the_normal_is_within_3e_7_of_the_true_quantile():
    found = _stream.normal(EXTREME.astype(np.uint32), 0, 1)
    worst = max(abs(float(z) / quantile(n) - 1) for n, z in zip(EXTREME, found, strict=True))
    assert worst < 3e-7


def test_the_normal_is_antisymmetric_never_zero_and_reaches_6_3():
    words = EXTREME.astype(np.uint32)
    z = _stream.normal(words, 0, 1)
    np.testing.assert_array_equal(_stream.normal(words | np.uint32(2**31), 0, 1), -z)
    assert z.min() > 0
    assert 6.3 < z.max() < 6.4


@given(key=SEEDS)
def test_normal_and_uniform_of_one_word_rise_together(key):
    words = _stream.words(key, 0, 4000)
    magnitude = (words & np.uint32(2**31 - 1)).astype(np.int64)
    order = np.argsort(np.where(words >> 31, -1 - magnitude, magnitude))
    assert (np.diff(_stream.uniform(words, -1, 1)[order]) >= 0).all()
    z = _stream.normal(words, 0, 1)[order].astype(np.float64)
    # Up to the last bits of a float32: the quantile may step back by 2.4e-7 of itself.
    assert (np.diff(z) >= -5e-7 * np.abs(z[1:])).all()


BOUNDS = st.floats(-1e3, 1e3).filter(lambda x: x == 0 or abs(x) > 1e-6)


@given(low=BOUNDS, width=st.floats(1e-6, 1e3))
def test_the_uniform_stays_in_its_closed_interval_and_reaches_both_ends(low, width):
    high = low + width
    words = np.array([0x7FFFFFFF, 0xFFFFFFFF, 0, 2**31], np.uint32)
    found = _stream.uniform(words, low, high).astype(np.float64)
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
        (lambda w: _stream.uniform(w, -0.1, 0.3), scipy.stats.uniform(-0.1, 0.4)),
        (lambda w: _stream.normal(w, 0.5, 2), scipy.stats.norm(0.5, 2)),
        (
            lambda w: _stream.truncated_normal(w, 0, 1, 2),
            scipy.stats.truncnorm(-2, 2, scale=1 / scipy.stats.truncnorm(-2, 2).std()),
        ),
        (
            lambda w: _stream.truncated_normal(w, 1, 3, 0.5),
            scipy.stats.truncnorm(-0.5, 0.5, loc=1, scale=3 / scipy.stats.truncnorm(-0.5, 0.5).std()),
        ),
        (
            lambda w: _stream.truncated_normal(w, 0, 1, 0.005),
            scipy.stats.uniform(-math.sqrt(3), 2 * math.sqrt(3)),
        ),
    ],
)
def test_a_million_draws_follow_scipys_distribution(draw, law):
    x = draw(_stream.words(_stream.key(0, "ks"), 0, NUM)).astype(np.float64)
    assert scipy.stats.kstest(x, law.cdf).pvalue > 1e-4
    assert x.mean() == pytest.approx(law.mean(), abs=5 * law.std() / math.sqrt(NUM))
    assert x.std() == pytest.approx(law.std(), rel=5 / math.sqrt(2 * NUM))


def test_a_truncated_normal_ends_at_its_cut_before_the_widening():
    words = np.array([0x7FFFFFFF, 0xFFFFFFFF], np.uint32)
    ends = _stream.truncated_normal(words, 0, 1, 2)
    assert ends == pytest.approx([2 / 0.87962566103423978, -2 / 0.87962566103423978], rel=1e-6)


def test_neighbours_seeds_and_names_are_uncorrelated():
    base = _stream.normal(_stream.words(_stream.key(0, "h.0.w"), 0, NUM), 0, 1)
    others = {
        "next seed": _stream.normal(_stream.words(_stream.key(1, "h.0.w"), 0, NUM), 0, 1),
        "next name": _stream.normal(_stream.words(_stream.key(0, "h.1.w"), 0, NUM), 0, 1),
        "next element": np.roll(base, 1),
        "next block": np.roll(base, 4),
    }
    for name, other in others.items():
        assert abs(np.mean(base * other)) < 5 / math.sqrt(NUM), name


def test_no_word_draws_a_uniform_of_zero_from_a_symmetric_interval():
    assert _stream.uniform(np.array([0, 2**31], np.uint32), -1, 1).tolist() == [2**-31, -(2**-31)]


@pytest.mark.parametrize("cut", [1e-17, 1e-3, 0.0099, 0.0101, 1, 2, 5])
def test_a_cut_keeps_its_std_however_narrow(cut):
    mpmath.mp.dps = 50
    c = mpmath.mpf(cut)
    true = mpmath.sqrt(1 - 2 * c * mpmath.npdf(c) / mpmath.erf(c / mpmath.sqrt(2)))
    inside, width = _stream._within(cut)
    assert inside == pytest.approx(float(mpmath.erf(c / mpmath.sqrt(2))), rel=1e-15)
    assert width == pytest.approx(float(true), rel=1e-8)
    if cut > 2:
        return  # the last word stands for the middle of its cell, by then a little inside the cut
    ends = _stream.truncated_normal(np.array([0x7FFFFFFF, 0xFFFFFFFF], np.uint32), 0, 1, cut)
    assert ends == pytest.approx([cut / float(true), -cut / float(true)], rel=1e-6)


def test_a_permutation_holds_each_index_once():
    order = _stream.permutation(_stream.key(3, "order.0"), 1437)
    assert sorted(order) == list(range(1437))
    assert not (order == np.arange(1437)).all()


# These bits are version 1 of the stream, elements 0 to 5 of "0.weight" under seed 0; a change here is a new version.
GOLDEN = {
    "words": [0xD040058C, 0xB0A5D3C0, 0x0FE0EDF8, 0x4DCF1A51, 0x88E49059, 0x353CC652],
    "uniform": [
        *("-0x1.00ccdep-4", "-0x1.37587ep-5", "0x1.967e32p-7"),
        *("0x1.f1fa42p-5", "-0x1.c75012p-8", "0x1.54b826p-5"),
    ],
    "normal": [
        *("-0x1.c8148ep-1", "-0x1.fbd6bap-2", "0x1.3fb55ap-3"),
        *("0x1.b62954p-1", "-0x1.651bacp-4", "0x1.1848d8p-1"),
    ],
    "truncated normal": [
        *("-0x1.387a32p-6", "-0x1.5f5794p-7", "0x1.bbe632p-9"),
        *("0x1.2c8df4p-6", "-0x1.eff366p-10", "0x1.837bbap-7"),
    ],
}


def test_the_bits_of_version_1_never_change():
    words = _stream.words(_stream.key(0, "0.weight"), 0, 6)
    assert words.tolist() == GOLDEN["words"]
    for name, drawn in {
        "uniform": _stream.uniform(words, -0.1, 0.1),
        "normal": _stream.normal(words, 0, 1),
        "truncated normal": _stream.truncated_normal(words, 0, 0.02, 2),
    }.items():
        assert drawn.tolist() == [float.fromhex(text) for text in GOLDEN[name]], name
