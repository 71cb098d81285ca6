"""Activations by name, and what has a closed form in their moments under the standard Gaussian."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ._gaussian import Array


class Known(NamedTuple):
    """What has a closed form; None is left to quadrature."""

    second: float | None = None  # E[f^2]
    backward: float | None = None  # E[f'^2]
    slope: float | None = None  # E[(z^2 - 1) f^2] / (2 E[f^2])


def _relu(z: Array) -> Array:
    return np.maximum(z, 0.0)


def _sigmoid(z: Array) -> Array:
    return 0.5 + 0.5 * np.tanh(z / 2)  # exp(-z) would overflow


def _softplus(z: Array) -> Array:
    return np.logaddexp(0.0, z)


def _relu6(z: Array) -> Array:
    return np.clip(z, 0.0, 6.0)


def _leaky(z: Array, slope: float) -> Array:
    return np.where(z > 0, z, slope * z)


def _leaky_known(slope: float) -> Known:
    return Known((1 + slope * slope) / 2, (1 + slope * slope) / 2, 1.0)


def _elu(z: Array, alpha: float = 1.0) -> Array:
    return np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0.0)))


def _elu_known(alpha: float) -> Known:
    # E[exp(2z); z < 0] = e^2 Phi(-2), E[exp(z); z < 0] = sqrt(e) Phi(-1), Phi(z) = erfc(-z / sqrt(2)) / 2
    twice, once = math.e**2 * math.erfc(math.sqrt(2)) / 2, math.sqrt(math.e) * math.erfc(math.sqrt(0.5)) / 2
    return Known(0.5 + alpha * alpha * (twice - 2 * once + 0.5), 0.5 + alpha * alpha * twice)


# Klambauer, Unterthiner, Mayr, Hochreiter, "Self-Normalizing Neural Networks", NeurIPS 2017, eq. 14:
# the pair for which (mean, variance) = (0, 1) is a fixed point, so that E[f^2] is 1 by construction.
_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772

_erf = np.vectorize(math.erf, otypes=[float])
_erfc = np.vectorize(math.erfc, otypes=[float])


def _gelu_tanh(z: Array) -> Array:
    # Hendrycks, Gimpel, "Gaussian Error Linear Units", 2016, section 2.
    return z * _sigmoid(2 * math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))


def _sine_known(w0: float) -> Known:
    square = 2 * w0 * w0
    second = -math.expm1(-square) / 2
    return Known(second, square * (1 + math.exp(-square)) / 4, w0 * w0 * math.exp(-square) / second if second else 0.0)


def _cos_known() -> Known:
    second = (1 + math.exp(-2)) / 2
    return Known(second, (1 - math.exp(-2)) / 2, -math.exp(-2) / second)


def _erf_known() -> Known:
    angle = math.asin(2 / 3)
    return Known(2 / math.pi * angle, 4 / (math.pi * math.sqrt(5)), 2 / (3 * math.sqrt(5) * angle))


def _hardshrink_known(threshold: float) -> Known:
    edge = max(threshold, 0.0)
    density = math.exp(-edge * edge / 2) / math.sqrt(2 * math.pi)
    outside = math.erfc(edge / math.sqrt(2))
    return Known(2 * edge * density + outside, outside)


# Each activation, and what is known of its moments. A second parameter is the number of its spec.
ACTIVATIONS: dict[str, tuple[Callable[..., Any], Callable[..., Known]]] = {
    "identity": (lambda z: z, lambda: Known(1.0, 1.0, 1.0)),
    "relu": (_relu, lambda: Known(0.5, 0.5, 1.0)),
    "leaky_relu": (lambda z, slope=0.01: _leaky(z, slope), _leaky_known),
    "prelu": (lambda z, slope=0.25: _leaky(z, slope), _leaky_known),
    "relu6": (_relu6, Known),
    "relu2": (lambda z: _relu(z) ** 2, lambda: Known(1.5, 2.0, 2.0)),
    "abs": (lambda z: np.abs(z), lambda: Known(1.0, 1.0, 1.0)),
    "square": (lambda z: z**2, lambda: Known(3.0, 4.0, 2.0)),
    "tanh": (lambda z: np.tanh(z), Known),
    "sigmoid": (_sigmoid, Known),
    "erf": (lambda z: _erf(z), _erf_known),
    "softsign": (lambda z: z / (1 + np.abs(z)), Known),
    "softplus": (_softplus, Known),
    "logsigmoid": (lambda z: -_softplus(-z), Known),
    "tanhshrink": (lambda z: z - np.tanh(z), Known),
    "elu": (_elu, _elu_known),
    "celu": (lambda z, alpha=1.0: _elu(z / alpha, alpha=1.0) * alpha, lambda alpha: Known()),
    "selu": (
        lambda z: _SELU_SCALE * _elu(z, _SELU_ALPHA),
        lambda: Known(1.0, _SELU_SCALE**2 * (_elu_known(_SELU_ALPHA).backward or 0.0)),
    ),
    "gelu": (
        lambda z: z / 2 * _erfc(-z / math.sqrt(2)),
        lambda: Known(1 / 3 + 1 / (2 * math.sqrt(3) * math.pi), 1 / 3 + 2 / (3 * math.sqrt(3) * math.pi)),
    ),
    "gelu_tanh": (_gelu_tanh, Known),
    "quick_gelu": (lambda z: z * _sigmoid(1.702 * z), Known),
    "silu": (lambda z: z * _sigmoid(z), Known),
    "mish": (lambda z: z * np.tanh(_softplus(z)), Known),
    "hardtanh": (
        lambda z: np.clip(z, -1.0, 1.0),
        lambda: Known(1 - math.sqrt(2 / math.pi / math.e), math.erf(math.sqrt(0.5))),
    ),
    "hardsigmoid": (lambda z: _relu6(z + 3) / 6, Known),
    "hardswish": (lambda z: z * _relu6(z + 3) / 6, Known),
    "hardshrink": (lambda z, threshold=0.5: np.where(np.abs(z) > threshold, z, 0.0), _hardshrink_known),
    "softshrink": (
        lambda z, threshold=0.5: np.sign(z) * _relu(np.abs(z) - threshold),
        lambda threshold: Known(),
    ),
    "sine": (lambda z, w0=1.0: np.sin(w0 * z), _sine_known),
    "cos": (lambda z: np.cos(z), _cos_known),
    "gaussian": (lambda z: np.exp(-(z**2)), lambda: Known(5**-0.5, 4 * 5**-1.5, -0.4)),
}
ACTIVATIONS |= {
    "linear": ACTIVATIONS["identity"],
    "swish": ACTIVATIONS["silu"],
    "sin": ACTIVATIONS["sine"],
}
