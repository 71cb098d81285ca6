"""match: which tensor of a checkpoint is meant for which of a model, by their names."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .._stored import Stored
from ._names import plain, renaming
from ._prefix import Prefix, prefixes
from ._target import Target


class Match(NamedTuple):
    """What a tensor's numbers are found in.

    Attributes:
        names: in the checkpoint; several are laid one after another.
        because: why that is meant, as a clause.
        views: that are taken of them.
    """

    names: tuple[str, ...]
    because: str
    views: tuple[str, ...] = ()


@dataclass(frozen=True)
class Matches:
    """What was found.

    Attributes:
        by_path: for each target that has some.
        notes: what a reader must know of how.
    """

    by_path: Mapping[str, Match]
    notes: tuple[str, ...] = ()


def match(targets: Sequence[Target], tensors: Mapping[str, Stored], renamed: Mapping[str, str]) -> Matches:
    """By its own name, by what libraries made of it, and by one prefix; each tensor is meant for one target.

    Args:
        targets: in the model.
        tensors: of the checkpoint, by name.
        renamed: names that the user gave some of them.
    """
    known = {renamed.get(name, name): name for name in tensors}
    found: dict[str, Match] = {}
    for target in targets:
        if there := next((name for name in target.names if name in known), ""):
            why = f"your rename of `{known[there]}`" if known[there] in renamed else _same(target, there)
            found[target.path] = Match((known[there],), why)
    left, free = _left(targets, tensors, found)
    by_plain = _once((plain(renamed.get(name, name)), name) for name in free)
    for target in left:
        if there := next((by_plain[plain(name)] for name in target.names if plain(name) in by_plain), ""):
            found[target.path] = Match((there,), renaming(target.path, there))
    left, free = _left(targets, tensors, found)
    likely = prefixes(left, free)
    if len(likely) == 1:
        found |= _with(likely[0], left, free)
        return Matches(found)
    return Matches(found, _told_apart(likely))


def _same(target: Target, there: str) -> str:
    return "its own name" if there == target.path else f"tied to `{there}`"


def _once(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """By a name, what alone has it."""
    found: dict[str, str] = {}
    twice = set[str]()
    for key, name in pairs:
        if found.setdefault(key, name) != name:
            twice.add(key)
    return {key: name for key, name in found.items() if key not in twice}


def _left(
    targets: Sequence[Target], tensors: Mapping[str, Stored], found: Mapping[str, Match]
) -> tuple[list[Target], dict[str, Stored]]:
    """What has found nothing yet, on both sides."""
    used = {name for one in found.values() for name in one.names}
    free = {name: stored for name, stored in tensors.items() if name not in used}
    return [target for target in targets if target.path not in found], free


def _with(prefix: Prefix, targets: Sequence[Target], tensors: Mapping[str, Stored]) -> dict[str, Match]:
    by_plain = _once((plain(name), name) for name in tensors)
    found = {}
    for target in targets:
        for name in target.names:
            here = plain(name)
            there = by_plain.get(prefix.there + here.removeprefix(prefix.here))
            if here.startswith(prefix.here) and there and target.path not in found:
                found[target.path] = Match((there,), str(prefix))
    return found


def _told_apart(likely: Sequence[Prefix]) -> tuple[str, ...]:
    if not likely:
        return ()
    first, second, *_ = sorted(likely, key=str)
    remedy = f"rename={{'{first.there}*': '{first.here}*'}}"
    return (f"the names fit in {len(likely)} ways, so that none was taken: {first}, or {second}. Say which: {remedy}",)
