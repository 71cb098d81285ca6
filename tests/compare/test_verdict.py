"""Each sentence of a verdict, whole, from outcomes made by hand."""

from dataclasses import replace

import numpy as np
import pytest

from initium._compare._outcome import Kind, Outcome, decided
from initium._compare._scale import Scale
from initium._compare._speed import Lead, Pace, Speed
from initium._compare._statistics import Difference, Interval
from initium._compare._summary import Summary
from initium._compare._verdict import Measured, fastest, verdict
from initium._study._cause import Cause

ACCURACY = Measured(Scale("accuracy", 100, 1, ", %", " points"), 0.01, 1797, has_splits=True, enough=5)
R2 = Measured(Scale("R^2", 1, 2), 0.02, 442, has_splits=True, enough=5)
NOWHERE = Interval(0.0, 0.0, 0.0)


def row(name):
    return Summary(name, NOWHERE, NOWHERE, None, 0, 0, 0, (), (), ())


def pair(first, second, mean=0.005, **facts):
    usual = {"p_runs": 0.5, "p_both": 0.5, "p": 0.5, "p_runs_alone": 0.5, "p_same": 0.5, "num_won": 13}
    usual |= {"floor": 0.006, "runs_needed": np.inf, "samples_needed": np.inf}
    return Difference(first, second, Interval(mean, mean - 0.002, mean + 0.002), **usual | facts)


def said(names, pairs, measured=ACCURACY, *, failed=(), num_runs=20, causes=None):
    rows = [row(name) for name in names]
    outcome = decided(rows, pairs, failed=failed, num_runs=num_runs, enough=measured.enough)
    return outcome.kind, verdict(outcome, measured, summaries=rows, num_runs=num_runs, causes=causes or {})


def test_a_winner_over_one_and_over_several():
    assert said(["a", "b"], [pair("a", "b", 0.25, p=0.0003)], R2) == (
        Kind.WINNER,
        "Use a: its test R^2 beats that of b, by 0.250 [0.248, 0.252] (corrected p <= 0.0003).",
    )
    pairs = [pair("a", "b", 0.02, p=0.003), pair("a", "c", 0.5, p=0.001), pair("b", "c")]
    assert said(["a", "b", "c"], pairs)[1] == (
        "Use a: its test accuracy beats every other's, by 2.00 points [1.80, 2.20] or more (corrected p <= 0.003; the "
        "closest is b)."
    )


def test_the_same_within_the_margin_and_what_not_to_take():
    pairs = [pair("a", "b", p_same=0.01), pair("a", "c", 0.5, p=0.001), pair("b", "c", 0.5, p=0.001)]
    assert said(["a", "b", "c"], pairs) == (
        Kind.SAME,
        "Use either: a or b; not c. They differ by less than 1 point of test accuracy, which is too little to matter "
        "(corrected p <= 0.01).",
    )
    three = [pair("a", "b", p_same=0.01), pair("a", "c", p_same=0.02), pair("b", "c", p_same=0.04)]
    assert said(["a", "b", "c"], three, R2)[1] == (
        "Use any of these 3: a, b or c. They differ by less than 0.02 of test R^2, which is too little to matter "
        "(corrected p <= 0.04)."
    )
    # All pairs of the best, and not those of the first alone.
    assert said(["a", "b", "c"], [*three[:2], pair("b", "c", p_same=0.06)])[0] is Kind.OPEN


def test_seen_on_these_samples_which_are_too_few():
    one = pair("a", "b", p_runs_alone=0.001, samples_needed=2.03, num_won=20)
    assert said(["a", "b"], [one]) == (
        Kind.SEEN,
        "Use either: a or b. On these 1,797 samples a beat b (every run, by 0.50 points [0.30, 0.70]), but they are "
        "too few to say it of other data; about 3,600 samples would do. No number of runs narrows that interval to "
        "less than 0.60 points either way.",
    )
    assert said(["a", "b"], [replace(one, num_won=13, samples_needed=np.inf, runs_needed=52.0)])[1] == (
        "Use either: a or b. On these 1,797 samples a beat b (13 of 20 runs, by 0.50 points [0.30, 0.70]), but they "
        "are too few to say it of other data. About 52 runs would do as well."
    )


def test_too_few_runs_to_tell_and_how_many_would():
    pairs = [pair("a", "b", runs_needed=90.0), pair("a", "c", 0.007, runs_needed=1200.0), pair("b", "c")]
    assert said(["a", "b", "c"], pairs) == (
        Kind.OPEN,
        "Use any of these 3: a, b or c. 20 runs are too few to tell them apart: a difference as large as that between "
        "a and c, 0.70 points [0.50, 0.90], would take about 1,200.",
    )


def test_more_runs_would_not_show_it():
    assert said(["a", "b"], [pair("a", "b")])[1] == (
        "Use either: a or b. No difference is shown, and more runs would not show one as large as that between a and "
        "b, 0.50 points [0.30, 0.70]. No number of runs narrows that interval to less than 0.60 points either way."
    )


def test_runs_that_can_show_nothing():
    pairs = [pair("a", "b", p=0.0001)]
    assert said(["a", "b"], pairs, num_runs=4) == (
        Kind.TOO_FEW_RUNS,
        "Too few runs to tell: 4 of each start cannot show any difference among 2 starts, however large; 5 or more "
        "can.",
    )
    shared = replace(ACCURACY, has_splits=False, enough=6)
    assert said(["a", "b"], pairs, shared, num_runs=5)[1].endswith("however large; 6 or more can.")


def test_one_number_of_one_split():
    assert said(["a", "b"], [pair("a", "b", p=np.nan)], replace(R2, scale=Scale("f1", 1, 2), has_splits=False)) == (
        Kind.NOT_TESTED,
        "No winner is named: the test f1 is one number a run, and whether other test samples would tell the same needs "
        "one of each sample, or splits. Data without a split of its own has them, unless splits=1.",
    )


def test_where_nothing_trained_no_start_is_ranked_and_each_cause_is_told_once():
    names = ["a", "b", "c"]
    causes = {"a": Cause("units identical", "2 of 2"), "b": Cause("diverges"), "c": Cause("units identical", "3 of 3")}
    assert said(names, [pair("a", "b", p=0.0)], failed=names, num_runs=3, causes=causes) == (
        Kind.NOTHING_TRAINED,
        "Nothing trained: none of 3 runs of any start left chance without diverging, so none is ranked. A diagnosis at "
        "step zero finds: units identical (a and c); diverges (b).",
    )
    one = dict.fromkeys(names, Cause("units identical", "2 of 2"))
    assert said(names, [pair("a", "b", p=0.0)], failed=names, causes=one)[1].endswith("finds: units identical.")


def test_a_start_that_never_trained_is_not_recommended_though_no_test_tells():
    assert said(["a", "b"], [pair("a", "b")], failed=["b"]) == (
        Kind.WINNER,
        "Use a: no other trained. Never trained: b.",
    )
    pairs = [pair("a", "b", p_same=0.01), pair("a", "c"), pair("b", "c")]
    assert said(["a", "b", "c"], pairs, failed=["c"])[1] == (
        "Use either: a or b. Never trained: c. They differ by less than 1 point of test accuracy, which is too little "
        "to matter (corrected p <= 0.01)."
    )


def test_words_never_steer():
    """A start may be called as a sentence begins."""
    names = ["Use nothing", "Nothing trained"]
    outcome = decided([row(one) for one in names], [pair(*names, p=0.001)], failed=(), num_runs=9, enough=5)
    assert outcome == Outcome(Kind.WINNER, (names[0],), (names[1],), (), (pair(*names, p=0.001),))


def raced(*means, p=()):
    names = "abc"[: len(means)]
    paces = tuple(
        Pace(name, Interval(mean, mean - 10, mean + 10), 20, NOWHERE) for name, mean in zip(names, means, strict=True)
    )
    leads = tuple(Lead("a", name, NOWHERE, each, NOWHERE, 1.0) for name, each in zip(names[1:], p, strict=True))
    return Speed(0.88, 0.9, 900, 20, paces, leads, is_tested=True)


@pytest.mark.parametrize(
    ("speed", "text"),
    [
        (
            raced(210, 294, 400, p=(0.002, 0.001)),
            "Fastest: a reaches 88.0 % in 210 steps [200, 220], 1.4 times as fast as b, the next (corrected p <= "
            "0.002).",
        ),
        (
            raced(210, 214, 400, p=(0.2, 0.001)),
            "Neither a nor b is shown to be the fastest: they reach 88.0 % in 210 to 214 steps. Slower than a: c, in "
            "400 steps [390, 410] (corrected p <= 0.001).",
        ),
        (
            raced(210, 1300, 1400, p=(0.04, 0.001)),
            "Fastest: a reaches 88.0 % in 210 steps [200, 220], 6.2 times as fast as b, the next (corrected p <= "
            "0.04).",
        ),
        (
            raced(210, 210, 210, p=(0.2, 0.3)),
            "None of a, b and c is shown to be the fastest: they reach 88.0 % in 210 steps.",
        ),
    ],
)
def test_the_fastest_start(speed, text):
    assert fastest(speed, ACCURACY) == text


def test_a_start_that_never_gets_there_is_none_of_the_fastest():
    some = raced(210, 214, 900, p=(0.2, 0.12))
    some = replace(some, paces=(*some.paces[:2], replace(some.paces[2], num_reached=0)))
    assert fastest(some, ACCURACY) == (
        "Neither a nor b is shown to be the fastest: they reach 88.0 % in 210 to 214 steps. c never does."
    )
    alone = raced(210, 900, p=(0.12,))
    alone = replace(alone, paces=(alone.paces[0], replace(alone.paces[1], num_reached=0)))
    assert fastest(alone, ACCURACY) == "Only a reaches 88.0 %, in 210 steps [200, 220]."


def test_of_one_split_speed_speaks_of_its_samples_and_of_too_few_runs_it_does_not_speak():
    shared = replace(ACCURACY, has_splits=False)
    assert fastest(raced(210, 294, p=(0.002,)), shared).endswith(
        "the next (corrected p <= 0.002, on these test samples)."
    )
    assert fastest(raced(210, 211, p=(0.2,)), shared).endswith("in 210 to 211 steps, on these test samples.")
    assert fastest(replace(raced(210, 294, p=(1.0,)), is_tested=False), ACCURACY) == ""


def test_no_start_is_recommended_that_another_is_shown_to_beat():
    pairs = [pair("a", "b", p_same=0.6), pair("a", "c", 0.01), pair("b", "c", p=0.0001)]
    kind, text = said(["a", "b", "c"], pairs)
    assert kind is Kind.OPEN
    assert text.startswith("Use either: a or b; not c. No difference is shown, and more runs")
    assert "between a and b" in text
    # What never trained beats nothing.
    assert said(["b", "c", "a"], [pair("a", "b", p=0.001), *pairs[1:]], failed=["a"])[1].startswith("Use b: ")
    through = [pair("a", "b", 0.3, p=0.001), pair("a", "c", 0.4), pair("b", "c", 0.1, p=0.002)]
    assert said(["a", "b", "c"], through)[1] == (
        "Use a: its test accuracy beats that of b, by 30.00 points [29.80, 30.20] (corrected p <= 0.001). c is behind "
        "one of these."
    )


def test_what_is_seen_of_any_pair_is_told_of_that_pair():
    pairs = [pair("a", "b"), pair("a", "c", 0.02), pair("b", "c", 0.01, p_runs_alone=0.001, num_won=19)]
    kind, text = said(["a", "b", "c"], pairs)
    assert kind is Kind.SEEN
    assert "samples b beat c (19 of 20 runs, by 1.00 points" in text
    both = [
        replace(pairs[0], p_runs_alone=0.002),
        replace(pairs[1], p_runs_alone=0.001),
        replace(pairs[2], p_runs_alone=1),
    ]
    assert "samples a beat b and c (13 of 20 runs against c, by 2.00" in said(["a", "b", "c"], both)[1]


def test_the_fewest_runs_that_can_show_a_difference_are_not_too_few():
    assert said(["a", "b"], [pair("a", "b", p=0.01)], num_runs=5)[0] is Kind.WINNER


def test_a_start_that_gets_there_in_half_its_runs_is_told_apart():
    some = raced(210, 214, 500, p=(0.2, 0.12))
    some = replace(some, paces=(*some.paces[:2], replace(some.paces[2], num_reached=10)))
    assert fastest(some, ACCURACY) == (
        "Neither a nor b is shown to be the fastest: they reach 88.0 % in 210 to 214 steps. c does in 10 of 20 runs."
    )
    alone = raced(210, 900, p=(0.12,))
    alone = replace(alone, paces=(alone.paces[0], replace(alone.paces[1], num_reached=3)))
    assert fastest(alone, ACCURACY) == "a reaches 88.0 % in 210 steps [200, 220]. b does in 3 of 20 runs."
    assert fastest(replace(alone, paces=tuple(replace(one, num_reached=10) for one in alone.paces)), ACCURACY) == ""


def test_the_words_fit_small_numbers():
    assert "210 steps [200, 220], a little faster than b, the next" in fastest(raced(210, 218, p=(0.01,)), ACCURACY)
    assert fastest(raced(1, 1, p=(0.5,)), ACCURACY).endswith("they reach 88.0 % in 1 step.")
    assert "reaches 88.0 % in 1 step [-9, 11], 3 times as fast" in fastest(raced(1, 3, p=(0.01,)), ACCURACY)


def test_more_runs_than_anybody_trains_are_not_called_none():
    one = pair("a", "b", floor=0.0)
    assert said(["a", "b"], [one])[1] == (
        "Use either: a or b. No difference is shown: one as large as that between a and b, 0.50 points [0.30, 0.70], "
        "would take more than 10,000 runs."
    )
    assert said(["a", "b"], [replace(one, p_runs_alone=0.001)])[1].endswith(
        "say it of other data. More than 10,000 runs would do as well."
    )
    assert "310 times as fast as b" in fastest(raced(1, 310, p=(0.01,)), ACCURACY)


def test_a_start_that_never_gets_there_is_not_called_slower():
    race = raced(210, 294, 900, p=(0.002, 1e-9))
    race = replace(race, paces=(*race.paces[:2], replace(race.paces[2], num_reached=0)))
    assert fastest(race, ACCURACY) == (
        "Fastest: a reaches 88.0 % in 210 steps [200, 220], 1.4 times as fast as b, the next (corrected p <= 0.002). c "
        "never does."
    )
    alone = raced(210, 900, p=(1e-9,))
    alone = replace(alone, paces=(alone.paces[0], replace(alone.paces[1], num_reached=0)))
    assert fastest(alone, ACCURACY) == "Only a reaches 88.0 %, in 210 steps [200, 220]."
