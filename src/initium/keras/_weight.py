"""From a layer of Keras to what the axes of its weights mean."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from keras import layers  # pyright: ignore[reportMissingImports]

from ..init import layout
from ..init._weight import Weight, usual_axes
from ._caller import Caller
from ._keras import ConvLSTMCell

_SUMMED_TO = frozenset({"bias", "gamma", "beta"})  # weights that no input is multiplied with and summed over


@dataclass(frozen=True, kw_only=True)
class Asked(Weight):
    """A weight that errors call by its path."""

    path: str

    def __str__(self) -> str:
        return f"`{self.path}`" if self.path else "the weight"


class _Row(NamedTuple):
    """How layers of these types use their weights of these names."""

    types: tuple[type, ...]
    names: str
    letters: Callable[[Any, int], str]  # of a layer and the number of axes
    others: Callable[[Any], dict[str, Any]] = lambda layer: {}  # groups, stride, transposed, blocks


def _kind(name: str) -> Callable[[Any, int], str]:
    return lambda layer, num_axes: layout("keras", name, num_axes)


def _stride(layer: Any) -> int:
    strides = layer.strides
    return strides if isinstance(strides, int) else math.prod(strides)


def _einsum(layer: Any, num_axes: int) -> str:
    """Kernel axes by the equation: in input and output a weight of its own for each, in one of them what it says."""
    inputs, _, rest = layer.equation.replace("...", "").partition(",")
    kernel, _, outputs = rest.partition("->")
    return "".join("i" if axis not in outputs else "b" if axis in inputs else "o" for axis in kernel)


_TABLE = (
    _Row((layers.Conv1D, layers.Conv2D, layers.Conv3D), "kernel", _kind("convolution"),
         lambda layer: {"groups": layer.groups, "stride": _stride(layer)}),
    _Row((layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose), "kernel", _kind("transposed"),
         lambda layer: {"transposed": True, "stride": _stride(layer)}),
    _Row((layers.DepthwiseConv1D, layers.DepthwiseConv2D), "kernel", _kind("depthwise"),
         lambda layer: {"stride": _stride(layer)}),
    _Row((layers.SeparableConv1D, layers.SeparableConv2D), "depthwise_kernel", _kind("depthwise"),
         lambda layer: {"stride": _stride(layer)}),
    _Row((layers.LSTMCell,), "kernel recurrent_kernel", _kind("dense"), lambda layer: {"blocks": 4}),
    _Row((layers.GRUCell,), "kernel recurrent_kernel", _kind("dense"), lambda layer: {"blocks": 3}),
    _Row((ConvLSTMCell,), "kernel", _kind("convolution"), lambda layer: {"blocks": 4, "stride": _stride(layer)}),
    _Row((ConvLSTMCell,), "recurrent_kernel", _kind("convolution"), lambda layer: {"blocks": 4}),
    _Row((layers.Embedding,), "embeddings", _kind("embedding")),
    _Row((layers.EinsumDense,), "kernel", _einsum),
)  # fmt: skip


def is_known(layer: Any, name: str) -> bool:
    """Whether the layer's type says what the axes of its weight of that name mean."""
    return _row(layer, name) is not None


def _row(layer: Any, name: str) -> _Row | None:
    return next((row for row in _TABLE if isinstance(layer, row.types) and name in row.names.split()), None)


def weight(shape: tuple[int, ...], asker: Caller, axes: str | None = None, **given: Any) -> Asked:
    """The weight that is asked for, with its axes by the layer, else by their number.

    Args:
        shape: of the weight.
        asker: who asks.
        axes: take these letters instead; groups, stride and blocks are the layer's all the same.
        given: groups, stride, transposed and blocks in place of the layer's; those that are None are the layer's.

    Raises:
        ShapeError: if there are more axes than any layer has, or if the letters do not fit.
    """
    row = _row(asker.layer, asker.name)
    others = row.others(asker.layer) if row else {}
    others |= {name: value for name, value in given.items() if value is not None}
    if axes is None:
        is_transposed = others.get("transposed", False)
        axes = row.letters(asker.layer, len(shape)) if row else _by_number(asker.name, len(shape), is_transposed)
    return Asked(shape=shape, axes=axes, path=asker.path, **others)


def _by_number(name: str, num_axes: int, is_transposed: bool) -> str:
    return "o" * num_axes if name in _SUMMED_TO else usual_axes("keras", num_axes, transposed=is_transposed)
