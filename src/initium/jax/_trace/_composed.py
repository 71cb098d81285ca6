"""What several operations of a jaxpr are together: a mean, a variance, a softmax, a normalisation by kept statistics.

PyTorch has an operation for each; in a jaxpr they are written out.
"""

import math
from typing import Any

import numpy as np

from ..._trace._operations import CASTS
from ._recorder import Argument, Recorder
from ._value import JaxValue

_SHAPES = CASTS | {"view", "expand"}


def divided(recorder: Recorder, left: Argument, right: Argument, aval: Any) -> JaxValue | None:
    """A mean, or a softmax; None if a quotient is neither."""
    if not isinstance(left, JaxValue):
        return None
    if left.operation == "sum" and not isinstance(right, JaxValue):
        source, axes = left.args
        if right == math.prod(source.tensor.shape[axis] for axis in axes):
            return recorder.emit("mean", _mean, (source, axes), aval)
        return None
    if left.operation == "exp" and isinstance(right, JaxValue):
        summed = _back(right)
        if summed.operation == "sum" and summed.args[0] is left and len(summed.args[1]) == 1:
            return recorder.emit("_softmax", _softmax, (_without_most(left.args[0]), summed.args[1][0]), aval)
    return None


def subtracted(recorder: Recorder, left: Argument, right: Argument, aval: Any) -> JaxValue | None:
    """E[x^2] - E[x]^2 is a variance, x - log(sum(exp(x))) a softmax's logarithm; None if a difference is neither."""
    if not (isinstance(left, JaxValue) and isinstance(right, JaxValue)):
        return None
    if left.operation == "mean" and right.operation == "square":
        mean, squares = right.args[0], left.args[0]
        is_variance = squares.operation == "square" and isinstance(mean, JaxValue) and mean.operation == "mean"
        if is_variance and mean.args == (squares.args[0], left.args[1]):
            return recorder.emit("var", _variance, mean.args, aval)
    log = _back(right)
    if log.operation == "log" and isinstance(log.args[0], JaxValue):
        summed = _back(log.args[0])
        is_sum = summed.operation == "sum" and len(summed.args[1]) == 1 and summed.args[0].operation == "exp"
        if is_sum and summed.args[0].args[0] is left:
            return recorder.emit("_log_softmax", _log_softmax, (_without_most(left), summed.args[1][0]), aval)
    return None


def multiplied(recorder: Recorder, left: Argument, right: Argument, aval: Any) -> JaxValue | None:
    """A normalisation whose scale is multiplied with 1 / its size first; None if a product is none.

    It is written down as the signal over its size, and then the scale; one by statistics that are kept beside the
    parameters as a batch norm.
    """
    for signal, factor in ((left, right), (right, left)):
        if not (isinstance(signal, JaxValue) and isinstance(factor, JaxValue) and signal.is_signal):
            continue
        inverse, scales = _apart(factor)
        if inverse is None:
            continue
        if inverse.is_signal and scales:
            scaled = recorder.emit("mul", np.multiply, (signal, inverse), aval)
        elif not inverse.is_signal and _is_kept(inverse):
            scaled = recorder.emit("native_batch_norm", _normed, (_uncentred(signal),), aval)
        else:
            continue
        for scale in scales:
            scaled = recorder.emit("mul", np.multiply, (scaled, scale), aval)
        return scaled
    return None


def _apart(factor: JaxValue) -> tuple[JaxValue | None, list[JaxValue]]:
    """1 / the size of something, and what multiplies it."""
    source = _back(factor)
    if source.operation == "rsqrt" or (source.operation == "div" and not isinstance(source.args[0], JaxValue)):
        return factor, []
    if source.operation != "mul":
        return None, []
    parts = [part for part in source.args if isinstance(part, JaxValue)]
    inverse = next((part for part in parts if _back(part).operation == "rsqrt"), None)
    scales = [part for part in parts if part is not inverse]
    is_scaled = len(parts) == 2 and all(part.params and not part.is_signal for part in scales)
    return (inverse, scales) if inverse is not None and is_scaled else (None, [])


def _is_kept(inverse: JaxValue) -> bool:
    """Whether it is made of a buffer, as a moving average is."""
    while inverse.inputs:
        inverse = inverse.inputs[0]
    return inverse.operation == "buffer"


def _uncentred(signal: JaxValue) -> JaxValue:
    """The signal before a kept mean is subtracted from it."""
    if signal.operation != "sub" or len(signal.inputs) != 2:
        return signal
    source, mean = signal.args
    is_kept = isinstance(mean, JaxValue) and not mean.is_signal and _back(mean).operation == "buffer"
    return source if is_kept else signal


def _back(value: JaxValue) -> JaxValue:
    """What a value hands on in another shape."""
    while value.operation in _SHAPES and value.inputs:
        value = value.inputs[0]
    return value


def _without_most(value: JaxValue) -> JaxValue:
    """What its greatest element is subtracted from, for the sake of rounding alone."""
    if value.operation != "sub" or not isinstance(value.args[0], JaxValue) or not isinstance(value.args[1], JaxValue):
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
