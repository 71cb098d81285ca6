"""Signals: what each value carries: by formula where it is a function of one Gaussian, else measured."""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from ..init import gain
from ._branches import Branches
from ._flow import Flow
from ._generated import find_generated
from ._given import Given
from ._measured import Measure
from ._operations import MOVES
from ._regions import Region
from ._starts import Starts
from ._value import Value


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
        self._flow = flow
        self._live = {value.index: value for value in flow.live}
        self._found: dict[int, Signal] = {}
        self._given, generated = Given(flow.example), find_generated(flow)
        self.starts = Starts(flow, branches, self._given, generated, lambda v: self.get(v.index, UNKNOWN).moment)
        self._measure = Measure(self.starts.noise, self.starts.started, flow.constants)

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
        return replace(found, moment=self._given.moment(value, found.moment)) if self._is_function(value) else found

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
        if self.starts.of(value) is not None:
            return []
        region = self._flow.ends.get(value.index)
        return [region.start] if region else [v for v in value.signals if v.index in self._live]

    def _of(self, value: Value) -> Signal:
        start = self.starts.of(value)
        if start is not None:
            own = frozenset([(value.index,)])
            return Signal(start.source, start.moment, start.head_size, is_gaussian=True, starts=own)
        region = self._flow.ends.get(value.index)
        if region is not None:
            return self._through(region, value)
        sources = [self._found[v.index] for v in self._sources(value)]
        if not sources:
            return UNKNOWN
        kind, first = self._flow.kind(value), sources[0]
        if kind in ("shift", "scale") and self._is_handed_on(value):
            return first
        is_alone = all(one == first and one.starts == first.starts for one in self._fractions(value))
        # Beside what is written into constants lie zeros, as where sequences are padded.
        is_moved = value.operation in MOVES | _WRITES or _is_not_padded(value)
        if kind == "pass" and is_moved and is_alone:
            return replace(first, starts=_parts(first.starts, value)) if "split" in value.operation else first
        if kind == "slope" and first.is_gaussian and first.moment is not None:
            return replace(first, source="prelu", moment=gain("prelu") ** -2 * first.moment, is_gaussian=False)
        return _together(kind or "", value, sources)

    def _fractions(self, value: Value) -> list[Signal]:
        """The sources that are no indices."""
        return [self._found[v.index] for v in self._sources(value) if v.tensor.is_floating_point()]

    def _is_handed_on(self, value: Value) -> bool:
        """Whether the parameters that a signal meets start so that they hand it on."""
        params = [v for v in value.inputs if v.params]
        is_known = all(self.starts.started(value, v) is not None for v in params)
        return is_known and all(self.starts.chosen(value, v) is None for v in params)

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


def _was_through(flow: Flow, region: Region, value: Value) -> bool:
    """Whether a stream brings what this function, done twice as good as done once, has already been done to."""
    curve, step = region.exits[value], flow.steps.get(region.start.index)
    source = step and flow.unpassed(step.skip)
    before = source and flow.ends.get(source.index)
    if curve.line or not source or not before or before.exits[source].key != curve.key or curve.f is None:
        return False
    once = curve.f(_SOME)
    return bool(np.allclose(curve.f(once), once))


_SOME = np.linspace(-3, 3, 61)
