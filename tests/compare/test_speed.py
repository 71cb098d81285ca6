"""How soon a score is reached, from curves made by hand."""

import numpy as np
import pytest

from initium._compare._speed import mean_score, speed, steps_to, target_of
from initium._study._run import Run

STEPS = np.array([0.0, 10.0, 20.0, 25.0])  # the last epoch is cut short


def run(scores, index=0, loss=(1.0, 1.0, 1.0, 1.0)):
    return Run("a", index, loss, loss, tuple(scores), np.zeros(4), (3,), (3,), (4,))


@pytest.mark.parametrize(
    ("curve", "steps"),
    [
        ((0.1, 0.5, 0.9, 0.9), 15.0),  # half of the way from 0.5 to 0.9
        ((0.1, 0.7, 0.2, 0.9), 10.0),  # the first time
        ((0.8, 0.1, 0.1, 0.1), 0.0),
        ((0.1, 0.2, 0.3, 0.8), 24.0),
        ((0.1, 0.2, 0.3, 0.6), 25.0),  # never: all of them
        ((0.1, 0.9, np.nan, np.nan), 25.0),  # what it came to is lost
    ],
)
def test_steps_are_read_straight_between_epochs(curve, steps):
    assert steps_to(np.array(curve), 0.7, STEPS) == pytest.approx(steps)


def test_the_area_is_the_mean_over_all_steps():
    assert mean_score(np.array([[0.0, 1.0, 1.0, 0.0]]), STEPS) == pytest.approx([(5 + 10 + 2.5) / 25])


def test_the_target_is_a_share_that_most_starts_reach_in_most_runs():
    good, slow, bad = (np.tile([0.1, 0.1, 0.1, last], (3, 1)) for last in (0.9, 0.75, 0.1))
    assert target_of({"a": good, "b": good, "c": bad}, 0.1) == (0.9, pytest.approx(0.82))
    assert target_of({"a": good, "b": slow, "c": bad}, 0.1) == (0.8, pytest.approx(0.74))
    assert target_of({"a": good, "b": bad, "c": bad}, 0.1) == (0.5, pytest.approx(0.5))


def test_a_start_that_never_trained_holds_no_target_down_and_comes_last():
    groups = {
        "slow": [run((0.1, 0.1, 0.2, 0.9), at) for at in range(6)],
        "bad": [run((0.1, 0.1, 0.1, 0.1), at) for at in range(6)],
        "worse": [run((0.1, 0.1, 0.1, 0.05), at) for at in range(6)],
        "fast": [run((0.1, 0.6, 0.8 + at / 100, 0.9), at) for at in range(6)],
    }
    found = speed(groups, failed=["bad", "worse"], chance=0.1, steps=STEPS, ratio=0.25, is_enough=True)
    assert (found.share, found.target, found.num_steps) == (0.9, pytest.approx(0.82), 25)
    assert [(pace.recipe, pace.num_reached) for pace in found.paces] == [
        *(("fast", 6), ("slow", 6), ("bad", 0), ("worse", 0)),
    ]
    assert found.paces[2].steps.mean == 25
    assert set(found.behind) == {"slow", "bad", "worse"}
    lead = found.leads[0]
    assert (lead.first, lead.second) == ("fast", "slow")
    assert lead.steps.mean == pytest.approx(found.paces[1].steps.mean - found.paces[0].steps.mean)
    assert lead.area.mean > 0 < lead.p_area < 0.05


def test_a_run_that_diverged_counts_with_all_steps_and_the_worst_score():
    whole = [run((0.1, 0.9, 0.9, 0.9), at) for at in range(5)]
    lost = run((0.1, 0.9, 0.9, 0.9), 5, loss=(1.0, 1.0, np.nan, np.nan))
    found = speed(
        {"a": [*whole, lost], "b": [*whole, whole[0]]}, failed=(), chance=0.1, steps=STEPS, ratio=None, is_enough=True
    )
    paces = {pace.recipe: pace for pace in found.paces}
    assert (paces["a"].num_reached, paces["b"].num_reached) == (5, 6)
    assert paces["a"].steps.mean == pytest.approx((5 * 9.0 + 25) / 6)
    assert paces["a"].area.mean < paces["b"].area.mean
    assert found.level == found.paces  # one run of six tells nothing


def test_too_few_runs_are_not_tested():
    groups = {"a": [run((0.1, 0.9, 0.9, 0.9))] * 3, "b": [run((0.1, 0.1, 0.1, 0.9))] * 3}
    found = speed(groups, failed=(), chance=0.1, steps=STEPS, ratio=0.25, is_enough=False)
    assert not found.is_tested
    assert not found.behind


def test_where_none_ends_above_chance_nothing_is_raced_to():
    fell = [run((-0.6, 0.3, -0.5, -1.0), at) for at in range(6)]
    lost = [run((0.1, 0.9, 0.9, 0.9), at, (1.0, 1.0, 1.0, np.nan if at % 2 else 1.0)) for at in range(6)]
    for runs in (fell, lost):
        assert speed({"a": runs, "b": runs}, failed=(), chance=0.0, steps=STEPS, ratio=0.25, is_enough=True) is None


def test_a_start_that_never_trained_reaches_a_score_by_luck_alone():
    groups = {
        "slow": [run((0.1, 0.1, 0.12, 0.14), at) for at in range(6)],
        "stuck": [run((0.14, 0.14, 0.14, 0.1), at) for at in range(6)],
    }
    found = speed(groups, failed=["stuck"], chance=0.1, steps=STEPS, ratio=0.25, is_enough=True)
    assert [(pace.recipe, pace.num_reached) for pace in found.paces] == [("slow", 6), ("stuck", 0)]


@pytest.mark.parametrize("ratio", [None, 0.25])
def test_speed_pays_for_each_look(ratio):
    groups = {
        "a": [run((0.1, 0.8 + at % 3 / 20, 0.9, 0.9), at) for at in range(8)],
        "b": [run((0.1, 0.6 + at % 4 / 20, 0.85, 0.9), at) for at in range(8)],
    }
    usual = {"failed": (), "chance": 0.1, "steps": STEPS, "ratio": ratio, "is_enough": True}
    (once,), (often,) = (speed(groups, **usual, spent=spent).leads for spent in (1.0, 0.5))
    assert often.p_steps == pytest.approx(2 * once.p_steps)
    assert often.p_area == pytest.approx(2 * once.p_area)
    assert often.steps.low < once.steps.low
