"""Generated: matrices that a weight's outputs, or the rows of a table, become and that multiply another signal."""

import math
from dataclasses import dataclass

from ._flow import Flow
from ._follow import MOST_ELEMENTS, along, followed, varies
from ._value import Value


@dataclass(frozen=True)
class Generated:
    """What becomes a matrix.

    Attributes:
        other: what it multiplies.
        width: over how many of its elements the product sums.
        scaled: by which constant it is multiplied on the way; None if more is done to it there, or it
            first multiplies another that is made like it.
    """

    other: Value
    width: int
    scaled: float | None


def find_generated(flow: Flow) -> dict[int, Generated]:
    """Of each such weight's result or look-up, by its index, its first product."""
    found: dict[int, Generated] = {}
    for product in flow.live:
        for source, generated in _in_product(flow, product):
            found.setdefault(source.index, generated)
    return found


def _in_product(flow: Flow, product: Value) -> list[tuple[Value, Generated]]:
    pairs = _factors(flow, product)
    made = [(source, *pair) for pair in pairs if (source := _source(flow, *pair)) is not None]
    return [
        (source, Generated(other, _width(matrix, letters), _scaled(flow, source, matrix) if len(made) == 1 else None))
        for source, matrix, other, letters in made
        if not other.depends_on(source)
    ]


def _factors(flow: Flow, product: Value) -> list[tuple[Value, Value, str]]:
    """What may be a matrix, what it then multiplies, and letters of its axes."""
    row = product.row
    if flow.kind(product) == "gate" and product.operation == "mul" and len(product.signals) == 2:
        first, second = product.signals
        pairs = [(first, second), (second, first)]
        return [(*pair, letters) for pair in pairs if (letters := _summed_letters(flow, product, *pair))]
    if flow.kind(product) not in ("gate", "other") or row.word not in ("dense", "convolution"):
        return []
    first, second = row.factors(product.args)
    if not (first.is_signal and second.is_signal):
        return []
    pairs = [(second, first)] if row.word == "convolution" else [(first, second), (second, first)]
    return [(*pair, row.letters(product.args, pair[0])) for pair in pairs]


def _summed_letters(flow: Flow, product: Value, matrix: Value, other: Value) -> str:
    """Letters of the axes of what multiplies element by element, where a sum follows and the other is repeated."""
    sums = [v for v in flow.consumers(product) if v.operation == "sum" and len(v.args) > 1 and v.args[1]]
    if len(sums) != 1 or not matrix.tensor.ndim == other.tensor.ndim == product.tensor.ndim:
        return ""
    summed = {axis % product.tensor.ndim for axis in sums[0].args[1]}
    alike = {axis for axis, size in enumerate(other.tensor.shape) if size == 1 < product.tensor.shape[axis]}
    return "".join("i" if n in summed else "o" if n in alike else "b" for n in range(product.tensor.ndim))


def _source(flow: Flow, matrix: Value, other: Value, letters: str) -> Value | None:
    """The weight's result or look-up of which one axis becomes both axes of a matrix."""
    way = [matrix]
    while flow.kind(way[-1]) not in ("weight", "lookup"):
        if len(way[-1].signals) != 1:
            return None
        way.append(way[-1].signals[0])  # what it is made of, by whatever function
    source = way[-1]
    axis = source.tensor.ndim - 1
    if flow.kind(source) == "weight":
        weight = source.row.weight_of(source.args)
        if weight is None or source.row.word not in ("dense", "convolution"):
            return None
        axis = source.row.output_axis(source.args, weight, source.tensor.ndim)
    if source.tensor.numel() > MOST_ELEMENTS:
        return None
    numbers = along(source.tensor.shape, axis)
    known = {source: numbers}
    for step in way[-2::-1]:
        numbers = followed(step, known)
        if numbers is None:
            return None
        known[step] = numbers
    summed = [axis for axis, letter in enumerate(letters) if letter in "ihwd"]
    is_matrix = "o" in letters and any(varies(numbers, axis) for axis in summed)
    return source if is_matrix and varies(numbers, letters.index("o")) else None


def _width(matrix: Value, letters: str) -> int:
    return math.prod(size for size, letter in zip(matrix.tensor.shape, letters, strict=True) if letter in "ihwd")


def _scaled(flow: Flow, source: Value, matrix: Value) -> float | None:
    factor = flow.factor(matrix, source, passing=("pass", "shift", "scale"))
    return None if not factor or math.isnan(factor) else factor
