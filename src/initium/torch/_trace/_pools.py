"""Pools: the second moment of what is made from many elements of one signal."""

import math

from ._quantiles import Quantiles, gaussian, highest, second_moment
from ._tracer import Value

_MEANS = {"mean", "segment_reduce"}
_SUMS = {"sum"}
# Sums of how many elements, nobody knows from shapes alone.
ADDITIONS = {"cumsum", "scatter_add", "scatter_reduce", "index_add", "index_put", "col2im"}
_MAXIMA = {"amax", "max"}


def pooled(value: Value, moment: float, quantiles: Quantiles | None) -> tuple[float | None, Quantiles | None]:
    """The second moment and the quantiles of a pooled signal; a quantiles of None is Gaussian.

    A mean is taken to hand the moment on, as if all it averages were one: that is the most it can be. A sum and a
    maximum are of independent elements.
    """
    name = value.operation
    if name in _MEANS or "avg_pool" in name:
        return moment, None
    num = _num(value)
    if name in _SUMS:
        mean = 0.0 if quantiles is None else float(quantiles.mean())
        return num * (moment - mean**2) + (num * mean) ** 2, None
    if name in _MAXIMA or "max_pool" in name:
        top = highest(gaussian(moment) if quantiles is None else quantiles, num)
        return second_moment(top), top
    return None, None


def _num(value: Value) -> float:
    """How many elements make one."""
    if "max_pool" in value.operation and "adaptive" not in value.operation:
        kernel = value.args[1]
        return math.prod(kernel) if len(kernel) > 1 else kernel[0] ** (3 if "3d" in value.operation else 2)
    return value.signals[0].tensor.numel() / max(value.tensor.numel(), 1)
