import ml_dtypes
import numpy as np
import pytest

import initium
from initium import array
from initium.init._tables import values_of


def test_the_layout_does_not_change_the_numbers():
    stored = array("he_normal", (16, 8, 3, 5), seed=1, path="conv")
    keras = array("he_normal", (3, 5, 8, 16), seed=1, path="conv", axes="hwio")
    np.testing.assert_array_equal(keras, stored.transpose(2, 3, 1, 0))
    up = array("lecun_normal", (8, 16, 3, 5), seed=1, path="conv", axes="iohw", transposed=True)
    keras = array("lecun_normal", (3, 5, 16, 8), seed=1, path="conv", axes="hwoi", transposed=True)
    np.testing.assert_array_equal(keras, up.transpose(2, 3, 1, 0))


def test_a_depthwise_kernel_of_keras_is_torchs():
    torchs = array("he_normal", (12, 1, 3, 3), seed=1, path="depthwise", groups=6)
    keras = array("he_normal", (3, 3, 6, 2), seed=1, path="depthwise", axes="hwgo")
    np.testing.assert_array_equal(keras.transpose(2, 3, 0, 1).reshape(12, 1, 3, 3), torchs)


def test_an_embedding_is_stored_alike_everywhere():
    rows = array("orthogonal", (30, 20), seed=0, path="e", axes="vo")
    np.testing.assert_allclose(rows.T @ rows, np.eye(20), atol=1e-6)
    assert array("variance_scaling", (5000, 40), seed=0, path="e", axes="vo").std() == pytest.approx(1, rel=0.011)


def test_another_path_and_another_seed_give_other_numbers():
    first = array("normal", (50,), seed=0, path="a")
    assert (array("normal", (50,), seed=0, path="a") == first).all()
    assert (array("normal", (50,), seed=0, path="b") != first).all()
    assert (array("normal", (50,), seed=1, path="a") != first).all()


def test_bfloat16_is_the_float32_number_rounded():
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    single = array("he_normal", (40, 30), seed=0, path="a")
    brain = array("he_normal", (40, 30), seed=0, path="a", dtype=bfloat16)
    assert brain.dtype == bfloat16
    np.testing.assert_array_equal(brain, single.astype(bfloat16))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"seed": -1}, initium.SettingError, "A seed is a whole number from 0 to 2^64 - 1, not -1."),
        ({"seed": 1.0}, initium.SettingError, "A seed is a whole number from 0 to 2^64 - 1, not 1.0."),
        (
            {"shape": (2,) * 6},
            initium.ShapeError,
            "a weight of 6 axes is no usual kernel; say with `axes=` what each of them is.",
        ),
        ({"dtype": "int32"}, TypeError, "a fill writes float32, float64, float16 and bfloat16 (as uint16); got int32. "
         "Fill another array and convert it."),
    ],
)  # fmt: skip
def test_bad_input_is_refused(arguments, error, message):
    wanted = {"init": "normal", "shape": (3, 2), "seed": 0, "path": "a"} | arguments
    with pytest.raises(error) as found:
        array(wanted.pop("init"), wanted.pop("shape"), **wanted)
    assert str(found.value) == message


def test_a_composed_start_that_leaves_its_dtype_is_refused():
    with pytest.raises(initium.SpecError, match=r"reaches 7e\+04, but float16 ends at 65504"):
        array("identity(gain=70000)", (3, 3), seed=0, path="a", dtype=np.float16)


SCALAR, ROW = (str(values_of(np.asarray(table, np.float32))) for table in (2.5, range(4)))


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", ml_dtypes.bfloat16])
def test_given_numbers_have_any_shape_and_lie_in_the_order_of_numbering(dtype):
    assert array(SCALAR, (), seed=0, path="w", dtype=dtype).shape == ()
    found = array(ROW, (6, 4), seed=0, path="w", dtype=dtype)
    assert (found.dtype, found.flags.c_contiguous) == (np.dtype(dtype), True)
    np.testing.assert_array_equal(found, np.broadcast_to(found[0], found.shape))


@pytest.mark.parametrize("spec", ["normal", ROW])
@pytest.mark.parametrize("dtype", ["int32", "bool", "complex64", ">f4"])
def test_numbers_that_no_fill_writes_are_refused_whatever_the_start(spec, dtype):
    with pytest.raises(TypeError, match=r"^a fill writes float32, float64, float16 and bfloat16"):
        array(spec, (6, 4), seed=0, path="w", dtype=dtype)
