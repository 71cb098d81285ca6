"""States: parameters from which a recurrence that somebody wrote out starts."""

from bisect import bisect_right
from collections import defaultdict

from ._operations import PASSES, SHAPED
from ._tree import tree_map
from ._value import Value

STATE = "learned state"
_MOST_TRIED = 64  # operations, among which the second step is
_HANDS_ON = PASSES | {"learned signal"}
_Placed = dict[tuple[str, int, int], list[tuple[Value, Value]]]


def mark_states(values: list[Value]) -> None:
    """Take a parameter for a signal where a later step does with a signal what the first did with it.

    That is: a was made of the parameter p, and b of a, by the same operations with the same weights.
    """
    placed = _placed(values)
    starts = [value for value in values if value.operation == "parameter" and _is_state(value, values, placed)]
    for start in starts:
        _insert(start, values)
    if starts:
        _renumber(values)


def _placed(values: list[Value]) -> _Placed:
    """Of each operation, by the place of one of its inputs: those that take a signal in there, in order, and it."""
    placed: _Placed = defaultdict(list)
    for value in values:
        for place, other in enumerate(value.inputs):
            signal = _source(other)
            if signal.is_signal and signal.tensor.ndim > 0:
                placed[value.operation, len(value.inputs), place].append((value, signal))
    return placed


def _is_state(start: Value, values: list[Value], placed: _Placed) -> bool:
    likes = [(taker, *like) for taker in _takers(start) for like in _likes(start, taker, placed)]
    made = _made_of(start, max((_farthest(*like) for like in likes), default=0))
    return any(
        _is_repeated(start, taker, later, after, values, made) for taker, later, after in likes if after.index in made
    )


def _farthest(taker: Value, later: Value, after: Value) -> int:
    """Before which index a third one follows, if it does."""
    return later.index + 2 * (after.index - taker.index) + 2


def _made_of(start: Value, end: int) -> set[int]:
    """Indices of what is made of a value, up to an end."""
    made, queue = {start.index}, [start]
    while queue:
        for taker in queue.pop().consumers:
            if taker.index < end and taker.index not in made:
                made.add(taker.index)
                queue.append(taker)
    return made


def _takers(start: Value) -> list[Value]:
    """What does more with it than to hand it on."""
    found, queue = list[Value](), [start]
    while queue:
        carrier = queue.pop()
        for taker in carrier.consumers:
            (queue if _handed_on(taker) is carrier else found).append(taker)
    return found


def _likes(start: Value, taker: Value, placed: _Placed) -> list[tuple[Value, Value]]:
    """The first operations like one that takes the start in, with the signal that stands in its place."""
    place = next(place for place, other in enumerate(taker.inputs) if _source(other) is start)
    weight = taker.row.weight_of(taker.args) if taker.is_signal else None
    if weight is not None and _source(weight) is start:
        return []  # it multiplies a signal, as a weight does
    alike = placed.get((taker.operation, len(taker.inputs), place), [])
    first = bisect_right(alike, taker.index, key=lambda pair: pair[0].index)
    return alike[first : first + _MOST_TRIED]


def _is_repeated(start: Value, taker: Value, later: Value, after: Value, values: list[Value], made: set[int]) -> bool:
    """Whether the same makes a third one of `after` that made `after` of the start."""
    if not _match(taker, later, start, after, made):
        return False
    thirds = (
        value
        for value in values[later.index : _farthest(taker, later, after)]
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
    state = type(start)(0, STATE, start.tensor, (start,), args=(start,), is_signal=True)
    takers, start.consumers = start.consumers, [state]

    def instead(argument: object) -> object:
        return state if argument is start else argument

    for taker in takers:
        taker.inputs = tuple(state if other is start else other for other in taker.inputs)
        taker.args, taker.kwargs = tree_map(instead, (taker.args, taker.kwargs))
    state.consumers = takers
    values.insert(min(values.index(taker) for taker in takers), state)


def _renumber(values: list[Value]) -> None:
    """The facts that depend on the order, and what is a signal, found anew."""
    signals = set[Value]()  # new ones
    for index, value in enumerate(values):
        value.index = index
        if value.operation == STATE or signals & set(value.inputs):
            signals.add(value)
            value.is_signal, value.is_tokens, value.params = True, False, frozenset()
            value.operation = "alias" if value.operation == "learned signal" else value.operation
