"""inferred: what stands before a model's names in a checkpoint, or before a checkpoint's in the model."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .._setting import setting
from .._stored import Stored
from ._names import plain, suffixes
from ._target import Target

_MOST = 16  # places in which one end of a name is looked for: beyond, it says nothing
_CLOSE = 10  # what lacks a tenth of the names that the best one fits, or a single one, fits as well


@dataclass(frozen=True)
class Prefix:
    """What stands before names.

    Attributes:
        there: in the checkpoint.
        here: in the model, where that is.
    """

    there: str
    here: str

    def __str__(self) -> str:
        if self.there and self.here:
            return f"its name with `{self.there}` for `{self.here}`"
        return f"its name with `{self.there}` before it" if self.there else f"its name without `{self.here}`"

    @property
    def rename(self) -> str:
        """How a user says so."""
        return setting("rename", {f"{self.there}*": f"{self.here}*"})

    def called(self, name: str) -> str:
        """How the checkpoint calls what the model calls so."""
        return self.there + name.removeprefix(self.here) if name.startswith(self.here) else name

    def meant(self, name: str) -> str:
        """How the model calls what the checkpoint calls so."""
        return self.here + name.removeprefix(self.there) if name.startswith(self.there) else name


NONE = Prefix("", "")


def inferred(targets: Sequence[Target], tensors: Mapping[str, Stored]) -> tuple[Prefix, tuple[str, ...]]:
    """The prefix that most of all names have, and what a reader must know of others; none if names are their own.

    It is one of the model as a whole: what a few names that are left would fit is another part of another model. So
    none takes another's place where some names are their own. Names count whose ends agree, and whose shapes do.
    """
    votes = _votes(targets, tensors)
    own, least = votes.pop(NONE, 0), min(len(targets), len(tensors)) / 2
    likely = {prefix: count for prefix, count in votes.items() if count >= least}
    if own >= least or not likely:
        return NONE, _not_taken(likely)
    whole = {prefix: count for prefix, count in likely.items() if not (own and prefix.there and prefix.here)}
    if not whole:
        return NONE, _not_taken(likely)
    best, most = max(whole.items(), key=lambda one: one[1])
    others = {prefix: count for prefix, count in whole.items() if prefix != best}
    if close := [prefix for prefix, count in others.items() if count >= most - max(1, most // _CLOSE)]:
        return NONE, (_told_apart([best, *close]),)
    if not others:
        return best, ()
    other, count = max(others.items(), key=lambda one: one[1])
    return best, (f"{count} names fit as {other} too, {most} as {best}, which was taken; {other.rename} takes that",)


def _votes(targets: Sequence[Target], tensors: Mapping[str, Stored]) -> Counter[Prefix]:
    ends: dict[str, list[str]] = defaultdict(list)
    for name in tensors:
        for end in suffixes(plain(name)):
            if len(ends[end]) <= _MOST:
                ends[end].append(name)
    votes: Counter[Prefix] = Counter()
    for target in targets:
        votes.update({prefix for name in target.names for prefix in _fitting(plain(name), target, ends, tensors)})
    return votes


def _fitting(name: str, target: Target, ends: Mapping[str, list[str]], tensors: Mapping[str, Stored]) -> list[Prefix]:
    """What would have to stand before, by the longest end of a name that is there."""
    for end in suffixes(name):
        found = [one for one in ends.get(end, ()) if tensors[one].shape == target.shape]
        if not found or len(found) > _MOST:
            continue
        made = {Prefix(plain(one).removesuffix(end), name.removesuffix(end)) for one in found}
        # With another owner on both sides the last part alone says too little: all are called `weight`.
        return [one for one in made if "." in end or not (one.there and one.here)]
    return []


def _not_taken(likely: Mapping[Prefix, int]) -> tuple[str, ...]:
    """Another part's names, which a user may mean all the same."""
    return tuple(
        f"{count} names fit as {one}, which was not taken, since others are the model's own; if meant: {one.rename}"
        for one, count in likely.items()
        if one.there and one.here
    )


def _told_apart(likely: Sequence[Prefix]) -> str:
    first, second, *_ = sorted(likely, key=str)
    return (
        f"the names fit in {len(likely)} ways, so that none was taken: {first}, or {second}. "
        f"Say which: {first.rename}, or {second.rename}"
    )
