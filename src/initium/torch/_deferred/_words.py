"""What an event was given and does, in words."""

from typing import Any

from .._torch import schema_of
from ._log import Event, constant, is_random, name_of, unseen

# What came from outside of the constructor's own operations.
GIVEN = "given numbers"
COPIES = {"copy_", "clone", "_to_copy", "lift_fresh_copy", "alias_copy", "view_copy", "detach_copy"}
EMPTY = {"empty", "empty_like", "empty_strided", "empty_permuted", "new_empty", "new_empty_strided"}
_ZEROS_AND_ONES = {"zeros", "zeros_like", "new_zeros", "zero_", "zero", "ones", "ones_like", "new_ones"}
_FILLS = {"full", "full_like", "new_full", "fill_", "fill", "scalar_tensor"}
# Arguments of a draw that say nothing of its law.
_NO_NUMBERS = ("self", "size", "n", "dtype", "layout", "device", "pin_memory", "generator")


def arguments(event: Event) -> dict[str, Any]:
    """What an operation was given, by name, with what it takes where nothing is given."""
    schema = schema_of(event.op)
    if schema is None:
        return dict(zip(("self", "mean", "std", "a", "b"), event.args, strict=False))
    given = {one.name: one.default_value for one in schema.arguments if one.has_default_value()}
    given |= dict(zip((one.name for one in schema.arguments), event.args, strict=False))
    return given | event.kwargs


def filled(event: Event) -> Any:
    """The number with which an event fills a tensor; None if it does something else."""
    name, said = name_of(event.op), arguments(event)
    if name in _ZEROS_AND_ONES:
        return 1 if "ones" in name else 0
    value = said.get("fill_value", said.get("value", said.get("s"))) if name in _FILLS else None
    return value if isinstance(value, float | int | bool | complex) else None


def name_in_words(event: Event) -> str:
    """What an event does; nothing of one that copies."""
    if event.op is constant or event.op is unseen:
        return GIVEN
    name = name_of(event.op)
    return "" if name in COPIES | EMPTY else name


def said(event: Event) -> str:
    """A call in words; nothing of one that copies."""
    name = name_of(event.op)
    if event.op is constant or event.op is unseen or name in COPIES | EMPTY:
        return name_in_words(event)
    if (value := filled(event)) is not None:
        return {0: "zeros", 1: "ones"}.get(value, f"fill_({_short(value)})")
    if name in ("randn_like", "rand_like", "randn", "rand"):
        return name
    if is_random(event.op):
        given = [value for key, value in arguments(event).items() if key not in _NO_NUMBERS]
    else:
        given = [*event.args, *event.kwargs.values()]
    numbers = [value for value in given if isinstance(value, float | int) and not isinstance(value, bool)]
    return f"{name}({', '.join(map(_short, numbers))})"


def _short(value: float | int | bool | complex) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
