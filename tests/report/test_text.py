from dataclasses import replace

from initium._report import List, Report, Table
from initium._report._text import text


def figures(*names):
    return Table("", ("name", "one", "other"), tuple((name, "1", "22") for name in names))


def test_tables_and_the_answer_stand_between_blank_lines():
    report = Report(
        title="Title",
        subtitle="One.\nTwo.",
        sections=(List("Above", ("a",)), figures("a"), List("Below", ("b",)), List("More", ("c",))),
        answer="Answer.",
        remarks=("a remark " * 10, "another"),
    )
    assert text(report) == (
        """\
Title
One.
Two.
Above:
  a

name  one  other
----------------
a       1     22

Below:
  b
More:
  c

Answer.
* a remark a remark a remark a remark a remark a remark a remark a remark a
  remark a remark
* another"""
    )


def test_an_answer_that_leads_stands_before_the_sections():
    report = Report(title="Title", sections=(figures("a"), List("Below", ("b",))), answer="Answer.", remarks=("on",))
    first, *others = text(report).split("\n\n")
    assert text(replace(report, leads=True)).split("\n\n") == [first, others[-1], *others[:-1]]


def test_what_is_empty_leaves_no_line():
    assert text(Report(sections=(figures(), List("None", ())), answer="Answer.")) == "Answer."
    assert text(Report()) == ""
    assert text(Report(title="Title", sections=(figures(), List("Paths", ("a",))))) == "Title\nPaths:\n  a"


def test_figures_stand_closer_where_that_saves_a_line():
    wide, tight = (text(Report(sections=(figures("x" * size),))).splitlines() for size in (68, 70))
    assert wide[2] == "x" * 68 + "    1     22"
    assert tight[2] == "x" * 70 + "   1    22"


def test_a_name_that_is_too_long_has_lines_of_its_own_and_no_path_is_broken():
    shown = text(Report(sections=(figures("x" * 90, "a rule " * 15, "b"),)))
    assert shown.splitlines()[2:] == [
        "x" * 90,
        "        1     22",
        "a rule a rule a rule a rule a rule a rule a rule a rule a rule a rule a rule a",
        "    rule a rule a rule a rule",
        "        1     22",
        "b       1     22",
    ]


def test_words_are_wrapped_and_set_to_the_left_beside_figures():
    table = Table(
        "Title", ("name", "figure", "words"), (("a", "1", "some words " * 10),), words=("words",), note="Note."
    )
    assert text(Report(sections=(table,)), width=60) == (
        """\
Title
name  figure  words
------------------------------------------------------------
a          1  some words some words some words some words
              some words some words some words some words
              some words some words
Note."""
    )


def test_a_long_line_of_a_list_is_indented_and_whole():
    shown = text(Report(sections=(List("Paths", ("x" * 90, "a path " * 12, *"cdefg")),)))
    assert shown.splitlines() == [
        "Paths:",
        "  " + "x" * 90,
        "  a path a path a path a path a path a path a path a path a path a path a path a",
        "    path",
        "  c",
        "  d",
        "  e",
        "  ... and 2 more",
    ]
