"""Events: what a signal meets first."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from ._flow import Flow, head_size
from ._operations import LOSSES, is_attention
from ._value import Value


@dataclass(frozen=True)
class Event:
    """What takes a signal in.

    Attributes:
        name: in the words of `Use.followed_by`.
        carrier: the value that is taken in.
        head_size: of the attention that takes it in.
        taker: what was made of it; None for an output and an activation.
        frequency: of a sine or cosine that takes it in.
    """

    name: str
    carrier: Value
    head_size: int | None = None
    taker: Value | None = None
    frequency: float | None = None


@dataclass(frozen=True, eq=False)
class Reach:
    """How far a signal goes before anything happens to it.

    Attributes:
        start: itself, before anything handed it on.
        events: what takes it in.
        factors: by which constant it is multiplied until each event.
        onward: how far the one goes that alone takes it in and hands it on; None if there is no such one.
        handed: else all that handed it on, itself first, in the order of execution.
    """

    start: Value
    events: tuple[Event, ...]
    factors: tuple[float, ...] = ()
    onward: "Reach | None" = field(default=None, repr=False)
    handed: tuple[Value, ...] = ()

    @property
    def values(self) -> Iterator[Value]:
        """What handed it on, itself first, in the order of execution."""
        found: Reach | None = self
        while found.onward:
            yield found.start
            found = found.onward
        yield from found.handed

    @property
    def scaled(self) -> float:
        """The constant that it is multiplied by on every way; the one within attention's scores is attention's."""
        known = {factor for factor in self.factors if factor == factor}
        own = not {"query", "key"} & {event.name for event in self.events}
        return known.pop() if own and len(known) == 1 and len(set(self.factors)) == 1 else 1.0

    @property
    def frequency(self) -> float | None:
        """By which constant it is multiplied within the sines and cosines that it meets, if it meets nothing else."""
        known = {
            event.frequency and event.frequency * abs(f) for event, f in zip(self.events, self.factors, strict=True)
        }
        return known.pop() if len(known) == 1 else None

    @property
    def names(self) -> tuple[str, ...]:
        """Each event's name once, in an order of their own that no precision changes."""
        names = {event.name for event in self.events}
        return tuple(sorted(names, key=lambda name: (_ORDER.get(name, 0), name)))


def reach(flow: Flow, value: Value) -> Reach:
    """Follow a signal to everything that it meets first.

    What lies in a row is followed once, however many ask from within it.
    """
    known, way = flow.reaches, list[Value]()
    while value.index not in known and (taker := _only_taker(flow, value)):
        way.append(value)
        value = taker
    found = known.get(value.index) or known.setdefault(value.index, _spread(flow, value))
    for one in reversed(way):
        found = known[one.index] = Reach(one, found.events, found.factors, onward=found)
    return found


def _only_taker(flow: Flow, value: Value) -> Value | None:
    """What alone takes a signal in, and hands it on as it is."""
    if value.index in flow.outputs or value.index in flow.regions:
        return None
    takers = flow.consumers(value)
    taker, other = next(takers, None), next(takers, None)
    return taker if taker and not other and _hands_on(flow, taker) else None


def _spread(flow: Flow, value: Value) -> Reach:
    """The same, whatever lies on the way."""
    found: list[Event] = []
    queue, seen = [value], {value.index: value}
    factors = {value.index: 1.0}
    while queue:
        carrier = queue.pop(0)
        if carrier.index in flow.outputs:
            found.append(Event("output", carrier))
        region = flow.regions.get(carrier.index)
        ends = region.exits.items() if region else ()
        found += [Event(curve.name, carrier, frequency=curve.frequency) for _, curve in ends if not curve.line]
        is_probability = any(curve.name == "sigmoid" and end.index in flow.outputs for end, curve in ends)
        found += [Event("output", carrier)] if is_probability else []
        onward = []
        for end, curve in ends:
            if curve.line:
                onward.append(end)
                factors[end.index] = factors[carrier.index] * curve.line[0]
        for consumer in flow.consumers(carrier):
            if region and consumer.index in region.inside:
                continue
            if _hands_on(flow, consumer):
                onward.append(consumer)
            else:
                found.append(_event(flow, consumer, carrier))
        queue += [following for following in onward if following.index not in seen]
        seen |= {following.index: following for following in onward}
        for following in onward:
            factors.setdefault(following.index, factors[carrier.index])
    values = tuple(seen[index] for index in sorted(seen))
    return Reach(value, tuple(found), tuple(factors[event.carrier.index] for event in found), handed=values)


# Activations come first.
_ORDER = {
    name: place
    for place, name in enumerate(
        [
            "f",
            "normalisation",
            "query",
            "key",
            "value",
            "gate",
            "scale",
            "pooling",
            "convolution",
            "dense",
            "recurrent",
            "unknown",
        ],
        start=1,
    )
} | {"residual stream": 20, "output": 21}


def _hands_on(flow: Flow, value: Value) -> bool:
    return flow.passes(value) or flow.kind(value) in ("sum", "concatenation", "token")


def _event(flow: Flow, consumer: Value, carrier: Value) -> Event:
    match flow.kind(consumer):
        case "weight":
            return Event(consumer.row.operation(consumer.args), carrier, taker=consumer)
        case "attention" | "scores":
            name, head_size = _in_attention(flow, consumer, carrier)
            return Event(name, carrier, head_size, consumer)
        case "softmax":
            ends = reach(flow, consumer).events
            is_output = any(end.name == "output" or _is_loss(end.taker) for end in ends)
            return Event("output" if is_output else "f", carrier, taker=consumer)
        case "scale":
            return Event("scale", carrier, taker=consumer, frequency=_learned_frequency(flow, consumer))
        case "other" if consumer.operation in LOSSES:
            return Event("output", carrier, taker=consumer)
        case kind:
            return Event(_NAMES.get(kind or "", "unknown"), carrier, taker=consumer)


def _learned_frequency(flow: Flow, scale: Value) -> float | None:
    """The frequency of a sine whose argument is multiplied by a number that its author chose, and training moves."""
    region, keys = flow.regions.get(scale.index), [key for v in scale.inputs for key in v.params]
    number = flow.chosen.get(keys[0]) if len(keys) == 1 and scale.operation == "mul" else None
    if not number or region is None or any(v.index not in region.inside for v in flow.consumers(scale)):
        return None
    waves = {curve.frequency for curve in region.exits.values()}
    wave = waves.pop() if len(waves) == 1 else None
    return wave and wave * abs(number)


def _is_loss(value: Value | None) -> bool:
    return value is not None and value.operation.startswith("nll_loss")


_NAMES = {
    "norm": "normalisation",
    "slope": "prelu",
    "residual": "residual stream",
    "gate": "gate",
    "pool": "pooling",
}


def _in_attention(flow: Flow, consumer: Value, carrier: Value) -> tuple[str, int | None]:
    width = carrier.tensor.shape[-1]
    if is_attention(consumer.operation):
        places = [name for name, part in zip(("query", "key", "value"), consumer.args, strict=False) if part is carrier]
        return (places[0], width) if places else ("unknown", None)
    if flow.kind(consumer) == "attention":
        is_mixed = carrier is flow.factors[consumer.index][0]
        return ("value", head_size(flow, consumer)) if is_mixed else ("unknown", None)
    left, _ = consumer.row.factors(consumer.args)
    return ("query", width) if carrier is left else ("key", carrier.tensor.shape[-2])
