"""Signals: what each value carries: by formula where it is a function of one Gaussian, else measured."""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch

from ...init import gain
from .._operations import LINEAR, MOVES, PASSES, is_norm
from ._branches import Branches, left_by
from ._contractions import contraction_of
from ._events import reach
from ._flow import Flow
from ._generated import find_generated
from ._measured import Measure, Noise
from ._recurrences import state_moment
from ._regions import Region
from ._tracer import Value


@dataclass(frozen=True)
class Signal:
    """What a value carries.

    Attributes:
        source: where it comes from, in the words of `Use.fed_by`.
        moment: its second moment if what every weight gives is Gaussian, independent, of second moment 1.
        head_size: of attention's output.
        is_measured: whether no formula gives the moment.
        is_gaussian: whether it is such a Gaussian itself, or a sum of independent ones.
        starts: what it is made of: indices of such Gaussians, and of a part of one the place among its parts.
    """

    source: str
    moment: float | None
    head_size: int | None = None
    is_measured: bool = False
    is_gaussian: bool = field(default=False, compare=False)
    starts: frozenset[tuple[int, ...]] = field(default=frozenset(), compare=False)


UNKNOWN = Signal("unknown", None)
_WRITES = {"copy", "slice_scatter", "select_scatter"}
_SOURCES = {"slope": "prelu", "pool": "pooling", "gate": "gate"}


class Signals(Mapping[int, Signal]):
    """What each live signal carries, by its index; found when it is asked for."""

    def __init__(self, flow: Flow, branches: Branches) -> None:
        self._flow, self._branches = flow, branches
        self._live = {value.index: value for value in flow.live}
        self._found: dict[int, Signal] = {}
        self._noises: dict[Value, Noise | None] = {}
        self._generated = find_generated(flow)
        self._meant: dict[int, float] = {}
        self._sizes: dict[Value, tuple[float, bool]] = {}
        self._measure = Measure(self._noise, self._started, flow.constants)

    def __iter__(self):
        return iter(self._live)

    def __len__(self) -> int:
        return len(self._live)

    def __getitem__(self, index: int) -> Signal:
        value = self._live[index]
        for one in self._missing(value):
            self._found[one.index] = self._of(one)
        found = self._found[index]
        found = replace(found, moment=self._measure.moment(value)) if found.is_measured else found
        return replace(found, moment=self._as_given(value, found.moment)) if self._is_function(value) else found

    def meant(self, value: Value) -> float:
        """The second moment that a weight's result, or a look-up, is to have: of what becomes a matrix 1 / its width.

        What it multiplies has a second moment of its own, which it makes up for.
        """
        if value.index not in self._meant:
            self._meant[value.index] = 1.0  # where it would ask for itself
            made = self._generated.get(value.index)
            if made is not None and made.scaled is not None:
                fed = self.get(made.other.index, UNKNOWN).moment or 1.0
                self._meant[value.index] = 1 / (made.width * fed * made.scaled**2)
        return self._meant[value.index]

    @property
    def bent(self) -> set[int]:
        """Indices of what becomes a matrix through a function, so that no start of it sets the matrix's size."""
        return {index for index, made in self._generated.items() if made.scaled is None}

    def _missing(self, value: Value) -> list[Value]:
        """What must be found before, and itself, in order."""
        found, queue = {}, [value]
        while queue:
            one = queue.pop()
            if one.index in self._found or one in found:
                continue
            found[one] = None
            queue += self._sources(one)
        return sorted(found, key=lambda one: one.index)

    def _sources(self, value: Value) -> list[Value]:
        """Those whose Signal its own is made of."""
        if self._start(value) is not None:
            return []
        region = self._flow.ends.get(value.index)
        return [region.start] if region else [v for v in value.signals if v.index in self._live]

    def _start(self, value: Value) -> Signal | None:
        """What is Gaussian by itself: what weights give, what a normalisation leaves."""
        flow, kind = self._flow, self._flow.kind(value)
        if value.index in flow.raw:
            return Signal("data", self._as_given(value, 1.0))
        if value.index in flow.ends:
            return None
        if value.index in flow.behind:
            return self._start(flow.behind[value.index][0])
        match kind:
            case "learned":
                return Signal("learned", 1.0)
            case "lookup":
                return Signal("embedding", self.meant(value))
            case "state":
                return Signal("state", None)
            case "residual":
                left = left_by(flow, flow.steps[value.index])
                return Signal("residual stream", 1.0 if left is None else 1 / reach(flow, value).scaled ** 2)
            case "weight":
                operation = value.row.operation(value.args)
                is_recurrent = operation == "recurrent"
                moment = state_moment(value.module) if is_recurrent else self.meant(value) * self._wave(value)
                return Signal(operation, moment * self._share(value))
            case "norm":
                moment = flow.normalised.get(value.index, (value, 1.0))[1]
                return Signal("normalisation", moment * (self._share(value) if _is_scaled(value) else 1.0))
            case "attention":
                return Signal("attention", 1.0, flow.factors[value.index][0].tensor.shape[-1])
            case "pool" if _contracts(flow, value):
                return Signal("dense", 1.0)
            case "pass" if value.index in flow.passing:
                return self._start(_before_statistic(flow, value))
        return None

    def _wave(self, value: Value) -> float:
        """The second moment that a weight's output is meant to have: 1 within a sine, whatever multiplies it there.

        That of the first layer is the model's own: it says how fine a detail of its input is told.
        """
        if not self._has_waves or not value.signals or self._is_input(value.signals[0]):
            return 1.0
        frequency = reach(self._flow, value).frequency
        return frequency**-2 if frequency else 1.0

    @cached_property
    def _has_waves(self) -> bool:
        curves = (curve for region in self._flow.regions.values() for curve in region.exits.values())
        return any(curve.frequency for curve in curves if not curve.line)

    def _is_input(self, value: Value) -> bool:
        value = self._flow.back(value)
        joined = value.signals if self._flow.kind(value) == "concatenation" else ()
        return value.index in self._flow.data or (bool(joined) and all(map(self._is_input, joined)))

    def _of(self, value: Value) -> Signal:
        start = self._start(value)
        if start is not None:
            return replace(start, is_gaussian=True, starts=frozenset([(value.index,)]))
        region = self._flow.ends.get(value.index)
        if region is not None:
            return self._through(region, value)
        sources = [self._found[v.index] for v in self._sources(value)]
        if not sources:
            return UNKNOWN
        kind, first = self._flow.kind(value), sources[0]
        if kind in ("shift", "scale") and self._is_handed_on(value):
            return first
        is_alone = all(one == first and one.starts == first.starts for one in sources)
        # Beside what is written into constants lie zeros, as where sequences are padded.
        is_moved = value.operation in MOVES | _WRITES or _is_not_padded(value)
        if kind == "pass" and is_moved and is_alone:
            return replace(first, starts=_parts(first.starts, value)) if "split" in value.operation else first
        if kind == "slope" and first.is_gaussian and first.moment is not None:
            return replace(first, source="prelu", moment=gain("prelu") ** -2 * first.moment, is_gaussian=False)
        return _together(kind or "", value, sources)

    def _is_handed_on(self, value: Value) -> bool:
        """Whether the parameters that a signal meets start so that they hand it on."""
        return all(self._started(value, v) is not None for v in value.inputs if v.params)

    def _through(self, region: Region, value: Value) -> Signal:
        """What a function makes of a signal."""
        curve, signal = region.exits[value], self._found[region.start.index]
        if curve.line and self._is_made_up(region.start):
            return signal  # a constant on raw data is the model's own scaling
        if _was_through(self._flow, region, value):
            return replace(signal, source=curve.name, is_gaussian=False)
        told = signal if curve.line else Signal(curve.name, None)
        told = replace(told, starts=signal.starts)
        if not signal.is_gaussian or signal.moment is None:
            return _unmeasured(told)
        is_gaussian = bool(curve.line) and curve.line[1] == 0
        return replace(told, moment=curve.moment(signal.moment), is_gaussian=is_gaussian)

    def _is_made_up(self, value: Value) -> bool:
        """Whether it is made of the input alone, whose numbers say nothing."""
        return value.index in self._flow.data

    def _is_function(self, value: Value) -> bool:
        """Whether it is made of the input alone, by more than its scaling."""
        return value.index in self._flow.data and value.index not in self._flow.raw

    def _as_given(self, value: Value, moment: float | None) -> float | None:
        """A second moment, times the power of 256 that brings it next to an example's; of 16 where none is known.

        Another batch of the same data then gives the same plan.
        """
        if value not in self._sizes:
            self._sizes[value] = _size(self._given(value))
        given, is_exact = self._sizes[value]
        if not given or not math.isfinite(given):
            return moment
        if is_exact:
            return given
        known, step = (moment, 256.0) if moment else (1.0, 16.0)
        return known * step ** round(math.log(given / known, step))

    def _given(self, value: Value) -> torch.Tensor | None:
        """An example's numbers, as far as a signal is made of them alone."""
        try:
            with torch.random.fork_rng(devices=[]), torch.no_grad():
                torch.default_generator.manual_seed(0)
                numbers = self._flow.example.numbers(value)
        except Exception:  # whatever an operation on numbers may raise
            return None
        return None if numbers.is_complex() or not numbers.numel() else numbers

    def _noise(self, value: Value) -> Noise | None:
        """What stands for a signal when others are measured."""
        if value not in self._noises:
            self._noises[value] = self._new_noise(value)
        return self._noises[value]

    def _new_noise(self, value: Value) -> Noise | None:
        start = self._start(value)
        if start is None or start.moment is None:
            return None
        numbers = self._given(value) if value.index in self._flow.raw else None
        is_whole = numbers is not None and bool((numbers == numbers.round()).all())
        known = numbers.float() if numbers is not None and is_whole else None
        return Noise(start.moment, *self._positions(value), known)

    def _started(self, taker: Value, operand: Value) -> float | None:
        """What a parameter starts at, where an operation takes it in."""
        if taker.row.word == "embedding" or _is_bent(operand):
            return None
        if self._flow.kind(taker) == "shift" and taker.tensor.numel() > taker.signals[0].tensor.numel():
            return None  # the signal's distance from it
        starts = {
            "scale": math.sqrt(self._share(taker)),
            "shift": 0.0,
            "slope": 0.25,
            "token": 0.0,
            "concatenation": 0.0,
        }
        return starts.get(self._flow.kind(taker) or "")

    def _share(self, value: Value) -> float:
        """The second moment that what ends a branch is meant to give: a scale if there is one, else the weight."""
        branch = self._branches.of(value)
        if branch is None or not branch.is_last:
            return 1.0
        flow, tail = self._flow, self._branches.tail_of(value)
        queue, seen = list(value.consumers), set[int]()
        while queue:
            one = queue.pop()
            if one.index in tail and one.index not in seen:
                seen.add(one.index)
                if flow.kind(one) in ("scale", "norm"):
                    return 1.0
                queue += one.consumers
        scaled = reach(flow, value).scaled
        return branch.share / scaled**2 if scaled else 1.0

    def _positions(self, value: Value) -> tuple[int | None, float]:
        """The axis of channels, and how much the positions of one agree, of a picture or a stream."""
        source = value
        while source.tensor.shape == value.tensor.shape and source.signals:
            word = source.row.word
            if self._flow.kind(source) == "weight":
                channels = 1 if word == "convolution" else source.tensor.ndim - 1
                return (None, 0.0) if source is value and word != "convolution" else (channels, _ALIKE)
            if is_norm(source.operation):
                is_batch = "batch" in source.operation
                return 1 if is_batch or "group" in source.operation else -1, _ALIKE_ANEW if is_batch else _ALIKE
            if self._flow.kind(source) == "lookup":
                return None, 0.0
            source = source.signals[0]
        return (None, 0.0) if source is value else (1 if value.tensor.ndim == 4 else value.tensor.ndim - 1, _ALIKE)


_STARTS = {"shift": 0.0, "slope": 0.25, "token": 0.0, "concatenation": 0.0}  # of a parameter that an operation takes in
# Between noise, 0, and a smooth picture or a deep net; and where a batch norm took what all examples have in common.
_ALIKE, _ALIKE_ANEW = 0.3, 0.05


def _is_scaled(norm: Value) -> bool:
    """Whether a normalisation has a scale of its own."""
    return any(v.params for v in norm.inputs)


def _size(numbers: torch.Tensor | None) -> tuple[float, bool]:
    """The second moment of an example, 0 if nothing is known, and whether another batch has the very same."""
    if numbers is None:
        return 0.0, False
    return float(numbers.double().square().mean()), _is_one_of_many(numbers)


def _is_one_of_many(numbers: torch.Tensor) -> bool:
    """Whether each row, or each pixel over the channels, is one 1 among zeros: as large in every batch."""
    if numbers.ndim < 2 or (numbers.min(), numbers.max()) != (0, 1) or bool(((numbers != 0) & (numbers != 1)).any()):
        return False
    return any(bool((numbers.sum(axis) == 1).all()) for axis in {1, numbers.ndim - 1})


def _unmeasured(signal: Signal) -> Signal:
    return replace(signal, moment=None, is_measured=True, is_gaussian=False)


def _together(kind: str, value: Value, sources: list[Signal]) -> Signal:
    """Of several signals; by formula if they are independent, and of known size."""
    first, starts = sources[0], frozenset[tuple[int, ...]]().union(*(signal.starts for signal in sources))
    moments = [signal.moment for signal in sources if signal.moment is not None]
    is_known = len(moments) == len(sources) == len(value.signals)
    pairs = itertools.combinations([signal.starts for signal in sources], 2)
    is_independent = is_known and len(sources) > 1 and not any(_overlap(*pair) for pair in pairs)
    are_gaussian = [signal.is_gaussian for signal in sources]
    if kind == "concatenation":
        sizes = [v.tensor.numel() for v in value.signals]
        first = sources[sizes.index(max(sizes))]
        if is_known:
            mean = sum(size * moment for size, moment in zip(sizes, moments, strict=True)) / sum(sizes)
            alike = all(are_gaussian) and len(set(moments)) == 1
            return replace(first, moment=mean, is_gaussian=alike, starts=starts)
    if kind == "sum" and {signal.source for signal in sources} <= {"embedding", "learned"}:
        return first
    if kind == "sum" and is_independent and sum(are_gaussian) >= len(sources) - 1:
        return replace(first, moment=sum(moments), is_gaussian=all(are_gaussian), starts=starts)
    if kind == "gate" and is_independent and value.operation == "mul":
        return Signal("gate", math.prod(moments), starts=starts)
    source = _SOURCES.get(kind, "unknown" if kind in ("scores", "softmax", "other") else first.source)
    return _unmeasured(replace(first, source=source, head_size=None, starts=starts))


def _is_not_padded(value: Value) -> bool:
    return value.operation == "constant_pad_nd" and value.tensor.numel() == value.signals[0].tensor.numel()


def _parts(starts: frozenset[tuple[int, ...]], split: Value) -> frozenset[tuple[int, ...]]:
    """Of signals that are split, which part this is; a part of a part counts as the whole part."""
    return frozenset(s if len(s) > 1 else (*s, split.inputs[0].index, split.position) for s in starts)


def _overlap(some: frozenset[tuple[int, ...]], others: frozenset[tuple[int, ...]]) -> bool:
    """Whether two signals have a Gaussian in common; two parts of one have not, if it was split once."""
    alike = ((a, b) for a in some for b in others if a[0] == b[0])
    return any(a == b or len(a) != len(b) or a[1] != b[1] for a, b in alike)


def _before_statistic(flow: Flow, value: Value) -> Value:
    """The signal that a step of a normalisation, which is written out, takes in beside its statistic."""
    while flow.kind(value) in ("pass", "scale", "shift") and value.index not in flow.ends:
        value = next((v for v in value.signals if flow.kind(v) != "inside"), value.signals[0])
    return value


def _is_bent(value: Value) -> bool:
    """Whether a parameter went through a function, so that its size here is not known."""
    if value.operation == "parameter" or not value.params or value.row.word == "embedding":
        return False
    return value.operation not in PASSES | LINEAR or any(map(_is_bent, value.inputs))


def _contracts(flow: Flow, value: Value) -> bool:
    """Whether it sums what a parameter multiplied element by element, as a matrix product does."""
    source = _unpassed(flow, value.signals[0])
    wide = [v for v in source.inputs if v.params and sum(size > 1 for size in v.tensor.shape) > 1]
    found = contraction_of(flow, source) if flow.kind(source) == "scale" and wide else None
    return found is not None and found.taker is value


def _was_through(flow: Flow, region: Region, value: Value) -> bool:
    """Whether a stream brings what this function, done twice as good as done once, has already been done to."""
    curve, step = region.exits[value], flow.steps.get(region.start.index)
    source = step and _unpassed(flow, step.skip)
    before = source and flow.ends.get(source.index)
    if curve.line or not source or not before or before.exits[source].key != curve.key or curve.f is None:
        return False
    once = curve.f(_SOME)
    return bool(np.allclose(curve.f(once), once))


_SOME = np.linspace(-3, 3, 61)


def _unpassed(flow: Flow, value: Value) -> Value:
    while flow.kind(value) == "pass" and value.index not in flow.ends:
        value = value.signals[0]
    return value
