"""gather: from a recording of one run to the Graph."""

from dataclasses import replace

from torch import nn

from ..._graph import Graph, Use
from ..._trace._gather import Gathered, completed, gathered, notes, packed, unseen, unused_notes, used
from ..._trace._meant import as_meant, chosen_numbers
from ..._trace._uses import Found
from ..._trace._value import Recording
from .._history import history_of
from .._read import Facts, buffers_of, facts_of, is_layers, kept, params_of
from .._torch import Orthogonal
from ._meant import UNRECORDED, seen_of
from ._tracer import OPAQUE


def gather(model: nn.Module, recording: Recording, told_before: tuple[str, ...] = ()) -> Graph:
    """What a model does with each parameter, from one run of it; with the notes that were told before."""
    seen = seen_of(model)
    told = gathered(recording, chosen_numbers(seen))

    def facts(module: nn.Module, name: str, value: nn.Parameter) -> Facts:
        if not value.numel():  # no axis of 0 units can be followed
            return (facts_of(module, name, value) or kept(value, "of a layer that is not known")) | {"uses": ()}
        if told.uses[id(value)]:
            return _used(told, module, name, value)
        return _unused(told, module, name, value)

    frozen = [key for key, value in recording.params.items() if not value.requires_grad]
    complete = completed(told, params_of(model, facts), frozen)
    unused = unused_notes(told, complete)
    complete, unknown = as_meant(told.flow, recording.values, complete, told.uses, seen, UNRECORDED)
    return Graph(
        tuple(complete.values()),
        buffers_of(model),
        (*told_before, *notes(told, complete), *unused, *unknown),
        is_traced=True,
        **history_of(model),
    )


def _used(told: Gathered, module: nn.Module, name: str, value: nn.Parameter) -> Facts:
    uses = told.uses[id(value)]
    first = uses[0]
    padding = getattr(module, "padding_idx", None) if first.role == "embedding" else None
    facts: Facts = used(uses) | {"padding": padding}
    if first.value.row.word == "recurrent" and first.value.module is not None:
        known = facts_of(first.value.module, first.name, value) or {}
        facts |= {name: fact for name, fact in known.items() if name in ("packs", "blocks", "bias_of")}
    elif known := _of_recurrence(module, name, value, first):
        facts |= known | {"uses": tuple(_as_told(use, known["uses"][0]) for use in facts["uses"])}
    elif first.role in _ADDED and (known := _weight_of_layer(module, name, value)):
        operation = known["uses"][0].operation
        unknown = {"operation": operation, "fed_by": "unknown", "moment": None, "branch": None}
        uses_told = tuple(replace(found.use, **unknown) for found in uses)
        facts |= known | {"because": f"{known['because']}, something is added to it first", "uses": uses_told}
    else:
        facts |= packed(told, id(value))
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


def _unused(told: Gathered, module: nn.Module, name: str, value: nn.Parameter) -> Facts:
    facts = facts_of(module, name, value) or kept(value, "of a layer that is not known")
    because, (by_type, *_) = f"{facts['because']}, {unseen(told.values[id(value)])}", facts["uses"]
    return facts | {"because": because, "uses": (), "by_type": by_type}
