"""A plan as a report: its table and what it sums up to."""

from collections import Counter

from .._errors import counted
from .._ledger import How
from .._report import Report, Table
from ..init._law import Adapted, Loaded
from ._choice import Choice
from ._decisions import Decisions
from ._fold import fold
from ._inventory import inventory
from ._shortened import shortened


def present(plan: Decisions) -> Report:
    """Repeated blocks folded, numbers to three digits."""
    rows = fold((choice.path, (_start(choice), _why(choice))) for choice in plan.choices)
    table = Table(
        title="",
        columns=("parameter", "start", "because"),
        rows=tuple((row.paths, shortened(row.kind[0]), row.kind[1]) for row in rows),
        words=("start", "because"),
    )
    own = sum(choice.by == "you" for choice in plan.choices)
    yours = f", {own} by you" if own else ""
    return Report(
        sections=(table, *inventory(plan)),
        answer=f"{_counts(plan)}.\nRecipe: {plan.decided_by or 'none'}{yours}.",
        remarks=plan.notes,
    )


def _start(choice: Choice) -> str:
    """Its spec; of what a checkpoint holds under the name that the reason tells, only how it becomes the model's."""
    if isinstance(choice.law, Adapted):
        return choice.law.fit
    return ", ".join(["copied", *choice.law.views]) if isinstance(choice.law, Loaded) else str(choice.init)


def _why(choice: Choice) -> str:
    return choice.because if choice.lr == 1 else f"{choice.because}; learning rate times {choice.lr:.3g}"


_IN_WORDS: dict[How, str] = {
    "drawn": "drawn",
    "computed": "computed",
    "constant": "constant",
    "loaded": "loaded",
    "adapted": "adapted",
    "length": "set to the length of a direction",
    "kept": "left as built",
}


def _counts(plan: Decisions) -> str:
    """How many parameters there are, and how they start."""
    found = Counter(choice.how for choice in plan.choices)
    parts = ", ".join(f"{found[how]} {words}" for how, words in _IN_WORDS.items() if found[how])
    tied = sum(bool(choice.param.tied) for choice in plan.choices)
    return f"{counted(len(plan.choices), 'parameter')}{': ' if parts else ''}{parts}{f' ({tied} tied)' if tied else ''}"
