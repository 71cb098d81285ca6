"""Keras's edge: the only place that imports Keras.

    import initium.keras

    layer = keras.layers.Dense(64, name="hidden", kernel_initializer=initium.keras.he_normal(seed=0))

Every name of the catalogue is here and gives an initialiser that every Keras layer takes, with the meaning that the
catalogue gives it; `dir(initium.keras)` lists them. `initium.keras.initializers` is `keras.initializers` with
Keras's own meaning, drawn faster.

A model that was saved with either needs `import initium.keras` before it is loaded in another process. Without it Keras
cannot interpret the initialiser, and its error names this module; of the drop-in's it takes its own, and says nothing.
"""

from .._errors import MissingExtraError

try:
    import keras as _framework  # noqa: F401  # pyright: ignore[reportMissingImports]
except ModuleNotFoundError as error:
    _others = {"tensorflow": "torch or jax", "torch": "jax or tensorflow", "jax": "torch or tensorflow"}
    if error.name == "keras":
        _text = "initium.keras needs Keras, which is not installed: pip install 'initium[keras]'"
    elif error.name in _others:
        _text = f"Keras's backend is {error.name}, which is not installed: "
        _text += f"set KERAS_BACKEND to {_others[error.name]}, or install it."
    else:
        raise
    raise MissingExtraError(_text) from None

from ..init._parse import names as _catalogue
from . import initializers as initializers
from ._edge import backend as backend
from ._edge import edge as edge
from ._start import Start as Start
from ._start import named as __getattr__  # noqa: F401  Python asks it for the catalogue's names


def __dir__() -> list[str]:
    return sorted(["Start", "initializers", *_catalogue()])
