"""Weights: how the numbers of one weight lie before the first step and after the last, whatever its size."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BINS = 48


@dataclass(frozen=True)
class Histogram:
    """Counts of finite numbers in bins of one width.

    Attributes:
        low: where the first bin begins.
        high: where the last one ends; never where the first begins.
        counts: how many numbers each holds.
    """

    low: float
    high: float
    counts: tuple[int, ...]

    @classmethod
    def of(cls, values: NDArray[Any]) -> "Histogram":
        """Of few numbers or many, however close together."""
        values = values[np.isfinite(values)].astype(np.float64)
        low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)
        room = max(1e-3 * max(abs(low), abs(high)) - (high - low), 0.0) or float(high == low)
        low, high = low - room / 2, high + room / 2
        return cls(low, high, tuple(np.histogram(values, _BINS, (low, high))[0].tolist()))

    @property
    def shown(self) -> "Histogram":
        """With bins that few numbers do not leave ragged: two or four of them are one."""
        wide = 1 if (many := sum(self.counts)) >= 2000 else 2 if many >= 300 else 4
        return Histogram(self.low, self.high, tuple(np.reshape(self.counts, (-1, wide)).sum(axis=1).tolist()))

    @property
    def middles(self) -> NDArray[Any]:
        """Of the bins."""
        return self.low + (np.arange(len(self.counts)) + 0.5) * self._width

    @property
    def density(self) -> NDArray[Any]:
        """The share of the numbers in each bin, by its width."""
        return np.array(self.counts) / max(sum(self.counts), 1) / self._width

    @property
    def _width(self) -> float:
        return (self.high - self.low) / len(self.counts)


@dataclass(frozen=True)
class Weights:
    """One weight over a run.

    Attributes:
        path: of it.
        start: at step zero.
        end: after the last step.
    """

    path: str
    start: Histogram
    end: Histogram

    @classmethod
    def of(cls, path: str, start: NDArray[Any], end: NDArray[Any]) -> "Weights":
        """Of what it holds then."""
        return cls(path, Histogram.of(start), Histogram.of(end))


def to_arrays(weights: tuple[Weights, ...]) -> dict[str, Any]:
    """As a run keeps them."""
    both = [(one.start, one.end) for one in weights]
    return {
        "weight_paths": np.array([one.path for one in weights]),
        "weight_ends": np.array([[(one.low, one.high) for one in pair] for pair in both]),
        "weight_counts": np.array([[one.counts for one in pair] for pair in both]),
    }


def from_arrays(arrays: dict[str, Any]) -> tuple[Weights, ...]:
    """What was kept; earlier it was the first weight, whole.

    Raises:
        ValueError: if it is damaged.
    """
    if "first_start" in arrays:
        return (Weights.of("first layer", arrays["first_start"], arrays["first_end"]),)
    if "weight_paths" not in arrays:
        return ()
    paths, ends, counts = (arrays[f"weight_{name}"] for name in ("paths", "ends", "counts"))
    if not (paths.dtype.kind == "U" and ends.dtype == np.float64 and counts.dtype == np.int64):
        raise ValueError("no histograms")
    if ends.shape != (len(paths), 2, 2) or counts.shape != (len(paths), 2, _BINS):
        raise ValueError("no histogram of each weight")
    if not (np.isfinite(ends).all() and (ends[..., 0] < ends[..., 1]).all() and (counts >= 0).all()):
        raise ValueError("no histogram is like that")
    held = zip(paths.tolist(), ends.tolist(), counts.tolist(), strict=True)
    return tuple(Weights(path, _histogram(edges[0], own[0]), _histogram(edges[1], own[1])) for path, edges, own in held)


def _histogram(edges: list[float], counts: list[int]) -> Histogram:
    return Histogram(edges[0], edges[1], tuple(counts))
