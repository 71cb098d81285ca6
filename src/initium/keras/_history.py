"""history_of: what a Keras model shows of having been trained, and what it keeps beside its weights."""

from collections.abc import Iterator
from typing import Any

import keras  # pyright: ignore[reportMissingImports]
import numpy as np

from .._decisions import folded
from .._errors import counted
from .._graph import Buffer, Made, Statistics
from ..init import ones, zeros
from ._named import Named

# What a batch norm keeps of the batches that it saw, and what it is built with.
RUNNING = {"moving_mean": 0.0, "moving_variance": 1.0}


def history_of(model: Any, found: list[Named]) -> dict[str, Any]:
    """Facts of a Graph: buffers, running statistics, and whether anything shows that the model was trained."""
    statistics = tuple(_statistics(found))
    facts: dict[str, Any] = {"buffers": tuple(map(_buffer, (one for one in found if not one.is_weight)))}
    facts |= {"statistics": statistics, "trained": (trained := _trained(model, statistics))}
    running = {one.path for one in found if _is_running(one)}
    learned = (one.path for one in found if one.variable.trainable or (not one.is_weight and one.path not in running))
    return facts | ({"learned": tuple(learned)} if trained else {})


def notes_of(model: Any, found: list[Named]) -> tuple[str, ...]:
    """What is beside the weights and stays as it is."""
    adapted = [one for one in found if not one.is_weight and not _is_running(one) and one.variable.trainable is False]
    layers = dict.fromkeys(one.owner for one in adapted if isinstance(one.layer, keras.layers.Normalization))
    left = [f"{folded(layers)}, as adapted"] if layers else []
    left += ["the optimiser's state, which `model.compile` anew begins"] if _steps(model) else []
    return (f"left as it is: {'; '.join(left)}",) if left else ()


def _buffer(one: Named) -> Buffer:
    built = RUNNING.get(one.variable.name) if _is_running(one) else None
    made = None if built is None else Made(init=ones() if built else zeros(), because="BatchNormalization")
    dtype = keras.backend.standardize_dtype(one.variable.dtype)
    return Buffer(path=one.path, shape=tuple(one.variable.shape), dtype=dtype, tied=one.tied, made=made)


def _is_running(one: Named) -> bool:
    return isinstance(one.layer, keras.layers.BatchNormalization) and one.variable.name in RUNNING


def running(found: list[Named]) -> dict[str, list[Named]]:
    """What each batch norm keeps, by its path."""
    kept: dict[str, list[Named]] = {}
    for one in found:
        if _is_running(one):
            kept.setdefault(one.owner, []).append(one)
    return kept


def _statistics(found: list[Named]) -> Iterator[Statistics]:
    for path, kept in running(found).items():
        params = [one for one in found if one.owner == path and one.is_weight]
        yield Statistics(
            path=path,
            params=tuple(one.path for one in params),
            frozen=tuple(one.path for one in params if not one.variable.trainable),
            has_counted=any(_has_counted(one) for one in kept),
        )


def _has_counted(one: Named) -> bool:
    return bool(np.any(keras.ops.convert_to_numpy(one.variable) != RUNNING[one.variable.name]))


def _trained(model: Any, statistics: tuple[Statistics, ...]) -> str:
    if steps := _steps(model):
        return f"its optimiser has taken {counted(steps, 'step')}"
    if any(one.has_counted for one in statistics):
        return "its normalisations have counted batches"
    return ""


def _steps(model: Any) -> int:
    """How many its optimiser has taken."""
    optimizer = getattr(model, "optimizer", None)
    return 0 if optimizer is None else int(optimizer.iterations)
