"""questions: what a grid answers, a sentence a question."""

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .._study._enough import runs_needed
from ._contest import Contest
from ._listed import listed
from ._places import At, place_words, values_of
from ._precision import share
from ._scale import Scale
from ._standing import Standing, standing
from ._tuned import chooses

if TYPE_CHECKING:
    from ._grid import Grid

_MOST_PLACES = 3  # that are told by name
_MOST_GAPS = 3  # in one sentence; where more is to be told, the tables have the gaps
_NOTHING = {
    "nothing trains": "nothing trains",
    "none judged": "no start with runs enough trains",
    "not tested": "nothing is tested",
    "alike": "no difference is shown",
    "mixed": "each start is behind another in some cell",
}


def questions(grid: "Grid") -> tuple[str, ...]:
    """Which start to take, and what changes along each axis."""
    scale = Scale.of(next(iter(grid.cells.values())).study)
    # Where runs are too few to be judged at a start's best, cells tell whether anything trained.
    over = standing(grid.contests or grid.cell_contests)
    told = [_start(grid, over)]
    if over.kind == "nothing trains":
        return told[0], *_causes_hint(grid)
    if over.kind != "not tested" and not _are_few(grid):
        told = [" ".join([*told, *_failing(over)])]
        told += [_along(axis, _by_value(grid, axis), scale) for axis in grid.axes if _num_values(grid, axis) > 1]
    dead = [contest for contest in grid.contests if contest.is_dead and not _is_told(grid, contest)]
    if dead:
        told.append(f"Nothing trains at {listed([place_words(contest.at) for contest in dead])}.")
    return tuple(told)


def _causes_hint(grid: "Grid") -> tuple[str, ...]:
    has_cause = any(cell.causes for cell in grid.cells.values())
    return () if has_cause else ("A diagnosis at step zero may say why: `initium diagnose`.",)


def _start(grid: "Grid", over: Standing) -> str:
    """Which start to take."""
    each = f", each at its own best {' and '.join(grid.tuned)}" if grid.tuned else ""
    if over.kind == "nothing trains":
        return "Nothing trained at any place of the grid, so no start can be told from another."
    if over.kind == "not tested":
        what = f"test {next(iter(grid.cells.values())).study.score}"
        return (
            f"No start is named: the {what} is one number a run, and whether other test samples would tell the same "
            "needs one of each sample. With --splits (from Python: splits=5) other splits are asked instead."
        )
    if _are_few(grid):
        num = max(cell.num_runs for cell in grid.cells.values())
        why = f": a third of them choose the {' and '.join(grid.tuned)}" if grid.tuned else ""
        return (
            f"Too few runs to tell: {num} of each start cannot show any difference, however large; "
            f"{_seeds_needed(grid)} or more can{why}."
        )
    where = f"at {over.num} places" if over.num > 1 else ""
    if over.kind == "none judged":
        return "No start is named: none that has runs enough to be judged trained."
    if over.kind == "only one":
        return f"Take {_with_setting(grid, over.ahead[0])}{each}: no other trained."
    if over.kind == "alike":
        which = "No start that trained" if over.lost else "No start"
        return f"{which} is shown to be better than another{where and f' {where}'}{each}."
    if over.kind == "mixed":
        which = "each that trained" if over.lost else "each"
        return f"No start is right everywhere: {which} is behind another somewhere{each}."
    if over.kind == "one ahead":
        rest = _beaten(over, "the other")
        shown = f" at {over.num_shown} of {over.num} places and is behind at none" if over.num > 1 else ""
        return f"Take {_with_setting(grid, over.ahead[0])}: it beats {rest}{shown}{each}."
    losers = f"{_losers(over, 'places')} {'is' if len(over.behind) == 1 else 'are'}"
    if len(over.ahead) == 1:
        return f"Take {_with_setting(grid, over.ahead[0])}{each}: it is not shown to be behind anywhere; {losers}."
    either, none = ("", "neither") if len(over.ahead) == 2 else ("any of ", "none")
    return f"Take {either}{' or '.join(_in_a_row(over.ahead))}{each}: {none} is shown to be behind; {losers}."


def _failing(over: Standing) -> list[str]:
    """Which starts never trained: anywhere, or of those that are named somewhere."""
    if over.kind == "none judged":
        return []
    lost = [f"Never trained: {listed(over.lost)}."] if over.lost and over.kind != "only one" else []
    return lost + [f"{start} never trained at {_places(at)}." for start, at in over.lapses]


def _places(places: Sequence[At]) -> str:
    """All if they are few."""
    words = [place_words(at) for at in places[:_MOST_PLACES]]
    return f"{len(places)} places, the first {words[0]}" if len(places) > _MOST_PLACES else listed(words)


def _beaten(found: Standing, only: str) -> str:
    """What the one start that is ahead beats."""
    names = [name for name, _ in found.behind]
    if found.lost:
        return listed(names)
    return "every other" if len(names) > 1 else only


def _in_a_row(names: Sequence[str]) -> tuple[str, str]:
    return ", ".join(names[:-1]), names[-1]


def _with_setting(grid: "Grid", start: str) -> str:
    """The start, and what it is tuned to if that is one setting everywhere."""
    settings = {contest.tuned[start] for contest in grid.contests if start in contest.tuned}
    return f"{start} at {place_words(next(iter(settings)))}" if len(settings) == 1 else start


def _along(axis: str, by_value: Sequence[tuple[Any, Standing]], scale: Scale) -> str:
    """What changes along an axis; values in a row of which the same is told are told together."""
    groups = [list(group) for _, group in itertools.groupby(by_value, key=lambda one: one[1].says)]
    told = [_told([found for _, found in group], scale, in_short=len(groups) > _MOST_GAPS) for group in groups]
    if len(groups) == 1:
        return f"At every {axis} {told[0]}."
    parts = [
        f"at {axis} {listed([str(value) for value, _ in group])} {words}"
        for group, words in zip(groups, told, strict=True)
    ]
    sentence = "; ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]}."


def _told(found: Sequence[Standing], scale: Scale, *, in_short: bool) -> str:
    """What is told of values in a row: who is behind, and who does not train."""
    words, lost = _shown(found, scale, in_short=in_short), found[0].lost
    if not lost or found[0].kind in ("only one", "none judged"):
        return words
    return f"{words}, and {listed(lost)} {'does' if len(lost) == 1 else 'do'} not train"


def _shown(found: Sequence[Standing], scale: Scale, *, in_short: bool) -> str:
    """A lead is told where it is smallest."""
    least = min(found, key=lambda one: one.closest.gap.mean if one.closest else 0.0)
    lead = least.closest
    if least.kind == "only one":
        return f"only {least.ahead[0]} trains"
    if least.kind not in ("one ahead", "some behind") or not lead:
        return _NOTHING[least.kind]
    gap = "" if in_short else f" by {'at least ' if len(found) > 1 else ''}{scale.gap(lead.gap)}"
    others = f", {lead.second}" if gap and len(least.behind) > 1 else ""
    if least.kind == "one ahead":
        part = f" in {least.num_shown} of {least.num} cells" if least.num_shown < least.num else ""
        return f"{lead.first} beats {_beaten(least, lead.second)}{part}{others}{gap}"
    best = "another" if lead.first not in least.ahead else lead.first if len(least.ahead) == 1 else "the best"
    return f"{_losers(least, 'cells')} {_are(least.behind)} {best}{others}{gap}"


def _losers(found: Standing, what: str) -> str:
    """Those that are behind, and in how many of the contests if not in all."""
    return listed([f"{name} ({num} of {found.num} {what})" if num < found.num else name for name, num in found.behind])


def _are(behind: Sequence[object]) -> str:
    return "is behind" if len(behind) == 1 else "are behind"


def _by_value(grid: "Grid", axis: str) -> list[tuple[Any, Standing]]:
    """What is shown at each value: of a task at the best setting, of a setting in the cells that have it."""
    contests = grid.cell_contests if axis in grid.tuned else grid.contests
    return [
        (value, standing([contest for contest in contests if dict(contest.at)[axis] == value]))
        for value in values_of(grid.cells.values(), axis)
    ]


def _num_values(grid: "Grid", axis: str) -> int:
    return len(values_of(grid.cells.values(), axis))


def _is_told(grid: "Grid", dead: Contest) -> bool:
    """Whether a sentence along an axis says already that nothing trains there."""
    return any(
        all(contest.is_dead for contest in grid.contests if _has(contest.at, axis, value)) for axis, value in dead.at
    )


def _has(at: At, axis: str, value: Any) -> bool:
    return dict(at)[axis] == value


def _are_few(grid: "Grid") -> bool:
    """Whether the runs that judge cannot show anything, however alike."""
    return max((contest.num_runs for contest in grid.contests), default=0) < _fewest(grid.spent)


def _fewest(spent: float) -> int:
    """The fewest paired runs that can show anything of a pair; a grid flips signs whether or not it has splits."""
    return runs_needed(2, has_splits=False, spent=spent)


def _seeds_needed(grid: "Grid") -> int:
    """Of which enough judge; where looks are paid for, at the next one."""
    study = next(iter(grid.cells.values())).study
    fewest = _fewest(grid.spent if study.precision is None else share(len(study.looks) + 1))
    if not grid.tuned:
        return fewest
    return next(seeds for seeds in itertools.count(1) if sum(not chooses(i) for i in range(seeds)) >= fewest)
