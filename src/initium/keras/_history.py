"""history_of: what a Keras model shows of having been trained, and what it keeps beside its weights."""

from collections.abc import Iterator
from typing import Any

import keras  # pyright: ignore[reportMissingImports]

from .._graph import Buffer, Made, Statistics
from ..init import ones, zeros
from ._names import Named

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
    return bool((keras.ops.convert_to_numpy(one.variable) != RUNNING[one.variable.name]).any())


def _trained(model: Any, statistics: tuple[Statistics, ...]) -> str:
    optimizer = getattr(model, "optimizer", None)
    steps = int(optimizer.iterations) if optimizer is not None else 0
    if steps:
        return f"its optimiser has taken {steps:,} step{'' if steps == 1 else 's'}"
    if any(one.has_counted for one in statistics):
        return "its normalisations have counted batches"
    return ""
