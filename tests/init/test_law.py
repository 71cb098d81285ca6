import math
import re

import numpy as np
import pytest

import initium
from initium.init._law import Constant, Normal, Orthogonal, Packed
from initium.init._weight import Weight

SHAPE = (6, 4)


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("framework", "left as it is in the model"),
        ("constant(0.5)", "every element is 0.5"),
        ("uniform(-3, 3)", "uniform from -3 to 3, std 1.73205"),
        ("normal(1, 0.02)", "Gaussian, mean 1, std 0.02"),
        ("he_normal", "Gaussian, mean 0, std 0.707107"),
        ("truncated_normal(0, 1)", "Gaussian cut to -2.27369 .. 2.27369, mean 0, std 1 as cut"),
        ("truncated_normal(0, 1, cut=inf)", "Gaussian cut to -inf .. inf, mean 0, std 1 as cut"),
        ("orthogonal(gain=2)", "orthonormal rows or columns times 2, std 0.816497"),
        ("identity", "computed as a whole"),
    ],
)
def test_a_start_is_told_in_numbers(spec, text):
    weight = Weight(shape=SHAPE, axes="oi")
    assert initium.parse(spec).law(weight).words(weight) == text


def test_unequal_blocks_are_told_one_by_one():
    weight = Weight(shape=(6, 4), axes="oi", blocks=(4, 2))
    assert initium.parse("glorot_normal").law(weight).words(weight) == (
        "block 1: Gaussian, mean 0, std 0.5; block 2: Gaussian, mean 0, std 0.57735"
    )


@pytest.mark.parametrize("spec", ["truncated_normal(0, 1, cut=1.5)", "uniform(-2, 2)", "orthogonal(gain=3)"])
def test_what_is_told_is_what_is_drawn(spec):
    shape = (500, 200)
    drawn = initium.array(spec, shape, axes="oi", seed=0, path="w")
    weight = Weight(shape=shape, axes="oi")
    text = initium.parse(spec).law(weight).words(weight)
    std = float(text.partition("std ")[2].split()[0])
    assert abs(np.sqrt(np.mean(drawn.astype(float) ** 2)) / std - 1) < 5 / math.sqrt(2 * drawn.size)
    if " to " in text:
        low, high = map(float, re.findall(r"-?\d[.\d]*\d|-?\d", text)[:2])
        assert low <= drawn.min() < low * 0.999
        assert high * 0.999 < drawn.max() <= high


@pytest.mark.parametrize(
    ("laws", "axes", "comes"),
    [
        ((Normal(0, 1), Constant(0)), "oi", True),
        ((Normal(0, 1), Orthogonal(1)), "oi", False),
        ((Normal(0, 1), Constant(0)), "io", False),  # the blocks lie within each row
    ],
)
def test_packed_blocks_come_in_parts_where_each_does_and_they_follow_each_other(laws, axes, comes):
    weight = Weight(shape=(6, 6), axes=axes, blocks=(4, 2))
    assert Packed(laws).comes_in_parts(weight) is comes
