"""Recurrences: the second moment at which the state of a recurrent layer settles."""

import math
from functools import cache, lru_cache

import numpy as np
from torch import nn

from ...init import gain
from .._read import recurrence_of


def state_moment(module: nn.Module | None) -> float:
    """Of what a recurrent layer gives, far from its start, if its inputs are new at each step.

    Behind another recurrent layer they are not, and the state grows up to twice as large.
    """
    return 1.0 if getattr(module, "proj_size", 0) else cell_moment(module)


def cell_moment(module: nn.Module | None) -> float:
    """Of what its cell gives, before any projection."""
    mode = recurrence_of(module) if module is not None else "RNN"
    kind = next((kind for kind in _NEXT if kind == mode), "RNN")
    is_relu = "RELU" in mode or (kind == "RNN" and getattr(module, "nonlinearity", "") == "relu")
    return _settled(f"{kind}_RELU" if is_relu else kind, share=_share(module))


def _share(module: nn.Module | None) -> float:
    """The second moment that a semi-orthogonal matrix hands from a projected state to each gate; 0 if not projected."""
    size = getattr(module, "proj_size", 0)
    return size / getattr(module, "hidden_size", 1) if size else 0.0


@cache
def _settled(mode: str, share: float) -> float:
    """The fixed point: each gate takes in 1 from the input and, by an orthogonal matrix, the state's own moment."""
    state = 0.0
    for _ in range(200):
        following = _NEXT.get(mode.partition("_")[0], _next_plain)(1 + (share or state), mode, state)
        if abs(following - state) < 1e-9:
            break
        state = following
    return state


def _next_plain(total: float, mode: str, state: float) -> float:
    """State' = f(z), by the second moment of z."""
    return total / 2 if mode.endswith("RELU") else _tanh(total)


def _next_lstm(total: float, mode: str, state: float) -> float:
    """Cell' = forget cell + input tanh(z), state = output tanh(cell); the bias of the forget gate is 1."""
    forget, gate = _sigmoid(total, 1.0), _sigmoid(total)
    return gate * _tanh(gate * _tanh(total) / (1 - forget))


def _next_gru(total: float, mode: str, state: float) -> float:
    """State' = (1 - update) tanh(z + reset u) + update state, with z from the input and u from the state."""
    gate = _sigmoid(total)
    return gate * _tanh(1 + gate * state) / (1 - gate)


_NEXT = {"LSTM": _next_lstm, "GRU": _next_gru}


@lru_cache(1024)
def _tanh(second: float) -> float:
    return 0.0 if second <= 0 else gain(lambda z: np.tanh(math.sqrt(second) * z)) ** -2


@lru_cache(1024)
def _sigmoid(second: float, bias: float = 0.0) -> float:
    return gain(lambda z: 1 / (1 + np.exp(-math.sqrt(second) * z - bias))) ** -2
