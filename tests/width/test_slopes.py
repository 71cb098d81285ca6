"""The slope of a size against the width, its interval, and what is made of it."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats

from initium._coordinates import CoordinateCheck, Slope, slopes

WIDTHS = (64, 128, 256, 512)


def powers(*exponents, factors=(1.0, 1.0, 1.0)):
    """Sizes `(seed, width, step)` that go with a power of the width at each step; each seed has a factor of its own."""
    return np.array([[[f * width**e for e in exponents] for width in WIDTHS] for f in factors])


def check(sizes, outputs=(), **how):
    found = slopes(sizes, WIDTHS, frozenset(outputs), **how)
    return CoordinateCheck(slopes=found, widths=WIDTHS, seeds=3, recipe="mup", optimizer="adam", lr=1e-3)


def test_a_power_of_the_width_is_found_exactly_whatever_the_size():
    start, step = slopes({"a": powers(0.5, -1.0, factors=(1e-3, 1.0, 7.0))}, WIDTHS)
    assert (start.slope, step.slope) == (pytest.approx(0.5), pytest.approx(-1.0))
    assert (start.low, start.high) == (pytest.approx(0.5), pytest.approx(0.5))
    assert (start.step, step.step) == (0, 1)


def test_the_interval_is_students_over_seeds():
    generator = np.random.default_rng(0)
    sizes = np.exp(generator.normal(size=(5, 4, 1)))
    (found,) = slopes({"a": sizes}, WIDTHS)
    each = [scipy.stats.linregress(np.log(WIDTHS), np.log(sizes[seed, :, 0])).slope for seed in range(5)]
    low, high = scipy.stats.t.interval(0.95, 4, loc=np.mean(each), scale=scipy.stats.sem(each))
    assert (found.slope, found.low, found.high) == (
        pytest.approx(np.mean(each)),
        pytest.approx(low),
        pytest.approx(high),
    )


@pytest.mark.parametrize(
    ("low", "high", "least", "verdict"),
    [
        (-0.05, 0.05, -0.1, "flat"),
        (0.09, 0.3, -0.1, "flat"),
        (0.11, 0.3, -0.1, "grows"),
        (-0.3, -0.09, -0.1, "flat"),
        (-0.3, -0.11, -0.1, "shrinks"),
        (-0.5, -0.3, -0.6, "flat"),
        (-0.9, -0.7, -0.6, "shrinks"),
    ],
)
def test_it_fails_where_the_whole_interval_lies_beyond(low, high, least, verdict):
    found = Slope(path="a", step=1, sizes=(1, 2), slope=(low + high) / 2, low=low, high=high, least=least)
    assert found.verdict == verdict
    assert found.passes == (verdict == "flat")
    assert found.is_unsure == (verdict == "flat" and (high > 0.1 or low < least))


def test_the_output_alone_may_shrink_and_at_the_start_alone():
    half = check({"body": powers(0, 0), "head": powers(-0.5, 0)}, outputs=["head"])
    assert half.passes
    assert "The output may shrink" in str(half)
    assert not any(slope.is_unsure for slope in half.slopes)
    assert [slope.path for slope in check({"body": powers(-0.5, 0)}, outputs=["head"]).failures] == ["body"]
    later = check({"head": powers(-0.5, -0.3)}, outputs=["head"])
    assert [(slope.step, slope.verdict) for slope in later.failures] == [(1, "shrinks")]
    assert not check({"head": powers(-0.8, 0)}, outputs=["head"]).passes


def test_along_a_loss_that_reads_the_output_its_start_may_be_part_of_what_steps_add_which_is_told():
    found = check({"body": powers(0, 0), "head": powers(-0.5, -0.3)}, outputs=["head"], reads_outputs=True)
    assert found.passes
    assert [(slope.path, slope.step) for slope in found.slopes if slope.is_unsure] == [("head", 1)]
    assert found.answer.endswith("from width 64 to 512. 1 of 4 slopes may, by a little")
    assert "a head of zeros, by a rule of yours, tells" in " ".join(str(found).split())
    assert not check({"head": powers(-0.5, -0.8)}, outputs=["head"], reads_outputs=True).passes
    zero = powers(0, -0.3)
    zero[:, :, 0] = 0
    assert [one.step for one in check({"head": zero}, outputs=["head"], reads_outputs=True).failures] == [1]
    assert [one.path for one in check({"body": powers(0, -0.3)}, reads_outputs=True).failures] == ["body"]


@pytest.mark.parametrize(
    ("low", "high", "is_open"),
    [(-0.4, 0.4, False), (-0.05, 0.6, True), (0.05, 2.0, True), (-0.6, 0.05, True), (0.2, 2.0, False)],
)
def test_it_passes_only_where_no_interval_reaches_what_is_wrong(low, high, is_open):
    one = Slope(path="a", step=1, sizes=(1, 2), slope=(low + high) / 2, low=low, high=high)
    assert one.is_open == is_open
    told = {"widths": (32, 64), "seeds": 3, "recipe": "mup", "optimizer": "adam", "lr": 1e-3}
    found = CoordinateCheck(slopes=(one,), **told)
    assert found.passes == (one.passes and not is_open)
    assert found.answer.startswith("Not told: under `mup` 1 of 1 slope may go with the width") == is_open
    output = Slope(path="a", step=0, sizes=(1, 2), slope=-0.5, low=-0.95, high=-0.2, least=-0.6)
    assert CoordinateCheck(slopes=(output,), **told).passes
    assert not CoordinateCheck(slopes=(replace(output, low=-1.05),), **told).passes


def test_what_is_zero_everywhere_passes_and_what_is_zero_or_not_finite_somewhere_does_not():
    assert check({"a": np.zeros((3, 4, 2))}).passes
    for bad in (0.0, math.nan, math.inf):
        sizes = powers(0, 0)
        sizes[1, 2, 1] = bad
        found = check({"a": sizes})
        assert [(slope.step, slope.verdict) for slope in found.failures] == [(1, "broken")]
        assert "`a` what 1 step added to it is 0 or not finite at some widths" in found.answer
        assert found.report().title.startswith("Fails")
        json.loads(found.to_json(), parse_constant=pytest.fail)


def test_the_verdict_names_the_first_step_that_fails():
    found = check({"a": powers(0, 0, 1), "b": powers(0, 0.7, 1)})
    assert repr(found) == (
        "<CoordinateCheck: Fails: under `mup` sizes go with the width at 2 of 2 weights, from width 64 to 512; first: "
        "at `b` what 1 step added to it goes with width^0.7>"
    )
    assert "+0.70 ±0.00 !" in str(found)
    assert check({"a": powers(0)}).answer == "Passes: under `mup` no size goes with the width, from width 64 to 512"


def test_json_and_pandas_hold_each_slope():
    found = check({"a": powers(0, 1), "b": powers(0, 0)})
    told = json.loads(found.to_json())
    assert (told["passes"], told["widths"], told["seeds"]) == (False, [64, 128, 256, 512], 3)
    assert [row["verdict"] for row in told["slopes"]] == ["flat", "flat", "grows", "flat"]
    frame = found.to_pandas()
    assert frame.loc[("a", 1), "slope"] == pytest.approx(1.0)
    assert list(frame.index.names) == ["path", "step"]
    assert len(frame) == 4
