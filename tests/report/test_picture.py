"""A figure as one picture. What draws it is not installed here; what it is given is looked at."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from initium import MissingExtraError, OutputError
from initium._errors import UnknownNameError
from initium._report import Figure, Report
from initium._report._picture import together


def chart(*names, **layout):
    lines = [{"type": "scatter", "mode": "lines", "name": name, "legendgroup": name, "y": [1, 2]} for name in names]
    return {"data": lines, "layout": {"height": 300, "xaxis": {"title": {"text": "epoch"}}, "yaxis": {}, **layout}}


CURVES = Figure("Curves", tuple(chart("zeros", "ones", title={"text": f"chart {n}"}) for n in range(3)))


@pytest.fixture
def drawn(monkeypatch):
    """What Kaleido is asked for."""
    asked = []

    def draw(figure, *, opts, kopts):
        asked.append((figure, opts, kopts["page_generator"]))
        return b"<svg/>"

    pages = lambda *, plotly, mathjax: (plotly, mathjax)  # noqa: E731
    monkeypatch.setitem(sys.modules, "kaleido", SimpleNamespace(calc_fig_sync=draw, PageGenerator=pages))
    return asked


def test_the_charts_of_a_figure_lie_beside_each_other_and_none_over_another():
    layout = together(CURVES)["layout"]
    boxes = [(*layout[f"xaxis{n}"]["domain"], *layout[f"yaxis{n}"]["domain"]) for n in ("", "2", "3")]
    for place, (left, right, bottom, top) in enumerate(boxes):
        assert 0 <= left < right <= 1
        assert 0 <= bottom < top <= 1
        for other in boxes[:place]:
            assert left > other[1] or top < other[2]
    assert [note["text"] for note in layout["annotations"]] == ["chart 0", "chart 1", "chart 2"]
    assert layout["height"] > 600


def test_one_legend_names_each_line_once():
    whole = together(CURVES)
    shown = [trace["name"] for trace in whole["data"] if trace["showlegend"]]
    assert shown == ["zeros", "ones"]
    assert whole["layout"]["showlegend"]
    assert not together(Figure("One", (chart("zeros"),)))["layout"]["showlegend"]
    assert not together(Figure("None", (chart("zeros", "ones", showlegend=False),)))["layout"]["showlegend"]


def test_a_note_and_a_line_stay_on_their_chart():
    note = {"text": "here", "xref": "paper", "yref": "paper", "x": 0.5, "y": 0.5}
    level = {"type": "line", "x0": 0, "x1": 1, "xref": "paper", "y0": 3, "y1": 3}
    whole = together(Figure("Two", (chart("zeros"), chart("zeros", annotations=[note], shapes=[level]))))["layout"]
    left, right = whole["xaxis2"]["domain"]
    assert whole["annotations"][0]["x"] == pytest.approx((left + right) / 2)
    assert (whole["shapes"][0]["x0"], whole["shapes"][0]["x1"]) == pytest.approx((left, right))
    assert (whole["shapes"][0]["yref"], whole["shapes"][0]["y0"]) == ("y2", 3)


def test_a_figure_is_drawn_by_its_name_with_the_code_of_the_page_and_without_a_network(drawn, tmp_path):
    file = tmp_path / "curves.svg"
    Report(sections=(CURVES,)).figure("Curves").save(file)
    assert file.read_bytes() == b"<svg/>"
    [(figure, options, (plotly, mathjax))] = drawn
    assert figure == together(CURVES)
    assert options == {"format": "svg"}
    assert mathjax is False
    assert Path(plotly.removeprefix("file://")).name == "plotly-cartesian.min.js"


def test_a_picture_is_never_written_over(drawn, tmp_path):
    file = tmp_path / "curves.png"
    file.write_text("mine")
    with pytest.raises(OutputError) as caught:
        CURVES.save(file)
    assert str(caught.value) == (
        f"'{file}' exists, and a picture is never written over; remove it, or name another file."
    )
    assert not drawn


def test_a_picture_is_written_whole_or_not_at_all_and_not_over_what_came_meanwhile(drawn, monkeypatch, tmp_path):
    with pytest.raises(OutputError, match="Name a file in a folder that you can write to"):
        CURVES.save(tmp_path / "nowhere" / "curves.svg")
    file = tmp_path / "curves.svg"

    def draw(*_, **__):
        file.write_text("theirs")
        return b"<svg/>"

    monkeypatch.setattr(sys.modules["kaleido"], "calc_fig_sync", draw)
    with pytest.raises(OutputError, match="exists and Initium did not write it"):
        CURVES.save(file)
    assert file.read_text() == "theirs"
    assert [*tmp_path.iterdir()] == [file]


def test_what_no_picture_is_called_and_what_is_missing_is_said(monkeypatch, tmp_path):
    with pytest.raises(OutputError) as caught:
        CURVES.save("curves.csv")
    assert str(caught.value) == "'curves.csv' is no name of a picture, which ends in .svg, .png or .pdf."
    monkeypatch.setitem(sys.modules, "kaleido", None)
    with pytest.raises(MissingExtraError) as missing:
        CURVES.save(tmp_path / "curves.svg")
    assert str(missing.value) == "A picture needs kaleido, which is not installed: pip install kaleido"


def test_a_browser_that_is_missing_is_said(drawn, monkeypatch, tmp_path):
    class ChromeNotFoundError(RuntimeError):
        pass

    def fail(*_, **__):
        raise ChromeNotFoundError

    monkeypatch.setattr(sys.modules["kaleido"], "calc_fig_sync", fail)
    with pytest.raises(MissingExtraError) as caught:
        CURVES.save(tmp_path / "curves.svg")
    assert str(caught.value) == (
        "A picture is drawn by Chrome or Chromium, which was not found or does not start. Install one or run "
        "`kaleido_get_chrome`."
    )
    assert not [*tmp_path.iterdir()]


def test_a_figure_that_is_not_there_is_told_with_the_nearest():
    with pytest.raises(UnknownNameError, match="No figure is called 'Curve'"):
        Report(sections=(CURVES,)).figure("Curve")
