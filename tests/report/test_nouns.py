"""Every noun is shown by its report, and by nothing else."""

import io
import sys
from dataclasses import dataclass, replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from initium import Comparison, Grid, MissingExtraError, OutputError, Plan
from initium._calibration import Calibrated, Calibration
from initium._coordinates import CoordinateCheck, Slope
from initium._decisions import decide
from initium._diagnosis import Diagnosis, Finding, Layer
from initium._diagnosis._beside import Beside
from initium._graph import Graph, Param
from initium._ledger import Entry, Ledger
from initium._recipes import parse_recipe
from initium._report import List, Report, Reported, Table
from initium._report._page import MARK, fragment, page
from initium._report._text import text
from initium._study._data import Data
from initium._study._run import Run
from initium._study._study import Study
from initium._verification import Difference, Verification
from initium._written import Written

PATH = "<b>.weight"


@dataclass(frozen=True)
class Toy(Reported):
    """All that a new noun writes."""

    path: str = PATH

    def report(self):
        table = Table("Figures", ("path", "mean"), ((self.path, "1.5"),))
        return Report(title="A toy", sections=(table, List("Paths", (self.path,))), answer="It plays.", remarks=("on",))


def plan():
    param = Param(path=PATH, shape=(3,), axes="o", role="bias", because="a bias")
    return Plan.of(decide(Graph((param,)), parse_recipe("zeros")))


def comparison():
    x, y = np.zeros((4, 2), np.float32), np.array([0, 1, 0, 1])
    starts = ("zeros", "ones")
    data = Data(PATH, "classification", x, y, x, y, 2)
    study = Study("mlp", data, tuple(map(parse_recipe, starts)), seeds=2, epochs=1)
    run = {"train_loss": (1.0, 0.5), "test_loss": (1.0, 0.5), "test_score": (0.5, 1.0), "merits": np.ones(4)}
    units = {"units_start": (2,), "units_end": (2,), "widths": (2,)}
    return Comparison(study, {name: [Run(recipe=name, index=i, **run, **units) for i in (0, 1)] for name in starts})


DIAGNOSIS = Diagnosis(
    findings=(
        Finding(
            id="IN101",
            name="vanishing signal",
            severity="serious",
            paths=(PATH,),
            measured="1e-9",
            cause="too small",
            remedy="initium.initialize(model)",
        ),
    ),
    layers=(Layer(path=PATH, fed=1.0, moment=0.5),),
)
NOUNS = [
    Toy(),
    plan(),
    comparison(),
    Grid({PATH: comparison()}, ("lr",)),
    Ledger(entries=(Entry(path=PATH, num_elements=3, start="zeros", tied=("tied",)),), seed=0),
    Calibration(weights=(Calibrated(path=PATH, meant=1.0, before=4.0, after=1.0, factor=0.5),)),
    Verification(
        path=Path(PATH), seed=0, num_tensors=1, num_bytes=12, differences=(Difference(path=PATH, what="is not there"),)
    ),
    Written(
        path=Path(PATH), files=(Path(PATH),), sha256={PATH: "0"}, digest="0", num_bytes=12, seed=0, tied={}, left_out=()
    ),
    DIAGNOSIS,
    Beside(DIAGNOSIS, replace(DIAGNOSIS, findings=(), start="auto")),
    CoordinateCheck(
        slopes=(Slope(path=PATH, step=0, sizes=(1.0, 2.0), slope=1.0, low=0.9, high=1.1),),
        widths=(16, 32),
        seeds=2,
        recipe="zeros",
        optimizer="adam",
        lr=0.001,
    ),
]
each_noun = pytest.mark.parametrize("noun", NOUNS, ids=lambda noun: type(noun).__name__)


def test_every_noun_is_tested():
    ours = {noun for noun in Reported.__subclasses__() if noun.__module__.startswith("initium.")}
    assert {type(noun) for noun in NOUNS} == {Toy, *ours}


@each_noun
def test_a_noun_prints_as_the_text_of_its_report(noun):
    assert str(noun) == text(noun.report())
    assert PATH in str(noun)
    assert f"{noun.report()}" == str(noun)


REPRS = [
    "<Plan: 1 parameter, recipe zeros>",
    "<Comparison: mlp on <b>.weight, zeros, ones, 2 runs each>",
    "<Grid: lr, 1 cell>",
    "<Ledger: filled 1 of 1 parameter, seed 0>",
    "<Calibration: rescaled 1 weight, left 0 alone>",
    "<Verification: <b>.weight differs from the plan, seed 0>",
    "<Written: <b>.weight, 1 tensor, seed 0>",
    "<Diagnosis: 1 serious finding; first: vanishing signal at `<b>.weight`>",
    "<Beside: auto mends vanishing signal; nothing is left>",
    "<CoordinateCheck: Fails: under `zeros` sizes go with the width at 1 of 1 weight, from width 16 to 32; first: at "
    "`<b>.weight` the size of what it gives goes with width^1>",
]


def test_a_shell_shows_a_noun_and_its_report_as_one_short_line():
    assert [repr(noun) for noun in NOUNS[1:]] == REPRS
    assert repr(NOUNS[0].report()) == "<Report: A toy>"
    assert repr(plan().report()) == "<Report: 1 parameter: 1 constant.>"
    assert repr(plan().diff(Plan(()))) == "<PlanDiff: recipes 2, only_before 1>"


@each_noun
def test_a_terminal_shows_the_same_lines_some_of_them_bold(noun):
    plain, coloured = io.StringIO(), io.StringIO()
    Console(file=plain, width=80, color_system=None, highlight=False).print(noun, soft_wrap=True)
    assert plain.getvalue() == f"{noun}\n"
    Console(file=coloured, width=80, force_terminal=True, color_system="standard", highlight=False).print(
        noun, soft_wrap=True
    )
    assert "\x1b[1m" in coloured.getvalue()


@each_noun
def test_a_notebook_and_a_page_show_what_the_text_shows_and_escape_it(noun):
    shown = noun._repr_html_()
    assert shown == fragment(noun.report())
    for html in (shown, page(noun.report()).split("<script>")[0]):
        assert "&lt;b&gt;.weight" in html
        assert "<b>.weight" not in html
    tables = [one for one in noun.report().sections if isinstance(one, Table) and one.only != "page"]
    assert all(f">{cell}<" in unescape(shown) for table in tables for row in table.rows for cell in row)


@each_noun
def test_a_report_is_saved_as_a_page_and_replaces_nothing_else(noun, tmp_path):
    file = tmp_path / "report.html"
    noun.report().save(file)
    noun.report().save(file)
    assert MARK in file.read_text()[:1000]
    file.write_text("mine")
    with pytest.raises(OutputError, match="Initium did not write it"):
        noun.report().save(file)


TABLES = [noun for noun in NOUNS if hasattr(noun, "to_pandas")]
ROWS = {"Plan": "choices", "Diagnosis": "layers", "CoordinateCheck": "slopes"}  # where a row is a path


@pytest.mark.parametrize("noun", TABLES, ids=lambda noun: type(noun).__name__)
def test_a_table_of_pandas_has_a_row_for_each_path_and_may_be_empty(noun, monkeypatch):
    if rows := ROWS.get(type(noun).__name__):
        full, empty = noun.to_pandas(), replace(noun, **{rows: ()}).to_pandas()
        assert [*full.index.get_level_values("path")] == [PATH]
        assert (len(empty), [*empty.columns]) == (0, [*full.columns])
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError) as error:
        noun.to_pandas()
    assert str(error.value) == "`to_pandas` needs pandas, which is not installed: pip install pandas"


def test_a_noun_without_a_report_is_none():
    class Bare(Reported):
        pass

    with pytest.raises(TypeError, match="report"):
        Bare()
