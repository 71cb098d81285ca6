"""matched: which tensor of a checkpoint is meant for which of a model, by their names."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from .._stored import Stored
from ._match import Match, Matches
from ._names import plain, renaming
from ._packs import packed
from ._prefix import NONE, Prefix, inferred
from ._rename import Renamed
from ._structure import by_structure
from ._target import Target
from ._tied import tied_apart


def matched(
    targets: Sequence[Target], tensors: Mapping[str, Stored], renamed: Mapping[str, Renamed], *, structure: bool = False
) -> Matches:
    """By a user's name, by one prefix of all, by its own, as part of a pack; each is meant for one target.

    Args:
        targets: in the model.
        tensors: of the checkpoint, by name.
        renamed: names that the user gave some of them, which they go by alone.
        structure: whether what is left is paired by its order and its shapes.
    """
    found: dict[str, Match] = {}
    also: dict[str, list[str]] = {}  # what else is meant for one that is tied

    def left() -> tuple[list[Target], dict[str, Stored]]:
        """What has found nothing yet, on both sides."""
        used = {name for one in found.values() for name in one.names}
        free = {name: stored for name, stored in tensors.items() if name not in used}
        return [target for target in targets if target.path not in found], free

    def take(because: Callable[[Target, str], str], called: Iterable[tuple[str, str]], wanted: Callable[[str], str]):
        """What is called as it is wanted."""
        known = _once(called)
        for target in left()[0]:
            there = dict.fromkeys(known[name] for name in map(wanted, target.names) if name in known)
            if there:
                fits = (name for name in there if tensors[name].shape == target.shape)
                name = next(fits, next(iter(there)))
                found[target.path] = Match((name,), because(target, name))
                also[target.path] = [other for other in there if other != name]

    said = [(one.new, name) for name, one in renamed.items()]
    take(lambda _, name: f"your rename {renamed[name].rule}", said, str)
    said = [(plain(renamed[name].new), name) for name in left()[1] if name in renamed]
    take(lambda _, name: f"your rename {renamed[name].rule}", said, plain)

    def unsaid() -> dict[str, Stored]:
        return {name: stored for name, stored in left()[1].items() if name not in renamed}

    prefix, notes = inferred(left()[0], unsaid())
    if prefix != NONE:
        take(lambda *_: str(prefix), ((plain(name), name) for name in unsaid()), lambda name: _under(prefix, name))
    take(_same, ((name, name) for name in unsaid()), str)
    take(lambda target, name: renaming(target.path, name), ((plain(name), name) for name in unsaid()), plain)
    notes = (*notes, *tied_apart([target for target in targets if target.path in found], found, also, tensors))
    open_, free = left()
    # A user's names are the model's, and the others the checkpoint's.
    back = {prefix.called(plain(renamed[name].new)) if name in renamed else name: name for name in free}
    parts = packed(
        open_,
        {target.path: prefix.called(plain(target.path)) for target in open_},
        {called: free[name] for called, name in back.items()},
    )
    found |= {path: one._replace(names=tuple(back[name] for name in one.names)) for path, one in parts.items()}
    if structure:
        more, told = by_structure(left()[0], unsaid())
        found, notes = found | more, (*notes, *told)
    called = {name: prefix.meant(plain(name)) for name in tensors}
    return Matches(found, called | {name: plain(one.new) for name, one in renamed.items()}, notes)


def _same(target: Target, there: str) -> str:
    return "its own name" if there == target.path else f"tied to `{there}`"


def _under(prefix: Prefix, name: str) -> str:
    """What the checkpoint calls it by a prefix; nothing where that is no part of the name."""
    return prefix.called(plain(name)) if plain(name).startswith(prefix.here) else ""


def _once(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """By a name, what alone has it."""
    found: dict[str, str] = {}
    twice = set[str]()
    for key, name in pairs:
        if found.setdefault(key, name) != name:
            twice.add(key)
    return {key: name for key, name in found.items() if key not in twice}
