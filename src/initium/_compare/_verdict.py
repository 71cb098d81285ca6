"""What may be concluded from a comparison, in sentences."""

import math
from collections.abc import Mapping, Sequence

from ._statistics import LEVEL, Difference, runs_needed
from ._summary import Summary


def verdict(summaries: Sequence[Summary], differences: Sequence[Difference], *, num_runs: int, what: str) -> str:
    """The winner, if the corrected tests carry one; otherwise who is within noise of the best.

    `summaries` come best first, and each difference names its better start first.
    """
    if any(math.isnan(pair.p) for pair in differences):
        return (
            f"No winner is named: the {what} is one number a run, and whether other test samples would tell the same "
            "needs one of each sample. With --splits (from Python: splits=5) other splits are asked instead."
        )
    enough = runs_needed(len(differences))
    if num_runs < enough:
        return (
            f"Too few runs to tell: {num_runs} of each start cannot show any difference among {len(summaries)} starts, "
            f"however large; {enough} or more can."
        )
    leader, rest = summaries[0].recipe, [summary.recipe for summary in summaries[1:]]
    p = {pair.second: pair.p for pair in differences if pair.first == leader}
    behind = [name for name in rest if p[name] < LEVEL]
    level = [name for name in rest if name not in behind]
    if not level:
        return f"Winner: {leader}. Its {what} beats every other's (corrected p <= {max(p.values()):.2g})."
    text = f"No winner: {listed([leader, *level])} are within noise of the best {what}."
    if behind:
        text += f" Behind {leader}: {listed(behind)} (corrected p <= {max(p[n] for n in behind):.2g})."
    return text


def remarks(summaries: Sequence[Summary], num_runs: int, causes: Mapping[str, str]) -> tuple[str, ...]:
    """What a reader must know about single starts: failed runs, collapsed layers, and what was found at step zero."""
    found = {
        summary.recipe: [
            *_remarks(summary, num_runs),
            *(f"at step zero {why}" for why in [causes.get(summary.recipe)] if why),
        ]
        for summary in summaries
    }
    return tuple(f"{recipe}: {'; '.join(clauses)}." for recipe, clauses in found.items() if clauses)


def _remarks(summary: Summary, num_runs: int) -> list[str]:
    clauses = []
    if summary.num_diverged:
        clauses.append(f"{summary.num_diverged} of {num_runs} runs diverged (a loss was not finite)")
    if summary.num_stuck:
        clauses.append(f"{summary.num_stuck} of {num_runs} runs never left chance")
    collapsed = [i for i, width in enumerate(summary.widths) if width > 1 and summary.units_start[i] == 1]
    if collapsed:
        numbers = listed([str(i + 1) for i in collapsed])
        which = "each hidden layer" if len(collapsed) == len(summary.widths) else f"hidden layer {numbers}"
        ends = [summary.units_end[i] for i in collapsed] if summary.units_end else [1]
        end = "stay so: one effective unit" if max(ends) == 1 else f"part to {units(ends)} by the end"
        clauses.append(f"the units of {which} start identical and {end}")
    return clauses


def units(counts: Sequence[int]) -> str:
    """Counts of units, a hidden layer each: `128+64`; the range if there are many layers."""
    if len(counts) > 3:
        return f"{min(counts)}..{max(counts)}"
    return "+".join(str(count) for count in counts) or "-"


def listed(names: Sequence[str]) -> str:
    """`a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
