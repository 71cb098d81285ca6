"""Who asks for numbers: the variable that is being made, and the layer it is made for."""

import sys
from typing import Any, NamedTuple

import keras  # pyright: ignore[reportMissingImports]

from ._keras import current_path, in_stateless_scope, own_variables, with_layers_within
from ._paths import own_path


class Caller(NamedTuple):
    """What is known of a weight besides its shape.

    Attributes:
        path: as Keras writes it, "model/dense/kernel", and "#2" after it for the second variable of that path;
            outside a variable the open name scope, which may be "".
        name: the last part of it, "kernel"; "" outside a variable.
        layer: that owns the variable, if one does.
        is_placeholder: whether nothing but the shape and the dtype will be looked at.
    """

    path: str
    name: str = ""
    layer: Any = None
    is_placeholder: bool = False


def caller(shape: tuple[int, ...], init: Any) -> Caller:
    """Find the variable and the layer for which an initialiser is being called.

    Keras tells an initialiser a shape and a dtype and nothing else; its open name scopes know the layer but not
    which of its weights, and nothing at all when Keras puts the initialisation off to the end of a traced build.
    So this walks up the stack. The first variable on it is the one that asks, and its methods on the stack say
    why: `__init__` makes it for the layer that is next on the stack; `_deferred_initialize` fills one that was made
    before, for some layer within that one; and `value` wants a placeholder of such a one while Keras traces. With no
    variable on the stack the initialiser was called by hand, and its path is the open name scope.

    A variable may be put together from pieces, as the bias of an LSTM is: the shape of a piece is part of its path.
    """
    frame, variable, layer = sys._getframe(1), None, None
    methods: set[str] = set()
    while frame is not None and layer is None:
        candidate = frame.f_locals.get("self")
        if variable is None and isinstance(candidate, keras.Variable):
            variable = candidate
        if variable is not None and candidate is variable:
            methods.add(frame.f_code.co_name)
        elif variable is not None and isinstance(candidate, keras.Layer):
            layer = candidate
        frame = frame.f_back
    if variable is None:
        return Caller(current_path())
    if layer is not None and "__init__" not in methods:
        layer = _owner(variable, layer)
    path = own_path(init, variable)
    path = path if tuple(variable.shape) == shape else f"{path}{list(shape)}"
    return Caller(path, variable.name, layer, "value" in methods and in_stateless_scope())


def _owner(variable: Any, layer: Any) -> Any:
    """Which of a layer and those within it made the variable."""
    for one in with_layers_within(layer):
        if any(own is variable for own in own_variables(one)):
            return one
    return layer
