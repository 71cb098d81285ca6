import itertools
import tracemalloc

import numpy as np
import pytest
import scipy.stats
import torch

from initium import SpecError, _stream
from initium._fill import Job, check, fill, fill_all
from initium.init._law import (
    Composed,
    Constant,
    Keep,
    Normal,
    Orthogonal,
    Packed,
    Rows,
    TruncatedNormal,
    Uniform,
)
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


@pytest.mark.parametrize("law", [Normal(0, 1), Uniform(0, 1), TruncatedNormal(0, 1, 2), Orthogonal(1), Constant(1)])
def test_an_empty_weight_is_filled_with_nothing(law):
    assert filled(law, (0, 4)).shape == (0, 4)


def test_the_key_changes_every_draw():
    assert (filled(Normal(0, 1), (30, 30), key=1) != filled(Normal(0, 1), (30, 30), key=2)).all()


LAWS = [Constant(0.1), Uniform(-1, 2), Normal(0, 1), TruncatedNormal(0, 1, 2), Orthogonal(1.4)]
DTYPES = {"float32": np.float32, "float64": np.float64, "float16": np.float16, "bfloat16": np.uint16}


def of_dtype(dtype, law, shape=(12, 20), **options):
    out = np.zeros(shape, DTYPES[dtype])
    fill(out, law, Weight(shape=(12, 20), axes="oi"), key=3, **options)
    return out


def nearest_bfloat16(x):
    return torch.from_numpy(x).to(torch.bfloat16).view(torch.int16).numpy().view(np.uint16)


@pytest.mark.parametrize("law", LAWS)
def test_every_dtype_is_the_float32_value_rounded_or_refined(law):
    wide = of_dtype("float32", law)
    np.testing.assert_array_equal(of_dtype("float16", law), wide.astype(np.float16))
    np.testing.assert_array_equal(of_dtype("bfloat16", law), nearest_bfloat16(wide))
    np.testing.assert_allclose(of_dtype("float64", law), wide, rtol=2e-4, atol=2e-6)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("law", LAWS)
def test_a_part_of_a_weight_is_that_part_of_the_whole(law, dtype):
    box = (slice(2, 9), slice(5, None))
    np.testing.assert_array_equal(of_dtype(dtype, law, (7, 15), box=box), of_dtype(dtype, law)[box])


def test_an_orthogonal_start_in_sixteen_bits_may_be_deep_and_grouped():
    weight = Weight(shape=(8, 12, 3), axes="iow", groups=4, transposed=True)
    wide, narrow = np.empty(weight.shape, np.float32), np.empty(weight.shape, np.float16)
    for out in (wide, narrow):
        fill(out, Orthogonal(1), weight, key=1)
    np.testing.assert_array_equal(narrow, wide.astype(np.float16))


def test_a_file_mapped_into_memory_is_filled_in_place(tmp_path):
    mapped = np.lib.format.open_memmap(tmp_path / "w.npy", mode="w+", dtype=np.float32, shape=(300, 500))
    fill(mapped, Normal(0, 1), Weight(shape=(300, 500), axes="oi"), key=3)
    mapped.flush()
    np.testing.assert_array_equal(np.load(tmp_path / "w.npy"), filled(Normal(0, 1), (300, 500), key=3))


def test_many_weights_at_once_are_what_each_is_alone():
    shapes = [(3, 5), (700, 900), (1, 1), (64, 64), (0, 7)]
    for threads in (1, 2, 3):
        jobs = [
            Job(out=np.zeros(shape, np.float32), law=law, weight=Weight(shape=shape, axes="oi"), key=7 * i + j)
            for i, shape in enumerate(shapes)
            for j, law in enumerate([*LAWS, Keep()])
        ]
        fill_all(jobs, threads=threads)
        for job in jobs:
            expected = np.zeros(job.weight.shape, np.float32)
            fill(expected, job.law, job.weight, key=job.key)
            if isinstance(job.law, Orthogonal):
                np.testing.assert_allclose(job.out, expected, atol=1e-5)
            else:
                np.testing.assert_array_equal(job.out, expected)


def read_only(shape):
    array = np.zeros(shape, np.float32)
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    ("out", "box", "error", "message"),
    [
        (
            np.zeros((12, 20), np.int32),
            None,
            TypeError,
            "a fill writes float32, float64, float16 and bfloat16 (as uint16); got int32. Fill another array and "
            "convert it.",
        ),
        (
            np.zeros((12, 20), ">f4"),
            None,
            TypeError,
            "a fill writes float32, float64, float16 and bfloat16 (as uint16); got >f4. Fill another array and "
            "convert it.",
        ),
        (
            np.zeros((20, 12), np.float32).T,
            None,
            TypeError,
            "a fill writes in place, but this array is strided. Fill a contiguous one and copy it.",
        ),
        (
            read_only((12, 20)),
            None,
            TypeError,
            "a fill writes in place, but this array is read-only. Fill another one and copy it.",
        ),
        (
            np.zeros((12, 19), np.float32),
            None,
            ValueError,
            "the array has shape (12, 19), but what it is to hold has shape (12, 20).",
        ),
        (
            np.zeros((12, 20), np.float32),
            (slice(2), slice(3)),
            ValueError,
            "the array has shape (12, 20), but what it is to hold has shape (2, 3).",
        ),
        (
            np.zeros((6, 20), np.float32),
            (slice(0, 12, 2), slice(None)),
            ValueError,
            "a part of a weight is a box of slices with step 1.",
        ),
    ],
)
def test_what_cannot_be_filled_says_why_and_is_left_alone(out, box, error, message):
    with pytest.raises(error) as found:
        fill(out, Normal(0, 1), Weight(shape=(12, 20), axes="oi"), key=1, box=box)
    assert str(found.value) == message
    assert not out.any()


def test_a_law_that_leaves_its_dtype_is_refused():
    with pytest.raises(SpecError) as found:
        of_dtype("float16", Normal(0, 20_000))
    assert str(found.value) == "Normal(mean=0, std=20000) reaches 1.28e+05, but float16 ends at 65504."
    assert np.isfinite(of_dtype("bfloat16", Normal(0, 20_000))).all()


@pytest.mark.parametrize(
    ("dtype", "law"),
    [
        ("float64", Normal(0, 1e308)),
        ("float64", Constant(np.inf)),
        ("float16", Orthogonal(1e6)),
        ("float32", Orthogonal(1e39)),
        ("float32", Uniform(0, 1e39)),
        ("float32", TruncatedNormal(0, 1e38, 8)),
    ],
)
def test_no_law_leaves_its_dtype_for_infinity(dtype, law):
    with pytest.raises(SpecError, match=f"{dtype} ends at"):
        of_dtype(dtype, law)


def test_nothing_is_written_unless_every_job_can_be():
    weight = Weight(shape=(6, 6), axes="oi")
    good = np.zeros((6, 6), np.float32)
    for law in (Orthogonal(1), Normal(0, 1)):
        wrong = Job(out=np.zeros((6, 6), np.int32), law=law, weight=weight, key=1)
        with pytest.raises(TypeError):
            fill_all([Job(out=good, law=law, weight=weight, key=1), wrong])
    assert not good.any()


WHOLE = Weight(shape=(12, 20), axes="oi")
ROWS = Rows(((3, Normal(0, 1)), (1, Constant(0.1)), (6, Uniform(-1, 2)), (2, Normal(0, 1))))
BOXES = [
    None,
    (slice(2, 9), slice(5, None)),
    (slice(3, 4), slice(None)),
    (slice(None), slice(0, 1)),
    (slice(0, 2), slice(4, 8)),
    (slice(5, 5), slice(None)),
]


def sized(box):
    return np.empty(WHOLE.shape)[box or ...].shape


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("box", BOXES)
def test_rows_have_each_the_numbers_of_their_law_on_the_whole_weight(box, dtype):
    expected, first = of_dtype(dtype, Constant(9)), 0
    for num, law in ROWS.parts:
        expected[first : first + num] = of_dtype(dtype, law)[first : first + num]
        first += num
    np.testing.assert_array_equal(of_dtype(dtype, ROWS, sized(box), box=box), expected[box or ...])


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_long_rows_are_cut_and_need_no_memory_beside_them(threads):
    weight = Weight(shape=(4001, 300), axes="vo")
    out, plain = (np.zeros(weight.shape, np.float16) for _ in range(2))
    fill(plain, Normal(0, 1), weight, key=3)
    tracemalloc.start()
    fill(out, Rows(((7, Normal(0, 1)), (1, Constant(0)), (3993, Normal(0, 1)))), weight, key=3, threads=threads)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < out.nbytes / 10
    plain[7] = 0
    np.testing.assert_array_equal(out, plain)


def test_rows_that_are_not_those_of_the_weight_are_refused():
    out = np.zeros((12, 20), np.float32)
    with pytest.raises(ValueError, match="are not the rows of shape") as found:
        fill(out, Rows(((3, Constant(1)), (8, Constant(2)))), WHOLE, key=1)
    assert str(found.value) == (
        "the runs of Rows(parts=((3, Constant(value=1)), (8, Constant(value=2)))) are not the rows of shape (12, 20)."
    )
    assert not out.any()


def test_a_row_that_leaves_its_dtype_is_refused_before_any_is_written():
    law = Rows(((3, Constant(1)), (9, Normal(0, 20_000))))
    message = "Normal(mean=0, std=20000) reaches 1.28e+05, but float16 ends at 65504."
    for box in BOXES:  # also where the box holds none of it: one answer on every rank
        out = np.zeros(sized(box), np.float16)
        for write in (fill_all, lambda jobs: check(*jobs)):
            with pytest.raises(SpecError) as found:
                write([Job(out=out, law=law, weight=WHOLE, key=1, box=box)])
            assert str(found.value) == message
        assert not out.any()


INNER = (
    Normal(0, 1),
    Orthogonal(2),
    Rows(((1, Constant(3)), (3, Uniform(0, 1)))),
    Composed(lambda draw: 2 * draw(Normal(0, 1), Weight(shape=(4, 20), axes="oi"), "noise")),
)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("box", BOXES)
def test_each_packed_block_is_filled_as_a_weight_of_its_own(box, dtype):
    weight = Weight(shape=(12, 20), axes="oi", blocks=3)
    for laws in itertools.product(INNER, repeat=3):
        out, blocks = np.zeros(sized(box), DTYPES[dtype]), np.zeros((3, 4, 20), DTYPES[dtype])
        for index, (law, block) in enumerate(zip(laws, blocks, strict=True)):
            fill(block, law, weight.parts[index], key=_stream.child(3, f"block {index}"))
        fill(out, Packed(laws), weight, key=3, box=box)
        np.testing.assert_array_equal(out, blocks.reshape(12, 20)[box or ...])


def test_blocks_packed_along_an_inner_axis_are_each_a_weight_of_its_own():
    weight = Weight(shape=(5, 12), axes="io", blocks=(2, 10))
    out = np.zeros(weight.shape, np.float32)
    laws = (Normal(0, 1), Orthogonal(2))
    fill(out, Packed(laws), weight, key=3)
    for index, (law, part, found) in enumerate(zip(laws, weight.parts, np.split(out, [2], axis=1), strict=True)):
        expected = np.zeros(part.shape, np.float32)
        fill(expected, law, part, key=_stream.child(3, f"block {index}"))
        np.testing.assert_array_equal(found, expected)


def test_a_packed_block_beside_a_box_is_not_computed():
    def make(draw):
        raise AssertionError("computed")

    weight = Weight(shape=(12, 20), axes="oi", blocks=3)
    out = np.zeros((8, 20), np.float32)
    laws = (Composed(make), Orthogonal(1), Normal(0, 1))
    fill(out, Packed(laws), weight, key=3, box=(slice(4, 12), slice(None)))
    assert out.any(1).all()


@pytest.mark.parametrize("axes", ["oi", "io"])
@pytest.mark.parametrize("law", [Normal(0, 20_000), Orthogonal(1e6), Composed(lambda draw: np.full((6, 12), 1e5))])
def test_a_packed_block_that_leaves_its_dtype_is_refused_beforehand(law, axes):
    weight = Weight(shape=(12, 12), axes=axes, blocks=2)
    job = Job(out=np.zeros((12, 12), np.float16), law=Packed((Constant(1), law)), weight=weight, key=1)
    with pytest.raises(SpecError, match=r"reaches [0-9.e+]+, but float16 ends at 65504\.$"):
        check(job)
    assert not job.out.any()
