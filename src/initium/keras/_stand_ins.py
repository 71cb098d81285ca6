"""stand_ins: layers written so that a trace knows them for what they are."""

from collections.abc import Callable, Iterable
from typing import Any

import keras  # pyright: ignore[reportMissingImports]
from keras import layers, ops  # pyright: ignore[reportMissingImports]

from ._keras import ConvLSTMCell

Call = Callable[..., Any]


def norms(found: Iterable[Any]) -> dict[Any, Call]:
    """What normalisations do in training: in evaluation a batch norm is but a product with numbers that it keeps.

    Args:
        found: layers, of which others are left out.
    """
    return {
        layer: stand_in(layer)
        for layer in found
        for kind, stand_in in _NORMS.items()
        if isinstance(layer, kind) and type(layer).call is kind.call and not vars(layer).get("call")
    }


def _batch_norm(layer: Any) -> Call:
    def call(inputs: Any, training: Any = None, mask: Any = None) -> Any:
        axis = range(len(inputs.shape))[layer.axis]
        normal = _normalised(inputs, [one for one in range(len(inputs.shape)) if one != axis], layer.epsilon)
        return _scaled(layer, normal, axis)

    return call


def _group_norm(layer: Any) -> Call:
    def call(inputs: Any) -> Any:
        axis = range(len(inputs.shape))[layer.axis]
        groups = inputs.shape[axis] if layer.groups == -1 else layer.groups
        shape = (*inputs.shape[:axis], groups, inputs.shape[axis] // groups, *inputs.shape[axis + 1 :])
        within = [one for one in range(1, len(shape)) if one != axis]
        normal = ops.reshape(_normalised(ops.reshape(inputs, shape), within, layer.epsilon), inputs.shape)
        return _scaled(layer, normal, axis)

    return call


_NORMS: dict[type, Callable[[Any], Call]] = {
    layers.BatchNormalization: _batch_norm,
    layers.GroupNormalization: _group_norm,
}


def _normalised(x: Any, axes: list[int], epsilon: float) -> Any:
    centred = x - ops.mean(x, axis=axes, keepdims=True)
    variance: Any = ops.mean(ops.square(centred), axis=axes, keepdims=True)
    return centred * ops.rsqrt(variance + epsilon)


def _scaled(layer: Any, x: Any, axis: int) -> Any:
    shape = [size if place == axis else 1 for place, size in enumerate(x.shape)]
    x = x * ops.reshape(layer.gamma, shape) if layer.scale else x
    return x + ops.reshape(layer.beta, shape) if layer.center else x


_CELLS = {layers.LSTMCell: "LSTM", layers.GRUCell: "GRU", layers.SimpleRNNCell: "RNN", ConvLSTMCell: "LSTM"}
# What each packed block is, in Keras's order.
GATES = {"LSTM": ("input", "forget", "cell", "output"), "GRU": ("update", "reset", "new"), "RNN": ()}


def cell_of(layer: Any) -> str:
    """`LSTM`, `GRU` or `RNN`: which recurrence a cell does; empty of any other layer."""
    return next((kind for cell, kind in _CELLS.items() if isinstance(layer, cell)), "")


def recurrence_of(layer: Any) -> str:
    """The recurrence that a layer runs, if it is one that every framework has; empty of any other."""
    cell: Any = layer.cell if isinstance(layer, layers.RNN) else None
    kinds: list[Any] = [layers.LSTMCell, layers.GRUCell, layers.SimpleRNNCell]
    is_plain = any(getattr(type(cell), "call", None) is kind.call for kind in kinds)
    return cell_of(cell) if is_plain and cell.activation is keras.activations.tanh else ""


def recurrent(layer: Any, recurrence: Callable[..., tuple[Any, list[Any]]]) -> Call:
    """A recurrent layer as one operation, which is given."""

    def call(sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        begun = [] if initial_state is None else keras.tree.flatten(initial_state)
        outputs, states = recurrence(sequences, begun)
        outputs = outputs if layer.return_sequences else outputs[:, -1]
        return (outputs, *states) if layer.return_state else outputs

    return call
