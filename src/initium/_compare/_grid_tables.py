"""Who is ahead in a grid, as tables: at the best setting, by cell, and over all of them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .._report import Table
from ._contest import Lead
from ._grid_rows import MOST_ROWS, only_if_long, words
from ._places import At, at_of, place_words, values_of
from ._present import summary_table
from ._profiles import improvement
from ._scale import Scale, interval_words, p_words
from ._stable import FAILING, is_failing

if TYPE_CHECKING:
    from ._comparison import Comparison
    from ._grid import Grid

_MOST_COLUMNS = 6  # that fit beside the names in 80 columns
_MARK = "!"


def best_table(grid: "Grid", scale: Scale) -> list[Table]:
    """Each start at what it is tuned to; nothing where a grid tunes nothing."""
    if not grid.tuned:
        return []
    rows = []
    for contest in grid.contests:
        order = sorted(contest.scores, key=lambda start: -contest.scores[start].mean)
        behind = {lead.second: lead for lead in contest.leads if lead.first == order[0]}
        rows += [
            (start, *words(contest.at), *words(contest.tuned[start]), scale.interval(contest.scores[start]),
             *_behind(behind.get(start), scale))
            for start in order
        ]  # fmt: skip
    name = " and ".join(grid.tuned)
    return [
        Table(
            f"Each start at its own best {name}",
            ("start", *grid.posed, *grid.tuned, "score", "behind the best", "p"),
            tuple(rows),
            note=f"Every third run chose the {name}, the others are told of: mean [95% interval]. p: that the best "
            f"start beats the other at every {name} tried, Holm-corrected over all pairs and places.",
            only=only_if_long(rows),
        )
    ]


def _behind(lead: Lead | None, scale: Scale) -> tuple[str, str]:
    return (scale.difference(lead.gap), p_words(lead.p)) if lead else ("", "")


def score_tables(grid: "Grid", scale: Scale) -> list[Table]:
    """A row a start and place, a column a value of the axis that runs across."""
    across, down = grid.across, [axis for axis in grid.axes if axis != grid.across]
    values = values_of(grid.cells.values(), across)
    rows = {(start, at_of(cell, down)): None for cell in grid.cells.values() for start in cell.runs}
    by_place = {at_of(cell, [across, *down]): cell for cell in grid.cells.values()}
    rows = sorted(rows, key=lambda row: _order(grid, row[1]))

    def table(values: Sequence[Any], *, only: Any, title: str) -> Table:
        return Table(
            title,
            ("start", *down, *(f"{across} {value}" for value in values)),
            tuple(
                (start, *words(at), *(_score(by_place.get(((across, v), *at)), start, scale, only) for v in values))
                for start, at in rows
            ),
            note=("Mean and half the width of its 95% interval; the page has both ends. " if only == "text" else
                  "Mean [95% interval]. ") + f"{_MARK} {FAILING}.",
            only=only,
        )  # fmt: skip

    title = scale.title
    parts = [values[i : i + _MOST_COLUMNS] for i in range(0, len(values), _MOST_COLUMNS)]
    short = [table(part, only="text", title=title) for part in parts] if len(rows) <= MOST_ROWS else []
    return [*short, table(values, only="page", title=title)]


def _score(cell: "Comparison | None", start: str, scale: Scale, only: str) -> str:
    row = next((row for row in cell.summaries if row.recipe == start), None) if cell else None
    if not cell or not row:
        return "-"
    return (scale.short if only == "text" else scale.interval)(row.score) + (_MARK if is_failing(cell, row) else "")


def _order(grid: "Grid", at: At) -> tuple[int, ...]:
    return tuple(values_of(grid.cells.values(), axis).index(value) for axis, value in at)


def improvement_table(grid: "Grid") -> list[Table]:
    """P(X > Y) of all pairs."""
    cells, starts = [*grid.cells.values()], grid.starts
    rows = []
    for first, second in ((a, b) for i, a in enumerate(starts) for b in starts[i + 1 :]):
        both = [cell.scores for cell in cells if first in cell.scores and second in cell.scores]
        if both:
            found = improvement([one[first] for one in both], [one[second] for one in both])
            rows.append((f"{first} > {second}", interval_words(found, 100, 0)))
    return [
        Table(
            "Probability of improvement, %",
            ("a run of one > of the other", "P"),
            tuple(rows),
            note="That a run of the first scores above a run of the second, ties half; the mean over all cells "
            "(Agarwal et al. 2021) [95% interval, runs resampled within each cell].",
            only=only_if_long(rows),
        )
    ]


def pair_table(grid: "Grid", scale: Scale) -> list[Table]:
    """All pairs of all cells: the family that what is told along an axis comes from."""
    rows = tuple(
        (f"{place_words(contest.at)}: {lead.first} - {lead.second}", scale.difference(lead.gap), p_words(lead.p_runs),
         p_words(lead.p), "differs" if lead.is_shown else "not shown")
        for contest in grid.cell_contests
        for lead in contest.leads
    )  # fmt: skip
    return [
        Table(
            "All pairs of all cells",
            ("better - other", "difference", "p over runs", "corrected p", ""),
            rows,
            note="Mean [95% interval, not corrected]. p over runs: a paired permutation test. Corrected p: the larger "
            "of it and of the t test over other seeds and other data, Holm-corrected over all these pairs.",
            only="page",
        )
    ]


def cell_tables(grid: "Grid") -> tuple[Table, ...]:
    """What each cell's runs came to."""
    return tuple(replace(summary_table(one, title=name), only="page") for name, one in grid.cells.items())
