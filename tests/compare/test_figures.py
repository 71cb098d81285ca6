"""A comparison's charts, from runs made by hand."""

import json
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats

from initium._compare._comparison import Comparison
from initium._compare._figures import figures
from initium._compare._matrix import matrix
from initium._study._facts import Facts
from initium._study._run import Run
from initium._study._weights import Weights

NUM_SAMPLES = 200
FACTS = Facts(
    name="", model="mlp", data="made", task="classification", preparation="", num_train=800, num_test=NUM_SAMPLES,
    chance=0.5, score="accuracy", starts=(), seeds=6, length="3 epochs of sgd", settings={"lr": 0.1, "batch_size": 32},
)  # fmt: skip


def run(recipe, index, accuracy, seed, epochs=3, diverges=False, layers=2):
    draws = scipy.stats.norm.rvs(size=(layers, 400), random_state=7 * seed + index)
    merits = (scipy.stats.uniform.rvs(size=NUM_SAMPLES, random_state=1000 * seed + index) < accuracy).astype(float)
    loss = tuple(2.0 * (0.5 if accuracy > 0.6 else 1.0) ** np.minimum(np.arange(epochs + 1), 20))
    return Run(
        recipe=recipe,
        index=index,
        train_loss=(*loss[:-1], float("nan")) if diverges else loss,
        test_loss=(*loss[:-1], float("nan")) if diverges else loss,
        test_score=(0.5, *[float(merits.mean())] * epochs),
        merits=merits,
        units_start=(8,),
        units_end=(8,),
        widths=(8,),
        weights=tuple(Weights.of(f"{n}.weight", own, 2 * own) for n, own in enumerate(draws)) if index == 0 else (),
    )


def compared(runs=6, facts=FACTS, **starts):
    found = {
        name: [run(name, index, seed=number, **about) for index in range(runs)]
        for number, (name, about) in enumerate(starts.items())
    }
    return Comparison(replace(facts, starts=tuple(starts), seeds=runs), found)


GOOD, BETTER, CHANCE = {"accuracy": 0.95}, {"accuracy": 0.99}, {"accuracy": 0.4}


def by_title(comparison):
    return {figure.title: figure for figure in figures(comparison)}


def styles(comparison):
    """Of each start, every colour, dash and symbol that the charts draw it with."""
    found = {name: set() for name in comparison.runs}
    for figure in figures(comparison):
        for plot in figure.plots:
            for trace in plot["data"]:
                name = plot["layout"].get("title", {}).get("text") or trace.get("name")
                if name in found and trace["mode"] != "text" and trace.get("name") != "step 0":
                    line, marker = trace.get("line", {}), trace.get("marker", {})
                    found[name].add(("color", line.get("color", marker.get("color"))))
                    found[name].update((kind, one[kind]) for one, kind in [(marker, "symbol")] if kind in one)
                    if line.get("shape") != "hvh":
                        found[name].update((kind, one[kind]) for one, kind in [(line, "dash")] if kind in one)
    return found


def test_a_start_looks_alike_in_every_chart_by_the_order_asked_for_and_not_by_its_rank():
    one = styles(compared(zeros=GOOD, ones=BETTER, he_normal=CHANCE))
    for name, look in one.items():
        assert sorted(kind for kind, _ in look) == ["color", "dash", "symbol"], name
    assert len({frozenset(look) for look in one.values()}) == 3
    assert styles(compared(zeros=BETTER, ones=CHANCE, he_normal=GOOD)) == one


def ranges(comparison):
    return [
        plot["layout"][axis]["range"]
        for figure in figures(comparison)[:2]
        for plot, axis in zip(figure.plots, "x" if figure.title == "Final scores" else "yyy", strict=True)
        for axis in [f"{axis}axis"]
    ]


def test_a_start_that_failed_does_not_squeeze_the_scale_of_the_others_and_is_told_at_its_edge():
    both = {"zeros": GOOD, "ones": BETTER}
    alone, beside = compared(**both), compared(**both, he_normal=CHANCE, orthogonal={**GOOD, "diverges": True})
    assert beside.failed == ("he_normal", "orthogonal")
    assert ranges(alone) == ranges(beside)
    points, curves, *_ = figures(beside)
    [[other], [told]] = [trace["text"] for trace in points.plots[0]["data"] if trace["mode"] == "text"]
    assert told.startswith("mean ")
    assert told.endswith("▸")
    assert other.startswith("all at ")
    assert "The scale leaves out what failed: he_normal and orthogonal." in points.note
    assert "The scale leaves out what failed: he_normal and orthogonal." in curves.note
    assert "leaves out" not in figures(alone)[0].note


def test_one_run_that_failed_does_not_squeeze_the_scale_either():
    whole = compared(zeros=GOOD, ones=BETTER)
    lost = run("zeros", 0, 0.3, seed=9)
    cut = Comparison(whole.study, {**whole.runs, "zeros": [lost, *whole.runs["zeros"][1:]]})
    lost_row = [trace for trace in figures(cut)[0].plots[0]["data"] if trace["mode"] == "text"]
    mean = 100 * (1 - cut.scores["zeros"].mean())
    assert [trace["text"] for trace in lost_row] == [[f"1 of 6 runs, mean {mean:.3g}% ▸"]]
    _, high = figures(cut)[0].plots[0]["layout"]["xaxis"]["range"]
    assert 10**high < 20  # percent of error


def test_where_all_failed_all_are_shown():
    found = compared(zeros=CHANCE, ones={"accuracy": 0.45})
    points = figures(found)[0].plots[0]
    assert not [trace for trace in points["data"] if trace["mode"] == "text"]


@pytest.mark.parametrize("score", ["accuracy", "r2"])
@pytest.mark.parametrize("climbs", [{"a": (0.3, 0.5), "b": (0.2, 0.5)}, {"a": (0.3, 0.55), "b": (0.2, 0.52)}])
def test_curves_of_what_hardly_trained_lie_within_their_axis(score, climbs):
    found = compared(a=CHANCE, b=CHANCE, facts=replace(FACTS, score=score))
    runs = {
        name: [replace(one, test_score=(first, last, last), merits=one.merits[:2]) for one in found.runs[name]]
        for name, (first, last) in climbs.items()
    }
    plot = by_title(replace(found, runs=runs))["Learning curves"].plots[0]
    drawn = [value for trace in plot["data"] for value in trace["y"]]
    low, high = plot["layout"]["yaxis"]["range"]
    if score == "r2" and max(map(max, climbs.values())) > 0.5:
        drawn = [trace["y"][-1] for trace in plot["data"]]  # one may begin anywhere, and is seen from where it is good
    assert low < min(drawn) <= max(drawn) < high


def test_an_accuracy_near_one_is_drawn_as_error_on_a_log_scale_in_points_and_curves():
    near, far = by_title(compared(zeros=GOOD, ones=BETTER)), by_title(compared(zeros={"accuracy": 0.7}, ones=CHANCE))
    for found, kind in ((near, "log"), (far, None)):
        axes = [
            found["Final scores"].plots[0]["layout"]["xaxis"],
            found["Learning curves"].plots[0]["layout"]["yaxis"],
        ]
        assert [one.get("type") for one in axes] == [kind, kind]
        text = "test error, % (log scale)" if kind else "test accuracy, %"
        assert [one["title"]["text"] for one in axes] == [text, text]


def test_a_run_without_any_error_has_a_place_on_the_log_scale():
    points = by_title(compared(zeros={"accuracy": 1.0}, ones=GOOD))["Final scores"].plots[0]
    best = next(trace for trace in points["data"] if trace.get("name") == "zeros")
    assert best["x"] == [pytest.approx(100 * 0.5 / NUM_SAMPLES)]


def test_an_r2_that_begins_far_below_zero_does_not_squeeze_the_rest():
    facts = replace(FACTS, score="R^2", chance=0.0, task="regression")
    found = compared(facts=facts, zeros=GOOD, ones=BETTER)
    runs = [replace(one, test_score=(-50.0, *one.test_score[1:])) for one in found.runs["zeros"]]
    plot = by_title(Comparison(found.study, {**found.runs, "zeros": runs}))["Learning curves"].plots[0]
    assert plot["layout"]["yaxis"]["range"][0] > -1


def test_a_thousand_runs_of_a_thousand_epochs_make_no_large_page():
    few, many = compared(zeros=GOOD, ones=BETTER), compared(zeros=GOOD, ones=BETTER, runs=1000)
    size = {count: len(json.dumps([plot for figure in figures(one) for plot in figure.plots]))
            for count, one in ((6, few), (1000, many))}  # fmt: skip
    assert size[1000] < size[6] + 10_000
    assert "faint dots are 60 of the 1,000 runs, evenly by rank" in figures(many)[0].note
    long = compared(runs=2, zeros={**GOOD, "epochs": 1000}, ones={**BETTER, "epochs": 1000})
    curve = next(trace for trace in by_title(long)["Learning curves"].plots[0]["data"] if trace.get("name") == "zeros")
    assert (curve["x"][0], curve["x"][-1], len(curve["x"])) == (0, 1000, 150)


def test_dots_of_the_same_score_lie_beside_each_other():
    points = by_title(compared(zeros={"accuracy": 1.0}, ones=GOOD))["Final scores"].plots[0]
    dots = next(trace for trace in points["data"] if len(set(trace["x"])) == 1 and len(trace["x"]) == 6)
    assert len(set(dots["y"])) == 6
    assert np.ptp(dots["y"]) < 1


def test_every_layer_has_its_histograms_on_the_same_axes():
    found = by_title(compared(zeros=GOOD, ones=BETTER))
    layers = [figure for title, figure in found.items() if title.startswith("Weights: ")]
    assert [figure.title for figure in layers] == ["Weights: 0.weight", "Weights: 1.weight"]
    for figure in layers:
        assert len(figure.plots) == 2
        for axis in ("xaxis", "yaxis"):
            assert len({tuple(plot["layout"][axis]["range"]) for plot in figure.plots}) == 1


def test_of_many_layers_some_are_shown_and_it_is_said():
    found = figures(compared(zeros={**GOOD, "layers": 40}, ones={**BETTER, "layers": 40}))[2:]
    assert len(found) == 12
    assert (found[0].title, found[-1].title) == ("Weights: 0.weight", "Weights: 39.weight")
    assert found[-1].note.endswith("12 of 40 layers.")


def test_a_matrix_holds_each_pair_once_in_the_row_of_the_better():
    found = compared(zeros=CHANCE, ones=GOOD, he_normal=BETTER)
    [plot] = matrix(found).plots
    rows, columns = plot["layout"]["yaxis"]["ticktext"], plot["layout"]["xaxis"]["ticktext"]
    assert (rows, columns) == (["he_normal", "ones"], ["ones", "zeros"])
    cells = {(row, column): text for row, line in zip(rows, plot["data"][0]["text"], strict=True)
             for column, text in zip(columns, line, strict=True) if text}  # fmt: skip
    assert cells.keys() == {(pair.first, pair.second) for pair in found.differences}
    for pair in found.differences:
        gap = f"{100 * pair.gap.mean:+.2f}"
        assert cells[pair.first, pair.second] == (
            f"<b>{gap}</b><br>p {pair.p:.2g}" if pair.p < 0.05 else f"{gap}<br>p {pair.p:.2g}"
        )


def test_few_pairs_are_a_table_and_many_a_matrix():
    names = ("zeros", "ones", "he_normal", "orthogonal", "glorot_normal")
    few, many = (compared(**dict.fromkeys(names[:count], GOOD)).report().sections for count in (4, 5))
    assert [any(section.title == "Paired differences" for section in one) for one in (few, many)] == [True, False]
    assert [any(section.title == "Which is better than which" for section in one) for one in (few, many)] == [
        False,
        True,
    ]


def test_the_chart_that_shows_the_answer_comes_first():
    assert compared(zeros=GOOD, ones=BETTER).report().sections[0].title == "Final scores"
