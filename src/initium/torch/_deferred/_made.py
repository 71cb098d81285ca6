"""made_of: a start that says how a tensor was made, and by which calls."""

import math
from collections.abc import Hashable
from functools import lru_cache
from itertools import groupby, pairwise
from statistics import NormalDist

from ..._errors import InitiumError
from ..._graph import Made
from ...init import Initialiser, orthogonal, parse
from ...init._tables import flattened
from ._blank import View
from ._cells import FAR, Cell, Const, Distribution, Draw, Matrix, Unknown, Unset, cell_of, rounded
from ._contents import MOST_NOTED, Call, Content, Pieces
from ._log import Log
from ._program import step_size, through
from ._reader import contents
from ._replay import replay
from ._table import start_of_table
from ._words import GIVEN, name_in_words

# A table of more numbers is no start; one of whole numbers or of truths is looked at only where it is short.
_MOST, _MOST_WHOLE = 1 << 24, 1 << 16
# A spec longer than this would fill a screen.
_LONGEST = 4000
# These compute a weight as a whole, which no run of rows is.
_WHOLE = ("mamba_dt", "through", "flattened")
_NORMAL = NormalDist()


def made_of(log: Log, view: View) -> Made:
    """How a tensor was made.

    Args:
        log: what the constructor did.
        view: of which tensor.
    """
    content = contents(log, view)
    init = _init(view, content.pieces)
    if init is None and content.is_known and not any(isinstance(cell, Unset) for _, cell in content.pieces):
        return _made_without_chance(log, view)
    return Made(init=init, because=_because(view, content))


def _made_without_chance(log: Log, view: View) -> Made:
    names = dict.fromkeys(filter(None, (name_in_words(log.events[index]) for index in log.needed(view.storage))))
    is_looked_at = view.numel <= (_MOST if view.dtype.is_floating_point else _MOST_WHOLE)
    table = replay(log, view) if is_looked_at else None
    init = table if table is None else _init(view, ((view.numel, cell_of(table)),)) or start_of_table(table)
    said = ", ".join(_first_five(list(names)))
    return Made(init=init, because=said if said == GIVEN else f"computed by {said}")


def _first_five(texts: list[str]) -> list[str]:
    return texts[:5] + ([f"{len(texts) - 5} more"] if len(texts) > 5 else [])


def _init(view: View, pieces: Pieces) -> Initialiser | None:
    """One start for all, or one for each run of rows."""
    if len(pieces) > 1 and (_repeats(pieces) or any(isinstance(cell, Matrix) for _, cell in pieces)):
        return None  # a start draws once, and one matrix
    specs = [(count, _spec(cell, view)) for count, cell in pieces]
    if len({spec for _, spec in specs}) > _LONGEST // len("'zeros', "):
        return None
    specs = [(count, str(_parsed(spec) or "")) for count, spec in specs]
    if any(not spec for _, spec in specs):
        return None
    runs = [(spec, sum(count for count, _ in run)) for spec, run in groupby(specs, key=lambda piece: piece[1])]
    if len(runs) == 1:
        return _parsed(runs[0][0])
    row = math.prod(view.size[1:])
    if any(count % row for _, count in runs) or any(spec.startswith(_WHOLE) for spec, _ in runs):
        return None
    return _parsed(f"rows({tuple(spec for spec, _ in runs)}, {tuple(count // row for _, count in runs)})")


def _repeats(pieces: Pieces) -> bool:
    """Whether two pieces may hold the same elements of a draw."""
    parts: dict[Hashable, list[tuple[int, int, Hashable]]] = {}
    for count, cell in pieces:
        if isinstance(cell, Draw):
            parts.setdefault(_event(cell.origin), []).append((cell.first, cell.first + count, cell.origin))
    return any(
        one[1] > other[0] or one[2] != other[2]
        for drawn in parts.values()
        for one, other in pairwise(sorted(drawn, key=lambda part: part[:2]))
    )


def _event(origin: Hashable) -> Hashable:
    """The event that drew, however its elements were rearranged since."""
    while isinstance(origin, tuple):
        origin = origin[0]
    return origin


@lru_cache(4096)
def _parsed(spec: str) -> Initialiser | None:
    try:
        return parse(spec) if 0 < len(spec) <= _LONGEST else None
    except InitiumError:  # a number that no float32 holds
        return None


def _spec(cell: Cell, view: View) -> str:
    match cell:
        case Const(value) if isinstance(value, float | int) and _is_plain(value):
            return {0.0: "zeros", 1.0: "ones"}.get(float(value), f"constant({_shortest(value, view)!r})")
        case Draw(distribution=distribution) if distribution:
            return _spec_of(distribution)
        case Draw(source=source, program=program):
            return step_size(source, program) or through(str(_parsed(_spec_of(source)) or ""), program)
        case Matrix(part="orthogonal", size=size, gain=gain) if view.size == size or (
            view.is_contiguous and view.size[0] == size[0]
        ):
            return str(flattened(str(orthogonal(abs(gain)))))
    return ""


def _spec_of(distribution: Distribution) -> str:
    match distribution:
        case Distribution("uniform", (low, high)):
            return f"uniform({low!r}, {high!r})" if low < high else f"constant({low!r})"
        case Distribution("normal", (mean, std)):
            return f"normal({mean!r}, {std!r})" if std else f"constant({mean!r})"
        case Distribution("truncated", (mean, std, low, high)):
            return _truncated(mean, std, (mean - low) / std, (high - mean) / std) if std else f"constant({mean!r})"
    return ""


def _truncated(mean: float, std: float, below: float, above: float) -> str:
    """A normal between cuts below and above its mean, in stds; frameworks realise less than the std they are told."""
    mean, std = _plain(mean), _plain(std)
    if min(below, above) >= FAR:
        return f"normal({mean!r}, {std!r})"
    if abs(below - above) > 1e-6:
        return ""
    cut = _plain((below + above) / 2)
    kept = math.sqrt(1 - 2 * cut * _NORMAL.pdf(cut) / (1 - 2 * _NORMAL.cdf(-cut)))
    return f"truncated_normal({mean!r}, {_plain(std * kept)!r}, {cut!r})"


def _is_plain(value: float) -> bool:
    """Whether a spec holds it: an integer beyond 2^53 and -0.0 go into a table."""
    return float(value) == value and (value != 0 or math.copysign(1, value) > 0)


def _shortest(value: float, view: View) -> float:
    """With no more digits than its type needs to tell it."""
    exact = float(value)
    digits = (float(f"{value:.{num}g}") for num in range(1, 17)) if view.dtype.is_floating_point else ()
    return next((number for number in digits if rounded(Const(number), view.dtype) == Const(exact)), exact)


def _plain(number: float) -> float:
    """To twelve digits: what went through an inverse error function has no more."""
    return float(f"{number:.12g}")


def _because(view: View, content: Content) -> str:
    """The calls, the first five of them."""
    if isinstance(content.only, Unset):
        return "memory that nothing wrote"
    texts = [_said(call, view) for call in content.calls] or [GIVEN]
    first, *rest = _first_five(texts)
    if len(texts) == MOST_NOTED:
        rest[-1] = "many more"
    why = next((f" ({cell.why})" for _, cell in content.pieces if isinstance(cell, Unknown) and cell.why), "")
    if _repeats(content.pieces):
        why = " (one draw repeated)"
    if any(isinstance(cell, Unset) for _, cell in content.pieces):
        why = " (a part is memory that nothing wrote)"
    return (f"{first}, then {', '.join(rest)}" if rest else first) + why


def _said(call: Call, view: View) -> str:
    if call.part is None:
        return call.text
    text = {"zeros": "zero_()", "ones": "fill_(1)"}.get(call.text, call.text)
    row = math.prod(view.size[1:])
    start, stop = (place - view.offset for place in call.part)
    if not row or start % row or stop % row or start < 0:
        return f"a part {text}"
    first, last = start // row, stop // row - 1
    return f"row {first} {text}" if first == last else f"rows {first}-{last} {text}"
