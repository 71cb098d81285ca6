"""Outputs: which weights give the model's output, and what lies between them and its end."""

from dataclasses import dataclass, field

from ..._graph import Output
from .._operations import LOSSES, is_attention
from ._events import reach
from ._flow import Flow
from ._regions import Curve
from ._residual import Step
from ._tracer import Value

# What the field puts between layers: behind it another layer is meant to come, and no range is given to an output.
_BETWEEN_LAYERS = {
    *("relu", "leaky_relu", "prelu", "relu6", "relu2", "elu", "celu", "selu"),
    *("gelu", "gelu_tanh", "quick_gelu", "silu", "mish", "hardswish"),
}


def output_of(flow: Flow, value: Value) -> Output | None:
    """How what a weight gives becomes the model's output; None if it does not, or not alone."""
    if value.index in flow.taken or value.row.word == "recurrent":
        return None
    walk = _Walk(flow, value)
    return walk.output if walk.ends_well() else None


@dataclass
class _Walk:
    """From what a weight gives to the ends of the model.

    Attributes:
        flow: of the model.
        start: what the weight gives.
        met: what was on the way: `open`, `softmax`, `normalisation`, `shift`, `function`.
        product: the sum of products that it is first multiplied and summed in.
    """

    flow: Flow
    start: Value
    met: set[str] = field(default_factory=set)
    product: "_Product | None" = None

    @property
    def output(self) -> Output:
        scaled = 1.0 if "shift" in self.met else reach(self.flow, self.start).scaled
        if self.product is not None:
            return Output(kind="product", scaled=scaled, factors=self.product.factors, size=self.product.size)
        named = {"normalisation": "normalised", "softmax": "logits", "function": "output", "shift": "output"}
        kind = next((kind for name, kind in named.items() if name in self.met), "open")
        return Output(kind=kind, scaled=scaled)  # pyright: ignore[reportArgumentType]

    def ends_well(self) -> bool:
        """Whether all ways lead to an output, and on none of them another weight's output has the say."""
        queue, seen = [self.start], {self.start.index}
        is_output = False
        while queue:
            carrier = queue.pop(0)
            if carrier.index in self.flow.outputs:
                is_output = True
                self.met.add("open")
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
        for end, curve in region.exits.items() if region else ():
            if not self._bends(curve):
                return None
            onward.append(end)
        for consumer in self.flow.consumers(carrier):
            if region and consumer.index in region.inside:
                continue
            if not self._goes_through(consumer, carrier):
                return None
            onward.append(consumer)
        return onward

    def _bends(self, curve: Curve) -> bool:
        if curve.line is None:
            is_bent = "function" in self.met  # what was bent before is no layer's output, but a distance or a loss
            self.met.add("function")
            return is_bent or curve.name.partition("(")[0] not in _BETWEEN_LAYERS
        self.met |= {"shift"} if abs(curve.line[1]) > 0 else set()
        return True

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
                return is_pooled or step.base.index in flow.data or not _is_step(flow, step)
            case "sum":
                self.met |= {"function"} if any(other.index in flow.data for other in others) else set()
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
        found = _product(self.flow, product)
        if found is None:
            return False
        if "normalisation" not in self.met:
            self.product = found
        return True


@dataclass(frozen=True)
class _Product:
    """A dot product of signals.

    Attributes:
        factors: how many of them are as small as the weights that give them.
        size: its second moment if all those have second moment 1.
    """

    factors: int
    size: float


def _product(flow: Flow, product: Value) -> _Product | None:
    taker, factors = product, list(product.signals)
    if product.row.word == "dense":
        num = product.row.factors(product.args)[0].tensor.shape[-1]
    else:
        while True:
            takers = [v for v in flow.consumers(taker) if flow.kind(v) in ("gate", "pool", "pass")]
            if len(takers) != 1 or taker.index in flow.outputs:
                return None
            source, taker = taker, takers[0]
            if flow.kind(taker) == "pool":
                break
            factors += [signal for signal in taker.signals if signal is not source]
        if taker.operation != "sum":
            return None
        num = source.tensor.numel() // max(taker.tensor.numel(), 1)
    if num < 2:
        return None
    small = [factor for factor in _taken_apart(flow, factors) if _is_small(flow, factor)]
    fixed = [factor for factor in _taken_apart(flow, factors) if factor not in small]
    size = num * reach(flow, taker).scaled ** 2
    for factor in fixed:
        size *= flow.normalised.get(flow.back(factor).index, (factor, 1.0))[1]
    return _Product(max(len(small), 1), size)


def _taken_apart(flow: Flow, factors: list[Value]) -> list[Value]:
    """Factors that are products themselves, as theirs."""
    parts: list[Value] = []
    for factor in factors:
        source = flow.back(factor)
        is_product = flow.kind(source) == "gate" and source.operation == "mul"
        parts += _taken_apart(flow, source.signals) if is_product else [factor]
    return list(dict.fromkeys(parts))


def _is_small(flow: Flow, value: Value) -> bool:
    """Whether a weight or table gives it that nothing else uses, so that it starts small."""
    source = value
    while source.index not in flow.taken:
        kind, region = flow.kind(source), flow.ends.get(source.index)
        if kind in ("weight", "lookup"):
            return source.row.word != "recurrent"
        if region is not None:
            source = region.start
        elif kind in ("pass", "shift", "scale", "pool", "sum", "concatenation", "token") and source.signals:
            source = source.signals[0]
        else:
            return False
    return False


def _is_step(flow: Flow, step: Step) -> bool:
    """Whether its branches are layers on what they start from; else it adds outputs that share an origin.

    Beside a projection on the skip path that takes two layers.
    """
    bits = 0
    for branch in step.branches:
        bits |= branch.weights & ~step.base.weights
    own = [weight for weight in flow.live if weight.is_weighted and weight.bit & bits]
    inner = [weight for weight in own if weight.depends_on(step.base)]
    if not step.is_projected:
        return bool(inner)
    return any(later.depends_on(weight) for weight in inner for later in inner if later is not weight)


def _is_gate(flow: Flow, value: Value) -> bool:
    """Whether a function from closed to open made it, or a softmax."""
    while flow.kind(value) == "pass" and value.index not in flow.ends:
        value = value.signals[0]
    region = flow.ends.get(value.index)
    return region.exits[value].is_gate if region else flow.kind(value) == "softmax"


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
