"""What each primitive does that works element by element: ATen's name of it, and NumPy's function."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

_erf = np.vectorize(math.erf, otypes=[float])
_erfc = np.vectorize(math.erfc, otypes=[float])


def _sigmoid(x: Any) -> Any:
    return 0.5 + 0.5 * np.tanh(np.asarray(x) / 2)  # exp(-x) would overflow


# By JAX's name: ATen's, and what it does to arrays and numbers.
ELEMENTWISE: dict[str, tuple[str, Callable[..., Any]]] = {
    "add": ("add", np.add),
    "add_any": ("add", np.add),
    "sub": ("sub", np.subtract),
    "mul": ("mul", np.multiply),
    "div": ("div", np.divide),
    "rem": ("remainder", np.fmod),
    "neg": ("neg", np.negative),
    "max": ("maximum", np.maximum),
    "min": ("minimum", np.minimum),
    "pow": ("pow", np.power),
    "square": ("square", np.square),
    "sqrt": ("sqrt", np.sqrt),
    "rsqrt": ("rsqrt", lambda x: 1 / np.sqrt(x)),
    "cbrt": ("cbrt", np.cbrt),
    "exp": ("exp", np.exp),
    "exp2": ("exp2", np.exp2),
    "expm1": ("expm1", np.expm1),
    "log": ("log", np.log),
    "log1p": ("log1p", np.log1p),
    "tanh": ("tanh", np.tanh),
    "logistic": ("sigmoid", _sigmoid),
    "erf": ("erf", _erf),
    "erfc": ("erfc", _erfc),
    "sin": ("sin", np.sin),
    "cos": ("cos", np.cos),
    "tan": ("tan", np.tan),
    "sinh": ("sinh", np.sinh),
    "cosh": ("cosh", np.cosh),
    "asinh": ("asinh", np.arcsinh),
    "atan": ("atan", np.arctan),
    "atan2": ("atan2", np.arctan2),
    "abs": ("abs", np.abs),
    "sign": ("sign", np.sign),
    "floor": ("floor", np.floor),
    "ceil": ("ceil", np.ceil),
    "round": ("round", np.round),
    "is_finite": ("isfinite", np.isfinite),
    "not": ("logical_not", np.logical_not),
    "and": ("bitwise_and", np.bitwise_and),
    "or": ("bitwise_or", np.bitwise_or),
    "xor": ("bitwise_xor", np.bitwise_xor),
    "eq": ("eq", np.equal),
    "ne": ("ne", np.not_equal),
    "lt": ("lt", np.less),
    "le": ("le", np.less_equal),
    "gt": ("gt", np.greater),
    "ge": ("ge", np.greater_equal),
}

# Of all elements along some axes.
REDUCTIONS: dict[str, tuple[str, Callable[..., Any]]] = {
    "reduce_sum": ("sum", np.sum),
    "reduce_max": ("amax", np.max),
    "reduce_min": ("amin", np.min),
    "reduce_prod": ("prod", np.prod),
    "reduce_and": ("all", np.all),
    "reduce_or": ("any", np.any),
}

# Whose result is what they are given.
IDENTITIES = (
    *("stop_gradient", "copy", "copy_p", "optimization_barrier", "reduce_precision", "name"),
    *("sharding_constraint", "mesh_cast", "reshard", "layout_constraint", "pvary", "pcast"),
)
