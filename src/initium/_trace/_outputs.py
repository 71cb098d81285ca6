"""Outputs: which weights give the model's output, and what lies between them and its end."""

from dataclasses import dataclass, field

from .._graph import Output
from ._ancestry import stretch
from ._events import reach
from ._flow import Flow
from ._operations import LOSSES, is_attention
from ._products import Product, product_of
from ._regions import Curve
from ._residual import Step
from ._value import Value


def output_of(flow: Flow, value: Value) -> Output | None:
    """How what a weight gives becomes the model's output; None if it does not, or not alone."""
    is_taken = value.index in flow.taken
    if value.row.word == "recurrent" or (is_taken and flow.kind(value) != "lookup"):
        return None
    walk = _Walk(flow, value)
    return walk.output if walk.ends_well() and (walk.product or not is_taken) else None


@dataclass
class _Walk:
    """From what a weight gives to the ends of the model.

    Attributes:
        flow: of the model.
        start: what the weight gives.
        met: what was on the way: `open`, `softmax`, `normalisation`, `shift`, `function`.
        layered: indices of what an activation between layers gave, with no function behind it that gives outputs.
        product: the sum of products that it is first multiplied and summed in.
        summed: indices of what other weights give that is added to it.
    """

    flow: Flow
    start: Value
    met: set[str] = field(default_factory=set)
    layered: set[int] = field(default_factory=set)
    product: Product | None = None
    summed: set[int] = field(default_factory=set)

    @property
    def output(self) -> Output:
        scaled = 1.0 if "shift" in self.met else reach(self.flow, self.start).scaled
        if self.product is not None:
            return Output(kind="product", scaled=scaled, factors=self.product.factors, size=self.product.size)
        named = {"normalisation": "normalised", "softmax": "logits", "function": "output", "shift": "output"}
        kind = next((kind for name, kind in named.items() if name in self.met), "open")
        num_summed = len(self.summed | {self.start.index})
        return Output(kind=kind, scaled=scaled, num_summed=num_summed)  # pyright: ignore[reportArgumentType]

    def ends_well(self) -> bool:
        """Whether all ways lead to an output, and on none of them another weight's output has the say."""
        start = self.start if self.start.index in self.flow.taken else self.flow.in_line(self.start)
        queue, seen = [start], {start.index}
        is_output = False
        while queue:
            carrier = queue.pop(0)
            if carrier.index in self.flow.outputs:
                if carrier.index in self.layered:
                    return False
                is_output = True
                self.met.add("function" if carrier.index in self.flow.differentiated else "open")
            onward = self._onward(carrier)
            if onward is None:
                return False
            queue += [value for value in onward if value.index not in seen]
            seen |= {value.index for value in onward}
        return is_output

    def _onward(self, carrier: Value) -> list[Value] | None:
        """Who takes a signal in; None if it ends in something else than an output."""
        region = self.flow.regions.get(carrier.index)
        onward: list[Value] = []
        is_layered = carrier.index in self.layered
        for end, curve in region.exits.items() if region else ():
            if self._is_beside(end):
                continue
            if curve.is_square:
                self._in_product(end)
            is_between = self._bends(curve)
            self.layered |= {end.index} if is_between or (is_layered and curve.line) else set()
            onward.append(end)
        for consumer in self.flow.consumers(carrier):
            if (region and consumer.index in region.inside) or self._is_beside(consumer):
                continue
            if not self._goes_through(consumer, carrier):
                return None
            if is_layered and self.product is None and self.flow.kind(consumer) not in ("softmax", "other"):
                self.layered.add(consumer.index)
            onward.append(consumer)
        return onward

    def _is_beside(self, value: Value) -> bool:
        """Whether it only feeds weights, as the rows of a table may besides."""
        return self.start.index in self.flow.taken and (
            value.index in self.flow.taken or self.flow.kind(value) in ("weight", "lookup")
        )

    def _bends(self, curve: Curve) -> bool:
        """Whether it is an activation between layers."""
        if curve.line is None:
            is_bent = "function" in self.met  # what was bent before is no layer's output, but a distance or a loss
            self.met.add("function")
            return not is_bent and curve.is_between_layers
        self.met |= {"shift"} if abs(curve.line[1]) > 0 else set()
        return False

    def _goes_through(self, consumer: Value, carrier: Value) -> bool:
        flow = self.flow
        others = [signal for signal in consumer.signals if signal is not carrier]
        match flow.kind(consumer):
            case "norm":
                self.met |= {"normalisation"} if self.product is None else set()
            case "softmax":
                self.met.add("softmax")
            case "residual":
                step = flow.steps[consumer.index]
                self.met |= {"function"} if step.skip.index in flow.data else set()
                is_pooled = carrier.tensor.numel() < self.start.tensor.numel()
                return is_pooled or step.base.index in flow.data or not _is_step(step)
            case "sum":
                self.met |= {"function"} if any(other.index in flow.data for other in others) else set()
                is_plain = not {"function", "softmax"} & self.met and self.product is None
                self.summed |= set().union(*(_heads(flow, other) for other in others)) if is_plain else set()
            case "pass" if consumer.operation in ("add", "sub", "rsub"):
                self.met.add("shift")
            case "gate":
                return self._is_multiplied(consumer, carrier, others)
            case "scores":
                return self._in_product(consumer)
            case "attention":
                return self._is_mixed(consumer, carrier)
            case "slope":
                return False
            case "other" if consumer.tensor.is_floating_point():
                self.met |= set(LOSSES.get(consumer.operation, ("function",)))
        return True

    def _is_multiplied(self, product: Value, carrier: Value, others: list[Value]) -> bool:
        """A product with another signal: with data, with an error, with a gate, or of two towers."""
        flow = self.flow
        self.met.add("function")
        if product.operation == "glu":
            return False
        if not others or others[0].index in flow.data:
            return True
        other = others[0]
        gates, gated = _is_gate(flow, carrier), _is_gate(flow, other)
        if _is_bent(flow, carrier) and _is_bent(flow, other):
            return True
        if other.depends_on(self.start):
            return not (gates or gated)
        if _is_error(flow, carrier) or _is_error(flow, other):
            return True
        return gated if gates != gated else self._in_product(product)

    def _is_mixed(self, product: Value, carrier: Value) -> bool:
        """Whether probabilities that one weight gives mix several outputs; those of attention mix positions."""
        self.met.add("function")
        if is_attention(product.operation) or carrier is not self.flow.factors[product.index][0]:
            return False
        mixing = next((signal for signal in product.signals if signal is not carrier), carrier)
        source = self.flow.back(mixing)
        return self.flow.kind(source) == "softmax" and self.flow.kind(self.flow.back(source.signals[0])) != "scores"

    def _in_product(self, product: Value) -> bool:
        """Whether it is a dot product, whose size the weights that end in it share."""
        found = product_of(self.flow, product)
        if found is None:
            return False
        if "normalisation" not in self.met and (self.product is None or self.product.size < found.size):
            self.product = found
        return True


def _heads(flow: Flow, value: Value) -> set[int]:
    """Indices of what weights give that is in a sum, no function between."""
    source = flow.back(value)
    match flow.kind(source):
        case "weight":
            return {source.index}
        case "sum" | "scale" | "pool":
            return set().union(*(_heads(flow, signal) for signal in source.signals))
    return set()


def _is_step(step: Step) -> bool:
    """Whether its branches are layers on what they start from; else it adds outputs that share an origin.

    Beside a projection on the skip path that takes two layers.
    """
    between = stretch(step.branches, step.base)
    inner = [weight for weight in between.weights if weight.depends_on(step.base)]
    return max(between.in_a_row(inner).values(), default=0) > step.is_projected


def _is_gate(flow: Flow, value: Value) -> bool:
    """Whether a function from closed to open made it, or a softmax."""
    value = flow.unpassed(value)
    region = flow.ends.get(value.index)
    return region.exits[value].is_gate if region else flow.kind(value) == "softmax"


def _is_bent(flow: Flow, value: Value) -> bool:
    """Whether a function gave it a range that outputs have; what a gate in a layer multiplies has none."""
    kind, region = flow.kind(value), flow.ends.get(value.index)
    if region is not None:
        curve = region.exits[value]
        return not (curve.line or curve.is_between_layers) or _is_bent(flow, region.start)
    signals = [signal for signal in value.signals if signal.index not in flow.data]
    match kind:
        case "softmax" | "other":
            return True
        case "pool" if value.operation == "logsumexp":
            return True
        case "gate":
            return bool(signals) and all(_is_bent(flow, signal) for signal in signals)
        case "sum" | "residual" | "concatenation":
            return any(_is_bent(flow, signal) for signal in signals)
        case "pass" | "shift" | "scale" | "pool" | "token":
            return _is_bent(flow, signals[0]) if signals else False
    return False


def _is_error(flow: Flow, value: Value) -> bool:
    """Whether it is a function of how far an output is from data, its target."""
    while True:
        kind, region = flow.kind(value), flow.ends.get(value.index)
        if kind in ("sum", "residual"):
            return any(signal.index in flow.data for signal in value.signals)
        if region is not None:
            value = region.start
        elif kind in ("pass", "pool") or (kind == "gate" and len(value.signals) == 1):
            value = value.signals[0]
        else:
            return False
