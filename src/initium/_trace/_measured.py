"""Measured: second moments of what no formula gives, by doing again what the model does to noise.

Where a weight stands, fresh noise of the size that its output is meant to have takes its place, so that no weight is
needed, no error is handed on, and sums, masks, scatters and gates need no rule of their own.
"""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._constants import MOST_NUMBERS, Constants, done_again
from ._tree import tree_map
from ._value import Value

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
    numbers: NDArray[Any] | None = None


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
    _numbers: dict[int, dict[Value, NDArray[Any]]] = field(default_factory=dict)
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
        return ("constant", tuple(numbers.shape), hash(np.asarray(numbers, np.float64).tobytes()))

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
        moment = sum(_mean_square(self._again(value, time)) for time in range(num)) / num
        return float(f"{moment:.{_DIGITS}g}") if math.isfinite(moment) else None

    def _again(self, value: Value, time: int) -> NDArray[Any]:
        """A signal's numbers, of so many times that it is drawn."""
        if self._num_held > MOST_NUMBERS // 4:
            self._numbers.clear()
            self._num_held = 0
        known = self._numbers.setdefault(time, {})
        for one in self._made_of(value, known):
            known[one] = self._of(one, time, known)
            self._num_held += known[one].size
        return known[value]

    def _of(self, value: Value, time: int, known: dict[Value, NDArray[Any]]) -> NDArray[Any]:
        seed = 64 * value.index + time
        if (noise := self.noise_of(value)) is not None:
            return _drawn(value, noise, seed) if noise.numbers is None else noise.numbers
        inputs = {v: known[v] if v.is_signal else self._constant(value, v) for v in value.inputs}
        return _plain(done_again(value, inputs, seed=seed))

    def _constant(self, taker: Value, value: Value) -> NDArray[Any]:
        if not value.params:
            return _plain(self.constants.numbers(value))
        start = self.started(taker, value)
        if start is None:
            raise ValueError("a parameter of unknown size")
        return np.full(value.tensor.shape, start, np.float32)


def _mean_square(x: NDArray[Any]) -> float:
    return float(np.square(np.abs(x) if np.iscomplexobj(x) else x, dtype=np.float64).mean())


def _plain(tensor: NDArray[Any]) -> NDArray[Any]:
    return tensor.astype(np.float32, copy=False) if np.issubdtype(tensor.dtype, np.floating) else tensor


def _drawn(value: Value, noise: Noise, seed: int) -> NDArray[Any]:
    """Gaussian numbers, of one channel partly the same at all positions."""
    shape = list(value.tensor.shape)
    gaussian = value.noise(seed)
    full, places = shape, shape
    if noise.channels is not None:
        rows = _rows(value)
        full, channels = [*rows, *shape[1:]], noise.channels % len(shape) + len(rows) - 1
        places = [size if axis in (0, channels) else 1 for axis, size in enumerate(full)]
    drawn = gaussian(full)
    if places != full:
        drawn = math.sqrt(noise.agreement) * gaussian(places) + math.sqrt(1 - noise.agreement) * drawn
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
