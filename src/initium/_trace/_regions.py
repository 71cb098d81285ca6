"""Regions: stretches of a model in which every value is a function of one."""

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._errors import SpecError
from ..init import gain
from ..init._activations import ACTIVATIONS
from ._constants import Constants
from ._operations import ELEMENTWISE, LINEAR
from ._tree import tree_map
from ._value import Value

# What the field puts between layers: behind it another layer is meant to come, and no range is given to an output.
_BETWEEN_LAYERS = {
    *("relu", "leaky_relu", "prelu", "relu6", "relu2", "elu", "celu", "selu"),
    *("gelu", "gelu_tanh", "quick_gelu", "silu", "mish", "hardswish"),
}
_LINE = np.linspace(-8, 8, 321)  # past where relu6 bends
# Found by a number of their own, below.
_FAMILIES = ("prelu", "leaky_relu", "sine", "sin", "linear", "swish")


@dataclass(frozen=True)
class Curve:
    """A function of one number that a model computes.

    Attributes:
        f: of arrays; None if it cannot be computed outside the model.
        key: equal for equal functions.
        is_linear: whether it only multiplies and adds constants, be they known or not.
    """

    f: Callable[[NDArray[Any]], NDArray[Any]] | None = field(compare=False)
    key: str
    is_linear: bool = False

    @property
    def line(self) -> tuple[float, float] | None:
        """Slope and intercept if it is a straight line; not a number if they are not known."""
        return (math.nan, math.nan) if self.f is None and self.is_linear else _line(self)

    @property
    def name(self) -> str:
        """What `initium.gain` calls it, whatever constant its result is multiplied by; `f` if it has no name."""
        return self.named[0]

    @property
    def named(self) -> tuple[str, float]:
        """Its name, and the constant that its result is multiplied by."""
        return _named(self)

    @property
    def frequency(self) -> float | None:
        """The w of a sin(w x + p), whatever a and p; None if it is no such wave."""
        return _frequency(self)

    @property
    def is_bounded(self) -> bool:
        """Whether it is of one size however large its argument."""
        if self.f is None:
            return False
        with np.errstate(all="ignore"):
            far, near = np.abs(self.f(np.array([-1e4, 1e4]))), np.abs(self.f(np.linspace(-8, 8, 17)))
        return bool(np.isfinite(far).all() and far.max() <= 1.1 * near.max())

    @property
    def is_gate(self) -> bool:
        """Whether it is bounded and never negative."""
        return self.is_bounded and self.f is not None and bool((self.f(_LINE) >= 0).all())

    @property
    def is_between_layers(self) -> bool:
        """Whether another layer is meant to follow it."""
        return self.line is None and self.name.partition("(")[0] in _BETWEEN_LAYERS

    @property
    def is_square(self) -> bool:
        """Whether it multiplies its argument by itself, and by a constant."""
        if self.f is None:
            return False
        with np.errstate(all="ignore"):
            y = self.f(_LINE)
        return bool(y[0]) and bool(np.allclose(y, y[0] * (_LINE / _LINE[0]) ** 2))

    def moment(self, second: float) -> float | None:
        """E[f(x)^2] if x is Gaussian with this second moment."""
        if self.line:
            moment = self.line[0] ** 2 * second + self.line[1] ** 2
            return None if math.isnan(moment) else moment
        return _moment(self, round(second, 12))


@dataclass(frozen=True)
class Region:
    """The functions of one signal.

    Attributes:
        start: the signal.
        inside: indices of all values that are functions of it.
        exits: those that are used by others, with the function.
    """

    start: Value
    inside: frozenset[int]
    exits: dict[Value, Curve]


def find_region(
    start: Value,
    *,
    is_free: Callable[[Value], bool],
    is_used: Callable[[Value, dict[int, Value]], bool],
    constants: Constants,
) -> Region | None:
    """All values that depend on this one alone, element by element.

    Args:
        start: the signal.
        is_free: whether a value belongs to nothing else.
        is_used: whether anything outside of a region takes a value of it.
        constants: the model's numbers.
    """
    inside, queue = {start.index: start}, []
    _push(queue, start)
    while queue:
        value = heapq.heappop(queue)[1]
        if value.index not in inside and is_free(value) and _joins(value, inside):
            inside[value.index] = value
            _push(queue, value)
    del inside[start.index]
    if not inside:
        return None
    ends = [v for v in inside.values() if v.tensor.is_floating_point() and is_used(v, inside)]
    return Region(start, frozenset(inside), {end: _curve(end, start, inside, constants) for end in ends})


def _push(queue: list[Any], value: Value) -> None:
    for consumer in value.consumers:
        heapq.heappush(queue, (consumer.index, consumer))


def _joins(value: Value, inside: dict[int, Value]) -> bool:
    if value.operation not in ELEMENTWISE or not value.is_signal or value.function is None:
        return False
    return all(v.index in inside if v.is_signal else v.tensor.numel() == 1 and not v.params for v in value.inputs)


def _curve(end: Value, start: Value, inside: dict[int, Value], constants: Constants) -> Curve:
    """The function from the start to one end: its operations done again on numbers."""
    needed = _needed(end, inside)
    places = {value: place for place, value in enumerate([start, *sorted(needed, key=lambda v: v.index)])}
    try:
        steps = [_step(value, places, constants) for value in list(places)[1:]]
        f = _replay(steps)
        with np.errstate(all="ignore"):
            f(np.ones(2))
    except Exception:  # an operation that cannot be done again: the function stays unknown
        is_linear = all(v.operation in LINEAR and len(v.signals) == 1 for v in needed)
        return Curve(None, f"unknown {end.index}", is_linear)
    return Curve(f, repr([(str(value.function), args, sorted(kwargs.items())) for value, args, kwargs in steps]))


def _needed(end: Value, inside: dict[int, Value]) -> list[Value]:
    """What an end is made of within a region, and itself."""
    found, queue = {end.index: end}, [end]
    while queue:
        for source in queue.pop().inputs:
            if source.index in inside and source.index not in found:
                found[source.index] = source
                queue.append(source)
    return [*found.values()]


@dataclass(frozen=True)
class _Place:
    """Stands for the result of an earlier step."""

    index: int


_Step = tuple[Value, Any, dict[str, Any]]


def _step(value: Value, places: dict[Value, int], constants: Constants) -> _Step:
    def told(argument: Any) -> Any:
        if not isinstance(argument, Value):
            return argument
        return _Place(places[argument]) if argument in places else constants.number(argument)

    return value, *tree_map(told, (value.args, value.kwargs))


def _replay(steps: list[_Step]) -> Callable[[NDArray[Any]], NDArray[Any]]:
    def f(x: NDArray[Any]) -> NDArray[Any]:
        results = [np.asarray(x, np.float64)]
        for value, args, kwargs in steps:
            args, kwargs = tree_map(lambda a: results[a.index] if isinstance(a, _Place) else a, (args, kwargs))
            results.append(value.done(args, kwargs, is_wide=True))
        return np.asarray(results[-1], np.float64)

    return f


@lru_cache(256)
def _line(curve: Curve) -> tuple[float, float] | None:
    if curve.f is None:
        return None
    with np.errstate(all="ignore"):
        y = curve.f(_LINE)
    if not np.isfinite(y).all():
        return None
    slope, intercept = float((y[-1] - y[0]) / (_LINE[-1] - _LINE[0])), float(y[len(y) // 2])
    size = max(abs(slope), abs(intercept), 1e-12)
    return (slope, intercept) if np.allclose(y, slope * _LINE + intercept, rtol=0, atol=1e-6 * size) else None


@lru_cache(256)
def _frequency(curve: Curve) -> float | None:
    """By y(x + h) + y(x - h) = 2 cos(w h) y(x), which holds for waves alone, and then by a fit."""
    if curve.f is None:
        return None
    middle = np.linspace(-2, 2, 401)
    with np.errstate(all="ignore"):
        before, y, after, far = (curve.f(x) for x in (middle - _STEP, middle, middle + _STEP, _LINE))
    if not (np.isfinite(far).all() and y.any()):
        return None
    half = float(y @ (before + after) / (2 * y @ y))
    w = math.acos(half) / _STEP if abs(half) < 1 else 0.0
    if w < _SLOWEST:
        return None
    waves = np.stack([np.sin(w * _LINE), np.cos(w * _LINE)], axis=1)
    fitted = waves @ np.linalg.lstsq(waves, far, rcond=None)[0]
    return float(f"{w:.6g}") if np.allclose(fitted, far, rtol=0, atol=1e-5 * np.abs(far).max()) else None


_STEP = 2.0**-10  # waves of up to 3,000 have two points in each period
_SLOWEST = 1e-3  # a slower one is a straight line, wherever signals are


@lru_cache(256)
def _named(curve: Curve) -> tuple[str, float]:
    """Its name, and the constant that its result is multiplied by."""
    return ("f", 1.0) if curve.f is None else _name(curve.f(_LINE))


@cache
def _table() -> dict[str, NDArray[Any]]:
    return {name: f(_LINE) for name, (f, _) in ACTIVATIONS.items() if name not in _FAMILIES and name != "identity"}


def _name(y: NDArray[Any]) -> tuple[str, float]:
    for name, known in _table().items():
        factor = float(known @ y / (known @ known))
        if factor > 0 and np.allclose(y, factor * known, rtol=1e-5, atol=1e-6):
            return name, float(f"{factor:.6g}")
    for name, number, default in _numbered(y):
        label = name if number == default else f"{name}({number:g})"
        if np.isfinite(number) and np.allclose(y, ACTIVATIONS[name][0](_LINE, number), rtol=1e-5, atol=1e-6):
            return label, 1.0
    return "f", 1.0


def _numbered(y: NDArray[Any]) -> list[tuple[str, float, float]]:
    """Activations with a number, and which it would be: names, number, the default."""
    middle = len(_LINE) // 2
    leak = -float(np.interp(-1, _LINE, y))
    slope, step = float(y[middle + 1]), float(_LINE[middle + 1])  # of a sine, while w0 < pi / (2 step)
    frequency = math.asin(slope) / step if abs(slope) <= 1 else math.nan
    alpha = float(y[0]) / math.expm1(_LINE[0])
    found = [("leaky_relu", leak, 0.01), ("elu", alpha, 1.0), ("sine", frequency, 1.0)]
    return [(name, float(f"{number:.6g}"), default) for name, number, default in found]


@lru_cache(256)
def _moment(curve: Curve, second: float) -> float | None:
    """By the closed form of its name where it has one."""
    if curve.f is None:
        return None
    f, scale, (name, factor) = curve.f, math.sqrt(second), _named(curve)
    exact = second == 1 and name != "f"
    try:
        moment = gain(name) ** -2 * factor**2 if exact else gain(lambda z: f(scale * z)) ** -2
    except SpecError:
        return None
    return float(f"{moment:.14g}")  # 1/2 of relu, exactly
