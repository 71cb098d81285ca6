"""The native fill equals the reference bit for bit, in every build that this machine can run."""

import math
import sys
import threading

import numpy as np
import pytest
import reference
import torch
from hypothesis import given
from hypothesis import strategies as st

from initium import _native, _stream
from initium._kernel import Kernel, kernel, normal_between
from initium._native import Law
from initium.init._law import Constant, Normal, TruncatedNormal, Uniform

BUILDS = [getattr(_native, name) for name in ("plain", "avx2", "avx512") if hasattr(_native, name)]
KEYS = st.integers(0, 2**64 - 1)
DTYPES = {"float32": np.float32, "float64": np.float64, "float16": np.float16, "bfloat16": np.uint16}
# Around the ends of tiles, and where the low half of the block number begins anew.
STARTS = st.integers(0, 2**40) | st.builds(lambda turn, by: turn * 2**34 + by, st.integers(1, 9), st.integers(-99, 99))
MEANS, STDS = st.floats(-100, 100, width=32), st.floats(2**-10, 100, width=32)
LAWS = st.one_of(
    st.builds(Constant, MEANS),
    st.builds(lambda low, width: Uniform(low, low + width), MEANS, STDS),
    st.builds(Normal, MEANS, STDS),
    st.builds(TruncatedNormal, MEANS, STDS, st.floats(0.01, 7)),
)
KERNELS = st.one_of(
    st.tuples(st.just(kernel), LAWS.map(lambda law: (law,))),
    st.tuples(
        st.just(normal_between),
        st.builds(lambda m, s, low, width: (m, s, m + s * low, m + s * (low + width)), MEANS, STDS,
                  st.floats(-8, 4), st.floats(0.1, 9)),
    ),
)  # fmt: skip


def drawn(build, kernel, dtype, *, key, start, length):
    out = np.full(length, 77, DTYPES[dtype])
    getattr(build, kernel.name)(out, np.array([start], np.uint64), key, Law(**kernel.numbers))
    return out


def expected(kernel, dtype, *, key, start, length):
    if kernel.name == "constant":
        value = np.full(length, kernel.numbers["shift"], np.float64 if dtype == "float64" else np.float32)
    elif dtype == "float64":
        words = zip(*(reference.words(key, start, length, stream=stream).tolist() for stream in (0, 1)), strict=True)
        return np.array([reference.float64(kernel.name, *pair, kernel.numbers) for pair in words], np.float64)
    else:
        value = getattr(reference, kernel.name)(reference.words(key, start, length), **kernel.numbers)
    if dtype == "bfloat16":
        return reference.bfloat16(value)
    with np.errstate(over="ignore"):
        return value.astype(DTYPES[dtype])


def bits(array):
    return array.view(f"uint{8 * array.itemsize}")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("build", BUILDS, ids=lambda build: build.__name__)
@given(made=KERNELS, key=KEYS, start=STARTS, length=st.integers(0, 150))
def test_every_build_and_dtype_equals_the_reference(build, dtype, made, key, start, length):
    length = length // 4 if dtype == "float64" else length
    place = {"key": key, "start": start, "length": length}
    make, arguments = made
    it = make(*arguments, dtype)
    np.testing.assert_array_equal(bits(drawn(build, it, dtype, **place)), bits(expected(it, dtype, **place)))


# Elements of "0.weight" under seed 0 whose words are the last few of 2^31 (the far tail) or the first few.
EXTREME = [220933509, 526640019, 173561064, 345491357, 43833413, 27416112, 399475024, 96871424, 431763664]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("build", BUILDS, ids=lambda build: build.__name__)
def test_the_far_tail_and_the_middle_equal_the_reference(build, dtype):
    key = _stream.key(0, "0.weight")
    laws = [kernel(Normal(0, 1), dtype), kernel(TruncatedNormal(1, 3, 6.5), dtype), kernel(Uniform(-1, 3), dtype)]
    for it in [*laws, normal_between(0, 1, -7, 8, dtype), normal_between(0, 1, 3, 9, dtype)]:
        for element in EXTREME:
            place = {"key": key, "start": element - 3, "length": 5}
            np.testing.assert_array_equal(bits(drawn(build, it, dtype, **place)), bits(expected(it, dtype, **place)))
    tails = [drawn(build, laws[0], dtype, key=key, start=element, length=1) for element in EXTREME[:6]]
    if dtype in ("float32", "float64"):
        assert (np.abs(tails) > 5.7).all()
        assert (np.abs(tails) < laws[0].reach).all()


@pytest.mark.parametrize("build", BUILDS, ids=lambda build: build.__name__)
@given(key=KEYS, start=STARTS, length=st.integers(0, 150), stream=st.integers(0, 2**32 - 1))
def test_words_are_those_of_the_reference(build, key, start, length, stream):
    out = np.empty(length, np.uint32)
    build.words(out, np.array([start], np.uint64), key, stream=stream)
    np.testing.assert_array_equal(out, reference.words(key, start, length, stream=stream))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("law", [Uniform(-1, 2), Normal(0, 1), TruncatedNormal(0, 1, 2), "between"], ids=str)
def test_builds_agree_over_a_long_stretch(law, dtype):
    it = normal_between(1, 2, 0, 9, dtype) if law == "between" else kernel(law, dtype)
    place = {"key": 5, "start": 2**34 - 100_000, "length": 200_003}
    first, *others = (drawn(build, it, dtype, **place) for build in BUILDS)
    for other in others:
        np.testing.assert_array_equal(bits(first), bits(other))


def test_the_first_known_answer_of_random123():
    out = np.empty(4, np.uint32)
    for build in BUILDS:
        build.words(out, np.zeros(1, np.uint64), 0)
        assert [f"{word:08x}" for word in out] == ["6627e8d5", "e169c58d", "bc57ac4c", "9b00dbd8"]


@pytest.mark.parametrize("build", BUILDS, ids=lambda build: build.__name__)
def test_float16_rounds_every_magnitude_like_numpy(build):
    # Every 64th float32 from the least subnormal half to past the greatest, and each half's ties.
    halves = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float32)
    ties = (halves[1:] + halves[:-1]) / 2
    near = [np.nextafter(ties, np.float32(end)) for end in (0, np.inf)]
    values = np.concatenate([halves, ties, *near, [65519.9, 65520, 65521, 1e5]]).astype(np.float32)
    found = np.empty(1, np.float16)
    for value in np.concatenate([values[::7], values[-20_000::3], -values[::97], values[:5000], values[-4:]]):
        build.constant(found, np.zeros(1, np.uint64), 0, Law(shift=float(value)))
        with np.errstate(over="ignore"):
            assert found[0].tobytes() == np.float16(value).tobytes(), value


def test_spans_are_written_one_after_the_other():
    it = kernel(Normal(0, 1), "float32")
    out = np.empty(9, np.float32)
    _native.best.normal(out, np.array([700, 2**35, 5], np.uint64), 3, Law(**it.numbers))
    parts = [drawn(_native.best, it, "float32", key=3, start=start, length=3) for start in (700, 2**35, 5)]
    np.testing.assert_array_equal(out, np.concatenate(parts))
    with pytest.raises(ValueError, match="as long as the spans together"):
        _native.best.normal(out, np.zeros(2, np.uint64), 3, Law())
    with pytest.raises(ValueError, match=r"beyond element 2\^64"):
        _native.best.normal(out, np.array([2**64 - 4], np.uint64), 3, Law())
    with pytest.raises(ValueError, match="as long as the spans together"):
        _native.best.normal(out, np.zeros(0, np.uint64), 3, Law())


def read_only(array):
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    "out",
    [
        np.zeros(8, np.float32)[::2],
        np.zeros(8, np.float32)[::-1],
        np.zeros((2, 4), np.float32).T,
        np.zeros(8, np.int32),
        np.zeros(8, ">f4"),
        read_only(np.zeros(8, np.float32)),
        [0.0] * 8,
    ],
    ids=["strided", "reversed", "transposed", "int32", "big-endian", "read-only", "list"],
)
@pytest.mark.parametrize("name", ["constant", "uniform", "normal", "truncated_normal", "normal_between"])
def test_what_cannot_be_written_in_place_is_a_type_error(name, out):
    with pytest.raises(TypeError):
        getattr(_native.best, name)(out, np.zeros(1, np.uint64), 0, Law())
    with pytest.raises(TypeError):
        getattr(_native.best, name)(np.zeros(8, np.float32), [0], 0, Law())


def test_nothing_beyond_the_array_is_written():
    for dtype, number in DTYPES.items():
        for offset, length in [(0, 0), (1, 1), (3, 64), (5, 129), (7, 1000)]:
            around = np.full(1100, 99, number)
            it = kernel(Normal(0, 1), dtype)
            _native.best.normal(around[offset : offset + length], np.array([offset], np.uint64), 1, Law(**it.numbers))
            assert (around[:offset] == 99).all()
            assert (around[offset + length :] == 99).all()
            assert length == 0 or (around[offset : offset + length] != 99).all()


def test_a_thread_that_flushes_subnormals_draws_them_all_the_same():
    it = Kernel("normal", {"scale": 1e-39, "shift": 0.0}, 1e-38)
    before = drawn(_native.best, it, "float32", key=1, start=0, length=500)
    assert ((before != 0) & (np.abs(before) < 1e-38)).any()
    torch.set_flush_denormal(True)
    try:
        after = drawn(_native.best, it, "float32", key=1, start=0, length=500)
        assert np.float32(1e-39) * np.float32(1) == 0  # the thread's own mode is back
    finally:
        torch.set_flush_denormal(False)
    np.testing.assert_array_equal(bits(before), bits(after))


def test_a_fill_lets_other_threads_run():
    out = np.empty(30_000_000, np.float32)
    filling = threading.Thread(target=_native.best.normal, args=(out, np.zeros(1, np.uint64), 1, Law()))
    interval = sys.getswitchinterval()
    turns = 0
    try:
        sys.setswitchinterval(1e-4)
        filling.start()
        while filling.is_alive():
            turns += 1
    finally:
        sys.setswitchinterval(interval)
        filling.join()
    assert turns > 100


@pytest.mark.parametrize("dtype", DTYPES)
def test_bits_do_not_depend_on_memory_alignment(dtype):
    it = kernel(Normal(0, 1), dtype)
    whole = drawn(_native.best, it, dtype, key=1, start=0, length=500)
    for offset in range(1, 17):
        memory = np.empty(516, DTYPES[dtype])[offset:]
        part = memory[:500]
        _native.best.normal(part, np.zeros(1, np.uint64), 1, Law(**it.numbers))
        np.testing.assert_array_equal(bits(part), bits(whole))


def test_a_float64_refines_the_float32_of_its_element():
    for law in (Uniform(-1, 1), Normal(0, 1), TruncatedNormal(0, 1, 2)):
        wide, narrow = (
            drawn(_native.best, kernel(law, dtype), dtype, key=1, start=0, length=100_000)
            for dtype in ("float64", "float32")
        )
        assert np.abs(wide - narrow).max() < 1e-4  # a cell of the far tail is that wide
        assert np.median(np.abs(wide - narrow)) < 1e-7
        assert math.isclose(np.corrcoef(wide, narrow)[0, 1], 1, abs_tol=1e-9)
