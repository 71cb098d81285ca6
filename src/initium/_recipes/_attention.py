"""Which part of an attention a weight is, also where several are packed in one matrix."""

from collections.abc import Callable

from .._graph import Param
from ..init import Initialiser, packed

_PARTS = ("query", "key", "value")


def parts_of(param: Param) -> tuple[str, ...]:
    """`query`, `key`, `value` or `out` for each packed block; empty if it belongs to no attention."""
    if set(_PARTS) & set(param.packs):
        return param.packs
    if found := tuple(part for part in _PARTS if any(part in use.followed_by for use in param.uses)):
        return found
    return ("out",) if param.use.fed_by == "attention" else ()


def block_by_block(param: Param, start: Callable[[str], Initialiser]) -> Initialiser:
    """The start of each part, told its name; the name is empty outside attention.

    One matrix for several parts that should start unlike each other meets `packed`, which refuses it.
    """
    inits = [start(part) for part in parts_of(param) or ("",)]
    return inits[0] if len(set(inits)) == 1 else packed(tuple(str(init) for init in inits))
