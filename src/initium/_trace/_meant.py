"""as_meant: what an author built on purpose is kept, where the graph does not know better."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from .._decisions import folded
from .._graph import Param
from ._built import Built, Kind
from ._flow import Flow
from ._lines import shared
from ._uses import Found
from ._value import Value
from ._zeros import on_purpose

# What is used as this hands a signal on: it says nothing that a recipe would not.
_NEUTRAL = {"scale": 1.0, "shift": 0.0, "bias": 0.0, "position": 0.0, "token": 0.0}

_FEW = 8  # numbers, of which a layer may have drawn any


@dataclass(frozen=True)
class Seen:
    """What can be seen of one parameter.

    Attributes:
        built: what it was built with, but for a padding row.
        is_zero: whether with zeros alone.
        num_axes: of it.
        is_layers: whether it belongs to a layer that is known, and not to code of somebody's own.
        is_free: whether it is trained.
    """

    built: Callable[[int | None], Built]
    is_zero: Callable[[], bool]
    num_axes: int
    is_layers: bool = False
    is_free: bool = True


def as_meant(
    flow: Flow,
    values: Sequence[Value],
    params: Mapping[int, Param],
    uses: Mapping[int, Sequence[Found]],
    seen: Mapping[int, Seen],
    unrecorded: str,
) -> tuple[dict[int, Param], tuple[str, ...]]:
    """Each parameter, with the role `kept` where its numbers were chosen by its author; and what cannot be known.

    Args:
        flow: of the model.
        values: all, in the order of execution.
        params: by their keys, in the model's order.
        uses: of each.
        seen: likewise.
        unrecorded: why of some nobody knows what they were built with, as a reader is told.
    """
    free = {key: param for key, param in params.items() if seen[key].is_free}
    used = {key: param for key, param in free.items() if uses[key]}
    told = dict(params) | {key: _told(param, uses[key], seen[key]) for key, param in used.items()}
    told |= {key: unused_as_meant(param, seen[key]) for key, param in free.items() if key not in used}
    open_ = {param.path: seen[key].built(None) for key, param in told.items() if _is_open(param, seen[key])}
    meant = _beside_others(values, _with_zeros(flow, values, told, seen, used), uses)
    return meant, _notes(open_, unrecorded)


def chosen_numbers(seen: Mapping[int, Seen]) -> dict[int, float]:
    """The numbers of parameters of the model's own code that are one number, or few that are equal, by their keys."""
    own = {key: one.built(None) for key, one in seen.items() if one.num_axes < 2 and not one.is_layers}
    return {key: one.value for key, one in own.items() if one.kind == "constant"}


def unused_as_meant(param: Param, seen: Seen) -> Param:
    """Of what nothing is known but its layer; what a layer of PyTorch's owns starts as such layers do."""
    if param.role == "kept" or seen.is_layers:
        return param
    found = seen.built(None)
    return _kept(param, found) if found.is_meant and not found.may_be_draw else param


def _is_open(param: Param, seen: Seen) -> bool:
    """Whether it depends on what it was built with how it starts."""
    if seen.is_layers:
        return param.role == "bias" and "softplus" in param.use.followed_by  # kept if its author chose it
    return param.role in _NEUTRAL and not (_knows_better(param) or param.bias_of)


def _notes(found: Mapping[str, Built], unrecorded: str) -> tuple[str, ...]:
    """What starts by its role because nobody can tell what it was built with."""
    whys: dict[Kind, str] = {
        "trained": "trained since they were built",
        "unset": "never written by their constructor",
        "large": "too many to see what they were built with",
        "unrecorded": unrecorded,
    }
    told = {why: [path for path, one in found.items() if one.kind == kind] for kind, why in whys.items()}
    return tuple(
        f"{why}, so that their role alone says how these start: {folded(paths)}" for why, paths in told.items() if paths
    )


def _told(param: Param, uses: Sequence[Found], seen: Seen) -> Param:
    if param.role == "embedding" or (param.role in ("position", "token") and seen.is_layers):
        num_rows = param.shape[0] - (param.padding is not None)
        if num_rows * math.prod(param.shape[1:]) < _FEW:
            return param
        found = seen.built(param.padding)
        return _kept(param, found) if _is_chosen_table(param, found) else param
    if seen.is_layers:
        found = seen.built(None) if param.role in ("bias", "weight") else Built("unknown")
        return replace(param, built=found.words) if _is_otherwise(param, found) else param
    if param.role == "weight":
        found = seen.built(None)
        # A constant matrix alone makes all units alike; beside another in one weight, as a size of noise, it does not.
        is_beside = any(len(use.operand.params) > 1 for use in uses)
        is_meant = (found.kind == "table" and not found.is_aside) or (
            found.kind == "constant" and found.value and is_beside
        )
        return _kept(param, found) if is_meant and not found.may_be_draw else param
    if param.role not in _NEUTRAL or _knows_better(param):
        return param
    found = seen.built(None)
    if param.role in ("position", "token") and found.is_aside:
        return param
    if param.role == "scale" and _is_around_one(param, found):
        return param  # drawn so, or trained by a loop that left no gradient
    if param.role == "bias" and found.may_be_draw and param.bias_of:
        return param
    if param.role == "scale" and found.value == 0 and not param.use.offset:
        return param  # whether zeros may stay is asked of all of them together
    if found.is_meant:
        used_as = param.use.offset + param.use.factor * found.value
        return param if math.isclose(used_as, _NEUTRAL[param.role], abs_tol=1e-5) else _kept(param, found)
    return param


def _is_around_one(param: Param, found: Built) -> bool:
    """Whether numbers that nobody typed hand a signal on larger here and smaller there."""
    low, high = (param.use.offset + param.use.factor * number for number in (found.low, found.high))
    return found.is_aside and (low - 1) * (high - 1) < 0


def _is_otherwise(param: Param, found: Built) -> bool:
    """Whether a layer's own numbers are no draw of that layer's."""
    if param.role == "weight" and (found.is_aside or math.prod(param.shape) < _FEW):
        return False
    return found.is_meant and found.value != 0 and not found.may_be_draw


def _is_chosen_table(param: Param, found: Built) -> bool:
    """Whether somebody chose the rows of a table; equal ones, or ones around a number, only where they are scales."""
    is_plain = found.kind == "table" and not found.is_aside
    is_scale = "gate" in param.use.followed_by and found.is_meant and found.value != 0
    return is_plain or is_scale


def _knows_better(param: Param) -> bool:
    """Whether what is done with it says how it starts, whatever it holds: in a normalisation, at one branch's end.

    At the ends of several it is the step of an integration or its like, which its author chose.
    """
    ends = {(branch.stream, branch.number) for use in param.uses if (branch := use.branch) and branch.is_last}
    return param.use.operation == "normalisation" or (param.role == "scale" and len(ends) == 1)


def _kept(param: Param, found: Built) -> Param:
    return replace(param, role="kept", because=f"its author's, built as {found.words}: {param.because}")


def _with_zeros(
    flow: Flow, values: Sequence[Value], params: dict[int, Param], seen: Mapping[int, Seen], used: Mapping[int, Param]
) -> dict[int, Param]:
    """What was built as zeros and may stay so does; where it would hold a signal or a gradient at zero, it is drawn."""
    zeros = {key for key, one in seen.items() if one.is_zero()}
    candidates = [key for key in used if key in zeros and params[key].role in ("weight", "scale", "embedding")]
    candidates = [key for key in candidates if not params[key].use.offset]
    if all(key in zeros for key, one in seen.items() if one.num_axes > 1):
        return params  # nothing on purpose: somebody set all of them to zero
    always = {key for key in zeros if params[key].role in ("bias", "shift", "kept")}
    stay = on_purpose(flow, values, candidates, always)
    paths = {params[key].path for key in stay}
    for key in candidates:
        if key in stay:
            params[key] = replace(params[key], role="kept", because="zero on purpose: training moves it")
        else:
            params[key] = replace(params[key], built="0, where nothing could be trained")
    for key, param in params.items():
        if param.role == "bias" and param.bias_of in paths and (key in zeros or seen[key].built(None).is_meant):
            params[key] = replace(param, role="kept", because="as built, as the weight before it, zero on purpose")
    return params


def _beside_others(
    values: Sequence[Value], params: Mapping[int, Param], uses: Mapping[int, Sequence[Found]]
) -> dict[int, Param]:
    """Weights that are summed before they are used share the size of one; what stays as built has no part in it."""
    weights = {key for key, param in params.items() if param.role == "weight"}
    own = {key: value for value in values if value.operation == "parameter" for key in value.params}
    grown = dict(params)
    for key in weights:
        pairs = zip(params[key].uses, uses[key], strict=True)
        sizes = [(use, shared(own[key], found.operand, weights)) for use, found in pairs]
        if any(size != 1 for _, size in sizes):
            told = [replace(use, factor=use.factor * size) for use, size in sizes]
            grown[key] = replace(params[key], uses=tuple(told))
    return grown
