"""Branches: which weights lie in which residual branch."""

from collections import Counter
from dataclasses import dataclass

from .._graph import Branch
from ._ancestry import Stretch, has_weight_beyond, have_same_weights, stretch
from ._events import reach
from ._flow import Flow
from ._residual import Step, meets_others, parts_of_params
from ._value import Value


@dataclass(frozen=True)
class Branches:
    """Where weights and the values between them stand.

    Attributes:
        steps: the step to whose branch each weight belongs, by the weight's index.
        layers: which weight of its branch it is, by index.
        tails: for each step, by its index, the values that lead from a last weight to the sum.
        num_layers: how many weights lie one after another, by the step's index.
        depths: of each stream.
        left: what constants on the stream leave each branch to add, by the step's index.
        repeats: how many steps of its stream have the same branch, by the step's index.
    """

    steps: dict[int, Step]
    layers: dict[int, int]
    tails: dict[int, set[int]]
    num_layers: dict[int, int]
    depths: dict[int, int]
    left: dict[int, float | None]
    repeats: dict[int, int]

    def tail_of(self, value: Value) -> set[int]:
        """Indices of what leads from the last weights of a value's branch to the sum."""
        step = self.steps.get(value.last_weight)
        return self.tails[step.result.index] if step else set()

    def of(self, value: Value) -> Branch | None:
        """Where a weight's result, or what was made of it, stands in a branch."""
        step = self.steps.get(value.last_weight)
        if step is None or value is step.result or not step.result.depends_on(value):
            return None
        return Branch(
            stream=step.stream,
            number=step.number,
            depth=self.depths[step.stream],
            layer=self.layers[value.last_weight],
            layers=self.num_layers[step.result.index],
            is_last=value.index in self.tails[step.result.index],
            left=self.left[step.result.index],
            repeats=self.repeats[step.result.index],
        )


def find_branches(flow: Flow) -> Branches:
    """Count the streams, then give each weight to the innermost branch that it lies in."""
    depths = _count(flow)
    steps: dict[int, Step] = {}
    layers: dict[int, int] = {}
    tails, num_layers, same = {}, {}, {}
    for step in flow.steps.values():
        between = stretch([step.result], step.base)
        members = [weight for weight in _weights(flow, step, between) if weight.index not in steps]
        steps |= dict.fromkeys((weight.index for weight in members), step)
        layers |= between.in_a_row(members)
        tails[step.result.index] = _tail(flow, step)
        num_layers[step.result.index] = max((layers[weight.index] for weight in members), default=0)
        same[step.result.index] = (step.stream, parts_of_params(members))
    repeats = _repeats(flow, same)
    left = {index: _left_by(flow, step) for index, step in flow.steps.items()}
    return Branches(steps, layers, tails, num_layers, depths, left, repeats)


def _repeats(flow: Flow, same: dict[int, tuple[int, frozenset[tuple[int, int]]]]) -> dict[int, int]:
    """Of each step how many of its stream do the same to the stream, and to nothing else."""
    counts = Counter(same.values())
    found = dict.fromkeys(same, 1)
    for index, made in same.items():
        step = flow.steps[index]
        if counts[made] > 1 and made[1] and not any(meets_others(branch, step.base) for branch in step.branches):
            found[index] = counts[made]
    return found


def _left_by(flow: Flow, step: Step) -> float | None:
    """What constants on a stream of second moment 1 leave for a branch to add, so that it stays 1."""
    before, behind = flow.factor(step.skip, step.base, passing=("pass",)), reach(flow, step.result).scaled
    before = 1.0 if before is None else before
    left = (1 / behind**2 - before**2) / len(step.branches) if before and behind else 0.0
    return left if left > _LEAST else None


_LEAST = 1e-6


def _count(flow: Flow) -> dict[int, int]:
    """Number the branches along each skip path; a weight on it ends the stream."""
    reached: dict[int, tuple[int, int]] = {}  # by value: how many branches it sums, and the stream
    depths: dict[int, int] = {}
    for value in flow.live:
        step = flow.steps.get(value.index)
        sources = [step.skip] if step else [] if flow.kind(value) in ("weight", "lookup") else value.signals
        depth, stream = max((reached[v.index] for v in sources if v.index in reached), default=(0, -1))
        if step:
            step.number, step.stream = depth + 1, stream if depth else len(depths)
            depth, stream = depth + _num_branches(flow, step), step.stream
            depths[stream] = max(depths.get(stream, 0), depth)
        if depth:
            reached[value.index] = (depth, stream)
    return depths


def _num_branches(flow: Flow, step: Step) -> int:
    """How many weights' outputs it adds: those of parallel branches may be added to each other first."""
    num, queue = 0, list(step.branches)
    while queue:
        value = flow.back(queue.pop())
        parallel = [v for v in value.signals if has_weight_beyond(v, step.base)]
        if flow.kind(value) == "sum" and len(parallel) > 1 and not have_same_weights(*parallel[:2]):
            queue += parallel
        else:
            num += 1
    return num


def _weights(flow: Flow, step: Step, between: Stretch) -> list[Value]:
    """Weights between the signal and the sum, and those that bring another signal in, as from an encoder."""
    branches = between if step.skip is step.base else stretch(step.branches, step.base)
    skip = {weight.index for weight in stretch([step.skip], step.base).weights}
    return [
        weight
        for weight in branches.weights
        if (weight.index not in skip if weight.depends_on(step.base) else _enters(flow, weight, step))
    ]


def _enters(flow: Flow, weight: Value, step: Step) -> bool:
    """Whether it meets the branch before it meets another weight."""
    queue, seen = [weight], set[int]()
    while queue:
        for value in queue.pop().consumers:
            if value.index in seen or flow.kind(value) is None or not step.result.depends_on(value):
                continue
            seen.add(value.index)
            if value.depends_on(step.base):
                return value is not step.result
            if not value.is_weighted:
                queue.append(value)
    return False


def _tail(flow: Flow, step: Step) -> set[int]:
    """From the sum back to the last weights, past whatever keeps the shape of the signal."""
    tail, queue = set[int](), list(step.branches)
    while queue:
        value = queue.pop()
        if value.index in tail or not value.depends_on(step.base) or value is step.base:
            continue
        tail.add(value.index)
        if not value.is_weighted:
            queue += _sources(flow, value)
    return tail


def _sources(flow: Flow, value: Value) -> list[Value]:
    region = flow.ends.get(value.index)
    if region is not None:
        return [region.start]
    if value.index in flow.normalised:
        return [flow.normalised[value.index][0]]
    if flow.kind(value) == "attention":
        return [flow.factors[value.index][0]]
    if flow.kind(value) in ("softmax", "scores"):
        return []
    if flow.kind(value) == "gate":
        factors = [v for v in value.signals if v.tensor.shape == value.tensor.shape]
        return [v for v in factors if not _is_bounded(flow, v)] or factors
    return value.signals


def _is_bounded(flow: Flow, value: Value) -> bool:
    """Whether a function such as a sigmoid made it: it gates what the other factor brings."""
    value = flow.unpassed(value)
    region = flow.ends.get(value.index)
    return region is not None and region.exits[value].is_bounded
