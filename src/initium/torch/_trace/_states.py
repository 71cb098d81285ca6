"""States: parameters from which a recurrence that somebody wrote out starts."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import islice

from .._operations import PASSES, SHAPED
from .._torch import tree_map
from ._tracer import Value, applies_weight

STATE = "learned state"
_MOST_TRIED = 64  # operations, among which the second step is
_HANDS_ON = PASSES | {"learned signal"}


def mark_states(values: list[Value]) -> None:
    """Take a parameter for a signal where a later step does with a signal what the first did with it.

    That is: a was made of the parameter p, and b of a, by the same operations with the same weights.
    """
    alike: dict[tuple[str, int], list[Value]] = defaultdict(list)
    for value in values:
        alike[_kind(value)].append(value)
    starts = [value for value in alike["parameter", 0] if _is_state(value, values, alike)]
    for start in starts:
        _insert(start, values)
    if starts:
        _renumber(values)


def _kind(value: Value) -> tuple[str, int]:
    return value.operation, len(value.inputs)


def _is_state(start: Value, values: list[Value], alike: dict[tuple[str, int], list[Value]]) -> bool:
    likes = [(taker, *like) for taker in _takers(start) for like in _likes(start, taker, alike[_kind(taker)])]
    made = _made_of(start, values) if likes else set[int]()
    return any(
        _is_repeated(start, taker, later, after, values, made) for taker, later, after in likes if after.index in made
    )


def _made_of(start: Value, values: list[Value]) -> set[int]:
    made = {start.index}
    for value in values[start.index + 1 :]:
        if any(other.index in made for other in value.inputs):
            made.add(value.index)
    return made


def _takers(start: Value) -> list[Value]:
    """What does more with it than to hand it on."""
    found, queue = list[Value](), [start]
    while queue:
        carrier = queue.pop()
        for taker in carrier.consumers:
            (queue if _handed_on(taker) is carrier else found).append(taker)
    return found


def _likes(start: Value, taker: Value, alike: list[Value]) -> Iterator[tuple[Value, Value]]:
    """The first operations like one that takes the start in, with the signal that stands in its place."""
    place = next(place for place, other in enumerate(taker.inputs) if _source(other) is start)
    weight = taker.row.weight_of(taker.args) if taker.is_signal else None
    if weight is not None and _source(weight) is start:
        return iter(())  # it multiplies a signal, as a weight does
    later = ((other, _source(other.inputs[place])) for other in alike if other.index > taker.index)
    return islice(((other, after) for other, after in later if after.is_signal and after.tensor.ndim > 0), _MOST_TRIED)


def _is_repeated(start: Value, taker: Value, later: Value, after: Value, values: list[Value], made: set[int]) -> bool:
    """Whether the same makes a third one of `after` that made `after` of the start."""
    farthest = later.index + 2 * (after.index - taker.index) + 2
    if not _match(taker, later, start, after, made):
        return False
    thirds = (
        value
        for value in values[later.index : farthest]
        if value.operation == after.operation and value.tensor.shape == after.tensor.shape
    )
    return any(_match(after, third, start, after, made) for third in thirds)


def _match(first: Value, second: Value, start: Value, after: Value, made: set[int]) -> bool:
    """Whether two values are made alike, the one of the start and the other of what came after it.

    Numbers that are picked from the same tensor are alike; beside the start there may be others like it.
    """
    queue, seen, has_start = [(first, second)], set[tuple[int, int]](), False
    while queue:
        one, other = (_source(value) for value in queue.pop())
        if one is start or other is after:
            if not (one is start and other is after):
                return False
            has_start = True
        elif one is not other and (one.index, other.index) not in seen:
            seen.add((one.index, other.index))
            if not one.inputs or one.operation in SHAPED:
                if other.index not in made:
                    return False
            elif one.operation != other.operation or len(one.inputs) != len(other.inputs):
                return False
            queue += zip(one.inputs, other.inputs, strict=False) if one.operation == other.operation else ()
    return has_start


def _source(value: Value) -> Value:
    while source := _handed_on(value):
        value = source
    return value


def _handed_on(value: Value) -> Value | None:
    """Of what is at most moved or picked from, that; no mask and no index."""
    if value.operation not in _HANDS_ON:
        return None
    return next((other for other in value.inputs if other.tensor.is_floating_point()), None)


def _insert(start: Value, values: list[Value]) -> None:
    """A signal that begins with a parameter, in its place wherever it is taken in."""
    state = Value(0, STATE, start.tensor, (start,), args=(start,), is_signal=True)
    takers, start.consumers = start.consumers, [state]

    def instead(argument: object) -> object:
        return state if argument is start else argument

    for taker in takers:
        taker.inputs = tuple(state if other is start else other for other in taker.inputs)
        taker.args, taker.kwargs = tree_map(instead, (taker.args, taker.kwargs))
    state.consumers = takers
    values.insert(min(values.index(taker) for taker in takers), state)


def _renumber(values: list[Value]) -> None:
    """The facts that depend on the order and on what is a signal, found anew."""
    signals = set[Value]()  # new ones
    for index, value in enumerate(values):
        value.index = index
        if value.operation == STATE or signals & set(value.inputs):
            signals.add(value)
            value.is_signal, value.is_tokens, value.params = True, False, frozenset()
            value.operation = "alias" if value.operation == "learned signal" else value.operation
        value.before = value.bit if value.is_signal else 0
        value.weights = value.bit if value.inputs and value.is_signal and applies_weight(value) else 0
        for other in value.inputs:
            value.before |= other.before
            value.weights |= other.weights
