"""Moments of a function under the standard Gaussian, by adaptive quadrature."""

import functools
import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
ArrayFunction = Callable[[Array], Any]


class DivergenceError(Exception):
    """An integral is infinite, or steeper than the panels can be narrow."""


# How a panel's moments follow from f at its nodes: (z, f(z), width) to (moment, panel).
Integrand = Callable[[Array, Array, float], Array]

_NODES = 16
_WIDTH = 0.5  # of the widest panels
_REACH = (0.0, 10.0, 16.0, 24.0, 37.0)  # up to which |z|, in turn; the root of the density is normal up to 53
_TOLERANCE = 1e-13  # of one panel
_MOST = 20_000  # panels at a time
_TOO_FAST = "it grows too fast far from 0"
# What a change of 1 in f changes of its derivative at the nodes of a panel of width 2, as root mean square.
_NOISE_GAIN = 25.0


@functools.cache
def _rule() -> tuple[Array, Array, Array]:
    """Gauss-Legendre nodes and weights on (-1, 1), and the matrix that takes values at them to slopes."""
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    gaps = nodes[:, None] - nodes
    np.fill_diagonal(gaps, 1)
    products = gaps.prod(1)
    slopes = products[:, None] / products / gaps
    np.fill_diagonal(slopes, 0)
    np.fill_diagonal(slopes, -slopes.sum(1))
    return nodes, weights, slopes


def squares(z: Array, f: Array, width: float) -> Array:
    """The panels' share of E[f^2] and of E[z^2 f^2]."""
    square = (f * _root_density(z)) ** 2
    return np.stack([square, z**2 * square]) @ _rule()[1] * (width / 2)


def slopes(z: Array, f: Array, width: float) -> Array:
    """The panels' share of E[f'^2], by the polynomial through the nodes."""
    rises = (f - f[:, :1]) @ _rule()[2].T  # less a constant: a flat piece has slope 0 and not rounding
    square = (rises * (2 / width) * _root_density(z)) ** 2
    return (square @ _rule()[1] * (width / 2))[None]


def _root_density(z: Array) -> Array:
    # Its square would underflow from |z| = 38 on, where f may still be large.
    return np.exp(-(z**2) / 4) / (2 * math.pi) ** 0.25


def moments(f: ArrayFunction, integrand: Integrand) -> list[float]:
    """Integrate over the whole line, outwards until the rest is negligible.

    Panels are halved where they and their halves disagree. A kink or a jump is thus closed in upon
    from both sides and given up in a panel of width 1e-13: it has no weight in the integral of f^2,
    and in that of f'^2 a jump shall have none.

    Raises:
        DivergenceError: if that does not settle.
    """

    def panels(left: Array, width: float) -> Array:
        z = left[:, None] + width / 2 * (_rule()[0] + 1)  # (panel, node)
        shares = integrand(z, _values(f, z), width)
        if not np.isfinite(shares).all():
            raise DivergenceError(_TOO_FAST)
        return shares

    with np.errstate(all="ignore"):
        noise, relative = _noise(f)
        total = np.zeros(1)
        for inner, outer in pairwise(_REACH):
            left = np.arange(inner, outer, _WIDTH)
            total = total + _refined(panels, np.concatenate([-_WIDTH - left, left]), noise, relative)
            last = _refined(panels, np.array([-outer, outer - _WIDTH]), noise, relative)
            if (last <= _TOLERANCE * total).all():
                # cos(z)^2 + sin(z)^2 is flat but for its rounding.
                return np.where(total > (100 * noise) ** 2, total, 0).tolist()
    raise DivergenceError(_TOO_FAST)


def _refined(panels: Callable[[Array, float], Array], left: Array, noise: float, relative: float) -> Array:
    """The sum over panels of one width, each halved until its share stands."""
    width, shares = _WIDTH, panels(left, _WIDTH)
    accepted = np.zeros(len(shares))
    recent: list[Array] = []
    # A panel narrower than that holds more of the noise of f than of its slope.
    narrowest = 256 * max(relative, np.finfo(float).eps)
    while width > narrowest and left.size:
        width /= 2
        halves = np.stack([left, left + width])
        finer = panels(halves.ravel(), width).reshape(len(shares), 2, -1)
        both = finer.sum(1)  # (moment, panel)
        error = np.abs(both - shares)
        # A panel with a jump claims a share that grows as it narrows: it is no measure of the whole.
        credible = np.where(error < 1e-3 * both, both, 0).sum(1) + accepted
        done = (error <= _allowed(credible[:, None], noise, left, width)).all(0)
        recent.append(both[:, done].sum(1))
        accepted += recent[-1]
        left, shares = halves[:, ~done].ravel(), finer[:, :, ~done].reshape(len(shares), -1)
        if left.size > _MOST:
            raise DivergenceError("it is too steep or too rough")
    # Beside a kink or a jump the shares shrink with the width; beside a pole they do not.
    if left.size and (np.sum(recent[-3:], axis=0) > max(1e-9, 100 * narrowest * left.size) * accepted).any():
        raise DivergenceError("it is too steep somewhere")
    return accepted


def _allowed(whole: Array, noise: float, left: Array, width: float) -> Array:
    """How far a panel may be from its halves: rounding of the whole, and what noise in f makes of it."""
    spread = _NOISE_GAIN * noise
    return _TOLERANCE * whole + spread * np.sqrt(whole) + (spread * _root_density(left)) ** 2 / width


def _values(f: ArrayFunction, z: Array) -> Array:
    try:
        found = np.asarray(f(z.ravel())).astype(float).reshape(z.shape)
    except ArithmeticError as error:
        raise DivergenceError(f"it raises {type(error).__name__}") from None
    if not np.isfinite(found).all():
        where = np.argmin(np.isfinite(found))
        raise DivergenceError(f"f({z.flat[where]:.4g}) is {found.flat[where]:g}")
    return found


def _noise(f: ArrayFunction) -> tuple[float, float]:
    """How far f is from smooth on stretches of 2e-6, also relative to f: its rounding, in float64 or float32."""
    nodes, weights, _ = _rule()
    values = _values(f, np.linspace(-3, 3, 13)[:, None] + 0.1234 + 1e-6 * nodes)
    orders = np.arange(_NODES // 2, _NODES)
    polynomials = np.polynomial.legendre.legvander(nodes, _NODES - 1)[:, orders]  # (node, order)
    noise = np.abs(values @ (weights[:, None] * polynomials * (orders + 0.5))).max()
    largest = np.abs(values).max()
    if noise > 1e-4 * largest:
        raise DivergenceError("its numbers are too coarse, or left to chance")
    return float(noise), float(noise / largest) if largest else 0.0
