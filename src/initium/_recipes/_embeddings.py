"""Rules for what is looked up; a padding row stays zero in every recipe."""

from collections.abc import Callable

from .._graph import Param
from .._rule import Rule
from ..init import Initialiser, padded


def embeddings(start: Initialiser | Callable[[Param], Initialiser], because: str) -> tuple[Rule, ...]:
    """Rules for embeddings, and for tables of positions, from one initialiser or a function of the parameter."""

    def looked_up(param: Param) -> Initialiser:
        init = start if isinstance(start, Initialiser) else start(param)
        return init if param.padding is None else padded(str(init), param.padding)

    def reason(param: Param) -> str:
        return because if param.padding is None else f"{because}, padding row {param.padding} zero"

    return tuple(Rule(role=role, start=looked_up, because=reason) for role in ("embedding", "position"))
