"""What a diagnosis shows, of numbers that are set by hand."""

import math
from dataclasses import replace

import pytest

from initium._diagnosis import Diagnosis, Finding, Layer
from initium._diagnosis._figures import figures
from initium._diagnosis._geometry import Geometry, Jacobian, Spectrum
from initium._diagnosis._geometry_report import geometry_figure, geometry_table, jacobian_line
from initium._diagnosis._lines import Band


def layer(path, **more):
    given = {"fed": 1.0, "moment": 1.0, "gradient": 1.0, "energy": 1.0}
    return Layer(path=path, **given | more)


SHAPE = (0.0, 0.25, 0.5, 0.25)
LAYERS = (
    layer("h.0.w", fed=1.0, moment=1e-1, gradient=1e-4, energy=2e-2, similarity=0.1, dead=0.3, saturated=None),
    layer("h.1.w", fed=1e-2, moment=1e-3, gradient=1e-2, energy=2e-1, similarity=0.5, dead=0.2, histogram=SHAPE),
    layer("h.2.w", fed=1e-4, moment=1e-5, gradient=1.0, energy=2.0, similarity=0.4, gradient_histogram=SHAPE[::-1]),
    layer("head.w", fed=1e-4, moment=0.5, gradient=None, energy=None),
)
FINDING = Finding(
    id="IN101", name="vanishing signal", severity="serious", paths=("h.1.w", "h.2.w"), measured="1e-4", cause="small",
    remedy="larger", docs="docs/diagnose.md#in101",
)  # fmt: skip
OTHER = Finding(
    id="IN106", name="inputs that become one", severity="warning", paths=("h.2.w",), measured="0.99", cause="biases",
    remedy="none", docs="docs/diagnose.md#in106",
)  # fmt: skip
BANDS = {
    "h.0.w": Band(signal=(1.0, 1.0), gradient=(0.5, 8.0)),
    "h.1.w": Band(signal=(0.5, 2.0), gradient=(1.0, 4.0)),
    "h.2.w": Band(signal=(0.25, 4.0), gradient=(2.0, 2.0)),
}
SICK = Diagnosis(findings=(FINDING, OTHER), layers=LAYERS, bands=BANDS)
WELL = Diagnosis(
    findings=(OTHER,), layers=tuple(layer(one.path, gradient=0.1, similarity=0.2) for one in LAYERS), start="auto"
)


def test_blocks_are_rows_with_the_course_of_signal_and_gradient():
    table = str(SICK).split("\n\n")[1].splitlines()
    assert table[0].split() == ["layer", "signal", "to", "gradient", "to", "alike", "dead"]
    assert table[2].split() == ["h.0-2.w", "(3)", "0.1", "▇▄▁", "1e-05", "0.0001", "▁▅█", "1", "0.5", "0.3"]
    assert table[3].split() == ["head.w", "0.5", "█", "·"]


def test_two_diagnoses_beside_each_other_are_told_whole():
    text = str(SICK.beside(WELL))
    assert text.splitlines()[:9] == [
        "auto mends vanishing signal, leaves inputs that become one.",
        "no longer found under auto:",
        "  IN101 vanishing signal at `h.1.w` and 1 more: 1e-4",
        "warning IN106 inputs that become one at `h.2.w`:",
        "  measured: 0.99",
        "  cause: biases",
        "  remedy: none",
        "  more: docs/diagnose.md#in106",
        "",
    ]
    signal, gradient = text.split("\n\n")[1:3]
    assert signal.splitlines()[3].split() == ["h.0-2.w", "(3)", "0.1", "▇▄▁", "1e-05", "1", "███", "1"]
    assert gradient.splitlines()[3].split() == ["h.0-2.w", "(3)", "0.0001", "▁▅█", "1", "0.1", "▇▇▇", "0.1"]


def test_the_page_of_two_has_both_in_each_row():
    table = next(one for one in SICK.beside(WELL).report().sections if getattr(one, "only", None) == "page")
    assert table.columns == (
        "layer",
        "gives, as built",
        "auto",
        "gradient, as built",
        "auto",
        "alike, as built",
        "auto",
    )
    assert table.rows[0] == ("h.0.w", "0.1", "1", "0.0001", "0.1", "0.1", "0.2")


def test_charts_show_what_was_measured():
    depth, likeness, gives, gradients = figures({"as built": SICK})
    signal, gradient = depth.plots
    low, high, course, crosses = signal["data"]
    assert (low["x"], low["y"], high["y"]) == ((0, 1, 2), [1.0, 0.5, 0.25], [1.0, 2.0, 4.0])
    assert course["y"] == [1.0, 1e-2, 1e-4, 1e-4]
    assert (crosses["x"], crosses["text"]) == ([1, 2], ["IN101", "IN106"])
    low, high, course, _ = gradient["data"]
    assert (low["y"], high["y"]) == ([0.5, 1.0, 2.0], [8.0, 4.0, 2.0])
    assert course["y"] == [2e-2, 2e-1, 2.0, None]
    assert not course.get("connectgaps")
    assert likeness.plots[0]["data"][0]["y"] == [0.1, 0.5, 0.4, None]
    (given,) = gives.plots
    assert given["data"][0]["y"] == list(SHAPE)
    # Four bins from -4 to 4 root mean squares, which is sqrt(1e-3).
    assert given["data"][0]["x"] == pytest.approx([scale * math.sqrt(1e-3) for scale in (-3, -1, 1, 3)], rel=1e-5)
    (back,) = gradients.plots
    assert back["data"][0]["y"] == list(SHAPE[::-1])
    assert back["data"][0]["x"] == pytest.approx([-3, -1, 1, 3])


def test_two_diagnoses_of_one_start_are_two_lines():
    depth = SICK.beside(SICK).report().sections
    charts = next(one for one in depth if getattr(one, "title", "") == "Signal and gradient against depth")
    names = [trace["name"] for trace in charts.plots[0]["data"] if trace.get("mode") == "lines+markers"]
    assert names == ["before", "after"]


GEOMETRY = Geometry(
    spectra=(
        Spectrum(path="h.0.w", shape=(16, 9), values=(2.0, 1.0, 0.5), rms=0.5, peak=2.5, rank=6.0, rank_of=8),
        Spectrum(path="h.1.w", shape=(16, 9), values=(3.0, 1.0, 0.25), rms=0.5, peak=3.5, rank=4.0, rank_of=8),
        Spectrum(path="o.w", shape=(4, 4), values=(1.0, 1.0), rms=0.5, peak=None, rank=None, rank_of=None),
        Spectrum(path="bad.w", shape=(4, 4), values=(), rms=math.nan),
    ),
    jacobian=Jacobian(mean=1.5, variance=2.25, depth=3, probes=8),
)


def test_the_geometry_is_a_row_for_each_block():
    assert geometry_table(GEOMETRY).rows == (
        # A random matrix of 16 x 9 and size 0.5: 0.5 (4 + 3) and 0.5 (4 - 3).
        ("h.0-1.w (2)", "16 x 9", "3", "0.25", "3.5, 0.5", "6 > 4 of 8", "3.5"),
        ("o.w", "4 x 4", "1", "1", "all alike", "", ""),
    )
    assert [plot["layout"]["title"]["text"] for plot in geometry_figure(GEOMETRY).plots] == ["h.0.w", "h.1.w", "o.w"]


def test_two_geometries_stand_beside_each_other_under_their_names():
    report = replace(SICK, geometry=GEOMETRY).beside(replace(WELL, geometry=GEOMETRY)).report()
    titles = [section.title for section in report.sections]
    for name in ("as built", "auto"):
        assert titles.count(f"Geometry, {name}") == titles.count(f"Singular values, {name}") == 1
        assert f"{name}: {jacobian_line(GEOMETRY.jacobian)}" in report.remarks
    assert not [section.title for section in SICK.beside(WELL).report().sections if "Geometry" in section.title]


def test_the_jacobian_stands_beside_what_theory_says():
    # Equation 17: each Gaussian layer adds 1, each ReLU adds 1.
    told = jacobian_line(GEOMETRY.jacobian)
    assert "mean 1.5, and variance 2.25 times the square of that: 0 is an isometry, and 3 square layers" in told
    assert told.endswith("have 3 if they are Gaussian and 0 if orthogonal, with ReLU between them 5 and 2")
