"""Starts that hold or compute given numbers, and those that depend on how a weight is stored."""

import base64
import zlib

import numpy as np
import pytest

import initium
from initium.init._tables import values_of


def packed(text):
    return base64.b64encode(zlib.compress(text)).decode()


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int64", "int8", "uint8", "bool"])
def test_values_give_back_the_table_that_they_hold(dtype):
    table = np.array([[1, 0, 3], [0, 1, 1]]).astype(dtype)
    init = values_of(table)
    assert initium.parse(str(init)) == init
    np.testing.assert_array_equal(initium.array(init, (2, 3), seed=0, path="a"), table.astype(np.float32))
    np.testing.assert_array_equal(initium.array(init, (4, 2, 3), seed=0, path="a")[3], table.astype(np.float32))


@pytest.mark.parametrize(
    ("table", "shape"),
    [
        (np.tile([1.0, 2.0], (50, 1)), (2,)),
        (np.tile([[1.0], [2.0]], (1, 50)), (2, 1)),
        (np.full((3, 4), 2.0), ()),
        (np.arange(24.0).reshape(1, 2, 1, 12), (2, 1, 12)),
    ],
)
def test_what_repeats_is_held_once(table, shape):
    init = values_of(table)
    assert str(init).startswith(f"values({shape}, 'float64', ")
    np.testing.assert_array_equal(initium.array(init, table.shape, seed=0, path="a"), table)


def test_a_long_table_has_no_spec():
    assert values_of(np.sin(np.arange(2000.0))) is None
    assert values_of(np.zeros((0, 3))) is None
    assert len(str(values_of(np.arange(2000)))) <= 4000


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("values((2, 0), 'int8', '')", "`values`: shape is of whole numbers above 0, not (2, 0)."),
        ("values((2,), 'complex64', '')", "`values`: kind is one of float64, float32, float16, int64, int32, int16, "
         "int8, uint8, bool, not 'complex64'."),
        ("values((2,), 'int8', '?')",
         "`values`: data is base64 of what zlib compressed, and this cannot be unpacked."),
        ("values((2,), 'int8', 'AAAA')",
         "`values`: data is base64 of what zlib compressed, and this cannot be unpacked."),
        (f"values((2,), 'int8', '{packed(b'abc')}')",
         "`values`: data of a block (2,) of int8 unpacks to 2 bytes, not more."),
        (f"values((9,), 'int8', '{packed(b'abc')}')",
         "`values`: data of a block (9,) of int8 unpacks to 9 bytes, not 3."),
        (f"values((2,), 'int8', '{packed(bytes(5 * 10**7))}')",
         "`values`: data of a block (2,) of int8 unpacks to 2 bytes, not more."),
        ("sinusoidal(1)", "`sinusoidal`: base is above 1, not 1.0."),
        ("sinusoidal(layout='both')", "`sinusoidal`: layout is 'interleaved' or 'halves', not 'both'."),
        ("sinusoidal(slowest='last')", "`sinusoidal`: slowest is 'beyond' or 'reached', not 'last'."),
        ("flattened('framework')", "`flattened`: start draws numbers, and `framework` draws none."),
        ("through('normal', ('sine',))", "`through`: steps are exp, expm1, log, log1p, sqrt, square, tanh, absolute, "
         "negative, reciprocal and, with a number, add, multiply, power, maximum, minimum; not 'sine'."),
        ("through('normal', (2,))", "`through`: steps are quoted calls, not 2."),
    ],
)  # fmt: skip
def test_a_spec_that_does_not_fit_says_why(spec, message):
    with pytest.raises(initium.SpecError) as error:
        initium.parse(spec)
    assert str(error.value).endswith(f"does not fit. {message}")


@pytest.mark.parametrize(
    ("spec", "shape", "message"),
    [
        (str(values_of(np.arange(3))), (3, 2), "holds a block of shape (3,), but the weight has shape (3, 2)."),
        ("sinusoidal", (4, 3), "has positions and pairs of columns, but the weight has shape (4, 3)."),
        ("sinusoidal", (4,), "has positions and pairs of columns, but the weight has shape (4,)."),
        ("flattened('orthogonal')", (4,), "is a matrix, but the weight has shape (4,)."),
    ],
)
def test_a_weight_that_does_not_fit_is_told(spec, shape, message):
    with pytest.raises(initium.ShapeError) as error:
        initium.array(spec, shape, seed=0, path="a")
    assert str(error.value) == f"`{initium.parse(spec)}` {message}"


def test_a_flattened_kernel_is_orthogonal_as_torch_sees_it_whatever_its_roles():
    for axes, groups in (("oihw", 1), ("iohw", 1), ("oihw", 4), ("bgoi", 1)):
        kernel = initium.array("flattened('orthogonal')", (8, 3, 2, 2), seed=0, path="a", axes=axes, groups=groups)
        np.testing.assert_allclose(kernel.reshape(8, -1) @ kernel.reshape(8, -1).T, np.eye(8), atol=1e-6)


def test_steps_are_taken_in_order():
    drawn = initium.array("uniform(1, 2)", (50,), seed=3, path="a")
    spec = "through('uniform(1, 2)', ('negative', 'add(3)', 'power(2)', 'maximum(2)', 'log1p'))"
    expected = np.log1p(np.maximum((3 - drawn.astype(np.float64)) ** 2, 2)).astype(np.float32)
    np.testing.assert_array_equal(initium.array(spec, (50,), seed=3, path="a"), expected)
