"""Packs: matrices that one weight holds one after another, told by where each part of its output goes."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._events import Event, reach
from ._flow import Flow
from ._follow import MOST_ELEMENTS, along, apart, followed
from ._uses import Found
from ._value import Value

_ATTENTION = ("query", "key", "value")


@dataclass(frozen=True)
class Packs:
    """What the blocks of a weight are, in order, and how many outputs each has."""

    names: tuple[str, ...]
    sizes: tuple[int, ...]

    @property
    def blocks(self) -> int | tuple[int, ...]:
        """As `Weight.blocks` says it."""
        return len(self.sizes) if len(set(self.sizes)) == 1 else self.sizes


def find_packs(flow: Flow, param: Value, uses: Sequence[Found]) -> Packs | None:
    """The blocks of one parameter, from all that is done with it; None if it is one matrix."""
    spans: dict[tuple[int, int], str] = {}
    axes = {found.axes for found in uses if found.role == "weight"}
    if len(axes) != 1 or any(found.role != "weight" for found in uses) or min(axes).count("o") != 1:
        return None
    names = [{event: _meaning(flow, event) for event in found.met.events} for found in uses]
    if not _may_be_packed({name for named in names for name in named.values()}, names):
        return None
    for found, named in zip(uses, names, strict=True):
        for low, high, name in _spans(param, found, named):
            spans.setdefault((low, high), name)
    return _packs(spans, param, axes.pop()) if spans else None


def _may_be_packed(names: set[str], named: list[dict[Event, str]]) -> bool:
    """Whether its outputs go to different places of attention or of a gate."""
    places = len(names & set(_ATTENTION)) > 1 or ("gate" in names and len(names) > 1)
    return places or any(_is_glu(event) for events in named for event in events)


def _is_glu(event: Event) -> bool:
    return event.taker is not None and event.taker.operation == "glu"


def _packs(spans: dict[tuple[int, int], str], param: Value, axes: str) -> Packs | None:
    ordered = sorted(spans)
    edges = [0, *(high for _, high in ordered)]
    tiled = all(low == edge for (low, _), edge in zip(ordered, edges, strict=False))
    if len(ordered) < 2 or not tiled or edges[-1] != param.tensor.shape[axes.index("o")]:
        return None
    names = tuple(spans[span] for span in ordered)
    if set(names) <= set(_ATTENTION):
        return Packs(names, tuple(high - low for low, high in ordered))
    if len(names) == 2 and names.count("gate") == 1 and not set(names) & set(_ATTENTION):
        names = tuple("up" if name == "gate" else "gate" for name in names)
        return Packs(names, tuple(high - low for low, high in ordered))
    return None


def _spans(param: Value, found: Found, names: dict[Event, str]) -> list[tuple[int, int, str]]:
    """Which rows of the parameter lead to which event."""
    first = _first_row(param, found)
    if any(map(_is_glu, names)):
        half = found.operand.tensor.shape[_output_axis(found)] // 2
        return [(first, first + half, "gate"), (first + half, first + 2 * half, "sigmoid")]
    channels = _channels(found)
    arrived: dict[str, NDArray[Any]] = {}
    for event, name in names.items():
        if name and event.carrier in channels:
            flags = _flags(channels[event.carrier], found.value.tensor.shape[_channel_axis(found)])
            arrived[name] = arrived.get(name, flags) | flags
    spans = [(name, _span(flags)) for name, flags in arrived.items()]
    return [(first + span[0], first + span[1], name) for name, span in spans if span]


def _meaning(flow: Flow, event: Event) -> str:
    """The part that the signal plays, past normalisations of its own."""
    for _ in range(3):
        if event.name not in ("normalisation", "scale") or event.taker is None:
            break
        onward = reach(flow, event.taker).events
        event = next((e for e in onward if e.name in _ATTENTION), onward[0] if onward else event)
    if event.name in ("normalisation", "unknown", "output", "residual stream", "pooling", "dense", "convolution"):
        return ""
    return event.name


def _output_axis(found: Found) -> int:
    """Where the outputs of a weight lie among the axes of the operand."""
    row = found.value.row
    return row.letters(found.value.args, found.operand).find("o") if row.roles else 0


def _first_row(param: Value, found: Found) -> int:
    operand = found.operand.tensor
    if found.operand.storage != param.storage:
        return 0
    stride, size = param.tensor.stride(found.axes.index("o")), param.tensor.shape[found.axes.index("o")]
    return int(operand.storage_offset()) // stride % size if stride else 0


def _channel_axis(found: Found) -> int:
    return found.value.row.output_axis(found.value.args, found.operand, found.value.tensor.ndim)


def _channels(found: Found) -> dict[Value, NDArray[Any]]:
    """For each value that hands the output on, from which channel each element comes; -1 is from elsewhere."""
    start = found.value.tensor
    axis = _channel_axis(found)
    if start.numel() > MOST_ELEMENTS or start.ndim == 0:
        return {}
    channels = {found.value: along(start.shape, axis)}
    for value in itertools.islice(found.met.values, 1, None):
        numbers = followed(value, channels)
        if numbers is not None:
            channels[value] = numbers
    return channels


def _flags(channels: NDArray[Any], most: int) -> NDArray[Any]:
    """Which channels arrive."""
    arrived = np.zeros(most + 1, bool)
    arrived[apart(channels).ravel()] = True  # the last stands for what comes from elsewhere
    return arrived[:-1]


def _span(arrived: NDArray[Any]) -> tuple[int, int] | None:
    """The first channel that arrives and the one after the last, if all between arrive too."""
    kept = np.flatnonzero(arrived)
    if not len(kept):
        return None
    low, high = int(kept[0]), int(kept[-1]) + 1
    return (low, high) if high - low == len(kept) else None
