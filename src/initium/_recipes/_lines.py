"""Starts of what is used as offset + factor * w: so that this, not w itself, is what the recipe wants."""

from collections.abc import Callable

from .._graph import Param, Use
from .._rule import Decision
from ..init import Initialiser, constant, framework, ones, zeros


def used_as(wanted: float | Callable[[Param], float], because: str | Callable[[Param], str]) -> Callable[..., Decision]:
    """A start with which a scale is used as 1, or a shift as 0, whatever constants stand between.

    Args:
        wanted: what it is to be where it is used.
        because: the clause that says so.
    """

    def _start(param: Param) -> Decision:
        size = wanted(param) if callable(wanted) else wanted
        starts = dict.fromkeys(_solved(use, size) for use in (param.uses or (param.use,)))
        if len(starts) > 1 or None in starts:
            return Decision(init=framework(), because=f"{_used(param)}, of which no start makes {size:.4g}: kept")
        reason = because(param) if callable(because) else because
        is_plain = (param.use.factor, param.use.offset) == (1.0, 0.0)
        return Decision(init=_constant(next(iter(starts))), because=reason if is_plain else f"{reason}, {_used(param)}")

    return _start


def _solved(use: Use, wanted: float) -> float | None:
    """The w of offset + factor * w = wanted; None if there is none."""
    return (wanted - use.offset) / use.factor + 0.0 if use.factor else None


def _used(param: Param) -> str:
    forms = dict.fromkeys(_form(use) for use in param.uses)
    return f"used as {' and as '.join(forms)}"


def _form(use: Use) -> str:
    scaled = {1.0: "w", -1.0: "-w"}.get(use.factor, f"{use.factor:.4g} w")
    return f"{use.offset:.4g} + {scaled}".replace("+ -", "- ") if use.offset else scaled


def _constant(value: float | None) -> Initialiser:
    return {0.0: zeros(), 1.0: ones()}.get(value or 0.0) or constant(value or 0.0)
