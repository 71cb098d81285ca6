"""Gain: what the weight after an activation is multiplied by, so that its second moment stays 1."""

import functools
import inspect
import math
import numbers
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._errors import SpecError
from .._spec import parse_call, unknown_name

Array = NDArray[np.float64]
ArrayFunction = Callable[[Array], Any]

# An edge appends a function that turns a callable of its framework's tensors into one of NumPy
# float64 arrays; it may raise for a callable that it cannot turn.
ADAPTERS: list[Callable[[Callable[..., Any]], ArrayFunction]] = []


def gain(activation: str | float | Callable[..., Any], *, backward: bool = False) -> float:
    """The factor on a weight's std that undoes what the activation before it does to the signal.

    gain = 1 / sqrt(E[f(z)^2]) with z ~ N(0, 1) and f the activation: the second moment of what
    enters the next layer is 1 again. With `backward` it is 1 / sqrt(E[f'(z)^2]), which does the
    same for the gradient. Without a unit.

    The weight that *follows* an activation carries its gain; the first layer sees data: gain 1.
    Whether a deep stack stays at this point is another question: see `stability`.

    Args:
        activation: a name (`tanh`), a name with its number (`leaky_relu(0.2)`), a function of
            NumPy arrays or of numbers, or a number above 0, which is returned as it is. A function
            is measured once, so one with a state that has changed must come as a new object; what
            it does within less than 0.03 can be missed.
        backward: keep the gradient's second moment instead of the signal's.

    Raises:
        SpecError: if the moment is 0, infinite or not there, or if the callable gives no numbers.
        UnknownNameError: with the nearest name there is.

    Differs: torch's `calculate_gain` gives 5/3 for tanh, 1 for sigmoid and 3/4 for selu, and knows
        no GELU, SiLU or Mish. 1 / std(f(z)), which tutorials use, is wrong for every f with a mean.

    Reference: He, Zhang, Ren, Sun, "Delving Deep into Rectifiers", ICCV 2015, section 2.2, for
        ReLU. https://arxiv.org/abs/1502.01852

    Example:
        >>> round(gain("tanh"), 5), round(gain("gelu", backward=True), 4)
        (1.59254, 1.4811)
        >>> gain("relu") == gain("leaky_relu(0)") == math.sqrt(2)
        True
        >>> round(gain(lambda z: np.maximum(z, 0) ** 2), 5)
        0.8165
    """
    if isinstance(activation, numbers.Real) and not isinstance(activation, bool | np.bool_):
        return _checked(float(activation))
    found = _activation(activation)
    moment = found.backward if backward else found.second
    if moment == 0:
        raise SpecError(f"`{found.label}`: {_FLAT if backward else _ZERO}")
    return math.sqrt(1 / moment)  # of 1/2 it is sqrt(2) to the last bit


class Stability(NamedTuple):
    """What a deep stack with the forward gain does to small errors, per layer.

    Attributes:
        slope: of the second-moment map at its fixed point 1. A second moment of 1 + e becomes
            1 + slope e: below 1 the fixed point attracts, at 1 it is marginal, above 1 it repels.
        chi: the factor on the gradient's second moment.
    """

    slope: float
    chi: float

    @property
    def kind(self) -> str:
        """`attracting`, `marginal` or `repelling`: what the fixed point is by its slope."""
        if abs(self.slope - 1) < 1e-6:  # wider than the error of a function in float32
            return "marginal"
        return "attracting" if self.slope < 1 else "repelling"


def stability(activation: str | Callable[..., Any]) -> Stability:
    """How a deep stack with the forward gain behaves: the slope of its second moment, and chi.

    With V(q) = g^2 E[f(sqrt(q) z)^2], g = `gain(activation)` and z ~ N(0, 1):
    slope = dV/dq at q = 1 = g^2 E[(z^2 - 1) f(z)^2] / 2, by Gaussian integration by parts, so f
    needs no derivative; chi = g^2 E[f'(z)^2], where jumps of f count for nothing, as in autograd.

    Where the slope is above 1 (GELU, SiLU, Mish) the gain alone does not carry a deep stack: errors
    double every log(2) / log(slope) layers. Normalise, or scale the residual branches.

    Args:
        activation: a name, a name with its number, or a function, as in `gain`.

    Raises:
        SpecError: if a moment is infinite or the second moment is 0.
        UnknownNameError: with the nearest name there is.

    Reference: Poole, Lahiri, Raghu, Sohl-Dickstein, Ganguli, "Exponential expressivity in deep
        neural networks through transient chaos", NeurIPS 2016, section 2.
        https://arxiv.org/abs/1606.05340

    Example:
        >>> stability("relu")
        Stability(slope=1.0, chi=1.0)
        >>> stability("silu").kind, stability("tanh").kind
        ('repelling', 'attracting')
    """
    found = _activation(activation)
    if found.second == 0:
        raise SpecError(f"`{found.label}`: {_ZERO}")
    return Stability(found.slope, found.backward / found.second)


_ZERO = (
    "E[f(z)^2] is 0 for z ~ N(0, 1), and no gain makes that 1. Give an activation that is not 0 everywhere, "
    "or the gain itself as a number."
)
_FLAT = (
    "E[f'(z)^2] is 0 for z ~ N(0, 1), and no gain makes that 1: it is flat wherever it has a derivative. "
    "Take the forward gain, or give the gain itself as a number."
)
_INFINITE = (
    "E[{f}(z)^2] for z ~ N(0, 1) is infinite or cannot be found: {why}. Give an activation that grows more slowly "
    "and is finite everywhere, or the gain itself as a number."
)


def _checked(number: float) -> float:
    if not 0 < number < math.inf:
        raise SpecError(f"A gain is a finite number above 0, not {number:g}.")
    return number


class Known(NamedTuple):
    """What has a closed form; None is left to quadrature."""

    second: float | None = None  # E[f^2]
    backward: float | None = None  # E[f'^2]
    slope: float | None = None  # E[(z^2 - 1) f^2] / (2 E[f^2])


@dataclass(frozen=True, eq=False)
class _Activation:
    """A function of arrays, whose moments are found when they are first asked for."""

    label: str
    f: ArrayFunction
    known: Known

    @functools.cached_property
    def second(self) -> float:
        return self._finite("f", self.known.second, lambda: self._measured[0])

    @functools.cached_property
    def slope(self) -> float:
        return self._finite("f", self.known.slope, lambda: (self._measured[1] / self._measured[0] - 1) / 2)

    @functools.cached_property
    def backward(self) -> float:
        return self._finite("f'", self.known.backward, lambda: _gaussian_integral(self.f, _slopes)[0])

    @functools.cached_property
    def _measured(self) -> list[float]:
        return _gaussian_integral(self.f, _squares)

    def _finite(self, name: str, known: float | None, measure: Callable[[], float]) -> float:
        try:
            moment = measure() if known is None else known
        except _DivergenceError as error:
            raise SpecError(f"`{self.label}`: {_INFINITE.format(f=name, why=error)}") from None
        if not math.isfinite(moment):
            raise SpecError(f"`{self.label}`: {_INFINITE.format(f=name, why='64 bits do not hold it')}")
        return moment


class _Same:
    """A callable as a key: equal to itself only, whatever its own `==` and `hash` say."""

    def __init__(self, f: Callable[..., Any]) -> None:
        self.f = f

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.f is other.f

    def __hash__(self) -> int:
        return id(self.f)


def _activation(activation: object) -> _Activation:
    if isinstance(activation, str):
        return _named(activation)
    if callable(activation):
        return _measured(_Same(activation))
    raise SpecError(f"An activation is a name, such as 'tanh' or 'leaky_relu(0.2)', or a function, not {activation!r}.")


@functools.lru_cache(256)
def _measured(same: _Same) -> _Activation:
    return _Activation(_label(same.f), _on_arrays(same.f), Known())


@functools.lru_cache(256)
def _named(spec: str) -> _Activation:
    call = parse_call(spec)
    if call.name not in ACTIVATIONS:
        raise unknown_name("activation", call.name, ACTIVATIONS, "")
    f, known = ACTIVATIONS[call.name]
    wanted = list(inspect.signature(f).parameters.values())[1:]
    try:
        given = inspect.signature(f).bind(None, *call.args, **call.kwargs).arguments
    except TypeError:
        shape = ", ".join(f"{parameter.name}={parameter.default:g}" for parameter in wanted)
        takes = f"takes one number, `{call.name}({shape})`" if wanted else "takes no numbers"
        raise SpecError(f"'{spec}' does not fit: `{call.name}` {takes}.") from None
    numbers_given = {
        parameter.name: _number(spec, given.get(parameter.name, parameter.default)) for parameter in wanted
    }
    return _Activation(spec, functools.partial(f, **numbers_given), known(**numbers_given))


def _number(spec: str, value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not abs(value) <= _LARGEST:
        raise SpecError(f"'{spec}' does not fit: {value!r} is not a finite number.")
    return float(value)


_LARGEST = 1.7976931348623157e308  # the largest finite float64, (2 - 2^-52) 2^1023


def _label(f: Callable[..., Any]) -> str:
    return getattr(f, "__name__", type(f).__name__)


# Both signs, no symmetry, and 0 left out: 1/z fails later, with a better reason.
_PROBE = np.array([-1.75, -0.5, 0.25, 1.0, 2.5])


class _MisfitError(Exception):
    """A callable takes the array and gives back something else than one number for each of it."""


class _DivergenceError(Exception):
    """An integral is infinite, or steeper than the panels can be narrow."""


def _on_arrays(f: Callable[..., Any]) -> ArrayFunction:
    """The callable as a function of arrays: as it is, through an edge's adapter, or number by number."""
    errors: list[Exception] = []
    for view in (lambda f: f, *ADAPTERS, _one_by_one):
        if view is _one_by_one and any(isinstance(error, _MisfitError) for error in errors):
            break  # a softmax of one number is 1, which would be believed
        try:
            found = view(f)
            _fit(found)
        except Exception as error:
            errors.append(error)
        else:
            return found
    raise SpecError(
        f"`{_label(f)}` is not usable as an activation: {_reason(errors)}. Pass a function of NumPy arrays, or import "
        "initium.torch first if it takes tensors."
    )


def _fit(f: ArrayFunction) -> None:
    """Refuse what does not act on each number of an array by itself."""
    with np.errstate(all="ignore"):
        whole, part = np.asarray(f(_PROBE.copy())), np.asarray(f(_PROBE[:2].copy()))
    if whole.shape != _PROBE.shape or part.shape != (2,):
        raise _MisfitError(f"for an array of shape {_PROBE.shape} it gives one of shape {whole.shape}")
    if whole.dtype.kind not in "biuf":
        raise _MisfitError(f"it gives {whole.dtype} instead of real numbers")
    # Far wider than the error of a function in half precision.
    if not np.allclose(whole[:2].astype(float), part.astype(float), rtol=0.05, atol=1e-3, equal_nan=True):
        raise _MisfitError("what it gives for a number depends on the others beside it, or on chance")


def _reason(errors: list[Exception]) -> str:
    """What went wrong: a wrong answer says more than a refusal to answer."""
    error = next((error for error in errors if isinstance(error, _MisfitError)), errors[0])
    if isinstance(error, _MisfitError):
        return str(error)
    first_line = (str(error).splitlines() or [""])[0].rstrip(".")
    return f"it raises {type(error).__name__}: {first_line}" if first_line else f"it raises {type(error).__name__}"


def _one_by_one(f: Callable[[float], Any]) -> ArrayFunction:
    def one(z: float) -> float:
        try:
            return float(f(z))
        except (ArithmeticError, ValueError):  # math.exp(800), 1 / 0.0, math.log(-1)
            return math.nan

    def each(z: Array) -> Array:
        return np.array([one(number) for number in z.tolist()])

    if np.isnan(each(_PROBE)).all():
        raise ValueError("no number comes back")
    return each


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


def _squares(z: Array, f: Array, width: float) -> Array:
    """The panels' share of E[f^2] and of E[z^2 f^2]."""
    square = (f * _root_density(z)) ** 2
    return np.stack([square, z**2 * square]) @ _rule()[1] * (width / 2)


def _slopes(z: Array, f: Array, width: float) -> Array:
    """The panels' share of E[f'^2], by the polynomial through the nodes."""
    rises = (f - f[:, :1]) @ _rule()[2].T  # less a constant: a flat piece has slope 0 and not rounding
    square = (rises * (2 / width) * _root_density(z)) ** 2
    return (square @ _rule()[1] * (width / 2))[None]


def _root_density(z: Array) -> Array:
    # Its square would underflow from |z| = 38 on, where f may still be large.
    return np.exp(-(z**2) / 4) / (2 * math.pi) ** 0.25


def _gaussian_integral(f: ArrayFunction, integrand: Integrand) -> list[float]:
    """Integrate over the whole line, outwards until the rest is negligible.

    Panels are halved where they and their halves disagree. A kink or a jump is thus closed in upon
    from both sides and given up in a panel of width 1e-13: it has no weight in the integral of f^2,
    and in that of f'^2 a jump shall have none.

    Raises:
        _DivergenceError: if that does not settle.
    """

    def panels(left: Array, width: float) -> Array:
        z = left[:, None] + width / 2 * (_rule()[0] + 1)  # (panel, node)
        shares = integrand(z, _values(f, z), width)
        if not np.isfinite(shares).all():
            raise _DivergenceError(_TOO_FAST)
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
    raise _DivergenceError(_TOO_FAST)


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
            raise _DivergenceError("it is too steep or too rough")
    # Beside a kink or a jump the shares shrink with the width; beside a pole they do not.
    if left.size and (np.sum(recent[-3:], axis=0) > max(1e-9, 100 * narrowest * left.size) * accepted).any():
        raise _DivergenceError("it is too steep somewhere")
    return accepted


def _allowed(whole: Array, noise: float, left: Array, width: float) -> Array:
    """How far a panel may be from its halves: rounding of the whole, and what noise in f makes of it."""
    spread = _NOISE_GAIN * noise
    return _TOLERANCE * whole + spread * np.sqrt(whole) + (spread * _root_density(left)) ** 2 / width


def _values(f: ArrayFunction, z: Array) -> Array:
    try:
        found = np.asarray(f(z.ravel())).astype(float).reshape(z.shape)
    except ArithmeticError as error:
        raise _DivergenceError(f"it raises {type(error).__name__}") from None
    if not np.isfinite(found).all():
        where = np.argmin(np.isfinite(found))
        raise _DivergenceError(f"f({z.flat[where]:.4g}) is {found.flat[where]:g}")
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
        raise _DivergenceError("its numbers are too coarse, or left to chance")
    return float(noise), float(noise / largest) if largest else 0.0


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
