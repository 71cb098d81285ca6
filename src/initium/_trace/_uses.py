"""Uses: what a model does with each parameter, in the order in which it does it."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from .._graph import Operation, Role, Use
from ._axes import axes_of, path_to
from ._branches import Branches
from ._contractions import Contraction, contraction_of
from ._events import Reach, reach
from ._felt import felt_of
from ._flow import Flow
from ._follow import MOST_ELEMENTS, counted, followed, varies
from ._grown import Grown, grown
from ._left import BENDS
from ._lines import Line, line_of
from ._norms import ROOTS, STATISTICS
from ._operations import CASTS, PASSES, SPACE, is_norm
from ._outputs import output_of
from ._places import axes_from, axes_of_shares, is_mixing, letters_along
from ._signals import UNKNOWN, Signal, Signals
from ._value import Value

_FARTHEST = 1e8
_MOVES = PASSES | {"cat", "stack"}
_WEIGHT_NORMS = {"_weight_norm", "_weight_norm_interface"}
_ON_LINES = ("scale", "shift", "bias")  # whose start follows from the constants on the way


# What multiplies a signal by more than a constant.
_TAKES = {"dense", "convolution", "transposed convolution", "bilinear", "recurrent", "gate", "query", "key", "value"}
_TAKES |= {"normalisation", "scale"}


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
        return self.value.name_of(self.operand)


@dataclass(frozen=True)
class UseReader:
    """Everything known of the signals, asked for each parameter's uses."""

    flow: Flow
    signals: Signals
    branches: Branches
    params: dict[int, Value]

    def uses(self) -> Iterator[Found]:
        """All uses that an output depends on; of what is also only compared, not the comparison."""
        felt, uses = felt_of(self.flow), list(self._all_uses())
        keys = {found.key for found in uses if found.value.index in felt}
        return (found for found in uses if found.value.index in felt or found.key not in keys)

    def _all_uses(self) -> Iterator[Found]:
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
        line = line_of(param, operand, self.flow.constants)
        role, because = _bent(role, because, chain, operand, param, line)
        axes, windows = _axes(value, operand, param, role, chain, contraction)
        is_matrix = role == "weight" and bool(value.row.roles)
        mixes = is_matrix and is_mixing(param, operand, chain, value.row.letters(value.args, operand))
        given = self.signals.starts.meant(value) if role in ("weight", "embedding") and not mixes else 1.0
        if role == "weight" and not mixes and (width := _width_of_row(value, operand, chain, param)):
            role, because, axes = "embedding", "one row is picked for each input, and used as a matrix", "vo"
            given = 1 / (width * (self._signal(value, operand, "dense").moment or 1.0))
        if role == "weight" and not mixes and _is_packed_in_rows(chain, param):
            role, because = "kept", "its rows are used as matrices, of which its own axes say nothing"
        if role == "weight" and not {"o", "i"} <= set(axes):
            role, because = "kept", f"{because}, in a form without an input and an output axis of its own"
        place = _place(chain, param, axes) if role == "weight" else None
        signal = Signal("dense", 1.0) if place == 2 or mixes else self._signal(value, operand, operation)
        if contraction is not None and contraction.taker.operation == "sum":
            met = reach(self.flow, contraction.taker)
        size = self._size(param, operand, value, role, line)
        sizes = [event.head_size for event in met.events if event.head_size]
        use = Use(
            operation=operation,
            fed_by=signal.source,
            moment=(moment := signal.moment if signal.source == "data" else _plausible(signal.moment)),
            is_measured=signal.is_measured and moment is not None,
            followed_by=("dense",) if place == 1 or mixes else met.names,
            branch=None if mixes or role in ("position", "embedding", "token") else self.branches.of(value),
            scaled=1.0 if mixes else met.scaled,
            frequency=None if mixes or place == 1 else met.frequency,
            factor=size.factor,
            counted=size.counted,
            behind=self._behind(value) if role == "weight" else 1.0,
            offset=0.0 if line is None else line.offset,
            head_size=sizes[0] if sizes else signal.head_size,
            output=None if place == 1 else output_of(self.flow, met.start),
            is_sized=role == "weight" and any(_divides_by_own_size(step, key) for step in chain),
            given=1.0 if place == 1 else given,
        )
        bias_of = self._biased(value) if role == "bias" else None
        length_of = _direction(key, chain)
        return Found(key, role, because, axes, use, value, operand, met, windows, bias_of, length_of)

    def _behind(self, value: Value) -> float:
        """The constant that counts as the weight's own."""
        return next((number for weighted, number in self.flow.behind.values() if weighted is value), 1.0)

    def _size(self, param: Value, operand: Value, value: Value, role: Role, line: Line | None) -> Grown:
        """By how much it is larger where it is used."""
        if role not in ("weight", "embedding"):
            return Grown(1.0 if line is None else line.factor, 1.0)
        letters = value.row.letters(value.args, operand) if value.row.roles else ""
        return grown(param, operand, letters, self.flow.constants)

    def _started(self, value: Value, operand: Value, key: int, met: Reach) -> Found:
        """A use on numbers that are neither the input nor learned, such as coordinates."""
        is_bias = _is_bias(value, operand)
        role: Role = "bias" if is_bias else "weight"
        operation = "addition" if is_bias else value.row.operation(value.args)
        use = Use(
            operation=operation,
            fed_by="data",
            followed_by=met.names,
            scaled=met.scaled,
            frequency=met.frequency,
            output=output_of(self.flow, value),
        )
        axes, windows = _axes(value, operand, self.params[key], role, [], None)
        because = "bias" if is_bias else f"{operation} of constants"
        return Found(key, role, because, axes, use, value, operand, met, windows, value if is_bias else None)

    def _role(self, value: Value, operand: Value, param: Value, chain: list[Value]) -> tuple[Role, Operation, str]:
        """What one operation makes of one operand."""
        kind = self.flow.kind(value)
        looked_up = any(step.row.word == "embedding" for step in chain)
        if kind == "weight":
            return self._in_weight(value, operand, param)
        if kind == "norm" and is_norm(value.operation):
            is_scale = value.name_of(operand) == "weight"
            role: Role = "scale" if is_scale else "shift"
            return role, "normalisation", f"{role} of a normalisation"
        if kind == "lookup" and operand is value.row.weight_of(value.args):
            if _num_in_row(param) == 1 and self._is_added(value):
                return "bias", "addition", "one number is picked for each token, and added"
            return "embedding", "embedding", "one row is picked for each token"
        if kind == "attention" or (kind == "shift" and self._is_score(value)):
            return "position", "embedding" if looked_up else "addition", "added to the scores of attention"
        match kind:
            case "scale":
                return self._in_scale(value, operand, param)
            case "shift":
                return self._in_shift(value, operand, param, looked_up)
            case "slope":
                return "kept", "activation", "slope of an activation"
            case "token" | "concatenation":
                return "token", "concatenation", "put beside the signal"
            case "state":
                return "kept", "other", "a state that a recurrence starts from"
            case "learned":
                return "token", "other", "a signal that is learned"
        return "kept", "other", f"taken in by {value.operation.strip('_')}"

    def _in_weight(self, value: Value, operand: Value, param: Value) -> tuple[Role, Operation, str]:
        operation = value.row.operation(value.args)
        if operation == "recurrent" and not value.name_of(operand):
            return "kept", operation, "a state that a recurrence starts from"
        if operation == "recurrent":
            is_bias = param.tensor.ndim < 2
            return ("bias" if is_bias else "weight"), operation, value.layer
        if _is_bias(value, operand):
            return "bias", "addition", "bias"
        if param.tensor.ndim < 2:
            is_matrix = sum(size > 1 for size in operand.tensor.shape) > 1
            shape = "used as a matrix" if is_matrix else "summed over, without an output axis"
            return "kept", operation, f"a vector that is {shape}"
        if _is_one_hot(next((v for v in value.signals if v is not operand), value)):
            return "embedding", "embedding", "one row is picked for each token, by a product with ones and zeros"
        return "weight", operation, operation

    def _in_scale(self, value: Value, operand: Value, param: Value) -> tuple[Role, Operation, str]:
        norm = self._norm_before(value)
        if norm is not None and not any(v.params for v in norm.inputs):
            return "scale", "normalisation", "scale of a normalisation"
        if _num_wide(operand, param) > 1:
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
        if _mixes(value):
            return "kept", "multiplication", "mixes two signals"
        return "scale", "multiplication", "multiplies a signal element by element"

    def _in_shift(self, value: Value, operand: Value, param: Value, looked_up: bool) -> tuple[Role, Operation, str]:
        if looked_up and self._is_picked(operand):
            return "bias", "addition", "bias, of which one row is picked for each input"
        if looked_up:
            others = self.signals[value.signals[0].index].source == "embedding"
            because = "one row is picked for each position"
            return ("embedding" if others else "position"), "embedding", because
        if value.operation in ("sub", "rsub") and value.tensor.numel() > value.signals[0].tensor.numel():
            return "kept", "addition", "subtracted from the signal along an axis of its own"
        if self._norm_before(value) is not None and _num_wide(operand, param) <= 1:
            return "shift", "normalisation", "shift of a normalisation"
        if _num_wide(operand, param) > 1 and not self._adds_to_outputs(value, operand):
            return "position", "addition", "added to the signal at each position"
        if self._biased(value) is not None:
            return "bias", "addition", "bias"
        return "shift", "addition", "added to a signal"

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
        value = self.flow.unshifted(value)
        return value if value.is_weighted else None

    def _is_picked(self, operand: Value) -> bool:
        """Whether an input picks its rows, rather than a position."""
        while operand.row.word != "embedding":
            operand = max((v for v in operand.inputs if v.params), key=lambda v: v.tensor.numel())
        return any(v.is_signal or v.is_tokens for v in operand.inputs)

    def _is_added(self, value: Value) -> bool:
        """Whether it is added to other signals, and their sum multiplied by no weight."""
        met = reach(self.flow, value)
        pools = [event.taker for event in met.events if event.name == "pooling" and event.taker]
        if {"residual stream", *_TAKES} & {event.name for event in met.events}:
            return False
        is_summed = any(self.flow.kind(v) == "sum" for v in met.values)
        return is_summed or (bool(pools) and all(map(self._is_added, pools)))

    def _adds_to_outputs(self, value: Value, operand: Value) -> bool:
        """Whether it has a number for each output of a weight, perhaps of several stacked ones, at all positions."""
        weighted = self._biased(value)
        numbers = None if weighted is None else _outputs_of(weighted, value.signals[0])
        if numbers is None:
            return False
        wide = [axis - operand.tensor.ndim for axis, size in enumerate(operand.tensor.shape) if size > 1]
        return all(varies(numbers, axis) for axis in wide if operand.tensor.stride(axis) != 0)

    def _signal(self, value: Value, operand: Value, operation: Operation) -> Signal:
        """What the other operand is."""
        kind = self.flow.kind(value)
        if operation == "embedding":
            return Signal("positions" if kind in ("shift", "attention") else "tokens", None)
        norm = self._norm_before(value) if operation == "normalisation" and kind != "norm" else None
        if norm is not None:
            return self.signals[self.flow.normalised.get(norm.index, (norm.signals[0],))[0].index]
        if value.row.word == "recurrent":
            return self._recurrent_signal(value, operand)
        if kind == "weight" and _is_bias(value, operand):
            return self.signals[value.index]
        if kind == "weight" and not value.signals:
            return UNKNOWN
        return self.signals.get(_unpadded(value).index, UNKNOWN) if value.signals else UNKNOWN

    def _norm_before(self, value: Value) -> Value | None:
        """The normalisation whose result a value scales or shifts."""
        source = self.flow.unscaled(value.signals[0])
        return source if self.flow.kind(source) == "norm" else None

    def _recurrent_signal(self, value: Value, operand: Value) -> Signal:
        name = value.name_of(operand)
        if "_hh" in name:
            return Signal("state", self.signals[value.index].moment)
        if "_hr" in name:
            return Signal("cell", value.cell_moment)
        if "_l" in name and "_l0" not in name:
            return self.signals[value.index]
        if not value.signals:
            return Signal("tokens", None) if any(v.is_tokens for v in value.inputs) else UNKNOWN
        return self.signals.get(value.signals[0].index, UNKNOWN)


def _unpadded(value: Value) -> Value:
    """What an operation takes in; zeros around a picture are no part of it, whoever puts them there."""
    source = value.signals[0]
    while value.row.word == "convolution" and source.operation == "constant_pad_nd":
        if any(source.args[2:]) or len(source.args[1]) > 2 * (source.tensor.ndim - 2):
            break
        source = source.signals[0]
    return source


def _plausible(moment: float | None) -> float | None:
    """A second moment, unless it is so far from 1 that what it was computed by does not fit."""
    return moment if moment is None or moment == 0 or _FARTHEST**-1 < moment < _FARTHEST else None


def _is_bias(value: Value, operand: Value) -> bool:
    return all(factor is not operand for factor in value.row.factors(value.args))


def _is_one_hot(value: Value) -> bool:
    """Whether each of its rows is one 1 among zeros, whose place a signal gives, as the nearest row does."""
    while value.operation in CASTS | {"view", "reshape", "input"} and value.inputs:
        value = value.inputs[0]
    indices = [v for v in value.inputs if v.is_signal or v.is_tokens]
    is_placed = value.operation == "eq" or (value.operation == "scatter" and value.args[3:] == (1,))
    return is_placed and len(indices) == 1 and not indices[0].tensor.is_floating_point()


def _mixes(value: Value) -> bool:
    """Whether it is the m of x + m (y - x)."""
    difference = value.signals[0]
    if difference.operation != "sub" or len(difference.signals) != 2:
        return False
    added = [v for v in value.consumers if v.operation in ("add", "sub") and len(v.signals) == 2]
    return any(signal in difference.signals for v in added for signal in v.signals)


def _num_in_row(table: Value) -> int:
    return math.prod(table.tensor.shape[1:])


def _outputs_of(weighted: Value, carrier: Value) -> NDArray[Any] | None:
    """Of each element of what hands on a weight's result, from which of the weight's outputs it comes."""
    weight = weighted.row.weight_of(weighted.args)
    if weight is None or weighted.row.word not in ("dense", "convolution") or weighted.tensor.numel() > MOST_ELEMENTS:
        return None
    shape = [1] * weighted.tensor.ndim
    axis = weighted.row.output_axis(weighted.args, weight, len(shape))
    shape[axis] = weighted.tensor.shape[axis]
    if weight.tensor.ndim == weighted.tensor.ndim == 3 and weight.tensor.stride(0):  # stacked: (block, row, output)
        shape[0] = weighted.tensor.shape[0]
    known, way = {weighted: counted(shape, weighted.tensor.shape)}, [carrier]
    while way[-1] is not weighted:
        way.append(way[-1].signals[0])
    for step in way[-2::-1]:
        found = followed(step, known)
        if found is None:
            return None
        known[step] = found
    return known[carrier]


def _num_wide(operand: Value, param: Value) -> int:
    """Along how many axes a parameter differs where it is used; one that was expanded is the same along those."""
    is_expanded = operand.tensor.numel() > param.tensor.numel()
    return sum(size > 1 for size in (param if is_expanded else operand).tensor.shape)


def _bent(
    role: Role, because: str, chain: list[Value], operand: Value, param: Value, line: Line | None
) -> tuple[Role, str]:
    """What was done to the parameter before it was used."""
    if role == "weight" and any(_is_mixture(step) for step in chain):
        return role, f"{because}, of which several are mixed"
    if role == "weight" and (any(_is_two(step) for step in chain) or _is_summed_product(chain)):
        return role, f"{because}, one of two that are multiplied with each other first"
    is_masked = any(step.operation == "mul" and _has_constants(step) for step in chain)
    bent = [step for step in chain if step.operation not in _MOVES and step.row.word != "embedding"]
    names = [step.operation.strip("_") for step in bent if not _is_factor(step)]
    if is_masked and role == "weight" and set(names) <= {"mul"}:
        return role, f"{because}, through a mask"
    if role in ("bias", "shift") and set(names) <= {"mul", "div"} and not any(_num_params(step) > 1 for step in bent):
        return role, because  # zero, whatever mask it has
    if role in _ON_LINES and bent:
        names = [] if line is not None and line.factor else [step.operation.strip("_") for step in bent]
    if not names:
        return role, because
    through = ", ".join(dict.fromkeys(names))
    if role == "weight" and not BENDS & set(names):
        return _length(param, operand, chain, through) or (role, f"{because}, through {through}")
    return ("kept", f"used through {through}") if role not in ("embedding", "position", "token") else (role, because)


def _length(param: Value, operand: Value, chain: list[Value], through: str) -> tuple[Role, str] | None:
    """A parameter that only sets the size of another."""
    if operand.tensor.numel() <= param.tensor.numel():
        return None
    if _weight_norm(chain):
        return "kept", "length in a weight norm: follows its direction"
    return "kept", f"sets the size of another parameter ({through})"


def _direction(key: int, chain: list[Value]) -> int | None:
    """The key of the direction whose length a parameter is: a weight norm takes the direction, then the length."""
    step = _weight_norm(chain)
    if step is None or key in step.args[0].params:
        return None
    return next(iter(step.args[0].params), None)


def _weight_norm(chain: list[Value]) -> Value | None:
    """The weight norm on the way, if there is one."""
    return next((step for step in chain if step.operation in _WEIGHT_NORMS), None)


def _divides_by_own_size(step: Value, key: int) -> bool:
    """Whether a parameter is normalised on the way to its use, by an operation or written out."""
    if is_norm(step.operation):
        return True
    own = [v for v in step.inputs if key in v.params]
    return step.operation in ("div", "mul") and len(own) > 1 and any(_is_statistic(v, key) for v in own)


def _is_statistic(value: Value, key: int) -> bool:
    """Whether it is a statistic of a parameter, perhaps a root or an inverse of one, or as a spectral norm u (W v)."""
    while value.operation not in STATISTICS | {"dot", "vdot"}:
        own = [v for v in value.inputs if key in v.params]
        if value.operation not in ROOTS or len(own) != 1:
            return False
        value = own[0]
    return True


def _is_two(step: Value) -> bool:
    """Whether it multiplies two parameters as matrices."""
    return step.row.word == "dense" and _num_params(step) > 1


def _is_summed_product(chain: list[Value]) -> bool:
    """Whether it multiplies another parameter element by element, and sums."""
    pairs = itertools.pairwise(chain)
    return any(step.operation == "mul" and _num_params(step) > 1 and after.operation == "sum" for step, after in pairs)


def _num_params(step: Value) -> int:
    return sum(bool(v.params) for v in step.inputs)


def _is_mixture(step: Value) -> bool:
    """Whether signals say how much of each parameter it has."""
    return step.row.word != "embedding" and any(v.is_signal for v in step.inputs)


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


def _followed_axes(param: Value, operand: Value, chain: list[Value], letters: str) -> str | None:
    """Letters of the parameter's axes, by where its elements go; what mixes gives one matrix for each of its rows."""
    if not is_mixing(param, operand, chain, letters):
        along = letters_along(param, operand, chain, letters) if chain else None
        return axes_from(along) if along else None
    source = param
    for step in chain:
        if _is_two(step) and param.tensor.ndim == 2:
            own = step.row.letters(step.args, source)[-2:]
            return axes_of(param, source, "b" * (source.tensor.ndim - 2) + own)
        source = step
    return axes_of_shares(param, chain)


def _is_packed_in_rows(chain: list[Value], param: Value) -> bool:
    """Whether what is picked of a table is one axis long and is then given two."""
    picks = [
        step
        for step in chain
        if (step.row.word == "embedding" and any(v.is_signal or v.is_tokens for v in step.inputs)) or _is_mixture(step)
    ]
    return bool(picks) and param.tensor.ndim < 3


def _width_of_row(value: Value, operand: Value, chain: list[Value], param: Value) -> int:
    """Over how many elements of it a product sums, where a row of a table is picked and given two axes; else 0."""
    if not _is_packed_in_rows(chain, param) or any(map(_is_mixture, chain)) or not value.row.roles:
        return 0
    letters = value.row.letters(value.args, operand)
    return math.prod(size for size, letter in zip(operand.tensor.shape, letters, strict=True) if letter in "ihwd")


def _has_both(axes: str, value: Value, operand: Value) -> bool:
    """Whether a parameter has axes that are summed over and others."""
    own = axes[value.tensor.ndim - operand.tensor.ndim :]
    wide = {letter for letter, size in zip(own, operand.tensor.shape, strict=True) if size > 1}
    return {"o", "i"} <= wide


def _axes(
    value: Value, operand: Value, param: Value, role: Role, chain: list[Value], contraction: Contraction | None
) -> tuple[str, dict[str, Any]]:
    """Letters of the parameter's axes, and a convolution's windows."""
    ndim = param.tensor.ndim
    if role == "embedding" and ndim == 2:
        if value.row.word != "dense":
            return "vo", {}
        found = axes_of(param, operand, value.row.letters(value.args, operand))
        return found.replace("i", "v") if found else "vo", {}
    if role != "weight" or ndim < 2:
        return "o" * ndim, {}
    if contraction is not None:
        letters = contraction.axes[value.tensor.ndim - operand.tensor.ndim :]
    else:
        letters = value.row.letters(value.args, operand)
    windows = value.row.windows(value.args)
    usual = "oi" + SPACE[ndim - 2] if ndim <= 5 else "o" * ndim
    is_mixed = any(map(_is_mixture, chain)) or is_mixing(param, operand, chain, letters)
    found = None if is_mixed else axes_of(param, operand, letters)
    if found is None or not {"o", "i"} <= set(found):
        found = _followed_axes(param, operand, chain, letters) or found or (letters if len(letters) == ndim else usual)
    if not {"d", "h", "w"} & set(found):
        windows.pop("stride", None)
    if windows and param.tensor.shape[found.find(letters[0])] != operand.tensor.shape[0]:
        windows.pop("groups", None)  # one kernel for all groups
    return found, windows
