"""made_of: what a layer's own initialisers draw, as starts of the catalogue."""

from typing import Any

import keras  # pyright: ignore[reportMissingImports]

from .._graph import Made
from ..init import (
    Initialiser,
    constant,
    forget_gate_bias,
    normal,
    ones,
    orthogonal,
    truncated_normal,
    uniform,
    whole,
    zeros,
)
from ..init import _law as law
from ._keras import RandomInitializer
from ._named import Named
from ._start import Start
from .initializers import law_of


def made_of(named: Named) -> Made | None:
    """How a variable was made by its layer; None if the layer does not tell its initialiser."""
    name, layer = named.variable.name, named.layer
    init = _initializer(named)
    if init is None:
        return None
    start = init.init if isinstance(init, Start) else _start(init, tuple(named.variable.shape))
    if name == "bias" and getattr(layer, "unit_forget_bias", False):
        start = forget_gate_bias() if start == zeros() else None  # of which no other start says one part alone
    return Made(init=start, because=f"{type(layer).__name__}'s {_name(init)}", is_pending=False)


def is_usual(named: Named) -> bool:
    """Whether a variable is built as such variables are: drawn, or with what leaves a signal as it is."""
    neutral = _NEUTRAL.get(named.variable.name, ())
    return isinstance(_initializer(named), (RandomInitializer, *neutral))


_ZEROS, _ONES = (keras.initializers.Zeros,), (keras.initializers.Ones,)
_NEUTRAL = {"bias": _ZEROS, "beta": _ZEROS, "gamma": _ONES, "scale": _ONES}


def _initializer(named: Named) -> Any:
    """By the name under which Keras's layers keep it."""
    name, layer = named.variable.name, named.layer
    stems = (name, name.removesuffix("_kernel"), "depthwise" if name == "kernel" else name)
    found = (getattr(layer, f"{stem}_initializer", None) for stem in stems)
    return next((init for init in found if init is not None), None)


def _name(init: Any) -> str:
    return getattr(init, "__name__", type(init).__name__)


def _start(init: Any, shape: tuple[int, ...]) -> Initialiser | None:
    """The start that draws as Keras's initialiser does; None if no start does."""
    if isinstance(init, keras.initializers.Zeros):
        return zeros()
    if isinstance(init, keras.initializers.Ones):
        return ones()
    if isinstance(init, keras.initializers.Constant):
        return constant(float(init.value)) if isinstance(init.value, int | float) else None
    match law_of(init, shape):
        case law.Uniform(low, high):
            return uniform(low, high)
        case law.Normal(mean, std):
            return normal(mean, std)
        case law.TruncatedNormal(mean, std, cut):
            return truncated_normal(mean, std, cut)
        case law.Orthogonal(gain):
            return whole(str(orthogonal(gain)))
    return None
