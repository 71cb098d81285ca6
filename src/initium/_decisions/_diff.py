"""How two plans differ."""

import textwrap
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass

from .._graph import Buffer
from .._printable import printable
from ._choice import Choice
from ._decisions import Decisions
from ._fold import fold


@dataclass(frozen=True)
class PlanDiff:
    """How two plans differ; true if they do, and prints as text.

    Attributes:
        recipes: what decided in each, if not the same.
        only_before: parameters that only the first plan has.
        only_after: those that only the second has.
        shapes: path, shape before, shape after.
        dtypes: path, dtype before, dtype after.
        starts: path, spec before, spec after.
        bits: path, from which name and in which order of axes its numbers are drawn before, after, where the start is
            the same.
        laws: path, what its numbers are before, after, where start and shape are the same; such as for other fans.
        ties: path, its other names before, after.
        deciders: path, who decided before, after, where one is the author, whose numbers are drawn anew.
        rates: path, multiplier of the learning rate before, after.
        reasons: path, reason before, reason after, where the start is the same.
        buffers: path, what is known of it before, after.
    """

    recipes: tuple[str, str] | None = None
    only_before: tuple[str, ...] = ()
    only_after: tuple[str, ...] = ()
    shapes: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...] = ()
    dtypes: tuple[tuple[str, str, str], ...] = ()
    starts: tuple[tuple[str, str, str], ...] = ()
    bits: tuple[tuple[str, str, str], ...] = ()
    laws: tuple[tuple[str, str, str], ...] = ()
    ties: tuple[tuple[str, str, str], ...] = ()
    deciders: tuple[tuple[str, str, str], ...] = ()
    rates: tuple[tuple[str, float, float], ...] = ()
    reasons: tuple[tuple[str, str, str], ...] = ()
    buffers: tuple[tuple[str, str, str], ...] = ()

    def __repr__(self) -> str:
        found = [f"{name} {len(held)}" for name, held in vars(self).items() if held]
        return f"<PlanDiff: {', '.join(found) or 'none'}>"

    def __bool__(self) -> bool:
        return self != PlanDiff()

    def __str__(self) -> str:
        recipes = [f"Recipe: {self.recipes[0]} -> {self.recipes[1]}"] if self.recipes else []
        parts = [
            *_alone("Only in the first plan", self.only_before),
            *_alone("Only in the second plan", self.only_after),
            *_changed("Another shape", self.shapes),
            *_changed("Another dtype", self.dtypes),
            *_changed("Another start", self.starts),
            *_changed("The same start drawn as other numbers", self.bits),
            *_changed("The same start with other numbers", self.laws),
            *_changed("Other names beside its own", self.ties),
            *_changed("Somebody else decided", self.deciders),
            *_changed("Another learning rate", self.rates),
            *_changed("The same start for another reason", self.reasons),
            *_changed("Another buffer", self.buffers),
        ]
        return "\n".join(map(printable, [*recipes, *parts])) or "The plans are the same."


def diff(before: Decisions, after: Decisions) -> PlanDiff:
    """What changed from one plan to the other, in the order of the first."""
    old = {choice.path: choice for choice in before.choices}
    new = {choice.path: choice for choice in after.choices}
    both = [(old[path], new[path]) for path in old if path in new]
    alike = [(a, b) for a, b in both if a.init == b.init]
    return PlanDiff(
        recipes=(_recipe(before), _recipe(after)) if _recipe(before) != _recipe(after) else None,
        only_before=tuple(path for path in old if path not in new),
        only_after=tuple(path for path in new if path not in old),
        shapes=_unlike(both, lambda choice: choice.param.shape),
        dtypes=_unlike(both, lambda choice: choice.param.dtype),
        starts=_unlike(both, lambda choice: str(choice.init)),
        bits=_unlike(alike, _numbering),
        laws=_unlike([(a, b) for a, b in alike if a.param.shape == b.param.shape], _law),
        ties=_unlike(both, lambda choice: ", ".join(choice.param.tied) or "none"),
        deciders=_unlike([(a, b) for a, b in alike if "author" in (a.by, b.by)], lambda choice: choice.by),
        rates=_unlike(both, lambda choice: choice.lr),
        reasons=_unlike(alike, lambda choice: choice.because),
        buffers=_buffers(before, after),
    )


def _recipe(plan: Decisions) -> str:
    return plan.decided_by + (", what is there drawn anew" if plan.remakes else "")


def _numbering(choice: Choice) -> str:
    """From which name its numbers are drawn, and which place in it each has."""
    order = ", ".join(map(str, choice.init.sees(choice.param).order))
    return f"{choice.stream} by axes ({order})"


def _law(choice: Choice) -> str:
    """What each number is; of a weight that is computed as a whole, what that looks at."""
    weight = choice.init.sees(choice.param).in_order
    if choice.law.comes_in_parts(weight):
        return str(choice.law)
    kind = "transposed " if weight.transposed else ""
    return f'{kind}axes "{weight.axes}", groups {weight.groups}, stride {weight.stride}, blocks {weight.blocks}'


def _buffers(before: Decisions, after: Decisions) -> tuple[tuple[str, str, str], ...]:
    old, new = ({buffer.path: _told(buffer) for buffer in plan.buffers} for plan in (before, after))
    return tuple(
        (path, old.get(path, "none"), new.get(path, "none"))
        for path in dict.fromkeys([*old, *new])
        if old.get(path) != new.get(path)
    )


def _told(buffer: Buffer) -> str:
    start = buffer.made.init if buffer.made else None
    copied = f", drawn as {buffer.draws_as}" if buffer.draws_as else ""
    tied = f", is {', '.join(buffer.tied)} too" if buffer.tied else ""
    return f"{buffer.dtype} {buffer.shape} {start or 'not known'}{copied}{tied}"


def _unlike(pairs: list[tuple[Choice, Choice]], fact: Callable[[Choice], Hashable]) -> tuple:  # pyright: ignore
    return tuple((a.path, fact(a), fact(b)) for a, b in pairs if fact(a) != fact(b))


def _alone(title: str, paths: tuple[str, ...]) -> Iterator[str]:
    if paths:
        yield f"{title}: {len(paths)}"
        yield from (f"  {row.paths}" for row in fold((path, "") for path in paths))


def _changed(title: str, changes: tuple[tuple[str, Hashable, Hashable], ...]) -> Iterator[str]:
    if changes:
        yield f"{title}: {len(changes)}"
        for row in fold((path, (before, after)) for path, before, after in changes):
            yield f"  {row.paths}"
            said = f"{row.kind[0]} -> {row.kind[1]}"
            yield from textwrap.wrap(
                said, 80, initial_indent=" " * 6, subsequent_indent=" " * 6, break_on_hyphens=False
            )
