import hashlib
import json
import re
import sys
from html.parser import HTMLParser
from importlib import resources

import pytest

from initium import OutputError
from initium._report import Figure, List, Report, Table, _page
from initium._report._page import MARK, fragment, page
from initium._report._plotly import plotly_code
from initium._report._text import text

REPORT = Report(
    title="A <title> & more",
    subtitle="of two runs",
    answer="No winner.",
    remarks=("zeros: stuck.",),
    sections=(
        Table("Shown in both", ("name", "value"), (("a</script>", "1"),), note="A note."),
        Table("Shown in text", ("name", "value"), (("a", "1"),), only="text"),
        Table("Shown on the page", ("name", "value"), (("a", "1"),), only="page"),
        Figure("Curves", ({"data": [{"name": "a</script><b>", "y": [1, None]}], "layout": {}},)),
    ),
    facts=(("command", "initium compare"),),
)


class Reader(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.tags, self.links, self.json = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.links += [value for name, value in attrs if name in ("src", "href", "action")]

    def handle_data(self, data):
        if self.tags and self.tags[-1] == ("script", {"type": "application/json"}) and data.startswith("{"):
            self.json.append(json.loads(data))


def test_a_page_needs_nothing_but_itself_and_stays_under_2_mb():
    html = page(REPORT)
    assert Reader(html).links == ["data:,"]
    assert len(html.encode()) < 1_700_000
    assert MARK in html[:1000]
    assert "showSendToCloud: false" in html.rsplit("<script>", 1)[1]
    assert "url(" not in html.split("</style>")[0]


def test_a_cell_of_words_says_its_column_where_a_narrow_page_hides_the_header():
    table = Table("T", ("name", "value", "why"), (("a", "1", "so"),), words=("why",))
    html = page(Report(title="A", sections=(table,)))
    cells = [about for tag, about in Reader(html).tags if tag == "td"]
    assert [cell["data-column"] for cell in cells] == ["value", "why"]
    assert ".wrapped thead { display: none; }" in html
    assert ".wrapped td::before { content: attr(data-column)" in html
    plain = page(Report(title="A", sections=(Table("T", ("name", "value"), (("a", "1"),)),)))
    assert not any("data-column" in about for _, about in Reader(plain).tags)  # it scrolls, with its header


def test_a_page_names_no_other_and_forbids_its_browser_to_ask_one():
    html = page(REPORT)
    ours = html.replace(plotly_code(), "").replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?:|//\w+\.\w+|import\(|fetch\(|@import", ours)
    policy = next(about["content"] for _, about in Reader(html).tags if about.get("http-equiv"))
    assert policy.startswith("default-src 'none';")
    assert not re.search(r"https?|\*|'self'|unsafe-eval", policy)


def test_what_draws_the_charts_is_the_file_that_npm_has_and_its_licence_lies_beside_it():
    text = plotly_code()
    assert "plotly.js (cartesian - minified) v4.1.1" in text[:100]
    digest = "79542150855a52c567260e3137095dbe2b744e6d702a5cabe67da246942fba7a"
    assert hashlib.sha256(text.encode()).hexdigest() == digest
    assert "</script" not in text
    licence = resources.files("initium._report") / "vendor" / "plotly-LICENSE"
    assert licence.read_text().startswith("MIT License")


def test_a_chart_that_would_be_too_narrow_is_scrolled():
    plot = {"data": [], "layout": {"height": 100}}
    wide, usual = (page(Report(sections=(Figure("Wide", (plot,), narrowest=narrowest),))) for narrowest in (700, 0))
    assert 'style="min-height: 100px; min-width: 700px"' in wide
    assert 'style="min-height: 100px"' in usual


def test_a_page_escapes_what_it_is_given_and_keeps_its_charts():
    html = page(REPORT)
    assert "A &lt;title&gt; &amp; more" in html
    assert "a&lt;/script&gt;" in html
    assert Reader(html).json == [REPORT.sections[3].plots[0]]


def test_a_rendering_shows_the_tables_meant_for_it():
    in_page, in_text = page(REPORT), text(REPORT)
    assert "Shown in both" in in_page
    assert "Shown in both" in in_text
    assert ("Shown on the page" in in_page, "Shown on the page" in in_text) == (True, False)
    assert ("Shown in text" in in_page, "Shown in text" in in_text) == (False, True)


def test_a_page_without_charts_has_no_script_and_one_without_a_title_is_known_by_its_answer():
    html = page(Report(answer="No <winner>."))
    assert "<title>No &lt;winner&gt;.</title>" in html
    assert "<script" not in html
    assert "<h1>" not in html
    assert "What was run" not in html


def test_of_many_lines_the_first_five_are_seen_and_the_others_can_be():
    report = Report(sections=(List("Paths", tuple(f"<b>.{n}" for n in range(42))), List("None", ())))
    seen, hidden = page(report).split("<details><summary>and 37 more</summary>")
    assert [f"<li>&lt;b&gt;.{n}</li>" in seen for n in (0, 4, 5)] == [True, True, False]
    assert "<li>&lt;b&gt;.41</li>" in hidden
    assert "None" not in seen + hidden
    assert "<details" not in page(Report(sections=(List("Paths", ("a",) * 5),)))


def test_a_fragment_without_jinja_is_the_text(monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert fragment(Report(title="A <title>")) == "<pre>A &lt;title&gt;</pre>"


def test_a_fragment_holds_the_tables_and_no_script():
    html = fragment(REPORT)
    assert "No winner." in html
    assert "<script" not in html
    assert "<html" not in html


@pytest.mark.parametrize("name", ["runs.csv", "curves.svg", "page", "page.html.gz"])
def test_what_is_no_name_of_a_page_is_refused_with_the_way_out(name, tmp_path):
    for write in (REPORT.save, _page.check_page):
        with pytest.raises(OutputError) as caught:
            write(tmp_path / name)
        assert str(caught.value) == (
            f"'{tmp_path / name}' is no name of a page, which ends in .html. The runs of a comparison as a table are "
            "written by --export (from Python: to_pandas), and one figure as .svg, .png or .pdf from Python, by "
            "`report().figure(title).save(path)`."
        )
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("name", ["page.html", "PAGE.HTM"])
def test_a_page_may_be_called_so(name, tmp_path):
    _page.check_page(tmp_path / name)
    REPORT.save(tmp_path / name)
