"""What several operations of a jaxpr are together: a mean, a variance, a softmax, a normalisation by kept statistics.

PyTorch has an operation for each; in a jaxpr they are written out.
"""

import math
from typing import Any

import numpy as np

from ..._trace._operations import CASTS
from ..._trace._value import Value
from ._recorder import Argument, Recorder
from ._shape import Shape

_SHAPES = CASTS | {"view", "expand"}


def divided(recorder: Recorder, left: Argument, right: Argument, aval: Any) -> Value | None:
    """A mean, or a softmax; None if a quotient is neither."""
    if not isinstance(left, Value):
        return None
    summed = left.args[0] if left.operation == "view" else left  # a sum may keep its axes
    if summed.operation == "sum" and not isinstance(right, Value):
        source, axes = summed.args
        if right == math.prod(source.tensor.shape[axis] for axis in axes):
            mean = recorder.emit("mean", _mean, (source, axes), Shape(summed.tensor.shape, str(aval.dtype)))
            return recorder.view(mean, aval.shape)
        return None
    if left.operation == "exp" and isinstance(right, Value):
        summed = _back(right)
        if summed.operation == "sum" and summed.args[0] is left and len(summed.args[1]) == 1:
            return recorder.emit("_softmax", _softmax, (_without_most(left.args[0]), summed.args[1][0]), aval)
    return None


def subtracted(recorder: Recorder, left: Argument, right: Argument, aval: Any) -> Value | None:
    """E[x^2] - E[x]^2 is a variance, x - log(sum(exp(x))) a softmax's logarithm; None if a difference is neither."""
    if not (isinstance(left, Value) and isinstance(right, Value)):
        return None
    squares, mean = _back(left), _back(right.args[0]) if right.operation == "square" else None
    if mean is not None and _is_square_of(mean, squares):
        variance = recorder.emit("var", _variance, mean.args, Shape(mean.tensor.shape, str(aval.dtype)))
        return recorder.view(variance, aval.shape)
    log = _back(right)
    if log.operation == "log" and isinstance(log.args[0], Value):
        summed = _back(log.args[0])
        is_sum = summed.operation == "sum" and len(summed.args[1]) == 1 and summed.args[0].operation == "exp"
        if is_sum and summed.args[0].args[0] is left:
            return recorder.emit("_log_softmax", _log_softmax, (_without_most(left), summed.args[1][0]), aval)
    return None


def _is_square_of(mean: Value, squares: Value) -> bool:
    """Whether one is a mean of a signal, and the other that of its squares."""
    if not mean.operation == squares.operation == "mean":
        return False
    source, axes = squares.args
    return source.operation == "square" and mean.args == (source.args[0], axes)


def multiplied(recorder: Recorder, left: Argument, right: Argument, aval: Any) -> Value | None:
    """A normalisation whose scale is multiplied with 1 / its size first; None if a product is none.

    It is written down as the signal over its size, and then the scale; one by statistics that are kept beside the
    parameters as a batch norm.
    """
    for signal, factor in ((left, right), (right, left)):
        if not (isinstance(signal, Value) and isinstance(factor, Value) and signal.is_signal):
            continue
        inverse, scales = _apart(factor)
        if inverse is None:
            continue
        if inverse.is_signal and scales:
            scaled = recorder.emit("mul", np.multiply, (signal, inverse), aval)
        elif not inverse.is_signal and _is_kept(inverse):
            scaled = _by_kept(recorder, _uncentred(signal), inverse, aval)
        else:
            continue
        for scale in scales:
            scaled = recorder.emit("mul", np.multiply, (scaled, scale), aval)
        return scaled
    return None


def added(recorder: Recorder, left: Argument, right: Argument, aval: Any) -> Value | None:
    """A normalisation as x * inverse + (shift - mean * inverse), as Keras has it; None if a sum is none.

    It is written down as the signal less its mean, over its size, with the scale and then the shift.
    """
    for scaled, moved in ((left, right), (right, left)):
        if not (isinstance(scaled, Value) and isinstance(moved, Value)):
            continue
        shifts, mean = _without_params(moved)
        first, second = _unscaled(scaled), _unscaled(mean)
        if first is None or second is None or first[1] is not second[1] or second[0].operation != "neg":
            continue
        (signal, inverse, scales), (negative, _, _) = first, second
        average = _back(negative.args[0])
        if average.operation != "mean" or _back(average.args[0]) is not _back(signal):
            continue
        made = recorder.emit("sub", np.subtract, (signal, negative.args[0]), aval)
        for factor in (inverse, *scales):
            made = recorder.emit("mul", np.multiply, (made, factor), aval)
        for shift in shifts:
            made = recorder.emit("add", np.add, (made, shift), aval)
        return made
    return None


def _without_params(value: Value) -> tuple[list[Value], Value]:
    """The parameters that are added to a signal, and the signal."""
    if value.operation == "add":
        for signal, shift in (value.args, value.args[::-1]):
            if isinstance(signal, Value) and isinstance(shift, Value) and shift.params and signal.is_signal:
                return [shift], signal
    return [], value


def _unscaled(value: Value) -> tuple[Value, Value, list[Value]] | None:
    """A signal that is multiplied with 1 / the size of something, and then with parameters; None if it is not."""
    scales: list[Value] = []
    while value.operation == "mul" and isinstance(value.args[1], Value) and value.args[1].params:
        scales.insert(0, value.args[1])
        value = value.args[0]
    if value.operation != "mul" or not all(isinstance(part, Value) for part in value.args):
        return None
    inverse = next((part for part in value.args if _back(part).operation == "rsqrt"), None)
    signal = next((part for part in value.args if part is not inverse), None)
    return None if inverse is None or signal is None else (signal, inverse, scales)


def _apart(factor: Value) -> tuple[Value | None, list[Value]]:
    """1 / the size of something, and what multiplies it."""
    source = _back(factor)
    if source.operation == "rsqrt" or (source.operation == "div" and not isinstance(source.args[0], Value)):
        return factor, []
    if source.operation != "mul":
        return None, []
    parts = [part for part in source.args if isinstance(part, Value)]
    inverse = next((part for part in parts if _back(part).operation == "rsqrt"), None)
    scales = [part for part in parts if part is not inverse]
    is_scaled = len(parts) == 2 and all(part.params and not part.is_signal for part in scales)
    return (inverse, scales) if inverse is not None and is_scaled else (None, [])


def _by_kept(recorder: Recorder, signal: Value, inverse: Value, aval: Any) -> Value:
    """A normalisation by kept statistics, with its channels where ATen has them."""
    wide = [axis for axis, size in enumerate(inverse.tensor.shape) if size > 1]
    channels = wide[-1] - inverse.tensor.ndim if wide else -1
    axes = [*range(signal.tensor.ndim)]
    axes.insert(min(1, len(axes) - 1), axes.pop(channels))
    turned = recorder.permuted(signal, axes)
    normed = recorder.emit("native_batch_norm", _normed, (turned,), Shape(turned.tensor.shape, str(aval.dtype)))
    return recorder.permuted(normed, [axes.index(axis) for axis in range(len(axes))])


def _is_kept(inverse: Value) -> bool:
    """Whether it is made of a buffer, as a moving average is."""
    while inverse.inputs:
        inverse = inverse.inputs[0]
    return inverse.operation == "buffer"


def _uncentred(signal: Value) -> Value:
    """The signal before a kept mean is subtracted from it."""
    if signal.operation != "sub" or len(signal.inputs) != 2:
        return signal
    source, mean = signal.args
    is_kept = isinstance(mean, Value) and not mean.is_signal and _back(mean).operation == "buffer"
    return source if is_kept else signal


def _back(value: Value) -> Value:
    """What a value hands on in another shape."""
    while value.operation in _SHAPES and value.inputs:
        value = value.inputs[0]
    return value


def _without_most(value: Value) -> Value:
    """What its greatest element is subtracted from, for the sake of rounding alone."""
    if value.operation != "sub" or not isinstance(value.args[0], Value) or not isinstance(value.args[1], Value):
        return value
    most = _back(value.args[1])
    while most.operation in ("maximum", "where") and most.inputs:
        most = _back(most.inputs[-1])
    return value.args[0] if most.operation == "amax" else value


def _mean(x: Any, axes: Any) -> Any:
    return np.mean(x, axis=tuple(axes))


def _variance(x: Any, axes: Any) -> Any:
    return np.var(x, axis=tuple(axes))


def _softmax(x: Any, axis: int) -> Any:
    powers = np.exp(x - x.max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)


def _log_softmax(x: Any, axis: int) -> Any:
    x = x - x.max(axis, keepdims=True)
    return x - np.log(np.exp(x).sum(axis, keepdims=True))


def _normed(x: Any) -> Any:
    return x
