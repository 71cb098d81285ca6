"""Gain: what the weight after an activation is multiplied by, so that its second moment stays 1."""

import functools
import inspect
import math
import numbers
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .._errors import InitiumError, SpecError
from .._spec import parse_call, unknown_name
from ._activations import ACTIVATIONS, Known
from ._gaussian import Array, ArrayFunction, DivergenceError, moments, slopes, squares

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


class Passage(NamedTuple):
    """What a signal of some second moment is behind an activation; z is Gaussian of that second moment.

    Attributes:
        second: E[f(z)^2].
        backward: E[f'(z)^2].
        spread: E[f(z)^4] / E[f(z)^2]^2 - 1; the mean of f(z)^2 over n units has this variance, divided by n.
        spread_back: the same of the gradient f'(z) g with g Gaussian: 3 E[f'(z)^4] / E[f'(z)^2]^2 - 1.
    """

    second: float
    backward: float
    spread: float
    spread_back: float


@functools.lru_cache(1024)
def passage(name: str, second: float) -> Passage | None:
    """What an activation makes of a Gaussian signal, to three digits; None if no activation has this name."""
    try:
        f = _named(name).f
    except InitiumError:
        return None
    with np.errstate(all="ignore"):
        values = f(math.sqrt(second) * _Z)
        slopes = np.diff(values) / np.diff(math.sqrt(second) * _Z)  # none is taken across a bend at 0
    squares = values**2
    moment = float(_DENSITY @ squares)
    if not 0 < moment < math.inf:
        return None
    between = (_DENSITY[1:] + _DENSITY[:-1]) / 2
    backward = float(between @ slopes**2)
    return Passage(
        second=moment,
        backward=backward,
        spread=float(_DENSITY @ squares**2) / moment**2 - 1,
        spread_back=3 * float(between @ slopes**4) / backward**2 - 1 if backward else math.inf,
    )


_Z = np.linspace(-8, 8, 2001)
_DENSITY = np.exp(-(_Z**2) / 2) / np.exp(-(_Z**2) / 2).sum()


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
        return self._finite("f'", self.known.backward, lambda: moments(self.f, slopes)[0])

    @functools.cached_property
    def _measured(self) -> list[float]:
        return moments(self.f, squares)

    def _finite(self, name: str, known: float | None, measure: Callable[[], float]) -> float:
        try:
            moment = measure() if known is None else known
        except DivergenceError as error:
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
