"""by_structure: tensors paired by their order and their shapes, whatever they are called."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from .._stored import Stored
from ._match import Match
from ._names import plain
from ._target import Target

Key = tuple[tuple[int, ...], str]
T = TypeVar("T")


def by_structure(targets: Sequence[Target], tensors: Mapping[str, Stored]) -> tuple[dict[str, Match], tuple[str, ...]]:
    """The first of each shape with the first of that shape, and so on, where there are as many on both sides.

    Returns:
        What was found, and notes of what was not.
    """
    names, notes = _in_order(tensors)
    here = _grouped((_key(target.shape, target.path), target) for target in targets)
    there = _grouped((_key(tensors[name].shape, name), name) for name in names)
    found: dict[str, Match] = {}
    unequal = []
    for key, group in here.items():
        others = there.get(key, [])
        if len(group) == len(others):
            pairs = zip(group, others, strict=True)
            found |= {target.path: Match((name,), f"`{name}`, by its order and shape") for target, name in pairs}
        elif others:
            shape, last = key
            unequal.append(f"{shape} `{last}`, {len(group)} here and {len(others)} there")
    if unequal:
        notes.append(f"not paired by structure, since there are not as many: {'; '.join(unequal[:5])}")
    return found, tuple(notes)


def _key(shape: tuple[int, ...], name: str) -> Key:
    return shape, plain(name).rpartition(".")[2]


def _grouped(pairs: Iterable[tuple[Key, T]]) -> dict[Key, list[T]]:
    found: dict[Key, list[T]] = defaultdict(list)
    for key, one in pairs:
        found[key].append(one)
    return found


def _in_order(tensors: Mapping[str, Stored]) -> tuple[list[str], list[str]]:
    """Names as they were saved; what a file sorted as text is sorted as people count, which may not be the order.

    A file may sort by the size of its numbers first, and its names within those of one dtype.
    """
    names, by_dtype = [*tensors], defaultdict[str, list[str]](list)
    for name, stored in tensors.items():
        by_dtype[stored.dtype].append(name)
    if len(names) < 2 or any(group != sorted(group) for group in by_dtype.values()):
        return names, []
    numbered = sorted(
        names, key=lambda name: [(len(one), one) if one.isdecimal() else (0, one) for one in _split(name)]
    )
    return numbered, ["the checkpoint keeps its names sorted, so that only they tell the order of its layers"]


def _split(name: str) -> list[str]:
    return re.split(r"(\d+)", name)
