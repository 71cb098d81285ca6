"""Places: along which axes of what is used each axis of a parameter runs, where no view of it tells."""

import itertools
from typing import Any

from numpy.typing import NDArray

from ._follow import MOST_ELEMENTS, along, counted, followed, spread, varies
from ._value import Value


def letters_along(param: Value, operand: Value, chain: list[Value], letters: str) -> list[set[str]] | None:
    """For each axis of a parameter the letters of the operand's axes that it runs along; None if it gets lost.

    Args:
        param: the parameter.
        operand: what an operation takes in.
        chain: the values from the one to the other.
        letters: of the operand's axes.
    """
    if len(letters) != operand.tensor.ndim or max(param.tensor.numel(), operand.tensor.numel()) > MOST_ELEMENTS:
        return None
    found = []
    for axis in range(param.tensor.ndim):
        arrived = _arrived(along(param.tensor.shape, axis), param, chain)
        if arrived is None or arrived.shape != operand.tensor.shape:
            return None
        found.append({letter for place, letter in enumerate(letters) if varies(arrived, place)})
    return found


def axes_from(along: list[set[str]]) -> str | None:
    """The parameter's own letters; what runs along none was picked or mixed, and stacks others."""
    if any(len(found - {"b"}) > 1 for found in along):
        return None
    return "".join(next(iter(found - {"b"}), "b") for found in along)


def is_mixing(param: Value, operand: Value, chain: list[Value], letters: str) -> bool:
    """Whether a parameter is multiplied with another one that holds whole matrices, one in each row, and so mixes them.

    A column of the other then has both an input and an output of its own; of two weights in a row it has one of both.
    """
    source = param
    for place, step in enumerate(chain):
        if step.row.word == "dense":
            is_left = step.row.factors(step.args)[0] is source
            if step.tensor.numel() > MOST_ELEMENTS:
                return False
            arrived = _arrived(along(step.tensor.shape, -1 if is_left else -2), step, chain[place + 1 :])
            if arrived is None or arrived.shape != operand.tensor.shape or len(letters) != arrived.ndim:
                return False
            return {"o", "i"} <= {letter for axis, letter in enumerate(letters) if varies(arrived, axis)}
        if step.operation == "mul" and all(v.params for v in step.inputs) and step.tensor.numel() <= MOST_ELEMENTS:
            parts = [_letters_of(part, step, operand, chain[place + 1 :], letters) for part in (source, *step.inputs)]
            return not {"o", "i"} & parts[0] and any({"o", "i"} <= part for part in parts)
        source = step
    return False


def axes_of_shares(param: Value, chain: list[Value]) -> str | None:
    """The letters of what multiplies a stack of matrices element by element before it is summed over."""
    for place, (step, after) in enumerate(itertools.pairwise(chain)):
        if step.operation != "mul" or after.operation != "sum" or len(after.args) < 2:
            continue
        letters = ""
        for axis in range(param.tensor.ndim):
            arrived = _arrived(along(param.tensor.shape, axis), param, chain[: place + 1])
            if arrived is None:
                return None
            letters += "i" if any(varies(arrived, summed) for summed in after.args[1]) else "o"
        return letters
    return None


def _letters_of(part: Value, step: Value, operand: Value, chain: list[Value], letters: str) -> set[str]:
    """Along which of the operand's axes one factor of an elementwise product runs."""
    arrived = _arrived(counted(part.tensor.shape, step.tensor.shape), step, chain)
    if arrived is None or arrived.shape != operand.tensor.shape or len(letters) != arrived.ndim:
        return set()
    return {letter for axis, letter in enumerate(letters) if varies(arrived, axis)}


def _arrived(numbers: NDArray[Any], param: Value, chain: list[Value]) -> NDArray[Any] | None:
    source, known = param, numbers
    for step in chain:
        found = _stepped(step, source, known)
        if found is None:
            return None
        source, known = step, found
    return known


def _stepped(step: Value, source: Value, numbers: NDArray[Any]) -> NDArray[Any] | None:
    """What one step makes of the numbers; a product's rows are the left factor's, its columns the right one's."""
    if step.operation == "sum" and len(step.args) > 1 and step.args[1]:
        for axis in step.args[1]:
            numbers = numbers.take([0], axis)
        return numbers.reshape(step.tensor.shape)
    if step.row.word == "dense":
        is_left = step.row.factors(step.args)[0] is source
        return spread(numbers[..., :1] if is_left else numbers[..., :1, :], step.tensor.shape)
    if step.row.word == "embedding" and step.args[0] is source:
        num_picked = len(step.args[1]) if step.operation == "index" else 1
        return spread(numbers[(0,) * num_picked], step.tensor.shape)
    return followed(step, {source: numbers})
