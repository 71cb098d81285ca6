"""What a start bears, as tables: the largest stable values, the depth at which it dies, divergence and spread."""

from typing import TYPE_CHECKING

from .._report import Table
from ._grid_rows import only_if_long, words
from ._places import At, is_number, values_of
from ._scale import Scale, interval_words
from ._spread import spreads, wilson
from ._stable import SHARE, Stable, is_range, stable
from ._statistics import Interval
from ._summary import beyond_chance

if TYPE_CHECKING:
    from ._grid import Grid


def limit_tables(grid: "Grid", scale: Scale) -> tuple[Table, ...]:
    """Those of which anything is known."""
    found = [
        *(table for axis in grid.tuned for table in _stable(grid, axis)),
        *(_deaths(grid) if "depth" in grid.posed else ()),
        *_spread(grid, scale),
    ]
    return tuple(table for table in found if table.rows)


def _stable(grid: "Grid", axis: str) -> list[Table]:
    values = values_of(grid.cells.values(), axis)
    if not is_range(values):
        return []
    rest = [other for other in (*grid.posed, *grid.tuned) if other != axis]
    found = [one for place in grid.places for one in stable(place, axis)]
    edge, near = f"{values[-1]:g}", next(iter(grid.cells.values())).measured.bound
    rows = [
        (one.start, *words(tuple((name, dict(one.at)[name]) for name in rest)),
         _largest(one.largest, one.is_largest_tried), *_range(one))
        for one in found
    ]  # fmt: skip
    return [
        Table(
            f"How much {axis} a start bears",
            ("start", *rest, "stable up to", "does well", "decades"),
            tuple(rows),
            note=f"Stable up to: the largest {axis} at which no more than {SHARE:.0%} of the runs diverge or stay at "
            f"chance; >= where that is {edge}, the largest tried. Does well: the {axis} around the best whose mean is "
            f"within {near} of it; decades: how wide that is, >= where it reaches an end of what was tried. "
            "[95% bootstrap interval over runs], in steps of the grid.",
            only=only_if_long(rows),
        )
    ]


def _range(one: Stable) -> tuple[str, str]:
    if not one.largest.mean:
        return "-", "-"  # where it never trains no value is better than another
    decades = interval_words(one.decades, places=1)
    return f"{one.low:g} to {one.high:g}", f">= {decades}" if one.is_cut else decades


def _largest(value: Interval, is_edge: bool) -> str:
    if value.mean == 0:
        return "none"
    ends = ["none" if end == 0 else f"{end:g}" for end in (value.low, value.high)]
    return f"{'>= ' if is_edge else ''}{value.mean:g} [{', '.join(ends)}]"


def _deaths(grid: "Grid") -> list[Table]:
    """The depth at which training dies: where a start's mean score, at its best, is one that luck reaches."""
    rest = [axis for axis in grid.posed if axis != "depth"]
    depths = values_of(grid.cells.values(), "depth")
    if not all(map(is_number, depths)):
        return []
    found: dict[tuple[str, At], list[tuple[float, bool]]] = {}
    luck = {
        place.at: max(beyond_chance(cell.study, cell.num_runs) for cell in place.cells.values())
        for place in grid.places
    }
    for contest in grid.contests:
        here = dict(contest.at)
        other = tuple((axis, here[axis]) for axis in rest)
        for start, score in contest.scores.items():
            is_dead = start in contest.failed or score.mean <= luck[contest.at]
            found.setdefault((start, other), []).append((here["depth"], is_dead))
    rows = [(start, *words(other), _death(sorted(depths))) for (start, other), depths in found.items()]
    return [
        Table(
            "Depth at which training dies",
            ("start", *rest, "depth"),
            tuple(rows),
            note="The smallest depth at which a start's mean score"
            + (f", at its best {' and '.join(grid.tuned)}," if grid.tuned else "")
            + " is no better than luck.",
            only=only_if_long(rows),
        )
    ]


def _death(depths: list[tuple[float, bool]]) -> str:
    return next((str(depth) for depth, is_dead in depths if is_dead), f"not up to {depths[-1][0]}")


def _spread(grid: "Grid", scale: Scale) -> list[Table]:
    places = {place.at: place.cells for place in grid.places}
    groups = [
        (contest.at, {start: places[contest.at][contest.tuned.get(start, ())] for start in contest.scores})
        for contest in grid.contests
    ]
    rows = []
    for one in spreads(groups, grid.spent):
        runs = [run for cell in places[one.at].values() for run in cell.runs.get(one.start, ())]
        lost = sum(run.diverged for run in runs)
        share = wilson(lost, len(runs))
        rows.append(
            (one.start, *words(one.at), f"{lost}/{len(runs)}", interval_words(share, 100, 0),
             scale.difference(one.std), ", ".join(one.narrower) or "-")
        )  # fmt: skip
    best = f" at its best {' and '.join(grid.tuned)}" if grid.tuned else ""
    return [
        Table(
            "Divergence, and spread over seeds",
            ("start", *grid.posed, "diverged", "%", "std", "narrower"),
            tuple(rows),
            note=f"Diverged: of all runs there; their share [95% interval, Wilson]. Std: of the score over "
            f"runs{best} [95% interval, bootstrap]; a diverged run scores as the worst. Narrower: starts whose runs "
            "are shown to lie closer together (Grambsch 1994, Holm-corrected).",
            words=("narrower",),
            only=only_if_long(rows),
        )
    ]
