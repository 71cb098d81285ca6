"""A Comparison as a report: its tables, figures and facts."""

import math
import platform
from collections.abc import Callable
from typing import TYPE_CHECKING

from .._report import Figure, Report, Table
from .._require import versions
from .._store._shown import shown
from .._stream import VERSION
from .._study._study import SHAPE
from ._figures import figures
from ._matrix import matrix
from ._outcome import Kind
from ._remarks import units
from ._scale import Scale, interval_words, p_words
from ._speed import Speed
from ._statistics import Difference
from ._summary import Summary

if TYPE_CHECKING:
    from ._comparison import Comparison

# By whether runs have splits of their own.
_BOTH = {
    False: "a t test that adds the variance over runs and over test samples; small if other seeds and other test data "
    "would. The larger",
    True: "a t test whose variance allows for training sets that overlap (Nadeau and Bengio 2003); small if other "
    "seeds and other data would. It",
}
_OVER = {False: "runs and test samples", True: "seeds and other data"}
_FEW = 6  # pairs of which a table is read
_PACKAGES = ("initium", "torch", "numpy", "scipy", "scikit-learn")


def present(comparison: "Comparison") -> Report:
    """Everything a person is shown of a comparison, as data."""
    study = comparison.study
    scores, *curves = figures(comparison)
    return Report(
        title=f"{study.model} on {study.data}{study.name and f' at {study.name}'}: which start trains it better?",
        subtitle=_subtitle(comparison),
        answer="\n".join(filter(None, (comparison.verdict, comparison.fastest))),
        remarks=comparison.remarks,
        sections=(
            scores,
            summary_table(comparison),
            *_ranking(comparison, _leader_table),
            *((_speed_table(comparison, comparison.speed),) if comparison.speed else ()),
            *_ranking(comparison, _pairs),
            *curves,
            _units_table(comparison),
        ),
        facts=facts_of(comparison),
    )


def _subtitle(comparison: "Comparison") -> str:
    study = comparison.study
    cut = f" (interrupted: {study.seeds} were asked for)" if comparison.num_runs < study.seeds else ""
    return (
        f"{study.num_train} training and {study.num_test} test samples; {study.training}; {comparison.num_runs} paired "
        f"runs of each start{cut}"
    )


def summary_table(comparison: "Comparison", *, title: str = "After training") -> Table:
    """What each start came to."""
    scale = Scale.of(comparison.study)
    return Table(
        title=title,
        columns=("initialiser", scale.name, "test loss", "epochs", "failed", "units"),
        rows=tuple(
            (
                row.recipe,
                scale.interval(row.score),
                interval_words(row.loss),
                "never" if row.epochs is None else f"{row.epochs:g}",
                _failed(row, comparison.num_runs),
                _change(row),
            )
            for row in comparison.summaries
        ),
        note=(
            f"Mean [95% interval]. Epochs: median until the training loss is {_target(comparison)}. "
            "Failed: runs that diverged or never left chance. Units: distinct ones of "
            "each hidden layer, at start > end if that changed."
        ),
    )


def _ranking(comparison: "Comparison", table: Callable[["Comparison"], Table | Figure]) -> tuple[Table | Figure, ...]:
    """A table that ranks starts, unless none trained."""
    return () if comparison.outcome.kind is Kind.NOTHING_TRAINED else (table(comparison),)


def _leader_table(comparison: "Comparison") -> Table:
    leader = comparison.summaries[0].recipe
    rows = [pair for pair in comparison.differences if pair.first == leader]
    return Table(
        title=f"How far behind {leader}",
        columns=("initialiser", Scale.of(comparison.study).gap_name, "corrected p", ""),
        rows=tuple((pair.second, *_pair_cells(comparison, pair)) for pair in rows),
        note=f"Mean [95% interval, not corrected], over {_OVER[bool(comparison.study.splits)]}. p is Holm-corrected "
        f"(pairs: {len(comparison.differences)}). Same: closer than {comparison.measured.bound}.",
        only="text",
    )


def _speed_table(comparison: "Comparison", found: Speed) -> Table:
    scale = Scale.of(comparison.study)
    first, goal = found.paces[0].recipe, comparison.measured.goal(found.target)
    p = {lead.second: lead for lead in found.leads if lead.first == first}
    return Table(
        title="On the way",
        columns=("initialiser", "steps", "reached", "p", scale.mean_name, "p"),
        rows=tuple(
            (
                pace.recipe,
                interval_words(pace.steps, places=0),
                f"{pace.num_reached}/{comparison.num_runs}",
                p_words(p[pace.recipe].p_steps) if pace.recipe in p else "",
                scale.interval(pace.area),
                p_words(p[pace.recipe].p_area) if pace.recipe in p else "",
            )
            for pace in found.paces
        ),
        note=f"Mean [95% interval over runs]. Steps: to a test {scale.score} of {goal}, "
        f"{100 * found.share:.0f} % of the best start's median gain over chance; a run that never reaches it counts "
        f"with all {found.num_steps:,}. Mean {scale.score}: over all of training. p: that {first} is no different, "
        "corrected.",
    )


def _pairs(comparison: "Comparison") -> Table | Figure:
    return matrix(comparison) if len(comparison.differences) > _FEW else _pair_table(comparison)


def _pair_table(comparison: "Comparison") -> Table:
    gap_name = Scale.of(comparison.study).gap_name
    return Table(
        title="Paired differences",
        columns=("better - other", gap_name, "p over runs", "p over both", "corrected p", "p same", ""),
        rows=tuple(
            (f"{pair.first} - {pair.second}", gap, *map(p_words, (pair.p_runs, pair.p_both, pair.p, pair.p_same)), says)
            for pair in comparison.differences
            for gap, _, says in [_pair_cells(comparison, pair)]
        ),
        note="Run r of every start shares its random draws and its order of samples, so each pair of runs differs "
        "by the start alone (`framework` shares the order, not the draws). Mean [95% interval] of the differences, by "
        "the t test of p over both, not corrected. p over runs: a two-sided paired (sign-flip) permutation test; small "
        f"if other seeds would tell the same of these samples. p over both: {_BOTH[bool(comparison.study.splits)]} is "
        "corrected (Holm) for the number of pairs. p same: of two one-sided tests that they differ by "
        f"{comparison.measured.bound} or more, corrected likewise.",
        only="page",
    )


def _units_table(comparison: "Comparison") -> Table:
    return Table(
        title="Distinct hidden units",
        columns=("initialiser", "before the first step", "after the last"),
        rows=tuple((row.recipe, units(row.units_start), units(row.units_end)) for row in comparison.summaries),
        note="Of each hidden layer, median run. Units with the same incoming weights and bias compute the "
        "same: together they are one unit.",
        only="page",
    )


_SAID: tuple[tuple[str, Callable[[Difference], bool]], ...] = (
    ("not tested", lambda pair: math.isnan(pair.p)),
    ("differs", lambda pair: pair.is_significant),
    ("same", lambda pair: pair.is_same),
    ("within noise", lambda pair: True),
)


def _pair_cells(comparison: "Comparison", pair: Difference) -> tuple[str, str, str]:
    verdict = next(word for word, holds in _SAID if holds(pair))
    return Scale.of(comparison.study).difference(pair.gap), p_words(pair.p), verdict


def _target(comparison: "Comparison") -> str:
    if comparison.target == float("inf"):
        return "that of the best start, but no start has a median run that did not diverge"
    return f"{comparison.target:.3g}, the best start's median final one"


def _change(row: Summary) -> str:
    start, end = units(row.units_start), units(row.units_end)
    return end if start == end else f"{start} > {end}"


def _failed(row: Summary, num_runs: int) -> str:
    return f"{row.num_failed}/{num_runs}"


def facts_of(comparison: "Comparison") -> tuple[tuple[str, str], ...]:
    """What was run, as name and value."""
    study = comparison.study
    shape = [f"{name} {shown(study.settings[name])}" for name in SHAPE if name in study.settings]
    return (
        ("command", comparison.command or "called from Python"),
        ("initialisers", "; ".join(comparison.runs)),
        ("model", ", ".join([study.model, *shape])),
        ("data", f"{study.data}: {study.task}; {study.preparation}"),
        ("training", study.training),
        ("seeds", f"weights {study.seed} + run, order of samples {study.order_seed} + run; stream version {VERSION}"),
        ("runs", f"{comparison.num_runs} of each initialiser"),
        ("versions", f"Python {platform.python_version()}, {', '.join(map(' '.join, versions(_PACKAGES).items()))}"),
    )
