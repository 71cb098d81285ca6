"""Measured: second moments of what no formula gives, by doing again what the model does to noise.

Where a weight stands, fresh noise of the size that its output is meant to have takes its place, so that no weight is
needed, no error is handed on, and sums, masks, scatters and gates need no rule of their own.
"""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch

from .._torch import tree_map
from ._constants import MOST_NUMBERS, Constants, done_again
from ._tracer import Value

_WANTED, _MOST = 20_000, 4_000_000  # elements that are measured, and that are drawn for them
_DIGITS = 3  # of a measured number: the same on every machine


@dataclass(frozen=True)
class Noise:
    """What stands where a signal starts.

    Attributes:
        moment: its second moment.
        channels: the axis along which its numbers are independent at each position; None if all of them are.
        agreement: of one example, how much the positions of a channel agree.
        numbers: its own numbers, if they are known.
    """

    moment: float = 1.0
    channels: int | None = None
    agreement: float = 0.0
    numbers: torch.Tensor | None = None


@dataclass(eq=False)
class Measure:
    """The second moment of any signal.

    Attributes:
        noise_of: what stands for a signal; None if it is made of others.
        started: the number that all elements of a parameter start at, where one operation takes it in; None if they
            do not.
        constants: the model's numbers.
    """

    noise_of: Callable[[Value], Noise | None]
    started: Callable[[Value, Value], float | None]
    constants: Constants
    _keys: dict[Value, int] = field(default_factory=dict)
    _known: dict[Any, int] = field(default_factory=dict)
    _moments: dict[int, float | None] = field(default_factory=dict)
    _numbers: dict[int, dict[Value, torch.Tensor]] = field(default_factory=dict)
    _num_held: int = 0

    def moment(self, value: Value) -> float | None:
        """E[x^2], to three digits; None if what the model does cannot be done again."""
        try:
            key = self._key(value)
            if key not in self._moments:
                self._moments[key] = None  # where it raises, which is not tried again
                self._moments[key] = self._measured(value)
            return self._moments[key]
        except Exception:  # whatever an operation on numbers may raise
            return None

    def _key(self, value: Value) -> int:
        """Equal for signals that are made in the same way."""
        for one in self._made_of(value, self._keys):
            if (noise := self.noise_of(one)) is not None:
                numbers = () if noise.numbers is None else (one.index,)
                made = ("noise", noise.moment, noise.channels, noise.agreement, tuple(one.tensor.shape), *numbers)
            else:
                parts = [self._part(one, v) for v in one.inputs]
                named = dict(zip(one.inputs, parts, strict=True))
                args = tree_map(lambda a, named=named: named[a] if isinstance(a, Value) else a, (one.args, one.kwargs))
                made = (str(one.function), one.position, tuple(one.tensor.shape), repr(args))
            self._keys[one] = self._known.setdefault(made, len(self._known))
        return self._keys[value]

    def _part(self, taker: Value, value: Value) -> Any:
        """Of one thing that an operation takes in, what tells it from others."""
        if value.is_signal:
            return ("signal", self._keys[value])
        if value.params:
            return ("parameter", self.started(taker, value), tuple(value.tensor.shape))
        numbers = self.constants.numbers(value)
        return ("constant", tuple(numbers.shape), hash(numbers.cpu().double().numpy().tobytes()))

    def _made_of(self, value: Value, known: Collection[Value] = ()) -> list[Value]:
        """The signals that it is made of, down to noise, and that are not known yet, and itself, in order."""
        found, queue = {}, [value]
        while queue:
            one = queue.pop()
            if one not in known and one not in found:
                found[one] = None
                queue += [] if self.noise_of(one) else one.signals
        return sorted(found, key=lambda one: one.index)

    def _measured(self, value: Value) -> float | None:
        drawn = sum(one.tensor.numel() for one in self._made_of(value))
        if not value.tensor.numel() or drawn > MOST_NUMBERS:
            return None
        num = max(1, min(math.ceil(_WANTED / value.tensor.numel()), _MOST // drawn, 64))
        with torch.no_grad():
            moment = sum(_mean_square(self._again(value, time)) for time in range(num)) / num
        return float(f"{moment:.{_DIGITS}g}") if math.isfinite(moment) else None

    def _again(self, value: Value, time: int) -> torch.Tensor:
        """A signal's numbers, of so many times that it is drawn."""
        if self._num_held > MOST_NUMBERS // 4:
            self._numbers.clear()
            self._num_held = 0
        known = self._numbers.setdefault(time, {})
        for one in self._made_of(value, known):
            known[one] = self._of(one, time, known)
            self._num_held += known[one].numel()
        return known[value]

    def _of(self, value: Value, time: int, known: dict[Value, torch.Tensor]) -> torch.Tensor:
        seed = 64 * value.index + time
        if (noise := self.noise_of(value)) is not None:
            return _drawn(value, noise, seed) if noise.numbers is None else noise.numbers
        inputs = {v: known[v] if v.is_signal else self._constant(value, v) for v in value.inputs}
        return _plain(done_again(value, inputs, seed=seed))

    def _constant(self, taker: Value, value: Value) -> torch.Tensor:
        if not value.params:
            return _plain(self.constants.numbers(value))
        start = self.started(taker, value)
        if start is None:
            raise ValueError("a parameter of unknown size")
        return torch.full(value.tensor.shape, start)


def _mean_square(x: torch.Tensor) -> float:
    return (x.abs() if x.is_complex() else x).double().square().mean().item()


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


def _drawn(value: Value, noise: Noise, seed: int) -> torch.Tensor:
    """Gaussian numbers, of one channel partly the same at all positions."""
    shape = list(value.tensor.shape)
    generator = torch.Generator().manual_seed(seed)
    full, places = shape, shape
    if noise.channels is not None:
        rows = _rows(value)
        full, channels = [*rows, *shape[1:]], noise.channels % len(shape) + len(rows) - 1
        places = [size if axis in (0, channels) else 1 for axis, size in enumerate(full)]
    drawn = gaussian(full, generator)
    if places != full:
        drawn = math.sqrt(noise.agreement) * gaussian(places, generator) + math.sqrt(1 - noise.agreement) * drawn
    return math.sqrt(noise.moment) * drawn.reshape(shape)


def _rows(value: Value) -> list[int]:
    """The size of the first axis; of a matrix product in which several are one, those."""
    shape = value.tensor.shape
    if len(shape) == 2:
        for consumer in value.consumers:
            view = consumer.tensor.shape
            if "view" in consumer.operation and len(view) > 2 and view[-1] == shape[-1]:
                return [*view[:-1]]
    return [shape[0]]


_FEW = 4096


def gaussian(shape: list[int], generator: torch.Generator) -> torch.Tensor:
    """One number from each of as many equally likely ranges of a Gaussian, in random places: few have its moments."""
    num = math.prod(shape)
    if num > 64 * _FEW:
        return torch.randn(shape, generator=generator)
    order = torch.randperm(num, generator=generator)
    if num > _FEW:
        return _quantiles(num)[order].reshape(shape)
    places = (order + torch.rand(num, generator=generator, dtype=torch.float64)) / num
    return torch.special.ndtri(places.clamp_(1e-12, 1 - 1e-12)).float().reshape(shape)


@lru_cache(16)
def _quantiles(num: int) -> torch.Tensor:
    quantiles = torch.special.ndtri((torch.arange(num, dtype=torch.float64) + 0.5) / num)
    return (quantiles / quantiles.square().mean().sqrt()).float()
