"""Norms: normalisations written out, x * rsqrt(mean(x^2) + eps) and its like."""

from dataclasses import dataclass

from ._operations import CASTS
from ._value import Value

ROOTS = CASTS | {"rsqrt", "sqrt", "reciprocal", "pow", "add", "clamp", "clamp_min", "maximum", "expand", "mul", "div"}
_SHAPES = CASTS | {"unsqueeze", "view", "expand_as", "expand"}
ROOTS |= _SHAPES
_SQUARES = CASTS | {"pow", "mul", "square", "abs", "view", "reshape"}
_MEANS = {"mean", "var", "var_mean", "std"}
STATISTICS = _MEANS | {"sum", "linalg_vector_norm", "norm"}


@dataclass(frozen=True)
class Norm:
    """A signal divided by a statistic of its own.

    Attributes:
        result: the normalised signal, before its scale.
        signal: what is divided.
        moment: of the result.
        inside: the values that lead to the statistic.
        passing: those on the way that hand the signal on.
    """

    result: Value
    signal: Value
    moment: float
    inside: list[Value]
    passing: list[Value]


def find_norm(value: Value) -> Norm | None:
    """The normalisation that a product or quotient of two signals completes."""
    for signal, factor in (value.signals, value.signals[::-1]):
        if value.operation == "div" and value.args[0] is not signal:
            continue
        inside = _statistic(signal, factor)
        if inside is not None:
            return _norm(value, signal, inside)
    return None


def _norm(value: Value, signal: Value, inside: list[Value]) -> Norm | None:
    reduction = inside[-1]
    count = reduction.signals[0].tensor.numel() / max(reduction.tensor.numel(), 1)
    moment = 1.0 if reduction.operation in _MEANS else 1 / count
    way, means = _way(signal)
    inside = [*inside, *means]
    scales = [step for step in way if _is_scaled(step)]
    centred = [step for step in way if step.operation == "sub"]
    if not scales or not centred:
        return Norm(value, signal, moment, inside, centred)
    # Scaled before it is divided: the scale then follows the subtraction.
    if centred[-1].index > scales[-1].index or value.signals[0] is not signal:
        return None
    return Norm(centred[-1], centred[-1].signals[0], moment, inside, [value])


def _statistic(signal: Value, factor: Value) -> list[Value] | None:
    """The values between a signal and a statistic of its own, the reduction last; None if there is none."""
    inside, value = [], factor
    while value.operation in ROOTS and len(value.signals) == 1:
        inside.append(value)
        value = value.signals[0]
    if value.operation not in STATISTICS or not inside:
        return None
    squares, root, ends = [], value.signals[0], (signal, _start(signal))
    while root not in ends and root.operation in _SQUARES and len(root.signals) == 1 and not root.is_weighted:
        squares.append(root)
        root = root.signals[0]
    way, means = ([], []) if root is signal else _way(root)
    ours = _way(signal)[0]
    squares += [step for step in way if step not in ours] + means
    # What leads to other places too, such as a cast, is not inside.
    squares = [part for part in squares if part.operation not in CASTS]
    same = root is signal or _start(signal) is _start(root)
    return [*squares, *inside, value] if same else None


def _way(value: Value) -> tuple[list[Value], list[Value]]:
    """From a signal back past casts, scales and the subtraction of its own mean, with what gives that mean."""
    way, means = [], []
    while True:
        own = _own_mean(value)
        if not own and not _is_scaled(value) and (value.operation not in CASTS or len(value.signals) != 1):
            return way, means
        way.append(value)
        means += own
        value = value.signals[0]


def _start(value: Value) -> Value:
    way, _ = _way(value)
    return way[-1].signals[0] if way else value


def _is_scaled(value: Value) -> bool:
    return value.operation == "mul" and len(value.signals) == 1 and any(v.params for v in value.inputs)


def _own_mean(value: Value) -> list[Value]:
    """The values that lead to the mean of a signal which is subtracted from it."""
    if value.operation != "sub" or len(value.signals) != 2:
        return []
    signal, mean = value.signals
    found = []
    while mean.operation in _SHAPES and len(mean.signals) == 1:
        found.append(mean)
        mean = mean.signals[0]
    is_mean = mean.operation == "mean" or (mean.operation == "var_mean" and mean.position == 1)
    return [*found, mean] if is_mean and _unshaped(mean.signals[0]) is _unshaped(signal) else []


def _unshaped(value: Value) -> Value:
    """What a value is in another dtype, or with its channels in groups."""
    while value.operation in CASTS | {"view", "reshape"} and len(value.signals) == 1:
        value = value.signals[0]
    return value
