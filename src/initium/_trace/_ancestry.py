"""Ancestry: what lies between values and what they are made of, in steps that grow with what lies there."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush

from ._value import Value


@dataclass(frozen=True)
class Stretch:
    """What lies between a base and some values, in the order of execution."""

    values: list[Value]

    @property
    def weights(self) -> list[Value]:
        """Those that a weight made."""
        return [value for value in self.values if value.is_weighted]

    def in_a_row(self, members: Iterable[Value]) -> dict[int, int]:
        """Of each of these which one it is of those that follow one another, by its index, from 1."""
        counted = {value.index for value in members}
        places: dict[int, int] = {}
        for value in self.values:
            before = max((places.get(source.index, 0) for source in value.inputs), default=0)
            places[value.index] = before + (value.index in counted)
        return {index: places[index] for index in counted}


def stretch(ends: Iterable[Value], base: Value) -> Stretch:
    """What these values are made of, themselves among it, and the base is neither made of nor itself."""
    return Stretch(sorted(_beyond(ends, base), key=lambda value: value.index))


def has_weight_beyond(value: Value, base: Value) -> bool:
    """Whether a weight took part in a value that took none in its base."""
    return any(one.is_weighted for one in _beyond([value], base))


def have_same_weights(first: Value, second: Value) -> bool:
    """Whether both are made of the same weights' results."""
    return not (has_weight_beyond(first, second) or has_weight_beyond(second, first))


def _beyond(ends: Iterable[Value], base: Value) -> Iterator[Value]:
    queue, seen = [*ends], set[int]()
    while queue:
        value = queue.pop()
        # What is made of no signal is made anew for nobody.
        if value.index not in seen and value.before and value.index not in base.before:
            seen.add(value.index)
            yield value
            queue += value.inputs


def latest_shared(first: Value, second: Value) -> Value | None:
    """The last signal of which both are made; None if they share none."""
    ways = _backwards(first), _backwards(second)
    for one, other in zip(*ways, strict=False):  # the shorter way tells
        if one.index in second.before:
            return one
        if other.index in first.before:
            return other
    return None


def _backwards(value: Value) -> Iterator[Value]:
    """What a value is made of, itself first, from the last to the first."""
    ahead, seen = [(-value.index, value)], {value.index}
    while ahead:
        _, value = heappop(ahead)
        yield value
        for source in value.inputs:
            if source.before and source.index not in seen:
                seen.add(source.index)
                heappush(ahead, (-source.index, source))
