"""gather: from a recording of one run to the Graph."""

import math
from collections import defaultdict
from dataclasses import replace

from torch import nn

from ..._decisions import folded
from ..._graph import Graph, Param, Use
from .._history import history_of
from .._read import Facts, buffers_of, facts_of, is_layers, kept, params_of
from .._torch import Orthogonal
from ._after import find_after
from ._behind import constants_behind
from ._branches import find_branches
from ._flow import Flow, mark, read_flow
from ._meant import as_meant, chosen_numbers
from ._packs import find_packs
from ._run import Recording
from ._signals import Signals
from ._sums import find_sums
from ._tracer import OPAQUE, Value
from ._uses import Found, UseReader


def gather(model: nn.Module, recording: Recording, notes: tuple[str, ...] = ()) -> Graph:
    """What a model does with each parameter, from one run of it."""
    mark(recording)
    chosen = chosen_numbers(model)
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
        if not recording.params[key].numel():
            own.clear()
        # A table that multiplies as well is a table first; what a recurrence starts from says least of a weight.
        own.sort(key=lambda found: (found.role != "embedding", found.use.fed_by == "state" and not found.use.moment))

    def facts(module: nn.Module, name: str, value: nn.Parameter) -> Facts:
        own = uses[id(value)]
        if not value.numel():  # no axis of 0 units can be followed
            return (facts_of(module, name, value) or kept(value, "of a layer that is not known")) | {"uses": ()}
        if own:
            return _used(flow, module, name, value, values[id(value)], own)
        return _unused(module, name, value, values[id(value)])

    params = params_of(model, facts)
    unused = {
        values[key]: param.path for key, param in params.items() if not uses[key] and recording.params[key].numel()
    }
    complete = _with_after(flow, _with_sums(flow, _with_lengths(recording, _with_biases(params, uses), uses)), uses)
    complete, unknown = as_meant(model, flow, recording.values, complete, uses)
    return Graph(
        tuple(complete.values()),
        buffers_of(model),
        (
            *notes,
            *_data_notes(complete),
            *_matrix_notes(signals, complete, uses),
            *_left_notes(signals, complete, uses),
            *_notes(unused),
            *unknown,
        ),
        is_traced=True,
        **history_of(model),
    )


def _used(flow: Flow, module: nn.Module, name: str, value: nn.Parameter, param: Value, uses: list[Found]) -> Facts:
    first = uses[0]
    facts = {
        "role": first.role,
        "because": first.because,
        "axes": first.axes,
        "uses": tuple(found.use for found in uses),
        "padding": getattr(module, "padding_idx", None) if first.role == "embedding" else None,
    } | first.windows
    if first.value.row.word == "recurrent" and first.value.module is not None:
        known = facts_of(first.value.module, first.name, value) or {}
        facts |= {name: fact for name, fact in known.items() if name in ("packs", "blocks", "bias_of")}
    elif known := _of_recurrence(module, name, value, first):
        facts |= known | {"uses": tuple(_as_told(use, known["uses"][0]) for use in facts["uses"])}
    elif first.role in _ADDED and (known := _weight_of_layer(module, name, value)):
        told = known["uses"][0].operation
        unknown = {"operation": told, "fed_by": "unknown", "moment": None, "branch": None}
        uses_told = tuple(replace(found.use, **unknown) for found in uses)
        facts |= known | {"because": f"{known['because']}, something is added to it first", "uses": uses_told}
    elif packs := find_packs(flow, param, uses):
        facts |= {"packs": packs.names, "blocks": packs.blocks, "uses": _together(facts["uses"])}
    elif first.role == "bias" and any(found.operand.tensor.numel() < value.numel() for found in uses):
        facts["uses"] = _together(facts["uses"])
    if not value.requires_grad:
        return facts | {"role": "kept", "because": "frozen"}
    return facts | {"role": "kept", "because": _ORTHOGONAL} if _is_orthogonal(module) else facts


def _of_recurrence(module: nn.Module, name: str, value: nn.Parameter, first: Found) -> Facts | None:
    """What its layer's type says of a recurrence's own weight or bias that is used outside that layer."""
    if not isinstance(module, OPAQUE) or first.role not in ("weight", "bias", "shift", "kept"):
        return None
    known = facts_of(module, name, value)
    return known if known and known["axes"] == ("o" if value.ndim == 1 else "oi") else None


# Of what is added to a signal; so is also a layer's own weight, to a matrix that the model computes.
_ADDED = ("bias", "shift", "position", "token")


def _weight_of_layer(module: nn.Module, name: str, value: nn.Parameter) -> Facts | None:
    """What its layer's type says of a parameter, if that is a weight."""
    known = facts_of(module, name, value) if is_layers(module, name) and value.ndim > 1 else None
    return known if known and known["role"] == "weight" else None


def _as_told(use: Use, told: Use) -> Use:
    source = use.fed_by if told.fed_by == "unknown" else told.fed_by
    return replace(use, operation=told.operation, fed_by=source, branch=None)


_ORTHOGONAL = "its orthogonal parametrisation reads it in a form of its own"


def _is_orthogonal(module: nn.Module) -> bool:
    """Whether a parameter holds reflections or a skew matrix, of which a plain draw would make another matrix, or 0."""
    return isinstance(module, nn.utils.parametrize.ParametrizationList) and isinstance(module[0], Orthogonal)


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


def _with_lengths(recording: Recording, params: dict[int, Param], uses: dict[int, list[Found]]) -> dict[int, Param]:
    """Each length of a weight norm with its direction; a frozen one follows none."""
    free = [key for key, own in uses.items() if own and recording.params[key].requires_grad]
    directions = {key: length_of for key in free if (length_of := uses[key][0].length_of)}
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


def _unused(module: nn.Module, name: str, value: nn.Parameter, param: Value) -> Facts:
    facts = facts_of(module, name, value) or kept(value, "of a layer that is not known")
    because, (by_type, *_) = f"{facts['because']}, {_unseen(param)}", facts["uses"]
    return facts | {"because": because, "uses": (), "by_type": by_type}


def _unseen(param: Value) -> str:
    """What is known of a parameter of which no output is made, as far as the pass could follow."""
    return "used in this pass without a way to an output" if param.consumers else "not used in this pass"


_FAR = 100.0  # times 1, of an example's second moment that is worth a word


def _data_notes(params: dict[int, Param]) -> tuple[str, ...]:
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


def _matrix_notes(signals: Signals, params: dict[int, Param], uses: dict[int, list[Found]]) -> tuple[str, ...]:
    """Of which weights the output becomes a matrix whose size is not known."""
    paths = [
        param.path
        for key, param in params.items()
        if param.makes_signal and any(found.value.index in signals.starts.bent for found in uses[key])
    ]
    why = "what it gives becomes a matrix through a function or another product, so that its second moment is not known"
    return (f"{why}: {folded(paths)}",) if paths else ()


def _left_notes(signals: Signals, params: dict[int, Param], uses: dict[int, list[Found]]) -> tuple[str, ...]:
    """Which matrices stay as they were built, so that nobody knows how large what they give is."""
    paths = [
        param.path
        for key, param in params.items()
        if param.role == "kept" and any(signals.starts.is_left(found.value) for found in uses[key])
    ]
    told = f"{folded(paths)} {'is' if len(paths) == 1 else 'are'} changed by a function or a product before use"
    mend = "left as built, and what follows may explode or die: plan.calibrate(model, batch) mends what lies behind"
    return (f"{told}: {mend}",) if paths else ()


def _notes(unused: dict[Value, str]) -> tuple[str, ...]:
    told: dict[str, list[str]] = defaultdict(list)
    for param, path in unused.items():
        told[_unseen(param)].append(path)
    return tuple(f"{what}: {folded(paths)}" for what, paths in told.items())
