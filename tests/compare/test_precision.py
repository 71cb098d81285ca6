"""When a comparison has runs enough, and that looking more than once is paid for."""

import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from grids import NUM_SAMPLES, facts, run_of

import initium
from initium._compare import _precision
from initium._compare._comparison import Comparison
from initium._compare._grid import Grid
from initium._compare._precision import Precision, precision_of, seconds_of, share
from initium._errors import SettingError
from initium._study._facts import Facts
from initium._study._run import Run

SETTINGS = {"lr": 0.1, "batch_size": 32}


def made(gaps, *, score="R^2", looks=(), precision=None, more=()):
    """Runs of a leader and of one that is behind by some gaps, on five splits dealt anew."""
    facts = Facts(
        *("", "net", "made", "regression" if score == "R^2" else "classification", "given"),
        *(80, 20, 0.0, score, ("ahead", "behind"), len(gaps), "1 epoch", SETTINGS),
        splits=5,
        looks=looks,
        precision=precision,
    )
    values = {"ahead": np.full(len(gaps), 0.9), "behind": 0.9 - np.asarray(gaps), **dict(more)}
    return Comparison(facts, {name: [one(name, index, v) for index, v in enumerate(of)] for name, of in values.items()})


def one(name, index, value):
    curve = (0.0, float(value))
    return Run(name, index, (1.0, 0.5), (1.0, 0.5), curve, np.array([float(value)]), (), (), (), split=index % 5)


def test_looks_spend_the_error_and_never_more():
    assert share(0) == 1
    assert share(1) == pytest.approx(1 / 2)
    assert sum(share(k) for k in range(1, 100_000)) == pytest.approx(1, abs=1e-4)


def test_a_look_widens_the_interval_by_the_quantile_of_its_share():
    gaps = np.linspace(-0.05, 0.07, 20)
    for looks in ((), (20,), (10, 20), (5, 10, 20)):
        level = 0.05 * share(len(looks))
        (gap,) = made(gaps, looks=looks, precision=1.0 if looks else None).differences
        error = math.sqrt(gaps.var(ddof=1) * (1 / 20 + 20 / 80))
        assert gap.gap.high - gap.gap.mean == pytest.approx(scipy.stats.t.isf(level / 2, 19) * error)
        assert gap.floor == pytest.approx(scipy.stats.norm.isf(level / 2) * math.sqrt(gaps.var(ddof=1) * 20 / 80))
        p = 2 * scipy.stats.t.sf(gaps.mean() / error, 19)
        assert gap.p == pytest.approx(min(p / share(len(looks)), 1))


def test_looks_that_nobody_meant_to_take_are_told_and_not_paid_for():
    found = made(np.linspace(-0.05, 0.07, 20), looks=(10, 20))
    assert found.differences[0].p == made(np.linspace(-0.05, 0.07, 20)).differences[0].p
    assert (
        "The runs were looked at before there were 20 of each start, and the tests do not allow for that; "
        "--precision (from Python: precision=0.5) does." in found.remarks
    )
    assert not any("looked at" in told for told in made(np.linspace(-0.05, 0.07, 20), looks=(20,)).remarks)


def test_runs_are_doubled_until_the_interval_is_narrow_enough():
    gaps = np.tile([-0.01, 0.03], 3)
    wide = Precision(0.001)
    assert wide.more(6, [made(gaps)], seconds=1, spent=0) == 12
    assert Precision(1.0).more(6, [made(gaps)], seconds=1, spent=0) == 6
    assert wide.more(6, [made(np.zeros(6)), made(gaps)], seconds=1, spent=0) == 12  # one place of a grid is enough


def test_no_run_is_added_where_none_would_narrow_it():
    gaps = np.tile([-0.01, 0.03], 50)
    found = made(gaps, precision=0.001, looks=(100,))
    assert Precision(0.001).more(100, [found], seconds=1, spent=0) == 100
    assert found.remarks[-1].startswith("As precise as runs can be: +-0.0")
    assert "however many there are, it stays above +-0.0" in found.remarks[-1]


def test_a_start_that_never_trained_is_not_waited_for():
    gaps = np.tile([0.0, 0.0001], 6)
    lost = [("lost", np.tile([-0.9, 0.0], 6))]  # R^2 of 0 is chance
    found = made(gaps, more=lost)
    assert found.failed == ("lost",)
    assert Precision(0.01).more(12, [found], seconds=1, spent=0) == 12


def test_a_budget_ends_it():
    gaps, sure = np.tile([-0.01, 0.03], 3), Precision(0.001, budget=100)
    assert sure.more(6, [made(gaps)], seconds=60, spent=10) == 12
    assert sure.more(6, [made(gaps)], seconds=60, spent=70) == 9  # half of it fits
    assert sure.more(6, [made(gaps)], seconds=60, spent=95) == 6
    told = made(gaps, precision=0.001, looks=(6,)).remarks[-1]
    assert told.startswith("Less precise than asked: +-")
    assert told.endswith("--resume with the same --precision adds runs.")


def test_points_of_an_accuracy_are_hundredths():
    gaps = np.tile([-0.01, 0.03], 3)
    (gap,) = made(gaps, score="accuracy").differences
    half = (gap.gap.high - gap.gap.low) / 2
    assert Precision(100 * half * 1.01).is_met(made(gaps, score="accuracy"), gap)
    assert not Precision(half * 1.01).is_met(made(gaps, score="accuracy"), gap)


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), (90, 90), ("90s", 90), ("10m", 600), ("1.5 h", 5400)])
def test_a_budget_is_a_time(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["soon", "10 parsecs", "-1m", "0", "nan", "inf", "m"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(SettingError) as caught:
        seconds_of(text)
    assert str(caught.value) == f"budget is a time as in 90s, 10m or 1h, not {text!r}."


def test_what_is_no_precision_is_refused():
    for value in (0, -1, math.nan, math.inf, True, "0.5"):
        with pytest.raises(SettingError, match="precision is a number above 0, in points of the score"):
            precision_of(value, None)
    with pytest.raises(SettingError, match=r"ask for one, as in precision=0\.5"):
        precision_of(None, "10m")
    assert precision_of(None, None) is None


def test_a_study_goes_on_until_it_is_sure_and_says_how_it_ended(tmp_path):
    store = tmp_path / "s.db"
    asked = {"model": "mlp(4, 4, 3)", "data": "iris", "inits": ["he_normal", "orthogonal"], "epochs": 1, "seeds": 3}
    found = initium.compare(**asked, precision=1000, store=store, progress=False)
    assert (found.num_runs, found.study.looks, found.study.precision) == (3, (3,), 1000)
    found = initium.compare(**asked, precision=0.001, store=store, resume=True, budget="1h", progress=False)
    assert found.num_runs > 3
    assert found.study.looks[:2] == (3, 6)
    assert found.num_runs == found.study.looks[-1]
    from initium._compare import show

    shown = show(store)
    assert shown.num_runs == found.num_runs
    assert shown.study.looks == found.study.looks
    assert shown.remarks == found.remarks


def test_a_grid_pays_for_its_looks_as_well():
    def grid(looks):
        cells = {f"lr={lr:g}": replace(made(gaps, looks=looks, precision=1.0 if looks else None)) for lr, gaps in each}
        named = {
            name: replace(cell, study=replace(cell.study, name=name, settings={**SETTINGS, "depth": at}))
            for at, (name, cell) in enumerate(cells.items())
        }
        return Grid(named, ("depth",))

    each = ((0.1, np.linspace(-0.02, 0.08, 20)), (0.2, np.linspace(-0.03, 0.07, 20)))
    once, thrice = grid(()), grid((5, 10, 20))
    for one, other in zip(once.cell_contests, thrice.cell_contests, strict=True):
        assert other.leads[0].p == pytest.approx(min(12 * one.leads[0].p, 1))
        assert other.leads[0].gap.high > one.leads[0].gap.high


def test_a_look_that_an_interruption_allowed_is_paid_for(tmp_path):
    def stopping(study, runs):
        for done, (contender, index) in enumerate(runs):
            if done == 6:
                raise KeyboardInterrupt
            yield contender.run(index)

    asked = {"model": "mlp(4, 4, 3)", "data": "iris", "inits": ["he_normal", "orthogonal"], "epochs": 1, "seeds": 5}
    asked |= {"store": tmp_path / "s.db", "progress": False, "precision": 1000, "splits": 2}
    cut = initium.compare(**asked, engine=stopping)
    assert (cut.interrupted, cut.num_runs, cut.study.looks) == (True, 3, (3,))
    whole = initium.compare(**asked, resume=True)
    assert (whole.num_runs, whole.study.looks) == (5, (3, 5))
    assert whole.spent == share(2)


def half(one):
    return (one.gap.high - one.gap.low) / 2


def test_no_more_runs_than_the_most_are_added_or_asked_for(monkeypatch):
    gaps = np.tile([-0.01, 0.03], 6)
    assert Precision(1e-6).more(9_990, [made(gaps)], seconds=1, spent=0) == 10_000
    assert Precision(1e-6).more(10_000, [made(gaps)], seconds=1, spent=0) == 10_000
    monkeypatch.setattr(_precision, "MOST_RUNS", 12)
    told = made(gaps, precision=0.001, looks=(12,)).remarks[-1]
    assert told.startswith("Less precise than asked: +-")
    assert told.endswith("where +-0.001 was asked; 12 runs are the most.")


def test_an_interval_a_fifth_wider_than_runs_can_make_it_is_worth_more_runs():
    found = made(np.tile([-0.01, 0.03], 10), precision=0.001, looks=(20,))
    (gap,) = found.differences
    assert 1.1 < half(gap) / gap.floor < 1.25
    assert found.remarks[-1].startswith("Less precise than asked")
    assert Precision(0.001).more(20, [found], seconds=1, spent=0) == 40


def test_only_intervals_from_the_best_matter_and_the_widest_is_told():
    gaps, other = np.tile([0.0, 0.02], 6), np.tile([0.05, 0.02], 6)
    found = made(gaps, more=[("third", 0.9 - other)], precision=1.0, looks=(12,))
    widths = {(one.first, one.second): half(one) for one in found.differences}
    near, far = widths["ahead", "behind"], widths["ahead", "third"]
    assert near < far < widths["behind", "third"]
    assert Precision(1.01 * far).more(12, [found], seconds=1, spent=0) == 12
    assert Precision(0.99 * far).more(12, [found], seconds=1, spent=0) == 24
    assert found.remarks[-1].startswith(f"Precise enough: +-{far:.2g} after 12 runs, where +-1 was asked.")
    assert f"{near:.2g}" != f"{far:.2g}"


def uneven(num_runs, settings=None):
    """Of three starts on one split: two whose runs differ by chance, and one that some samples do not suit."""
    draws = scipy.stats.uniform.rvs(size=(2, num_runs, NUM_SAMPLES), random_state=1)
    suited = (np.arange(NUM_SAMPLES) >= 0.3 * NUM_SAMPLES).astype(float)
    right = {"best": draws[0] < 0.95, "next": draws[1] < 0.85, "uneven": np.tile(suited, (num_runs, 1))}
    runs = {start: [run_of(start, i, row.astype(float)) for i, row in enumerate(of)] for start, of in right.items()}
    said = facts(settings or {}, right, num_runs, precision=0.5, looks=(num_runs,))
    return Comparison(said, runs)


def test_runs_are_asked_for_as_long_as_one_interval_lacks_them_though_a_wider_one_does_not():
    found = uneven(40)
    lacks = Precision(0.5).lacks(found)
    assert [one.second for one in lacks] == ["next"]
    assert half(lacks[0]) < max(map(half, found.differences))
    assert Precision(0.5).more(40, [found], seconds=1, spent=0) == 80
    assert found.remarks[-1] == (
        f"Less precise than asked: +-{100 * half(lacks[0]):.2g} points after 40 runs, where +-0.5 was asked; --resume "
        "with the same --precision adds runs."
    )


def test_a_grid_tells_once_how_precise_it_is():
    from initium._compare._grid_report import remarks

    cells = {f"depth={depth}": uneven(num, settings={"depth": depth}) for depth, num in ((2, 40), (3, 20))}
    lacks = [one for cell in cells.values() for one in Precision(0.5).lacks(cell)]
    (told,) = remarks(Grid(cells, ("depth",)))
    assert told.startswith(
        f"Less precise than asked: +-{100 * max(map(half, lacks)):.2g} points at the place that lacks most after 40"
    )
    sure = made(np.linspace(-0.05, 0.07, 20), looks=(20,), precision=1.0)
    wide = made(np.linspace(-0.06, 0.08, 20), looks=(20,), precision=1.0)
    both = {str(n): replace(one, study=replace(one.study, settings={"depth": n})) for n, one in enumerate((sure, wide))}
    (told,) = remarks(Grid(both, ("depth",)))
    assert told.startswith(f"Precise enough: +-{half(wide.differences[0]):.2g} at the place that is least precise")
    unpaid = {name: replace(one, study=replace(one.study, precision=None, looks=(5, 20))) for name, one in both.items()}
    (told,) = remarks(Grid(unpaid, ("depth",)))
    assert told.startswith("The runs were looked at before")
