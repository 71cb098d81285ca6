"""Residual steps: where a branch's output is added to the signal that it was computed from."""

from dataclasses import dataclass

from ._ancestry import has_weight_beyond, have_same_weights, latest_shared, stretch
from ._value import Value


@dataclass(eq=False)
class Step:
    """One addition x + f(x), perhaps of several branches.

    Attributes:
        result: the sum.
        skip: the operand that brings x.
        branches: the others.
        base: from where the branches start: x itself, or what it was projected from.
        is_projected: whether weights of its own lie on the skip path.
        stream: which stream it belongs to.
        number: which step of that stream, from 1.
    """

    result: Value
    skip: Value
    branches: list[Value]
    base: Value
    is_projected: bool = False
    stream: int = -1
    number: int = 0


def find_steps(sums: list[Value]) -> dict[int, Step]:
    """The residual ones among additions of two signals, by index."""
    steps: dict[int, Step] = {}
    doubtful: list[Step] = []
    for value in sums:
        first, second = value.signals
        step = _plain(value, first, second) or _plain(value, second, first)
        step = step or _parallel(value, first, second, steps) or _parallel(value, second, first, steps)
        if step is not None:
            _drop_inner(step, doubtful, steps)
        else:
            step = _projected(value, first, second)
            doubtful += [step] if step else []
        if step is not None:
            steps[value.index] = step
    return steps


def _plain(value: Value, skip: Value, branch: Value) -> Step | None:
    if branch.depends_on(skip) and has_weight_beyond(branch, skip):
        return Step(value, skip, [branch], skip)
    return None


def _parallel(value: Value, earlier: Value, branch: Value, steps: dict[int, Step]) -> Step | None:
    """X + f(x) + g(x) is one step with two branches."""
    step = steps.get(earlier.index)
    if step is None or branch.depends_on(earlier) or not branch.depends_on(step.base) or step.is_projected:
        return None
    if not has_weight_beyond(branch, step.base):
        return None
    del steps[earlier.index]
    return Step(value, step.skip, [*step.branches, branch], step.base)


def _projected(value: Value, first: Value, second: Value) -> Step | None:
    """Both operands changed since they were one signal, one by more weights in a row: the other is the skip path."""
    base = latest_shared(first, second)
    if base is None:
        return None
    ways = [stretch([operand], base) for operand in (first, second)]
    nums = [max(way.in_a_row(way.weights).values(), default=0) for way in ways]
    if nums[0] == nums[1]:
        return None
    skip, branch = (second, first) if nums[0] > nums[1] else (first, second)
    if min(nums) == 0 and meets_others(skip, base):
        return None  # what they share only gates it
    if parts_of_params(ways[0].weights) & parts_of_params(ways[1].weights):
        return None  # a recurrence, of which each step takes its input in by the same weights
    return Step(value, skip, [branch], base, is_projected=min(nums) > 0)


def meets_others(value: Value, base: Value) -> bool:
    """Whether it is made of another signal as well."""
    queue, seen = [value], {base.index}
    while queue:
        one = queue.pop()
        if one.index not in seen:
            seen.add(one.index)
            if not one.depends_on(base):
                return True
            queue += one.signals
    return False


def parts_of_params(weights: list[Value]) -> frozenset[tuple[int, int]]:
    """The parameters that made some weights' results, by key, and where in each: a stack holds one for each layer."""
    return frozenset(
        (key, other.tensor.storage_offset()) for value in weights for other in value.inputs for key in other.params
    )


def _drop_inner(step: Step, doubtful: list[Step], steps: dict[int, Step]) -> None:
    """A merge of parallel paths inside a branch that starts where they do is no step of its own."""
    for inner in reversed(doubtful):
        if inner.result.index < step.base.index:
            return
        inside = any(branch.depends_on(inner.result) for branch in step.branches)
        if inside and inner.result.depends_on(step.base) and _start_alike(inner, step):
            steps.pop(inner.result.index, None)


def _start_alike(inner: Step, step: Step) -> bool:
    return not inner.is_projected or have_same_weights(inner.base, step.base)
