"""A Grid as a report: its answer, tables and figures."""

from collections import Counter
from typing import TYPE_CHECKING

from .._errors import counted
from .._report import Report
from ._grid_figures import heat_maps, profiles, signals
from ._grid_limits import limit_tables
from ._grid_tables import best_table, cell_tables, improvement_table, pair_table, score_tables
from ._precision import looked
from ._present import facts_of
from ._scale import Scale

if TYPE_CHECKING:
    from ._grid import Grid


def grid_report(grid: "Grid") -> Report:
    """Everything a person is shown of a grid, as data."""
    first, missing = next(iter(grid.cells.values())), grid.num_asked - len(grid.cells)
    left = f"; {counted(missing, 'place')} without two runs of two starts yet" if missing > 0 else ""
    scale = Scale.of(first.study)
    sections = (
        *best_table(grid, scale),
        heat_maps(grid, scale),
        *score_tables(grid, scale),
        *limit_tables(grid, scale),
        *improvement_table(grid),
        profiles(grid, scale),
        *signals(grid),
        *pair_table(grid, scale),
        *cell_tables(grid),
    )
    return Report(
        title=f"{first.study.model} on {first.study.data}: which start trains it better?",
        subtitle=f"{first.study.num_train} training and {first.study.num_test} test samples; "
        f"{counted(len(grid.cells), 'place')} of a grid over {', '.join(grid.axes)}{left}",
        answer=grid.verdict,
        remarks=remarks(grid),
        sections=sections,
        facts=facts_of(first),
        leads=True,
    )


def remarks(grid: "Grid") -> tuple[str, ...]:
    """Of each start where it never trained and why, told once; what else was found, where; and how precise it is."""
    return (*_failures(grid), *_lacking(grid), *looked(*grid.cells.values()))


def _failures(grid: "Grid") -> list[str]:
    """A line a start of which no run trained somewhere: where, and the cause that most of these places have."""
    found = []
    for start in grid.starts:
        where = [name for name, cell in grid.cells.items() if start in cell.failed]
        if not where:
            continue
        causes = Counter(why for name in where if (why := grid.cells[name].causes.get(start)))
        why, num = next(iter(causes.most_common(1)), ("", 0))
        at = f" at {num} of them" if why and num < len(where) else ""
        anywhere = (
            "no run trained anywhere" if len(where) == len(grid.cells) else f"no run trained at {_places(grid, where)}"
        )
        found.append(f"{start}: {anywhere}{why and f';{at} a diagnosis at step zero finds: {why}'}.")
    return found


def _lacking(grid: "Grid") -> list[str]:
    """A line a start that is left out somewhere for want of runs."""
    found = []
    for start in dict.fromkeys(start for cell in grid.cells.values() for start in cell.lacking):
        where = {name: cell for name, cell in grid.cells.items() if start in cell.lacking}
        fewest = min(where.values(), key=lambda cell: cell.lacking[start])
        few = f"{fewest.lacking[start]} of its {fewest.study.seeds} runs"
        found.append(
            f"{start}: left out at {_places(grid, [*where])}, for {few} have finished"
            f"{' where they are fewest' if len(where) > 1 else ''}; --resume trains the others."
        )
    return found


def _places(grid: "Grid", names: list[str]) -> str:
    if len(names) == len(grid.cells):
        return "every place"
    return names[0] if len(names) == 1 else f"{len(names)} of {len(grid.cells)} places, the first {names[0]}"
