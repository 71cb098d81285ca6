"""A plan as a table."""

import re
import textwrap
from collections import Counter
from collections.abc import Iterator
from itertools import zip_longest

from .._errors import counted
from .._ledger import How
from ._choice import Choice
from ._decisions import Decisions
from ._fold import fold

_HEADER = ("parameter", "start", "because")
_DECIMAL = re.compile(r"(?<![\w.])\d+\.\d+(?:e[+-]?\d+)?(?![\w.])")
_TABLE = re.compile(r"'([\w+/=]{8})[\w+/=]{32,}'")  # numbers in a text that nobody reads
_GAP = "  "
_INDENT = 4  # where all paths have a line of their own
_NARROWEST = 12  # a column of reasons

Cells = tuple[str, str, str]
Columns = tuple[int, int, int]


def table(plan: Decisions, width: int = 80) -> str:
    """Repeated blocks folded, numbers to three digits, and what it sums up to below.

    No path is cut: one that is too long for its column has a line of its own.
    """
    folded = fold((choice.path, (str(choice.init), _why(choice))) for choice in plan.choices)
    rows = [_HEADER, *((row.paths, _shortened(row.kind[0]), row.kind[1]) for row in folded)]
    columns = _columns(rows, width)
    header, *lines = (line for row in rows for line in _lines(row, columns))
    return "\n".join([header, "-" * width, *lines, "", *_footer(plan, width)])


def _shortened(spec: str) -> str:
    """A spec with its decimals to three digits and its tables left out, for reading."""
    return _DECIMAL.sub(lambda found: f"{float(found[0]):.3g}", _TABLE.sub(r"'\1...'", spec))


def _why(choice: Choice) -> str:
    return choice.because if choice.lr == 1 else f"{choice.because}; learning rate times {choice.lr:.3g}"


def _columns(rows: list[Cells], width: int) -> Columns:
    """How wide each column is, so that the table is shortest; reasons take what is left."""
    start = max(min(len(row[1]), max(width * 3 // 10, _longest_word(row[1]))) for row in rows)
    start = min(start, width // 2)
    paths = sorted({len(row[0]) for row in rows if len(row[0]) <= width // 2}, reverse=True)
    fitting = [(path, start, max(width - path - start - 2 * len(_GAP), _NARROWEST)) for path in [*paths, _INDENT]]
    return min(fitting, key=lambda columns: sum(1 for row in rows for _ in _lines(row, columns)))


def _longest_word(text: str) -> int:
    return max(map(len, text.split()), default=0)


def _lines(row: Cells, columns: Columns) -> Iterator[str]:
    path, *cells = row
    if len(path) > columns[0]:
        yield path
        path = ""
    wrapped = [textwrap.wrap(cell, size, break_on_hyphens=False) for cell, size in zip(cells, columns[1:], strict=True)]
    for line in zip_longest([path], *wrapped, fillvalue=""):
        yield _GAP.join(cell.ljust(size) for cell, size in zip(line, columns, strict=True)).rstrip()


def _footer(plan: Decisions, width: int) -> list[str]:
    own = sum(choice.by == "you" for choice in plan.choices)
    yours = f", {own} by you" if own else ""
    lines = [f"{counts(plan)}.", f"Recipe: {plan.decided_by or 'none'}{yours}.", *(f"* {note}" for note in plan.notes)]
    return [part for line in lines for part in textwrap.wrap(line, width, subsequent_indent="  ")]


_IN_WORDS: dict[How, str] = {
    "drawn": "drawn",
    "computed": "computed",
    "constant": "constant",
    "loaded": "loaded",
    "length": "set to the length of a direction",
    "kept": "left as built",
}


def counts(plan: Decisions) -> str:
    """How many parameters there are, and how they start."""
    found = Counter(choice.how for choice in plan.choices)
    parts = ", ".join(f"{found[how]} {words}" for how, words in _IN_WORDS.items() if found[how])
    tied = sum(bool(choice.param.tied) for choice in plan.choices)
    return f"{counted(len(plan.choices), 'parameter')}{': ' if parts else ''}{parts}{f' ({tied} tied)' if tied else ''}"
