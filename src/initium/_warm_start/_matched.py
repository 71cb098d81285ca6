"""matched: which tensor of a checkpoint is meant for which of a model, by their names."""

from collections.abc import Iterable, Mapping, Sequence

from .._stored import Stored
from ._match import Match, Matches
from ._names import plain, renaming
from ._packs import packed
from ._prefix import Prefix, prefixes
from ._rename import Renamed
from ._structure import by_structure
from ._target import Target


def matched(
    targets: Sequence[Target], tensors: Mapping[str, Stored], renamed: Mapping[str, Renamed], *, structure: bool = False
) -> Matches:
    """By its own name, by what libraries made of it, by one prefix, as part of a pack; each is meant for one target.

    Args:
        targets: in the model.
        tensors: of the checkpoint, by name.
        renamed: names that the user gave some of them.
        structure: whether what is left is paired by its order and its shapes.
    """
    called = {name: renamed[name].new if name in renamed else name for name in tensors}
    known = {new: name for name, new in called.items()}
    found: dict[str, Match] = {}
    for target in targets:
        if there := next((name for name in target.names if name in known), ""):
            rule = renamed.get(known[there])
            found[target.path] = Match((known[there],), f"your rename {rule.rule}" if rule else _same(target, there))
    left, free = _left(targets, tensors, found)
    by_plain = _once((plain(called[name]), name) for name in free)
    for target in left:
        if there := next((by_plain[plain(name)] for name in target.names if plain(name) in by_plain), ""):
            found[target.path] = Match((there,), renaming(target.path, there))
    left, free = _left(targets, tensors, found)
    likely = prefixes(left, free)
    notes = _told_apart(likely) if len(likely) > 1 else ()
    prefix = likely[0] if len(likely) == 1 else Prefix("", "")
    found |= _with(prefix, left, free)
    left, free = _left(targets, tensors, found)
    wanted = {target.path: prefix.there + plain(target.path).removeprefix(prefix.here) for target in left}
    found |= packed(left, wanted, free)
    if structure:
        more, told = by_structure(*_left(targets, tensors, found))
        found, notes = found | more, (*notes, *told)
    return Matches(found, notes)


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
    first, second, *_ = sorted(likely, key=str)
    remedy = f"rename={{'{first.there}*': '{first.here}*'}}"
    return (f"the names fit in {len(likely)} ways, so that none was taken: {first}, or {second}. Say which: {remedy}",)
