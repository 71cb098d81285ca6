"""Picked: weights of which one is looked up for each input, or several are mixed, such as experts or relations."""

from typing import Any

from numpy.typing import NDArray

from ._follow import MOST_ELEMENTS, counted, followed, varies
from ._operations import PASSES, SOFTMAXES
from ._value import Value


def mark_picked(values: list[Value]) -> None:
    """Take what is looked up for a weight where it multiplies another signal as a matrix, and for a bias beside it."""
    takers = dict[Value, list[Value]]()
    for lookup in [value for value in values if value.is_signal and _rows_of(value) is not None]:
        way, ends = _followed_to_ends(lookup, _places_of(lookup))
        if ends and all(_is_matrix(taker, carrier, numbers) for taker, carrier, numbers in ends):
            for value in way:
                _mark(value, lookup.row.weight_of(lookup.args).params)
            for taker, _, _ in (end for end in ends if end[0].row.word != "other"):
                takers.setdefault(_index_of(lookup), []).append(taker)
    for taker in (taker for group in takers.values() for taker in group):
        taker.is_weighted = taker.is_signal
    for lookup in [value for value in values if value.is_signal and _rows_of(value) is not None]:
        way, ends = _followed_to_ends(lookup, _places_of(lookup))
        given = takers.get(_index_of(lookup), [])
        if ends and given and all(_is_beside(taker, carrier, given) for taker, carrier, _ in ends):
            for value in way:
                _mark(value, lookup.row.weight_of(lookup.args).params)


def mark_mixed(values: list[Value]) -> None:
    """Take what is mixed of a stack of matrices for a weight, where it multiplies another signal as a matrix."""
    weighted, mixtures = list[Value](), list[Value]()
    for mixture in [value for value in values if value.is_signal]:
        stack, shares = _mixed(mixture)
        if stack is None or shares is None:
            continue
        way, ends = _followed_to_ends(mixture, _places_in(mixture, stack))
        if ends and all(_is_matrix(taker, carrier, numbers) for taker, carrier, numbers in ends):
            picked = _picked_shares(shares)
            for value in picked:
                _mark(value, picked[-1].row.weight_of(picked[-1].args).params)
            between = mixture.inputs if mixture.operation == "sum" else ()
            for value in (*between, *way):
                _mark(value, frozenset().union(*(other.params for other in (stack, *picked))))
            weighted += [taker for taker, _, _ in ends if taker.row.word != "other"]
            mixtures.append(mixture)
    for mixture in mixtures:
        mixture.is_weighted = False
    for taker in weighted:
        taker.is_weighted = taker.is_signal


def _mixed(value: Value) -> tuple[Value | None, Value | None]:
    """The stack of matrices that a value is a mixture of, and the shares of each; None if it is none."""
    product = value.inputs[0] if value.operation == "sum" and len(value.args) > 1 and value.args[1] else value
    if value is not product and product.operation == "mul" and len(product.inputs) == 2:
        shares, stack = sorted(product.inputs, key=lambda other: bool(other.params))
        summed = {axis % product.tensor.ndim for axis in value.args[1]}
        rest = [size for axis, size in enumerate(shares.tensor.shape) if axis + _lacks(shares, product) not in summed]
        is_apart = len(summed) == 1 and set(rest[1:]) <= {1}
    elif value.row.word == "dense" and value.row.operands == (0, 1):
        shares, stack = value.row.factors(value.args)
        is_apart = set(stack.tensor.shape[:-2]) <= {1}
    else:
        return None, None
    is_mixture = is_apart and bool(stack.params) and shares.is_signal and _is_share(shares)
    return (stack, shares) if is_mixture else (None, None)


def _lacks(part: Value, whole: Value) -> int:
    return whole.tensor.ndim - part.tensor.ndim


def _is_share(value: Value) -> bool:
    """Whether it says how much of each, as a softmax, a gate or a table of coefficients does.

    A row that is multiplied with another signal, as with 1 / its own size, is no row of coefficients.
    """
    is_alone = True
    while value.operation in PASSES - _PICKS | {"mul", "div"} and value.signals:
        is_alone = is_alone and (value.operation not in ("mul", "div") or len(value.signals) == 1)
        value = value.signals[0]
    return value.operation in SOFTMAXES | {"sigmoid"} or (is_alone and _rows_of(value) is not None)


_PICKS = {"index", "index_select", "gather"}


def _picked_shares(shares: Value) -> list[Value]:
    """From shares that are rows of a table back to its look-up; nothing if a signal gives them."""
    way = [shares]
    while way[-1].operation in PASSES - _PICKS and way[-1].signals:
        way.append(way[-1].signals[0])
    return way if _rows_of(way[-1]) is not None else []


def _places_in(mixture: Value, stack: Value) -> NDArray[Any] | None:
    """Of each element of a mixture its place in one of the matrices."""
    shape = stack.tensor.shape
    if max(stack.tensor.numel(), mixture.tensor.numel()) > MOST_ELEMENTS:
        return None
    if mixture.operation != "sum":
        return counted(shape[-1:], mixture.tensor.shape)
    numbers = counted(shape, mixture.inputs[0].tensor.shape)
    for axis in mixture.args[1]:
        numbers = numbers.take([0], axis)
    return numbers.reshape(mixture.tensor.shape)


def _rows_of(value: Value) -> Value | None:
    """The table of which a signal is rows; None if it is something else."""
    table = value.row.weight_of(value.args) if value.row.word == "embedding" else None
    is_plain = value.operation in ("embedding", "index", "index_select") and _num_picked(value)
    return table if is_plain else None


def _num_picked(value: Value) -> int:
    """How many leading axes of a table are picked in."""
    if value.operation == "index":
        indices = value.args[1]
        return len(indices) if None not in indices else 0
    return 1 if value.operation == "embedding" or value.args[1] == 0 else 0


def _index_of(lookup: Value) -> Value:
    index = lookup.args[2] if lookup.operation == "index_select" else lookup.args[1]
    index = index[0] if isinstance(index, list | tuple) else index
    while index.operation in PASSES and index.inputs:
        index = index.inputs[0]
    return index


_End = tuple[Value, Value, NDArray[Any]]


def _places_of(lookup: Value) -> NDArray[Any] | None:
    """Of each element of looked-up rows its place in a row."""
    shape = lookup.row.weight_of(lookup.args).tensor.shape[_num_picked(lookup) :]
    if lookup.tensor.numel() > MOST_ELEMENTS:
        return None
    return counted(shape, lookup.tensor.shape)


def _followed_to_ends(lookup: Value, places: NDArray[Any] | None) -> tuple[list[Value], list[_End]]:
    """All that hands rows on, and what takes them in, with the place in a row of each element that is taken in."""
    if places is None:
        return [], []
    numbers, way, ends = {lookup: places}, [lookup], list[_End]()
    for carrier in way:
        for taker in carrier.consumers:
            passed = followed(taker, numbers) if taker.operation in PASSES and len(taker.signals) == 1 else None
            if passed is None:
                ends.append((taker, carrier, numbers[carrier]))
            elif taker not in numbers:
                numbers[taker] = passed
                way.append(taker)
    return way, ends


def _is_matrix(taker: Value, carrier: Value, numbers: NDArray[Any]) -> bool:
    """Whether a row is taken in as a matrix or a kernel: it has both inputs and outputs."""
    row = taker.row
    if taker.operation == "mul" and len(taker.signals) == 2:
        return any(_sums_matrix(consumer, taker, numbers) for consumer in taker.consumers)
    if row.word not in ("dense", "convolution") or len(taker.signals) != 2 or carrier.tensor.ndim < 2:
        return False
    left, right = row.factors(taker.args)
    axes = (-2, -1) if row.word == "dense" else (0, 1)
    is_weight = right is carrier or (left is carrier and row.word == "dense")
    return is_weight and all(varies(numbers, axis) for axis in axes)


def _sums_matrix(taker: Value, product: Value, numbers: NDArray[Any]) -> bool:
    """Whether a product element by element is summed along one axis of a row, and not along another."""
    if taker.operation != "sum" or len(taker.args) < 2 or not taker.args[1]:
        return False
    summed = {axis % product.tensor.ndim - product.tensor.ndim for axis in taker.args[1]}
    own = {axis for axis in range(-numbers.ndim, 0) if varies(numbers, axis)}
    return bool(own & summed) and bool(own - summed)


def _is_beside(taker: Value, carrier: Value, given: list[Value]) -> bool:
    """Whether it is added to what the weight gave that was picked for the same input."""
    if taker.operation != "add" or len(taker.signals) != 2:
        return False
    other = next(signal for signal in taker.signals if signal is not carrier)
    while other not in given and other.operation in PASSES and len(other.signals) == 1:
        other = other.signals[0]
    return other in given


def _mark(value: Value, params: frozenset[int]) -> None:
    """No signal but made of parameters, of which rows were picked or mixed."""
    value.is_signal, value.is_tokens, value.params = False, False, params
