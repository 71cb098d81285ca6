"""Uses: what a model does with each parameter, in the order in which it does it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..._graph import Operation, Role, Use
from .._operations import PASSES, SPACE, is_norm
from .._torch import schema_of
from ._axes import axes_of, path_to
from ._branches import Branches
from ._contractions import Contraction, contraction_of
from ._events import Reach, reach
from ._flow import Flow
from ._recurrences import cell_moment
from ._signals import UNKNOWN, Signal
from ._tracer import Value

_MOVES = PASSES | {"cat", "stack"}
# A matrix that went through one of these is no longer free to start as it likes.
_BENDS = {"exp", "softplus", "tanh", "sigmoid", "log", "softmax", "_softmax", "sin", "cos", "square", "abs", "relu"}


@dataclass(frozen=True)
class Found:
    """One use of one parameter, with what it says of the parameter.

    Attributes:
        key: of the parameter.
        role: that this use gives it.
        because: the clause from which the role follows.
        axes: letters of the parameter's axes; empty if they cannot be followed.
        use: as the Graph tells it.
        value: what came of it.
        operand: the parameter, or what was made of it, as the operation took it in.
        met: what its result meets first.
        windows: groups, stride and direction of a convolution.
        bias_of: the value to which it is added as a bias.
        length_of: of the length in a weight norm, the key of the direction.
    """

    key: int
    role: Role
    because: str
    axes: str
    use: Use
    value: Value
    operand: Value
    met: Reach
    windows: dict[str, Any] = field(default_factory=dict)
    bias_of: Value | None = None
    length_of: int | None = None

    @property
    def name(self) -> str:
        """What the operation calls the parameter."""
        return _name_of(self.value, self.operand)


@dataclass(frozen=True)
class UseReader:
    """Everything known of the signals, asked for each parameter's uses."""

    flow: Flow
    signals: dict[int, Signal]
    branches: Branches
    params: dict[int, Value]

    def uses(self) -> Iterator[Found]:
        """All uses that an output depends on."""
        seen = set[int]()
        for value in self.flow.live:
            if id(value.inputs) in seen:  # another output of the same operation
                continue
            seen.add(id(value.inputs))
            met = None
            for operand in dict.fromkeys(value.inputs):
                if operand.params and value.operation != "alias":
                    met = reach(self.flow, value) if met is None else met
                    yield from self._of_operand(value, operand, met)

    def _of_operand(self, value: Value, operand: Value, met: Reach) -> Iterator[Found]:
        for key in sorted(operand.params, key=lambda key: self.params[key].index):
            chain = path_to(self.params[key], operand)
            yield self._found(value, operand, key, chain, met)

    def _found(self, value: Value, operand: Value, key: int, chain: list[Value], met: Reach) -> Found:
        param = self.params[key]
        if met_constants := _on_constants(chain, param):
            return self._started(*met_constants, key, met)
        role, operation, because = self._role(value, operand, param, chain)
        contraction = (
            contraction_of(self.flow, value) if role == "weight" and self.flow.kind(value) == "scale" else None
        )
        role, because = _bent(role, because, chain, operand, param)
        axes, windows = _axes(value, operand, param, role, contraction)
        place = _place(chain, param, axes) if role == "weight" else None
        signal = Signal("dense", 1.0) if place == 2 else self._signal(value, operand, operation)
        if contraction is not None and contraction.taker.operation == "sum":
            met = reach(self.flow, contraction.taker)
        sizes = [event.head_size for event in met.events if event.head_size]
        use = Use(
            operation=operation,
            fed_by=signal.source,
            moment=signal.moment,
            followed_by=("dense",) if place == 1 else met.names,
            branch=None if role in ("position", "embedding", "token") else self.branches.of(value),
            scaled=met.scaled,
            factor=self._factor(chain),
            head_size=sizes[0] if sizes else signal.head_size,
        )
        bias_of = self._biased(value) if role == "bias" else None
        length_of = _direction(key, chain)
        return Found(key, role, because, axes, use, value, operand, met, windows, bias_of, length_of)

    def _started(self, value: Value, operand: Value, key: int, met: Reach) -> Found:
        """A use on numbers that are neither the input nor learned, such as coordinates."""
        is_bias = _is_bias(value, operand)
        role: Role = "bias" if is_bias else "weight"
        operation = "addition" if is_bias else value.row.operation(value.args)
        use = Use(operation=operation, fed_by="data", followed_by=met.names, scaled=met.scaled)
        axes, windows = _axes(value, operand, self.params[key], role, None)
        because = "bias" if is_bias else f"{operation} of constants"
        return Found(key, role, because, axes, use, value, operand, met, windows, value if is_bias else None)

    def _role(self, value: Value, operand: Value, param: Value, chain: list[Value]) -> tuple[Role, Operation, str]:
        """What one operation makes of one operand."""
        kind = self.flow.kind(value)
        looked_up = any(step.row.word == "embedding" for step in chain)
        if kind == "weight":
            return self._in_weight(value, operand, param)
        if kind == "norm" and is_norm(value.operation):
            is_scale = _name_of(value, operand) == "weight"
            role: Role = "scale" if is_scale else "shift"
            return role, "normalisation", f"{role} of a normalisation"
        if kind == "lookup" and operand is value.row.weight_of(value.args):
            return "embedding", "embedding", "one row is picked for each token"
        if kind == "attention" or (kind == "shift" and self._is_score(value)):
            return "position", "embedding" if looked_up else "addition", "added to the scores of attention"
        match kind:
            case "scale":
                return self._in_scale(value, operand)
            case "shift":
                return self._in_shift(value, operand, looked_up)
            case "slope":
                return "kept", "activation", "slope of an activation"
            case "token" | "concatenation":
                return "token", "concatenation", "put beside the signal"
            case "learned":
                return "token", "other", "a signal that is learned"
        return "kept", "other", f"taken in by {value.operation.strip('_')}"

    def _in_weight(self, value: Value, operand: Value, param: Value) -> tuple[Role, Operation, str]:
        operation = value.row.operation(value.args)
        if operation == "recurrent" and not _name_of(value, operand):
            return "kept", operation, "a state that a recurrence starts from"
        if operation == "recurrent":
            is_bias = param.tensor.ndim < 2
            return ("bias" if is_bias else "weight"), operation, type(value.module).__name__
        if _is_bias(value, operand):
            return "bias", "addition", "bias"
        if param.tensor.ndim < 2:
            return "kept", operation, "a vector that is summed over, without an output axis"
        return "weight", operation, operation

    def _in_scale(self, value: Value, operand: Value) -> tuple[Role, Operation, str]:
        norm = self._norm_before(value)
        if norm is not None and not any(v.params for v in norm.inputs):
            return "scale", "normalisation", "scale of a normalisation"
        if _num_wide(operand) > 1:
            found = contraction_of(self.flow, value)
            if found is None or set(found.axes) == {"-"}:
                return "kept", "multiplication", "a matrix that multiplies element by element"
            if not found.axes or _has_both(found.axes, value, operand):
                return "weight", "dense", "multiplies a signal element by element, then summed"
            return (
                "kept",
                "multiplication",
                "multiplies a signal element by element, then summed without an output axis",
            )
        return "scale", "multiplication", "multiplies a signal element by element"

    def _in_shift(self, value: Value, operand: Value, looked_up: bool) -> tuple[Role, Operation, str]:
        if looked_up:
            others = self.signals[value.signals[0].index].source == "embedding"
            because = "one row is picked for each position"
            return ("embedding" if others else "position"), "embedding", because
        if value.operation in ("sub", "rsub") and value.tensor.numel() > value.signals[0].tensor.numel():
            return "kept", "addition", "subtracted from the signal along an axis of its own"
        if self._norm_before(value) is not None and _num_wide(operand) <= 1:
            return "shift", "normalisation", "shift of a normalisation"
        if _num_wide(operand) > 1:
            return "position", "addition", "added to the signal at each position"
        if self._biased(value) is not None:
            return "bias", "addition", "bias"
        return "shift", "addition", "added to a signal"

    def _factor(self, chain: list[Value]) -> float:
        """The constant that a parameter is multiplied by before its use."""
        factor = 1.0
        for step in chain:
            others = [v for v in step.args[:2] if not (isinstance(v, Value) and v.params)]
            if step.operation in ("mul", "div") and len(others) == 1:
                number = self._number(others[0])
                factor *= number if step.operation == "mul" else 1 / number if number else 1.0
        return factor

    def _number(self, constant: Any) -> float:
        try:
            return self.flow.constants.number(constant) if isinstance(constant, Value) else float(constant)
        except (ValueError, RuntimeError):
            return 1.0  # a mask, or not known

    def _is_score(self, value: Value) -> bool:
        queue = [value.signals[0]]
        while queue:
            value = self.flow.back(queue.pop())
            if self.flow.kind(value) == "scores":
                return True
            if self.flow.kind(value) == "sum":
                queue += value.signals
        return False

    def _biased(self, value: Value) -> Value | None:
        """The weight's result to which a bias is added."""
        while not value.is_weighted:
            if self.flow.kind(value) not in ("pass", "shift"):
                return None
            value = value.signals[0]
        return value

    def _signal(self, value: Value, operand: Value, operation: Operation) -> Signal:
        """What the other operand is."""
        kind = self.flow.kind(value)
        if operation == "embedding":
            return Signal("tokens", None)
        norm = self._norm_before(value) if operation == "normalisation" and kind != "norm" else None
        if norm is not None:
            return self.signals[self.flow.normalised.get(norm.index, (norm.signals[0],))[0].index]
        if value.row.word == "recurrent":
            return self._recurrent_signal(value, operand)
        if kind == "weight" and _is_bias(value, operand):
            return self.signals[value.index]
        if kind == "weight" and not value.signals:
            return UNKNOWN
        return self.signals.get(value.signals[0].index, UNKNOWN) if value.signals else UNKNOWN

    def _norm_before(self, value: Value) -> Value | None:
        """The normalisation whose result a value scales or shifts."""
        source = self.flow.back(value.signals[0])
        while self.flow.kind(source) == "scale":
            source = self.flow.back(source.signals[0])
        return source if self.flow.kind(source) == "norm" else None

    def _recurrent_signal(self, value: Value, operand: Value) -> Signal:
        name = _name_of(value, operand)
        if "_hh" in name:
            return Signal("state", self.signals[value.index].moment)
        if "_hr" in name:
            return Signal("cell", cell_moment(value.module))
        if "_l" in name and "_l0" not in name:
            return self.signals[value.index]
        if not value.signals:
            return Signal("tokens", None) if any(v.is_tokens for v in value.inputs) else UNKNOWN
        return self.signals.get(value.signals[0].index, UNKNOWN)


def _name_of(value: Value, operand: Value) -> str:
    """What the operation calls an argument."""
    schema = schema_of(value.function)
    names = [argument.name for argument in schema.arguments] if schema else []
    given = {id(part): name for name, part in [*zip(names, value.args, strict=False), *value.kwargs.items()]}
    return given.get(id(operand), "")


def _is_bias(value: Value, operand: Value) -> bool:
    return all(factor is not operand for factor in value.row.factors(value.args))


def _num_wide(value: Value) -> int:
    """How many axes are longer than 1."""
    return sum(size > 1 for size in value.tensor.shape)


def _bent(role: Role, because: str, chain: list[Value], operand: Value, param: Value) -> tuple[Role, str]:
    """What was done to the parameter before it was used."""
    if any(_is_two(step) for step in chain) and role == "weight":
        return role, f"{because}, one of two that are multiplied with each other first"
    is_masked = any(step.operation == "mul" and _has_constants(step) for step in chain)
    bent = [step for step in chain if step.operation not in _MOVES and step.row.word != "embedding"]
    names = [step.operation.strip("_") for step in bent if not _is_factor(step)]
    if is_masked and role == "weight" and set(names) <= {"mul"}:
        return role, f"{because}, through a mask"
    if not names:
        return role, because
    through = ", ".join(dict.fromkeys(names))
    if role == "weight" and not _BENDS & set(names):
        return _length(param, operand, through) or (role, f"{because}, through {through}")
    if role == "scale" and because == "scale of a normalisation" and set(names) <= {"add", "sub", "rsub"}:
        return "shift", "scale of a normalisation, added to 1"
    return ("kept", f"used through {through}") if role not in ("embedding", "position", "token") else (role, because)


def _length(param: Value, operand: Value, through: str) -> tuple[Role, str] | None:
    """A parameter that only sets the size of another."""
    if operand.tensor.numel() <= param.tensor.numel():
        return None
    if "weight_norm" in through:
        return "kept", "length in a weight norm: follows its direction"
    return "kept", f"sets the size of another parameter ({through})"


def _direction(key: int, chain: list[Value]) -> int | None:
    """The key of the direction whose length a parameter is: a weight norm takes the direction, then the length."""
    step = next((step for step in chain if "weight_norm" in step.operation), None)
    if step is None or key in step.args[0].params:
        return None
    return next(iter(step.args[0].params), None)


def _is_two(step: Value) -> bool:
    """Whether it multiplies two parameters as matrices."""
    return step.row.word == "dense" and sum(bool(v.params) for v in step.inputs) > 1


def _has_constants(step: Value) -> bool:
    return any(not v.params and v.tensor.numel() > 1 for v in step.inputs)


def _is_factor(step: Value) -> bool:
    """Whether it multiplies by one number that no parameter gives."""
    others = [v for v in step.inputs if not v.params]
    alone = sum(bool(v.params) for v in step.inputs) == 1 and all(v.tensor.numel() == 1 for v in others)
    divides = step.operation == "div" and isinstance(step.args[0], Value) and bool(step.args[0].params)
    return alone and (step.operation == "mul" or divides)


def _on_constants(chain: list[Value], param: Value) -> tuple[Value, Value] | None:
    """The convolution of constants in which a parameter takes part, and what stands for it there."""
    source = param
    for step in chain:
        if step.row.word == "convolution" and not step.row.factors(step.args)[0].params:
            return step, source
        source = step
    return None


def _place(chain: list[Value], param: Value, axes: str) -> int | None:
    """Of two parameters that are multiplied with each other, whether it meets the signal first or second."""
    source = param
    for step in chain:
        if _is_two(step) and len(axes) == 2:
            outer = step.row.letters(step.args, source).lstrip("b").find("o")
            return 2 if axes[outer] == "o" else 1
        source = step
    return None


def _has_both(axes: str, value: Value, operand: Value) -> bool:
    """Whether a parameter has axes that are summed over and others."""
    own = axes[value.tensor.ndim - operand.tensor.ndim :]
    wide = {letter for letter, size in zip(own, operand.tensor.shape, strict=True) if size > 1}
    return {"o", "i"} <= wide


def _axes(
    value: Value, operand: Value, param: Value, role: Role, contraction: Contraction | None
) -> tuple[str, dict[str, Any]]:
    """Letters of the parameter's axes, and a convolution's windows."""
    ndim = param.tensor.ndim
    if role == "embedding" and ndim == 2:
        return "vo", {}
    if role != "weight" or ndim < 2:
        return "o" * ndim, {}
    if contraction is not None:
        letters = contraction.axes[value.tensor.ndim - operand.tensor.ndim :]
    else:
        letters = value.row.letters(value.args, operand)
    windows = value.row.windows(value.args)
    usual = "oi" + SPACE[ndim - 2] if ndim <= 5 else "o" * ndim
    found = axes_of(param, operand, letters) or (letters if len(letters) == ndim else usual)
    if not {"d", "h", "w"} & set(found):
        windows.pop("stride", None)
    if windows and param.tensor.shape[found.find(letters[0])] != operand.tensor.shape[0]:
        windows.pop("groups", None)  # one kernel for all groups
    return found, windows
