"""What is measured at each weight, as it is met."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ..._diagnosis import Layer, Recurrence
from ..._graph import Graph
from ...init._activations import ACTIVATIONS
from .._probe import Meeting
from ._rank import rank

_SAMPLES, _FEATURES = 8, 4096  # what cosines are taken of
_NUMBERS = 1 << 14  # what saturation is judged by
_DRAWN = 1 << 12  # numbers that a histogram is made of
_BINS, _REACH = 32, 4.0  # of a histogram, and how many times the rms it reaches
_FLAT = 0.05  # of the steepest slope
_STATES = {"state", "cell"}
_GRID = np.linspace(-30, 30, 60001)


class Layers:
    """Collects what each weight does at its first use, and at each step if it multiplies a state."""

    def __init__(self, graph: Graph, num_samples: int, *, quick: bool = False, thorough: bool = False) -> None:
        self.ranks: dict[str, tuple[float, int]] = {}  # of what each weight takes in, where it is asked for
        self._graph, self._num_samples, self._quick, self._thorough = graph, num_samples, quick, thorough
        self._found: dict[str, dict[str, Any]] = {}
        self._steps: dict[str, list[dict[str, float]]] = {}
        self.near_query = ""  # the path of the weight that made queries last, or else of the first

    def met(self, meeting: Meeting) -> None:
        """Measure a use; nothing of it is changed."""
        if meeting.is_backward or not meeting.given.numel():
            return
        param = self._graph.by_path[meeting.path]
        if param.use.fed_by in _STATES and not self._quick:
            self._step(meeting)
        if meeting.path in self._found:
            return
        if "query" in param.use.followed_by or not self.near_query:
            self.near_query = meeting.path
        dtype = str(meeting.given.dtype).removeprefix("torch.")
        found = self._found[meeting.path] = {"path": meeting.path, "fed": None, "dtype": dtype}
        axis = 1 if "convolution" in param.use.operation else -1
        meeting.on_output.append(lambda output: self._gives(found, output, axis, param.use.followed_by))
        meeting.on_gradient.append(lambda gradient: self._goes_back(found, gradient))
        if (signal := _signal(meeting)) is not None:
            self._takes(found, signal, axis, is_activation=param.use.fed_by in ACTIVATIONS)

    def layers(self) -> tuple[Layer, ...]:
        """In the order in which the weights were met."""
        return tuple(Layer(**found) for found in self._found.values())

    def recurrences(self) -> tuple[Recurrence, ...]:
        """Of each weight that was met at several steps, what it did at the ends of them."""
        return tuple(
            Recurrence(
                path=path,
                steps=len(steps),
                moments=(steps[1]["moment"], steps[-1]["moment"]),
                energies=(steps[0].get("energy"), steps[-1].get("energy")),
            )
            for path, steps in self._steps.items()
            if len(steps) > 2  # the first has no state yet, and two are to be compared
        )

    def _step(self, meeting: Meeting) -> None:
        """Measure one step of a recurrence."""
        self._steps.setdefault(meeting.path, []).append(step := {})
        meeting.on_output.append(lambda output: step.update(moment=moment(output)))
        meeting.on_gradient.append(lambda gradient: step.update(energy=moment(gradient) * gradient.numel()))

    def _takes(self, found: dict[str, Any], signal: torch.Tensor, axis: int, *, is_activation: bool) -> None:
        if self._quick or not is_activation:
            found["fed"] = moment(signal)
        else:
            sizes = _sizes(signal, axis)
            found["fed"] = sizes.square().sum().item() / signal.numel()
            found["dead"] = (sizes == 0).double().mean().item()
        if not self._quick:
            found["similarity"] = _similarity(signal, self._num_samples)
        if self._thorough and signal.ndim > 1 and not signal.is_complex() and (known := rank(signal)):
            self.ranks[found["path"]] = known

    def _gives(self, found: dict[str, Any], output: torch.Tensor, axis: int, followed_by: tuple[str, ...]) -> None:
        found["moment"] = moment(output)
        if not math.isfinite(found["moment"]):
            found["num_bad"] = output.numel() - int(output.isfinite().sum())
        if self._quick:
            return
        others = tuple(place for place in range(output.ndim) if place != axis % output.ndim)
        wide = torch.promote_types(output.dtype, torch.float32)
        means = output.mean(others, dtype=wide) if others else output.to(wide)
        found["mean"] = means.real.mean().item()
        found["constant"] = means.abs().square().mean().item() / found["moment"] if found["moment"] else None
        found["histogram"] = histogram(output, found["moment"])
        name = next(iter(followed_by), "")
        if len(followed_by) == 1 and not output.is_complex() and (is_flat := _flat(name)):
            found["saturated"] = float(is_flat(_some(output)).mean())

    def _goes_back(self, found: dict[str, Any], gradient: torch.Tensor) -> None:
        found["gradient"] = moment(gradient)
        found["energy"] = found["gradient"] * gradient.numel()
        if gradient.dtype is torch.float16:
            found["underflow"] = 1 - gradient.count_nonzero().item() / gradient.numel()
        if not self._quick:
            found["gradient_histogram"] = histogram(gradient, found["gradient"])


def _signal(meeting: Meeting) -> torch.Tensor | None:
    """What a weight multiplies; None of a table, which takes indices."""
    signal = next(iter(meeting.signals), None)
    is_number = isinstance(signal, torch.Tensor) and (signal.is_floating_point() or signal.is_complex())
    return signal if is_number else None


def as_real(x: torch.Tensor) -> torch.Tensor:
    """Complex numbers as pairs of real ones, along one more axis, the last; others as they are."""
    return torch.view_as_real(x.resolve_conj()) if x.is_complex() else x


def moment(x: torch.Tensor) -> float:
    """The mean square, by rows or in float64: a long sum in float32 loses digits, and tiny squares are 0."""
    num, x = x.numel(), as_real(x)
    dtype = torch.promote_types(x.dtype, torch.float32)
    if not num:
        return 0.0
    rows = torch.linalg.vector_norm(x, dim=tuple(range(1, x.ndim)), dtype=dtype) if x.ndim > 1 else x
    total = rows.double().square().sum().item()
    if not 0 < total < math.inf:
        total = x.double().square().sum().item()
    return total / num


def histogram(x: torch.Tensor, moment: float) -> tuple[float, ...]:
    """Shares of its numbers by size, in units of the root mean square; empty where that is none or 0."""
    if not 0 < moment < math.inf:
        return ()
    rms = math.sqrt(moment / 2 if x.is_complex() else moment)  # of each part, if there are two
    places = (_some(as_real(x), _DRAWN) / rms + _REACH) * (_BINS / (2 * _REACH))
    counts = np.bincount(np.clip(places, 0, _BINS - 1).astype(np.intp), minlength=_BINS)
    return tuple(counts / counts.sum())


def is_zero(x: torch.Tensor) -> bool:
    """Whether all of its numbers are 0; most that are not show it at once."""
    flat = x.reshape(-1)
    return not flat[:_FEATURES].any() and not flat.any()


def _similarity(signal: torch.Tensor, num_samples: int) -> float | None:
    """The mean cosine between what a layer takes in of two different samples."""
    if num_samples < 2 or not signal.ndim or signal.shape[0] % num_samples:
        return None
    count = min(num_samples, _SAMPLES)
    rows = signal[: signal.shape[0] // num_samples * count].reshape(count, -1)
    rows = as_real(rows[:, :: max(rows.shape[1] // _FEATURES, 1)]).reshape(count, -1).double()
    unit = rows / rows.norm(dim=1, keepdim=True)
    mean = ((unit @ unit.T).sum().item() - count) / (count * (count - 1))
    return mean if math.isfinite(mean) else None


def _sizes(signal: torch.Tensor, axis: int) -> torch.Tensor:
    """The length of each unit's numbers, for all inputs and wherever they are."""
    others = tuple(place for place in range(signal.ndim) if place != axis % signal.ndim)
    dtype = torch.promote_types(signal.dtype, torch.float32)
    return (torch.linalg.vector_norm(signal, dim=others, dtype=dtype) if others else signal.abs()).double()


def _some(x: torch.Tensor, numbers: int = _NUMBERS) -> np.ndarray:
    flat = x.detach().reshape(-1)
    return flat[:: max(flat.numel() // numbers, 1)].float().cpu().numpy()


_KNOWN: dict[str, Callable[[np.ndarray], np.ndarray] | None] = {}


def _flat(name: str) -> Callable[[np.ndarray], np.ndarray] | None:
    """Tells where a function is flat; None for one that is straight between bends, or no activation."""
    if name not in ACTIVATIONS:
        return None
    if name not in _KNOWN:
        f, _ = ACTIVATIONS[name]
        with np.errstate(all="ignore"):
            slopes = np.gradient(f(_GRID), _GRID)
        bends = np.abs(np.diff(slopes)) > 1e-9 * np.abs(slopes).max()
        is_flat = np.abs(slopes) < _FLAT * np.abs(slopes).max()
        _KNOWN[name] = (lambda z: np.interp(z, _GRID, is_flat) > 0.5) if bends.sum() > 100 else None
    return _KNOWN[name]
