"""Repeated blocks as one line: `h.0-47.mlp.c_proj.weight`."""

import re
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, TypeVar

from .._errors import few

K = TypeVar("K", bound=Hashable)

# A number that is a component of a path, or ends one after an underscore, as in `encoder_layer_3`.
_NUMBER = re.compile(r"(?:(?<=[._/])|^)(0|[1-9]\d{0,17})(?=[./]|$)")
# `ln_1` and `ln_2` are two names, not two of a row of layers.
_FEWEST_SUFFIXES = 3

Numbers = tuple[int, ...]
Place = tuple[Numbers, ...]  # the numbers that stand at each place of a pattern


@dataclass(frozen=True)
class Row(Generic[K]):
    """Several paths of one kind.

    Attributes:
        paths: all of them as one text, with ranges for numbers.
        kind: what they have in common.
        members: which of the items they are, by number, in order.
    """

    paths: str
    kind: K
    members: tuple[int, ...]


def fold(items: Iterable[tuple[str, K]]) -> list[Row[K]]:
    """Paths that differ in numbers alone and are of one kind become one row, which stands where the first stood."""
    patterns: dict[tuple[tuple[str, ...], K], dict[Place, Numbers]] = {}
    for position, (path, kind) in enumerate(items):
        pieces = _NUMBER.split(path)
        place = tuple((int(number),) for number in pieces[1::2])
        patterns.setdefault((tuple(pieces[::2]), kind), {})[place] = (position,)
    rows: list[Row[K]] = []
    for (pieces, kind), places in patterns.items():
        for axis in reversed(range(len(pieces) - 1)):
            places = _merge(places, axis, _FEWEST_SUFFIXES if pieces[axis].endswith("_") else 2)
        rows += [Row(_paths(pieces, place), kind, members) for place, members in places.items()]
    return sorted(rows, key=lambda row: row.members[0])


def folded(paths: Iterable[str]) -> str:
    """Some paths in a sentence: `0-5.weight`, `head.bias` and how many rows more; the empty one is the model's own."""
    rows = fold((path, "") for path in paths)
    return few([f"`{row.paths}`" if row.paths else "the model itself" for row in rows])


def _merge(places: dict[Place, Numbers], axis: int, fewest: int) -> dict[Place, Numbers]:
    """Join the places that differ at one axis only, if they are enough."""
    alike: dict[tuple[Place, Place], dict[Numbers, Numbers]] = {}
    for place, members in places.items():
        alike.setdefault((place[:axis], place[axis + 1 :]), {})[place[axis]] = members
    merged: dict[Place, Numbers] = {}
    for (before, after), found in alike.items():
        joined = {_sorted(found): _sorted(found.values())}
        for numbers, members in (joined if len(found) >= fewest else found).items():
            merged[(*before, numbers, *after)] = members
    return merged


def _sorted(numbers: Iterable[Numbers]) -> Numbers:
    return tuple(sorted(number for some in numbers for number in some))


def _paths(pieces: tuple[str, ...], place: Place) -> str:
    """The paths of one row: where numbers go in equal steps the first two and the last, as in `2.a, 4.a .. 98.a`."""
    axis = next((axis for axis, numbers in enumerate(place) if _is_stepped(numbers)), None)
    if axis is None:
        return _text(pieces, place)
    numbers = place[axis]
    first, second, last = (
        _paths(pieces, (*place[:axis], (number,), *place[axis + 1 :])) for number in (*numbers[:2], numbers[-1])
    )
    return f"{first}, {second} .. {last}"


def _is_stepped(numbers: Numbers) -> bool:
    steps = {after - before for before, after in pairwise(numbers)}
    return len(numbers) > 3 and len(steps) == 1 and steps != {1}


def _text(pieces: tuple[str, ...], place: Place) -> str:
    numbers = [_ranges(numbers) for numbers in place]
    return "".join(text for pair in zip(pieces, [*numbers, ""], strict=True) for text in pair)


def _ranges(numbers: Numbers) -> str:
    """Whole numbers as text: `0-11`, `0,2,5-7`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
