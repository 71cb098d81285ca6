"""remarks: what a reader must know about single starts."""

from collections.abc import Mapping, Sequence

from .._study._cause import Cause
from ._listed import listed
from ._summary import Summary


def remarks(summaries: Sequence[Summary], num_runs: int, causes: Mapping[str, Cause]) -> tuple[str, ...]:
    """Of each start that something is to be said of: failed runs, collapsed layers, and what was found at step zero."""
    found = {
        summary.recipe: [
            *_remarks(summary, num_runs),
            *(f"a diagnosis at step zero finds: {why}" for why in [causes.get(summary.recipe)] if why),
        ]
        for summary in summaries
    }
    return tuple(f"{recipe}: {'; '.join(clauses)}." for recipe, clauses in found.items() if clauses)


def _remarks(summary: Summary, num_runs: int) -> list[str]:
    clauses = []
    if summary.num_diverged:
        clauses.append(f"{summary.num_diverged} of {num_runs} runs diverged (a loss or score was not finite)")
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
