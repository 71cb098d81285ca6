from pathlib import Path

import pytest
from checkpoints import choice

from initium import InitiumError, Plan, UnknownNameError
from initium._printable import printable, printable_lines
from initium._report import List, Report, Table
from initium._verification import Difference, Verification
from initium._written import Written

OWNED = "\x1b]0;owned\x07\u202e\x9b2J\ud800\nnext"
SHOWN = r"\x1b]0;owned\x07\u202e\x9b2J\ud800\nnext"


def test_what_a_terminal_would_obey_is_shown_as_python_writes_it():
    assert printable(OWNED) == SHOWN
    assert printable("Größe 権重 😀") == "Größe 権重 😀"
    assert printable_lines(OWNED) == SHOWN.replace(r"\n", "\n")


def test_what_is_escaped_stays_so():
    assert printable(printable(OWNED)) == SHOWN


def test_a_line_without_end_is_shown_by_its_ends():
    text = printable_lines(f"{'a' * 10**6}z\nshort")
    assert text == f"{'a' * 1800} ... {'a' * 199}z\nshort"


def test_every_error_is_shown_so():
    assert {str(kind(OWNED)) for kind in (InitiumError, UnknownNameError)} == {SHOWN.replace(r"\n", "\n")}


WRITTEN = Written(path=Path(OWNED), files=(), sha256={}, digest="", num_bytes=0, seed=0, tied={}, left_out=(OWNED,))
VERIFIED = Verification(path=Path(OWNED), seed=0, num_tensors=0, num_bytes=0)
PLAN = Plan((choice(f"{OWNED}.weight", (2, 3)),), recipe=OWNED, notes=(OWNED,))


@pytest.mark.parametrize(
    "text",
    [
        str(PLAN),
        repr(PLAN),
        repr(PLAN.choices[0]),
        repr(WRITTEN),
        str(WRITTEN),
        repr(VERIFIED),
        str(VERIFIED),
        repr(Report(title=OWNED)),
        PLAN.report()._repr_html_(),
        PLAN.explain(f"{OWNED}.weight"),
        str(PLAN.diff(Plan(()))),
        str(Difference(path=OWNED, what="is missing")),
        str(
            Report(title=OWNED, facts=(("model", OWNED),), sections=(List("", (OWNED,)), Table("", ("",), ((OWNED,),))))
        ),
    ],
)
def test_names_from_a_file_are_shown_so_wherever_they_are_shown(text):
    assert r"\x1b]0;owned\x07\u202e\x9b2J\ud800" in text
    assert {letter for letter in text if not letter.isprintable()} <= {"\n"}
