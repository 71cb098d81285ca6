"""renamed: the names that a user's rules give to tensors of a checkpoint; check_used: that the model has them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from .._errors import CheckpointError, RuleError, listed
from .._rule import shown
from .._setting import either, setting
from ._names import plain


class Renamed(NamedTuple):
    """What a user calls a tensor.

    Attributes:
        new: its name in the model.
        rule: which says so.
    """

    new: str
    rule: str


def renamed(names: Sequence[str], rules: Mapping[str, str]) -> dict[str, Renamed]:
    """What a tensor is called in the model, where a rule says so; what a star stood for stands there too.

    Args:
        names: of the tensors.
        rules: a glob of names in the checkpoint, and of names in the model with as many stars.

    Raises:
        RuleError: if a rule is none, or matches nothing.
        CheckpointError: if two tensors get one name.
    """
    if not isinstance(rules, Mapping) or not all(isinstance(x, str) for pair in rules.items() for x in pair):
        raise RuleError(f"rename maps globs to globs, as in {{'encoder.*': 'bert.*'}}; got {shown(rules)}.")
    said, found = _said(), dict[str, Renamed]()
    for old, new in rules.items():
        if old.count("*") != new.count("*"):
            raise RuleError(f"{said} '{old}' to '{new}': both have as many stars, since each stands for the same text.")
        pattern = re.compile("(.*)".join(map(re.escape, old.split("*"))))
        hits = {name: _put(new, hit.groups()) for name in names if (hit := pattern.fullmatch(name))}
        if not hits:
            raise RuleError(f"{said}: the checkpoint has no tensor by the name '{old}'.{_nearest(old, names)}")
        rule = f"{old}={new}"
        found |= {name: Renamed(made, rule) for name, made in hits.items() if name not in found}
    _check_once(names, found)
    return found


def check_used(renamed: Mapping[str, Renamed], used: Iterable[str], known: Iterable[str]) -> None:
    """Refuse a rule that gives no tensor a name of the model's.

    Args:
        renamed: what the rules say.
        used: tensors of the checkpoint that go somewhere.
        known: the names of all that the model has.

    Raises:
        RuleError: naming the nearest.
    """
    used, here = set(used), {plain(name): name for name in known}
    taken = {one.new for one in renamed.values()}  # what had such a name makes room for another
    met = {one.rule for name, one in renamed.items() if name in used | taken or plain(one.new) in here}
    for name, one in renamed.items():
        if one.rule not in met:
            raise RuleError(
                f"{_said()} '{one.rule}' calls `{name}` `{one.new}`, which the model lacks."
                f"{_nearest(one.new, [*here.values()])} To take nothing from it, {setting('skip')} what it is for."
            )


def _said() -> str:
    return either("rename", "--rename")


def _put(new: str, texts: Sequence[str]) -> str:
    first, *others = new.split("*")
    return first + "".join(text + part for text, part in zip(texts, others, strict=True))


def _nearest(old: str, names: Sequence[str]) -> str:
    import difflib  # rarely needed

    near = difflib.get_close_matches(old, names[:2000], n=1, cutoff=0.3)
    return f" The closest is '{near[0]}'." if near else ""


def _check_once(names: Sequence[str], found: Mapping[str, Renamed]) -> None:
    by_new: dict[str, list[str]] = {}
    for name in names:
        by_new.setdefault(found[name].new if name in found else name, []).append(name)
    lines = [
        f"  {new}  {', '.join(olds)}" for new, olds in by_new.items() if len(olds) > 1 and any(o in found for o in olds)
    ]
    if lines:
        raise CheckpointError(
            f"By {setting('rename')} several tensors get one name:\n{listed(sorted(lines))}\nNarrow its globs."
        )
