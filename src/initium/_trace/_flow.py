"""The Flow: what each recorded operation means for the signal."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from ._constants import Constants
from ._members import Members
from ._norms import find_norm
from ._operations import LINEAR, MOVES, NOISE, PASSES, POOLS, SOFTMAXES, is_attention, is_norm
from ._picked import mark_mixed, mark_picked
from ._regions import Region, find_region
from ._residual import Step, find_steps
from ._states import STATE, mark_states
from ._value import Recording, Value

Kind = Literal[
    "input",
    "learned",
    "state",
    "pass",
    "weight",
    "lookup",
    "norm",
    "inside",
    "scale",
    "shift",
    "token",
    "slope",
    "residual",
    "sum",
    "concatenation",
    "gate",
    "attention",
    "scores",
    "pool",
    "softmax",
    "other",
]


@dataclass(eq=False)
class Flow:
    """A recording with each live signal's kind.

    Attributes:
        live: the signals that reach an output, in the order of execution.
        outputs: indices of those that are outputs.
        differentiated: indices of those that the model differentiates.
        kinds: what made each of them, by index.
        normalised: the signal that a normalisation written out by hand divides, by the index of its result.
        passing: indices of what such a normalisation hands on, on its way.
        regions: functions of one signal, by its index.
        ends: the region that a value leaves, by its index.
        steps: residual additions, by index.
        factors: of a product before a softmax the query and the key, of attention the value, by index.
        constants: the model's numbers.
        example: the numbers of an example, and of what is made of them alone.
        behind: of what a constant multiplies at once, by its index, the weight's result and the constant.
        chosen: numbers that their author chose, of parameters that are one number, by their keys.
        reaches: how far signals go, by their indices, as `reach` found it.
    """

    live: list[Value] = field(default_factory=list)
    outputs: set[int] = field(default_factory=set)
    differentiated: set[int] = field(default_factory=set)
    kinds: dict[int, Kind] = field(default_factory=dict)
    normalised: dict[int, tuple[Value, float]] = field(default_factory=dict)
    passing: set[int] = field(default_factory=set)
    regions: dict[int, Region] = field(default_factory=dict)
    ends: dict[int, Region] = field(default_factory=dict)
    steps: dict[int, Step] = field(default_factory=dict)
    factors: dict[int, tuple[Value, ...]] = field(default_factory=dict)
    constants: Constants = field(default_factory=lambda: Constants({}))
    example: Constants = field(default_factory=lambda: Constants({}, of_data=True))
    behind: dict[int, tuple[Value, float]] = field(default_factory=dict)
    chosen: dict[int, float] = field(default_factory=dict)
    reaches: dict[int, Any] = field(default_factory=dict)
    _followed_to: dict[str, dict[int, Value]] = field(default_factory=lambda: defaultdict(dict))

    def kind(self, value: Value) -> Kind | None:
        """What made a value; None if no output depends on it."""
        return self.kinds.get(value.index)

    def consumers(self, value: Value) -> Iterator[Value]:
        """Who takes a signal in, without the insides of normalisations."""
        return (v for v in value.consumers if self.kinds.get(v.index, "inside") != "inside")

    def passes(self, value: Value) -> bool:
        """Whether it hands one signal on, at most multiplied by a constant or shifted."""
        region = self.ends.get(value.index)
        if region is not None:
            return region.exits[value].line is not None
        return self.kind(value) in ("pass", "shift")

    @cached_property
    def taken(self) -> set[int]:
        """Indices of the signals that a weight takes in later, whatever lies between."""
        taken = set[int]()
        for value in reversed(self.live):
            takers = [v for v in value.consumers if v.index in self.kinds]
            if any(v.index in taken or _is_weight(self, v) for v in takers):
                taken.add(value.index)
        return taken

    @cached_property
    def data(self) -> set[int]:
        """Indices of the signals that are made of the input alone, of noise and of derivatives."""
        data = set[int]()
        for value in self.live:
            is_made = self.kinds[value.index] not in ("weight", "lookup", "learned", "state") and bool(value.signals)
            is_plain = is_made and all(v.index in data for v in value.signals)
            if value.operation in ("input", "derivative") or value.operation in NOISE or is_plain:
                data.add(value.index)
        return data

    @cached_property
    def raw(self) -> set[int]:
        """Indices of the input's own numbers, moved, or on a straight line by constants: the model's own scaling."""
        raw = set[int]()
        for value in self.live:
            region = self.ends.get(value.index)
            is_handed_on = region is None and self.kinds[value.index] == "pass" and _is_scaled(self, value)
            sources = [region.start] if region and region.exits[value].line else value.signals if is_handed_on else []
            if self.kinds[value.index] == "input" or [v.index in raw for v in sources] == [True]:
                raw.add(value.index)
        return raw

    def unpassed(self, value: Value) -> Value:
        """Where the signal came from of which this value hands on elements as they are."""
        while self.kind(value) == "pass" and value.index not in self.ends:
            value = value.signals[0]
        return value

    def factor(self, value: Value, source: Value, *, passing: Collection[Kind]) -> float | None:
        """By which constant a signal is multiplied on its way from a source; None if more is done to it there.

        Args:
            value: where the way ends.
            source: where it begins.
            passing: what may lie on it, beside straight lines.
        """
        factor = 1.0
        while value is not source:
            region = self.ends.get(value.index)
            if region and (line := region.exits[value].line):
                value, factor = region.start, factor * line[0]
            elif not region and self.kind(value) in passing and value.signals:
                value = value.signals[0]
            else:
                return None
        return factor

    def back(self, value: Value) -> Value:
        """Where the signal came from that this value hands on."""
        return self._followed("back", value, self._handed_on)

    def unscaled(self, value: Value) -> Value:
        """Where the signal came from that this value hands on, whatever scales it on the way."""
        scaled = lambda v: main_signal(v) if self.kind(v) == "scale" else None  # noqa: E731
        return self._followed("unscaled", value, lambda v: self._handed_on(v) or scaled(v))

    def unshifted(self, value: Value) -> Value:
        """What a weight gives that this value hands on or adds to; else where the signal came from."""
        is_between = lambda v: not v.is_weighted and self.kind(v) in ("pass", "shift")  # noqa: E731
        return self._followed("unshifted", value, lambda v: main_signal(v) if is_between(v) else None)

    def in_line(self, value: Value) -> Value:
        """The last of those that take a signal in alone, one after another, and only move, scale or shift it."""

        def taker(value: Value) -> Value | None:
            if value.index in self.outputs or value.index in self.regions:
                return None
            takers = self.consumers(value)
            first, other = next(takers, None), next(takers, None)
            is_added = first and self.kind(first) == "pass" and first.operation in ("add", "sub", "rsub")
            is_plain = first and not other and not is_added and self.kind(first) in ("pass", "scale", "shift")
            return first if is_plain else None

        return self._followed("in line", value, taker)

    def _handed_on(self, value: Value) -> Value | None:
        """What a value hands on, if it does."""
        if not self.passes(value):
            return None
        region = self.ends.get(value.index)
        return region.start if region else main_signal(value)

    def _followed(self, name: str, value: Value, step: Callable[[Value], Value | None]) -> Value:
        """From one to the next as far as it goes. A way is gone once, however many ask from along it."""
        known, way = self._followed_to[name], list[Value]()
        while value.index not in known and (following := step(value)):
            way.append(value)
            value = following
        value = known.get(value.index, value)
        known |= {one.index: value for one in way}
        return value


def mark(recording: Recording) -> None:
    """Write into a recording which values are states, picked and mixed, and which of them weights made."""
    values = recording.values
    mark_states(values)
    for value in values:
        value.is_weighted = value.is_signal and _applies_weight(value)
    mark_picked(values)
    mark_mixed(values)
    for value in values:
        _mark_before(value)


def _mark_before(value: Value) -> None:
    """Of what a value is made, once that is known of its inputs."""
    before = Members()
    for other in value.inputs:
        before |= other.before
        value.last_weight = max(value.last_weight, other.last_weight)
    value.before = before | Members.of(value.index) if value.is_signal else before
    value.last_weight = value.index if value.is_weighted else value.last_weight


def _applies_weight(value: Value) -> bool:
    """Whether the operation multiplies a signal with a parameter and sums."""
    row = value.row
    return row.word == "recurrent" or (row.word != "embedding" and row.weight_of(value.args) is not None)


def read_flow(
    recording: Recording, behind: dict[int, tuple[Value, float]], chosen: dict[int, float] | None = None
) -> Flow:
    """Say of every live signal what made it.

    Args:
        recording: marked.
        behind: constants that count as the weights' own, as `Flow.behind` has them.
        chosen: what single numbers their author chose, as `Flow.chosen` has them.
    """
    outputs = {value.index for value in recording.outputs}
    whole = {value: numbers for value, numbers in recording.inputs.items() if value.is_tokens}
    flow = Flow(
        outputs=outputs,
        differentiated={value.index for value in recording.differentiated},
        constants=Constants(recording.buffers | whole),
        example=Constants(recording.buffers | {v: n for v, n in recording.inputs.items() if _says(v, n)}, of_data=True),
        behind=behind,
        chosen=chosen or {},
    )
    made = reached(recording.outputs)
    flow.live = [value for value in recording.values if value.is_signal and value.index in made]
    flow.kinds = {value.index: _plain_kind(value) for value in flow.live}
    for value in flow.live:
        if value.operation in ("mul", "div") and len(value.signals) == 2:
            _read_norm(flow, value)
    _read_regions(flow)
    # A sum of single numbers adds losses.
    sums = [v for v in flow.live if flow.kinds[v.index] == "sum" and v.tensor.ndim > 0]
    steps = find_steps(sums)
    flow.steps = {index: step for index, step in steps.items() if not _adds_outputs(flow, step)}
    for index in flow.steps:
        flow.kinds[index] = "residual"
    for value in flow.live:
        if flow.kinds[value.index] == "gate" and value.row.word == "dense":
            _read_attention(flow, value)
        elif flow.kinds[value.index] == "attention":
            flow.factors[value.index] = (value.args[2],)
    return flow


def _adds_outputs(flow: Flow, step: Step) -> bool:
    """Whether its operands share no more than an origin, and their sum goes to no other layer."""
    region = flow.regions.get(step.result.index)
    curves = region.exits.values() if region else ()
    is_inner = step.result.index in flow.taken or any(curve.is_between_layers for curve in curves)
    return step.skip is not step.base and not is_inner


def _says(value: Value, given: Any) -> bool:
    """Whether an example's numbers say anything: zeros or ones stand for any."""
    try:
        numbers = value.read(given)
    except ValueError:
        return False
    if np.iscomplexobj(numbers) or not numbers.size:
        return False
    return bool(numbers.min() != numbers.max())


def _is_scaled(flow: Flow, value: Value) -> bool:
    """Whether it moves a signal's elements, or is a straight line of each, which constants give; none of them is 0."""
    if value.operation not in LINEAR:
        return value.operation in MOVES
    others = [v for v in value.inputs if not v.is_signal]
    if value.operation == "div" and value.args[0] in others:
        return False
    try:
        return value.operation not in ("mul", "div") or all(bool(flow.constants.numbers(v).all()) for v in others)
    except Exception:  # whatever an operation on numbers may raise
        return False


def main_signal(value: Value) -> Value:
    """The first of the signals that a value is made from."""
    return value.signals[0]


def _is_weight(flow: Flow, value: Value) -> bool:
    """Whether it multiplies with a parameter of several axes, which may be summed over, or looks something up."""
    kind = flow.kinds[value.index]
    wide = any(v.params and _is_wide(v) for v in value.inputs)
    return kind in ("weight", "lookup") or (kind == "scale" and wide)


def _is_wide(value: Value) -> bool:
    """Whether it has several axes of which a parameter differs along more than one."""
    own = max(parameter.tensor.numel() for parameter in _parameters(value))
    return sum(size > 1 for size in value.tensor.shape) > 1 and own > max(value.tensor.shape)


def _parameters(value: Value) -> list[Value]:
    """Those that it is made of."""
    if value.operation == "parameter":
        return [value]
    return [parameter for v in value.inputs if v.params for parameter in _parameters(v)]


def reached(outputs: Iterable[Value]) -> set[int]:
    """Indices of all that the outputs are made from."""
    made, queue = set[int](), list(outputs)
    while queue:
        value = queue.pop()
        if value.index not in made:
            made.add(value.index)
            queue += value.inputs
    return made


_STARTS: dict[str, Kind] = {"input": "input", "learned signal": "learned", STATE: "state"}
_BY_CONSTANT = {"add", "sub", "mul", "div", "neg", "alias"}


def _plain_kind(value: Value) -> Kind:
    """What the operation's name and operands say."""
    operation, word, num_signals = value.operation, value.row.word, len(value.signals)
    params = [other for other in value.inputs if other.params]
    if operation in _STARTS:
        return _STARTS[operation]
    if value.is_weighted:
        return "weight"
    if word == "embedding" and (value.row.weight_of(value.args) or not num_signals):
        return "lookup"
    if not num_signals:
        return "other"
    if operation in ("_prelu_kernel", "prelu"):
        return "slope"
    if is_norm(operation):
        return "norm"
    if is_attention(operation):
        return "attention"
    if operation in ("mul", "div") and params:
        return "scale"
    if operation in ("add", "sub", "rsub") and params:
        return "shift"
    if operation in ("add", "sub") and num_signals == 2:
        return "sum"
    if operation in ("cat", "stack"):
        return "concatenation"
    if operation == "glu" or (num_signals == 2 and (operation == "mul" or word in ("dense", "convolution"))):
        return "gate"
    if operation in POOLS:
        return "pool"
    if operation in SOFTMAXES:
        return "softmax"
    if operation in PASSES and params:
        return "token"
    return "pass" if operation in PASSES | _BY_CONSTANT else "other"


def _read_norm(flow: Flow, value: Value) -> None:
    """A normalisation written out."""
    norm = find_norm(value)
    if norm is None:
        return
    flow.normalised[norm.result.index] = (norm.signal, norm.moment)
    flow.kinds |= dict.fromkeys((part.index for part in norm.inside), "inside")
    flow.kinds |= dict.fromkeys((part.index for part in norm.passing), "pass")
    flow.passing |= {part.index for part in norm.passing}
    flow.kinds[norm.result.index] = "norm"


def _read_regions(flow: Flow) -> None:
    inner, behind = set[int](), flow.behind.keys()

    def is_free(value: Value) -> bool:
        return flow.kinds.get(value.index, "inside") not in ("inside", "norm") and value.index not in inner | behind

    def is_used(value: Value, inside: dict[int, Value]) -> bool:
        taken = any(v.index in flow.kinds and v.index not in inside for v in value.consumers)
        return taken or value.index in flow.outputs

    for value in flow.live:
        if value.index in inner or flow.kinds[value.index] == "inside" or not value.tensor.is_floating_point():
            continue
        region = find_region(value, is_free=is_free, is_used=is_used, constants=flow.constants)
        if region is not None:
            inner |= region.inside
            flow.regions[value.index] = region
            flow.ends |= {end.index: region for end in region.exits}


def _read_attention(flow: Flow, value: Value) -> None:
    """A product of signals is scores if a softmax follows, attention if one came before."""
    left, right = value.row.factors(value.args)
    if any(_after_softmax(flow, operand) for operand in (left, right)):
        flow.kinds[value.index] = "attention"
        kept = left if _after_softmax(flow, right) else right
        flow.factors[value.index] = (kept,)
    elif _before_softmax(flow, value):
        flow.kinds[value.index] = "scores"
        flow.factors[value.index] = (left, right)


def head_size(flow: Flow, attention: Value) -> int:
    """Over how many channels attention mixes positions, which of its two factors ever is the mixed one."""
    (mixed,) = flow.factors[attention.index]
    is_left = attention.row.word == "dense" and attention.row.factors(attention.args)[0] is mixed
    return mixed.tensor.shape[-2 if is_left else -1]


def _after_softmax(flow: Flow, value: Value) -> bool:
    value = flow.back(value)
    return flow.kind(value) == "softmax"


def _before_softmax(flow: Flow, value: Value) -> bool:
    queue, seen = [value], set[int]()
    while queue:
        value = queue.pop()
        seen.add(value.index)
        if flow.kind(value) == "softmax":
            return True
        region = flow.regions.get(value.index)
        queue += [end for end in (region.exits if region else ()) if end.index not in seen]
        following = [v for v in flow.consumers(value) if v.index not in seen]
        queue += [v for v in following if flow.passes(v) or flow.kind(v) in ("softmax", "sum", "scale")]
        if len(seen) > 60:
            return False
    return False
