"""tries: inputs that a built model takes, as arrays of zeros."""

from collections.abc import Iterator
from typing import Any

import keras  # pyright: ignore[reportMissingImports]
import numpy as np
from numpy.typing import NDArray

from ._keras import build_shapes, inputs_of, takers_of, within

_BATCH = 2
# In the place of a size that a model leaves open, the likeliest first: of space, and of all else.
_SPACE, _ELSE = (64, 224, 32), (8, 64, 16)


def tries(model: Any) -> Iterator[tuple[Any, ...]]:
    """Arguments of its `call`; nothing if neither its inputs nor its shapes when it was built tell them."""
    for number in range(len(_SPACE)):
        if (symbols := inputs_of(model)) is not None:
            if any(symbol.dtype == "string" for symbol in keras.tree.flatten(symbols)):
                return
            yield (keras.tree.map_structure(lambda symbol, at=number: _of_symbol(symbol, at), symbols),)
        elif shapes := build_shapes(model):
            # Whole numbers are looked up, fractions are computed with: what the first layer does says which.
            for dtype in ("int64", "float32") if _begins_with_a_table(model) else ("float32",):
                yield tuple(_of_shapes(shape, dtype, number) for shape in shapes.values())


def _of_symbol(symbol: Any, number: int) -> NDArray[Any]:
    weighted = [one for one in takers_of(symbol) if getattr(one, "weights", ())]
    are_tokens = weighted and all(isinstance(one, keras.layers.Embedding) for one in weighted)
    return _zeros(symbol.shape, "int64" if are_tokens else symbol.dtype, number)


def _of_shapes(shape: Any, dtype: str, number: int) -> Any:
    """One shape, or several as a call takes them."""
    if isinstance(shape, dict):
        return {name: _of_shapes(one, dtype, number) for name, one in shape.items()}
    if any(isinstance(size, list | tuple) for size in shape):
        return [_of_shapes(one, dtype, number) for one in shape]
    return _zeros(shape, dtype, number)


def _zeros(shape: Any, dtype: str, number: int) -> NDArray[Any]:
    sizes = (_SPACE if len(shape) > 3 else _ELSE)[number]
    first, *others = shape or (None,)
    return np.zeros([first or _BATCH, *(size or sizes for size in others)], dtype if dtype != "bfloat16" else "float32")


def _begins_with_a_table(model: Any) -> bool:
    """Whether the first layer that has weights looks rows up."""
    for layer in within(model):
        if isinstance(layer, keras.layers.Embedding):
            return True
        if layer.weights:
            return _begins_with_a_table(layer) if within(layer) else False
    return False
