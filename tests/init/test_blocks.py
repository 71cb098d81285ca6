"""Starts that look at packed blocks, at one row, or at the other weights of an attention."""

import math

import numpy as np
import pytest

import initium
from initium import array
from initium.init import mimetic, packed, padded, rows, whole
from initium.init._law import Composed, Constant, Normal, Orthogonal, Packed, Rows, Uniform
from initium.init._weight import Weight


def dense(*shape, **kwargs):
    return Weight(shape=shape, axes="oi", **kwargs)


def test_each_block_has_its_own_start_on_its_own_fans():
    law = packed(("lecun_normal", "zeros", "he_normal(mode='out')")).law(dense(16, 9, blocks=(8, 4, 4)))
    assert isinstance(law, Packed)
    assert law.laws[0] == Normal(0, 1 / 3)
    assert law.laws[2] == Normal(0, math.sqrt(2 / 4))
    drawn = array(packed(("ones", "zeros", "ones")), (16, 9), seed=0, path="a", blocks=(8, 4, 4))
    np.testing.assert_array_equal(drawn.mean(1), [1] * 8 + [0] * 4 + [1] * 4)


@pytest.mark.parametrize("blocks", [3, (6, 4, 2)])
def test_packed_blocks_as_one_have_the_fans_of_all(blocks):
    bound = math.sqrt(6 / 16)
    assert whole("glorot_uniform").law(dense(12, 4, blocks=blocks)) == Uniform(
        pytest.approx(-bound, rel=1e-14), pytest.approx(bound, rel=1e-14)
    )
    drawn = array(whole("orthogonal"), (12, 4), seed=0, path="a", blocks=blocks)
    np.testing.assert_allclose(drawn.T @ drawn, np.eye(4), atol=1e-6)
    np.testing.assert_array_equal(drawn, array("orthogonal", (12, 4), seed=0, path="a"))


def test_one_block_alone_needs_no_whole():
    assert isinstance(whole("normal(std=2)").law(dense(12, 4)), Normal)
    assert not isinstance(whole("orthogonal").law(dense(12, 4)), Orthogonal)


def test_a_padding_row_is_zero_and_the_others_are_as_without():
    plain = array("normal(std=0.1)", (6, 4), seed=0, path="a", axes="vo")
    drawn = array(padded("normal(std=0.1)", 5), (6, 4), seed=0, path="a", axes="vo")
    assert (drawn[5] == 0).all()
    np.testing.assert_array_equal(drawn[:5], plain[:5])
    stored = array(padded("normal(std=0.1)", 5), (4, 6), seed=0, path="a", axes="ov")
    np.testing.assert_array_equal(stored.T, drawn)


def test_a_padding_row_is_drawn_with_its_neighbours_wherever_it_is():
    weight = Weight(shape=(6, 4), axes="vo")
    laws = [padded("normal", row).law(weight) for row in (0, 2, 5)]
    zero, normal = Constant(0), Normal(0, 1)
    assert laws == [
        Rows(((1, zero), (5, normal))),
        Rows(((2, normal), (1, zero), (3, normal))),
        Rows(((5, normal), (1, zero))),
    ]


@pytest.mark.parametrize(
    ("start", "shape", "axes"), [("orthogonal", (6, 4), "vo"), ("normal", (3, 6, 4), "bvo"), ("normal", (4, 6), "ov")]
)
def test_a_padding_row_that_is_not_a_run_of_rows_is_zero_all_the_same(start, shape, axes):
    weight = Weight(shape=shape, axes=axes)
    assert isinstance(padded(start, 2).law(weight), Composed)
    plain, drawn = (array(spec, shape, seed=0, path="a", axes=axes) for spec in (start, padded(start, 2)))
    np.moveaxis(plain, axes.index("v"), 0)[2] = 0
    np.testing.assert_array_equal(drawn, plain)


def test_a_padding_row_of_unequal_blocks_is_drawn_block_by_block():
    law = padded("normal", 2).law(Weight(shape=(6, 4), axes="vo", blocks=(1, 3)))
    assert law == Packed((padded("normal", 2).law(Weight(shape=(6, 4), axes="vo")),) * 2)


def test_runs_of_rows_start_each_in_its_own_way_and_are_numbered_through():
    drawn = array(rows(("normal(std=2)", "zeros", "uniform(-1, 1)"), (3, 2, 4)), (9, 5), seed=0, path="a")
    np.testing.assert_array_equal(drawn[:3], array("normal(std=2)", (9, 5), seed=0, path="a")[:3])
    assert (drawn[3:5] == 0).all()
    np.testing.assert_array_equal(drawn[5:], array("uniform(-1, 1)", (9, 5), seed=0, path="a")[5:])


@pytest.mark.parametrize(
    ("spec", "options", "message"),
    [
        (
            "rows(('normal', 'zeros'), (6, 1))",
            {},
            "`rows(('normal', 'zeros'), (6, 1))` has 7 rows, but the weight has shape (6, 4).",
        ),
        (
            "rows(('s4d_real', 'zeros'), (5, 1))",
            {},
            "`rows(('s4d_real', 'zeros'), (5, 1))` draws its rows element by element, and `s4d_real` computes the "
            "weight as a whole.",
        ),
        (
            "rows(('he_normal', 'zeros'), (5, 1))",
            {},
            "`rows(('he_normal', 'zeros'), (5, 1))` needs an input and an output axis, but the weight has shape "
            '(6, 4) with axes "bb".',
        ),
        (
            "padded('normal', row=6)",
            {"axes": "vo"},
            "`padded('normal', row=6)` needs row 6 of a vocabulary, but the weight has shape (6, 4) with axes \"vo\".",
        ),
        (
            "padded('normal')",
            {},
            "`padded('normal')` needs row 0 of a vocabulary, but the weight has shape (6, 4) with axes \"oi\".",
        ),
        (
            "packed(('zeros', 'ones'))",
            {"blocks": 3},
            "`packed(('zeros', 'ones'))` has 2 starts, but the weight packs 3 blocks.",
        ),
        (
            "mimetic_attention(2, part='out')",
            {},
            "`mimetic_attention(2, part='out')` needs a square matrix whose width 2 heads divide, but the weight has 1 "
            "of shape (6, 4).",
        ),
        (
            "mimetic_attention(3)",
            {"blocks": 3},
            "`mimetic_attention(3)` needs 3 packed square matrices whose width 3 heads divide, but the weight has 3 of "
            "shape (2, 4).",
        ),
    ],
)
def test_a_weight_of_another_kind_is_refused(spec, options, message):
    with pytest.raises(initium.ShapeError) as error:
        array(spec, (6, 4), seed=0, path="a", **options)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("packed('zeros')", "starts are quoted specs, one a block, not 'zeros'"),
        ("packed(())", "starts are quoted specs, one a block, not ()"),
        ("packed(('zeros', 1))", "starts are quoted specs, one a block, not ('zeros', 1)"),
        ("rows('zeros', (1,))", "starts are quoted specs, one a run, not 'zeros'"),
        ("rows((), ())", "starts are quoted specs, one a run, not ()"),
        ("rows(('zeros',), 1)", "sizes are whole numbers, 1 or more, one a run, not 1"),
        ("rows(('zeros', 'ones'), (1, 0))", "sizes are whole numbers, 1 or more, one a run, not (1, 0)"),
        ("rows(('zeros', 'ones'), (1,))", "starts and sizes go in pairs, but there are 2 and 1"),
        ("rows(('framework',), (1,))", "start draws numbers, and `framework` draws none"),
        ("whole('framework')", "start draws numbers, and `framework` draws none"),
        ("mimetic_attention(2, part='q')", "part is 'packed', 'query', 'key', 'value' or 'out', not 'q'"),
    ],
)
def test_an_argument_of_another_kind_is_refused(spec, message):
    with pytest.raises(initium.SpecError) as error:
        initium.parse(spec)
    name = spec.partition("(")[0]
    assert str(error.value) == f"'{spec}' does not fit. `{name}`: {message}."


WIDTH, HEADS = 24, 4


def noise(name, shape):
    """The standard normals that a composed start draws under a name of its own."""
    from initium import _stream
    from initium._fill import fill

    out = np.empty(shape)
    weight = Weight(shape=shape, axes="boi"[-len(shape) :])
    fill(out, Normal(0, 1), weight, key=_stream.child(_stream.key(0, "attn.qkv"), name))
    return out


def part(name, blocks=1):
    spec = f"mimetic_attention({HEADS}, part='{name}', query_key=0.5)"
    return array(spec, (blocks * WIDTH, WIDTH), seed=0, path="attn.qkv", dtype=np.float64, blocks=blocks)


def test_the_parts_of_a_mimetic_attention_are_those_of_mimetic_from_the_same_noise():
    made = mimetic(noise("query and key", (HEADS, WIDTH, WIDTH)), noise("value and out", (WIDTH, WIDTH)), query_key=0.5)
    for name, expected in made._asdict().items():
        np.testing.assert_array_equal(part(name), expected)
    np.testing.assert_array_equal(part("packed", 3), np.concatenate(made[:3]))


def test_a_mimetic_attention_multiplies_out_to_its_formula():
    """Also in single precision: W_out W_v is all that the model sees of the two."""
    spec = "mimetic_attention(4, part='{}')"
    out, value = (array(spec.format(name), (WIDTH, WIDTH), seed=0, path="attn.qkv") for name in ("out", "value"))
    z = noise("value and out", (WIDTH, WIDTH)) / math.sqrt(WIDTH)
    np.testing.assert_allclose(out @ value, 0.4 * (z - np.eye(WIDTH)), atol=1e-6)
