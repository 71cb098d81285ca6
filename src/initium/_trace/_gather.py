"""gathered: from a recording of one run to what it says of each parameter."""

import math
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from .._decisions import folded
from .._graph import Param, Use
from ._after import find_after
from ._behind import constants_behind
from ._branches import find_branches
from ._flow import Flow, mark, read_flow
from ._packs import find_packs
from ._signals import Signals
from ._sums import find_sums
from ._uses import Found, UseReader
from ._value import Recording, Value


@dataclass(frozen=True)
class Gathered:
    """What one run says.

    Attributes:
        flow: of its signals.
        signals: what each of them carries.
        values: the parameter as a value, by its key.
        uses: all that is done with it, look-ups first.
    """

    flow: Flow
    signals: Signals
    values: dict[int, Value]
    uses: dict[int, list[Found]]


def gathered(recording: Recording, chosen: dict[int, float]) -> Gathered:
    """What one run says of each parameter that takes part in it.

    Args:
        recording: of the run; it is marked.
        chosen: numbers that their author chose, as `Flow.chosen` has them.
    """
    mark(recording)
    flow = read_flow(recording, {}, chosen)
    if behind := constants_behind(flow, find_branches(flow)):
        flow = read_flow(recording, behind, chosen)
    values = {key: value for value in recording.values if value.operation == "parameter" for key in value.params}
    uses: dict[int, list[Found]] = defaultdict(list)
    branches = find_branches(flow)
    signals = Signals(flow, branches)
    for found in UseReader(flow, signals, branches, values).uses():
        uses[found.key].append(found)
    for key, own in uses.items():
        if not values[key].tensor.numel():
            own.clear()
        # A table that multiplies as well is a table first; what a recurrence starts from says least of a weight.
        own.sort(key=lambda found: (found.role != "embedding", found.use.fed_by == "state" and not found.use.moment))
    return Gathered(flow, signals, values, uses)


def used(uses: list[Found]) -> dict[str, Any]:
    """The facts of a parameter that follow from what is done with it."""
    first = uses[0]
    return {
        "role": first.role,
        "because": first.because,
        "axes": first.axes,
        "uses": tuple(found.use for found in uses),
    } | first.windows


def packed(told: Gathered, key: int) -> dict[str, Any]:
    """Those of a weight or a bias that is used block by block."""
    uses = told.uses[key]
    own = tuple(found.use for found in uses)
    if packs := find_packs(told.flow, told.values[key], uses):
        return {"packs": packs.names, "blocks": packs.blocks, "uses": _together(own)}
    if uses[0].role == "bias" and any(found.operand.tensor.numel() < told.values[key].tensor.numel() for found in uses):
        return {"uses": _together(own)}
    return {}


def completed(told: Gathered, params: dict[int, Param], frozen: Collection[int] = ()) -> dict[int, Param]:
    """The parameters with what they say of each other; a frozen length of a weight norm follows none."""
    params = _with_biases(params, told.uses)
    params = _with_lengths(params, {key: uses for key, uses in told.uses.items() if key not in frozen})
    return _with_after(told.flow, _with_sums(told.flow, params), told.uses)


def notes(told: Gathered, params: Mapping[int, Param]) -> tuple[str, ...]:
    """What a reader must know of sizes that nobody can tell."""
    return (
        *_data_notes(params),
        *_matrix_notes(told.signals, params, told.uses),
        *_left_notes(told.signals, params, told.uses),
    )


def unused_notes(told: Gathered, params: Mapping[int, Param]) -> tuple[str, ...]:
    """Which parameters the run did not use."""
    unused: dict[str, list[str]] = defaultdict(list)
    for key, param in params.items():
        if not told.uses.get(key) and math.prod(param.shape):
            unused[unseen(told.values[key])].append(param.path)
    return tuple(f"{what}: {folded(paths)}" for what, paths in unused.items())


def unseen(param: Value) -> str:
    """What is known of a parameter of which no output is made, as far as the pass could follow."""
    return "used in this pass without a way to an output" if param.consumers else "not used in this pass"


def _together(uses: tuple[Use, ...]) -> tuple[Use, ...]:
    """The first use of a weight that is used block by block says what follows all of them."""
    names = dict.fromkeys(name for use in uses for name in use.followed_by)
    return (replace(uses[0], followed_by=tuple(names)), *uses[1:])


def _with_biases(params: dict[int, Param], uses: dict[int, list[Found]]) -> dict[int, Param]:
    """Each bias with the weight that it belongs to, packed like it."""
    weights = {
        (found.value.index, _twin(found)): params[key]
        for key, own in uses.items()
        for found in own
        if found.role == "weight"
    }
    named = dict(params)
    for key, param in params.items():
        found = uses[key][0] if uses[key] else None
        weight = weights.get((found.bias_of.index, _twin(found))) if found and found.bias_of else None
        if weight is None or param.bias_of:
            continue
        packs = {"packs": weight.packs, "blocks": weight.blocks} if weight.size("o") == param.size("o") else {}
        named[key] = replace(param, bias_of=weight.path, **packs)
    return named


def _twin(found: Found) -> str:
    """Of a recurrent layer, which applies several weights at once, the name of the weight that a bias goes with."""
    return found.name.replace("bias", "weight") if found.use.operation == "recurrent" else ""


def _with_lengths(params: dict[int, Param], uses: dict[int, list[Found]]) -> dict[int, Param]:
    """Each length of a weight norm with its direction."""
    directions = {key: length_of for key, own in uses.items() if own and (length_of := own[0].length_of)}
    return params | {key: replace(params[key], length_of=params[other].path) for key, other in directions.items()}


def _with_after(flow: Flow, params: dict[int, Param], uses: dict[int, list[Found]]) -> dict[int, Param]:
    """Each use of a weight with the weights that made what it multiplies."""
    after = find_after(flow)
    paths: dict[int, list[str]] = defaultdict(list)
    for key, param in params.items():
        for found in uses[key]:
            if found.role == "weight":
                paths[found.value.index].append(param.path)

    def told(use: Use, found: Found) -> Use:
        if found.role != "weight" or use.fed_by in _FRESH:
            return use
        own = sorted(set().union(*(after.get(v.index, ()) for v in found.value.signals)))
        return replace(use, after=tuple(dict.fromkeys(path for i in own for path in paths[i])))

    return {
        key: replace(param, uses=tuple(told(*pair) for pair in zip(param.uses, uses[key], strict=True)))
        if any(found.role == "weight" for found in uses[key])
        else param
        for key, param in params.items()
    }


# What owes its size to nothing before it.
_FRESH = ("state", "cell", "recurrent", "attention", "normalisation")


def _with_sums(flow: Flow, params: dict[int, Param]) -> dict[int, Param]:
    """Each embedding, position and learned signal with the others that are added to the same signal."""
    summed = dict(params)
    for key, group in find_sums(flow).items():
        param = params[key]
        if _is_term(param):
            others = [params[other] for other in params if other in group and other != key]
            paths = tuple(other.path for other in others if _is_term(other))
            summed[key] = replace(param, uses=(replace(param.uses[0], sums_with=paths), *param.uses[1:]))
    return summed


def _is_term(param: Param) -> bool:
    return param.role in ("embedding", "position") or (param.role == "token" and param.use.operation == "other")


_FAR = 100.0  # times 1, of an example's second moment that is worth a word


def _data_notes(params: Mapping[int, Param]) -> tuple[str, ...]:
    """What is said of an example whose numbers are far from 1 where the model takes them in."""
    told: dict[float, list[str]] = defaultdict(list)
    for param in params.values():
        use = param.use
        is_fed = param.role == "weight" and use.fed_by == "data" and use.moment and not use.is_normalised
        if is_fed and use.moment and not 1 / _FAR < use.moment < _FAR:
            told[use.moment].append(param.path)
    return tuple(_data_note(moment, paths) for moment, paths in told.items())


def _data_note(moment: float, paths: list[str]) -> str:
    size = f"{math.sqrt(max(moment, 1 / moment)):,.0f}"
    times, change, start = (size, "divide", "smaller") if moment > 1 else (f"1/{size}", "multiply", "larger")
    number = f"{moment:,.0f}" if moment > 1 else f"{moment:.3g}"
    return (
        f"the example's numbers are about {times} times as large as 1 (second moment {number}) where they enter "
        f"{folded(paths)}, which starts {start} to match: scale them ({change} by {size}), or learning rates that "
        "are usual do not fit"
    )


def _matrix_notes(signals: Signals, params: Mapping[int, Param], uses: Mapping[int, list[Found]]) -> tuple[str, ...]:
    """Of which weights the output becomes a matrix whose size is not known."""
    paths = [
        param.path
        for key, param in params.items()
        if param.makes_signal and any(found.value.index in signals.starts.bent for found in uses[key])
    ]
    why = "what it gives becomes a matrix through a function or another product, so that its second moment is not known"
    return (f"{why}: {folded(paths)}",) if paths else ()


def _left_notes(signals: Signals, params: Mapping[int, Param], uses: Mapping[int, list[Found]]) -> tuple[str, ...]:
    """Which matrices stay as they were built, so that nobody knows how large what they give is."""
    paths = [
        param.path
        for key, param in params.items()
        if param.role == "kept" and any(signals.starts.is_left(found.value) for found in uses[key])
    ]
    told = f"{folded(paths)} {'is' if len(paths) == 1 else 'are'} changed by a function or a product before use"
    mend = "left as built, and what follows may explode or die: plan.calibrate(model, batch) mends what lies behind"
    return (f"{told}: {mend}",) if paths else ()
