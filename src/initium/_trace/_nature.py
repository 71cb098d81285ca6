"""What an operation makes of signals, tokens and parameters, as it is recorded."""

from collections.abc import Iterable
from typing import Any

from ._operations import RECURRENT, SHAPED, is_norm, weight_operation
from ._value import Value

_TAKES_DATA = ("dense", "convolution", "recurrent")  # and normalisations


def nature_of(operation: str, args: Any, inputs: Iterable[Value], *, is_parametrising: bool = False) -> dict[str, Any]:
    """Whether what an operation gives is a signal, made from tokens alone, or from which parameters.

    Args:
        operation: its name.
        args: with values in the place of tensors.
        inputs: all values among its arguments.
        is_parametrising: whether it makes one parameter of others.
    """
    is_signal = any(value.is_signal for value in inputs)
    is_tokens = not is_signal and any(value.is_tokens for value in inputs)
    if not is_signal and (_starts_signal(operation, args, inputs, is_parametrising) or operation == RECURRENT):
        return {"is_signal": True}
    is_bare = is_signal or operation in SHAPED
    params = frozenset[int]() if is_bare else frozenset[int]().union(*(value.params for value in inputs))
    return {"is_signal": is_signal, "is_tokens": is_tokens, "params": params}


def _starts_signal(operation: str, args: Any, inputs: Iterable[Value], is_parametrising: bool) -> bool:
    """A table that tokens look up in, or a weight that meets numbers which no parameter gave."""
    row = weight_operation(operation)
    weight = row.weight_of(args)
    if row.word == "embedding":
        return weight is not None and any(value.is_tokens for value in inputs if value is not weight)
    if row.word != "dense" or weight is None or is_parametrising:
        return False
    factors = row.factors(args)
    return min(value.tensor.ndim for value in factors) >= 2 or any(value.is_tokens for value in factors)


def taken_as_data(operation: str, args: Any) -> list[Value]:
    """Whole numbers of the input are data where a layer takes them in as fractions; so is what a matrix meets."""
    row = weight_operation(operation)
    if row.word not in _TAKES_DATA and not is_norm(operation):
        return []
    taken = row.factors(args) if row.word == "dense" else args if row.word == "recurrent" else args[:1]
    values = [value for value in taken if isinstance(value, Value)]
    is_matrix = row.word == "dense" and min(value.tensor.ndim for value in values) >= 2
    if row.word == "dense" and not any(value.params for value in values):
        return []
    bare = (v for v in values if not v.is_signal and not v.params and v.tensor.is_floating_point())
    return [value for value in bare if value.is_tokens or is_matrix]
