"""Starts: where signals start, of which size, and what stands there when others are measured."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ._branches import Branches
from ._contractions import contraction_of
from ._events import reach
from ._flow import Flow, head_size
from ._generated import Generated
from ._given import Given
from ._left import is_left, parameters_of
from ._lines import line_of
from ._measured import Noise
from ._operations import LINEAR, PASSES, is_norm
from ._value import Value


@dataclass(frozen=True)
class Start:
    """A signal that is Gaussian by itself.

    Attributes:
        source: where it comes from, in the words of `Use.fed_by`.
        moment: its second moment; None if it is not known.
        head_size: of attention's output.
    """

    source: str
    moment: float | None
    head_size: int | None = None


@dataclass(eq=False)
class Starts:
    """Where signals start: at the input, at what weights give, at what a normalisation leaves.

    Attributes:
        flow: of the model.
        branches: of its residual streams.
        given: what an example says of data.
        generated: what becomes a matrix, by the index of the weight's result or look-up.
        moment_of: the second moment of any signal.
    """

    flow: Flow
    branches: Branches
    given: Given
    generated: dict[int, Generated]
    moment_of: Callable[[Value], float | None]
    _found: dict[Value, Start | None] = field(default_factory=dict)
    _meant: dict[int, float] = field(default_factory=dict)
    _noises: dict[Value, Noise | None] = field(default_factory=dict)

    def of(self, value: Value) -> Start | None:
        """What starts here; None if it is made of other signals."""
        if value not in self._found:
            self._found[value] = self._new(value)
        return self._found[value]

    def _new(self, value: Value) -> Start | None:
        flow, kind = self.flow, self.flow.kind(value)
        if value.index in flow.raw:
            return Start("data", self.given.moment(value, 1.0))
        if value.index in flow.ends:
            return None
        if value.index in flow.behind:
            return self.of(flow.behind[value.index][0])
        match kind:
            case "learned":
                return Start("learned", 1.0)
            case "lookup":
                return Start("embedding", self.meant(value))
            case "state":
                return Start("state", None)
            case "residual":
                is_scaled = self.branches.left[value.index] is not None
                return Start("residual stream", 1 / reach(flow, value).scaled ** 2 if is_scaled else 1.0)
            case "weight":
                operation = value.row.operation(value.args)
                if self.is_left(value):
                    return Start(operation, None)
                is_recurrent = operation == "recurrent"
                moment = value.state_moment if is_recurrent else self.meant(value)
                return Start(operation, moment * self._share(value))
            case "norm":
                moment = flow.normalised.get(value.index, (value, 1.0))[1]
                return Start("normalisation", moment * (self._share(value) if _is_scaled(value) else 1.0))
            case "attention":
                return Start("attention", 1.0, head_size(flow, value))
            case "pool" if _contracts(flow, value):
                return Start("dense", 1.0)
            case "sum" if all(map(self._is_of_rows, value.signals)):
                return Start("embedding", 1.0)  # rows that are summed share their size
            case "pass" if value.index in flow.passing:
                return self.of(_before_statistic(flow, value))
        return None

    def meant(self, value: Value) -> float:
        """The second moment that a weight's result, or a look-up, is to have: of what becomes a matrix 1 / its width.

        What it multiplies has a second moment of its own, which it makes up for. Within a sine, see `_wave`. What it
        adds to a stream is a matter of its own.
        """
        if value.index not in self._meant:
            self._meant[value.index] = self._wave(value)  # where it would ask for itself
            made = self.generated.get(value.index)
            if made is not None and made.scaled is not None:
                fed = self.moment_of(made.other) or 1.0
                self._meant[value.index] /= made.width * fed * made.scaled**2
        return self._meant[value.index]

    @cached_property
    def bent(self) -> set[int]:
        """Indices of what becomes a matrix through a function, so that no start of it sets the matrix's size."""
        return {index for index, made in self.generated.items() if made.scaled is None}

    def is_left(self, value: Value) -> bool:
        """Whether it is made by a matrix that stays as it was built, so that nothing says how large it is."""
        matrix = value.row.weight_of(value.args) if self.flow.kind(value) == "weight" else None
        return matrix is not None and is_left(matrix)

    def _is_of_rows(self, value: Value) -> bool:
        """Whether it is a row that was looked up or learned, or a sum of such."""
        source = self.flow.back(value)
        if self.flow.kind(source) == "sum":
            return all(map(self._is_of_rows, source.signals))
        return self.flow.kind(source) in ("lookup", "learned")

    def _wave(self, value: Value) -> float:
        """The second moment that a weight's output is meant to have: 1 within a sine, whatever multiplies it there.

        That of the first layer is the model's own: it says how fine a detail of its input is told.
        """
        if not self._has_waves or self.flow.kind(value) != "weight" or not value.signals:
            return 1.0
        if self._is_input(value.signals[0]):
            return 1.0
        frequency = reach(self.flow, value).frequency
        return frequency**-2 if frequency else 1.0

    @cached_property
    def _has_waves(self) -> bool:
        curves = (curve for region in self.flow.regions.values() for curve in region.exits.values())
        return any(curve.frequency for curve in curves if not curve.line)

    def _is_input(self, value: Value) -> bool:
        """Whether it is data as they came, or such data together; features that a function made of them are not."""
        value = self.flow.back(value)
        joined = value.signals if self.flow.kind(value) in ("concatenation", "sum") else ()
        return value.index in self.flow.raw or (bool(joined) and all(map(self._is_input, joined)))

    def noise(self, value: Value) -> Noise | None:
        """What stands for a signal when others are measured."""
        if value not in self._noises:
            self._noises[value] = self._new_noise(value)
        return self._noises[value]

    def _new_noise(self, value: Value) -> Noise | None:
        start = self.of(value)
        if start is None or start.moment is None:
            return None
        numbers = self.given.numbers(value) if value.index in self.flow.raw else None
        is_whole = numbers is not None and bool((numbers == numbers.round()).all())
        known = numbers.astype(np.float32) if numbers is not None and is_whole else None
        return Noise(start.moment, *self._positions(value), known)

    def started(self, taker: Value, operand: Value) -> float | None:
        """What a parameter starts at, where an operation takes it in."""
        if taker.row.word == "embedding" or _is_bent(operand):
            return None
        if self.flow.kind(taker) == "shift" and taker.tensor.numel() > taker.signals[0].tensor.numel():
            return None  # the signal's distance from it
        if (number := self.chosen(taker, operand)) is not None:
            return number
        kind = self.flow.kind(taker) or ""
        return math.sqrt(self._share(taker)) if kind == "scale" else _STARTS.get(kind)

    def chosen(self, taker: Value, operand: Value) -> float | None:
        """The number, not 1, by which a parameter that its author chose multiplies a signal; a normalisation's is 1."""
        number = self.flow.chosen.get(next(iter(operand.params))) if len(operand.params) == 1 else None
        if not number or self.flow.kind(taker) != "scale":
            return None
        source = self.flow.back(taker.signals[0])
        if self.flow.kind(source) == "norm" and not _is_scaled(source):
            return None
        line = line_of(parameters_of(operand)[0], operand, self.flow.constants)
        used = line and line.offset + line.factor * number
        return None if used == 1 or self._share(taker) != 1 else used

    def _share(self, value: Value) -> float:
        """The second moment that what ends a branch is meant to give: a scale if there is one, else the weight."""
        branch = self.branches.of(value)
        if branch is None or not branch.is_last:
            return 1.0
        flow, tail = self.flow, self.branches.tail_of(value)
        queue, seen = list(value.consumers), set[int]()
        while queue:
            one = queue.pop()
            if one.index in tail and one.index not in seen:
                seen.add(one.index)
                if flow.kind(one) in ("scale", "norm"):
                    return 1.0
                queue += one.consumers
        return branch.asked(reach(flow, value).scaled)

    def _positions(self, value: Value) -> tuple[int | None, float]:
        """The axis of channels, and how much the positions of one agree, of a picture or a stream."""
        source, axes = value, [*range(value.tensor.ndim)]  # which axis of the value each of the source's is
        while source.tensor.shape == tuple(value.tensor.shape[axis] for axis in axes) and source.signals:
            word = source.row.word
            if self.flow.kind(source) == "weight":
                channels = 1 if word == "convolution" else source.tensor.ndim - 1
                return (None, 0.0) if source is value and word != "convolution" else (axes[channels], _ALIKE)
            if is_norm(source.operation):
                is_batch = "batch" in source.operation
                return axes[1 if is_batch or "group" in source.operation else -1], _ALIKE_ANEW if is_batch else _ALIKE
            if self.flow.kind(source) == "lookup":
                return None, 0.0
            axes = _before_turn(source, axes)
            source = source.signals[0]
        if source is value:
            return None, 0.0
        return _channels_of_picture(source, axes) if value.tensor.ndim == 4 else value.tensor.ndim - 1, _ALIKE


_STARTS = {"shift": 0.0, "slope": 0.25, "token": 0.0, "concatenation": 0.0}  # of a parameter that an operation takes in
# Between noise, 0, and a smooth picture or a deep net; and where a batch norm took what all examples have in common.
_ALIKE, _ALIKE_ANEW = 0.3, 0.05


def _is_scaled(norm: Value) -> bool:
    """Whether a normalisation has a scale of its own."""
    return any(v.params for v in norm.inputs)


def _before_statistic(flow: Flow, value: Value) -> Value:
    """The signal that a step of a normalisation, which is written out, takes in beside its statistic."""
    while flow.kind(value) in ("pass", "scale", "shift") and value.index not in flow.ends:
        value = next((v for v in value.signals if flow.kind(v) != "inside"), value.signals[0])
    return value


def _before_turn(value: Value, axes: list[int]) -> list[int]:
    """Where the axes are of what was turned to make a value whose own are there."""
    if value.operation != "permute":
        return axes
    turned = dict(zip(value.args[1], axes, strict=True))
    return [turned[axis] for axis in range(len(axes))]


def _channels_of_picture(value: Value, axes: list[int]) -> int:
    """The second axis, as a convolution has it, unless the picture was turned since."""
    while value.tensor.ndim == 4 and value.signals and value.row.word != "convolution":
        axes = _before_turn(value, axes)
        value = value.signals[0]
    return axes[1]


def _is_bent(value: Value) -> bool:
    """Whether a parameter went through a function, so that its size here is not known."""
    if value.operation == "parameter" or not value.params or value.row.word == "embedding":
        return False
    return value.operation not in PASSES | LINEAR or any(map(_is_bent, value.inputs))


def _contracts(flow: Flow, value: Value) -> bool:
    """Whether it sums what a parameter multiplied element by element, as a matrix product does."""
    source = flow.unpassed(value.signals[0])
    wide = [v for v in source.inputs if v.params and sum(size > 1 for size in v.tensor.shape) > 1]
    found = contraction_of(flow, source) if flow.kind(source) == "scale" and wide else None
    return found is not None and found.taker is value
