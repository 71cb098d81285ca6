"""walk: write down what a jaxpr does, through all that it calls."""

from typing import Any

import numpy as np

from ..._trace._states import STATE
from .._jax import ClosedJaxpr, Literal, Tracer
from .._tree import is_key
from ._primitives import PRIMITIVES, other
from ._recorder import Argument, Recorder
from ._shape import Shape
from ._value import JaxValue

_MOST_STEPS = 4096  # of loops in all, each of which is written down


def walk(recorder: Recorder, closed: Any, args: list[Argument]) -> list[Argument]:
    """Write down a closed jaxpr; its results, values or numbers.

    Args:
        recorder: that writes.
        closed: with the constants that it closes over.
        args: values or numbers.
    """
    jaxpr = closed.jaxpr
    env: dict[Any, Argument] = {}
    for var, const in zip(jaxpr.constvars, closed.consts, strict=True):
        env[var] = _constant(recorder, const)
    env |= zip(jaxpr.invars, args, strict=True)

    def told(atom: Any) -> Argument:
        return _literal(recorder, atom.val) if isinstance(atom, Literal) else env[atom]

    for eqn in jaxpr.eqns:
        given = [told(atom) for atom in eqn.invars]
        env |= zip(eqn.outvars, _step(recorder, eqn, given), strict=True)
    return [told(atom) for atom in jaxpr.outvars]


def _step(recorder: Recorder, eqn: Any, args: list[Argument]) -> list[Argument]:
    name = eqn.primitive.name
    if name in _LOOPS:
        return _LOOPS[name](recorder, eqn, args)
    if name in PRIMITIVES:
        return PRIMITIVES[name](recorder, eqn, args)
    inner = _called(eqn)
    return other(recorder, eqn, args) if inner is None else walk(recorder, inner, args)


def _called(eqn: Any) -> Any:
    """The jaxpr that an operation does on its own arguments; None if it does none, or more."""
    inner = next((eqn.params[key] for key in ("jaxpr", "call_jaxpr", "fun_jaxpr") if key in eqn.params), None)
    inner = inner if inner is None or hasattr(inner, "consts") else ClosedJaxpr(inner, ())
    sizes = [len(inner.jaxpr.invars), len(inner.jaxpr.outvars)] if inner else []
    return inner if sizes == [len(eqn.invars), len(eqn.outvars)] else None


def _scan(recorder: Recorder, eqn: Any, args: list[Argument]) -> list[Argument]:
    """One step after another; a stack of layers is that many layers."""
    p = eqn.params
    num_consts, num_carry, length = p["num_consts"], p["num_carry"], p["length"]
    consts, carry = args[:num_consts], args[num_consts : num_consts + num_carry]
    xs = args[num_consts + num_carry :]
    if length > _MOST_STEPS:
        recorder.notes[f"a scan of {length} steps is not followed"] = None
        return other(recorder, eqn, args)
    carry = [
        recorder.declare(STATE, var.aval.shape, str(var.aval.dtype), is_signal=True)
        if not isinstance(one, JaxValue) and _is_multiplied(p["jaxpr"].jaxpr, num_consts + place)
        else one
        for place, (one, var) in enumerate(zip(carry, eqn.invars[num_consts:], strict=False))
    ]
    rows: list[list[Argument]] = []
    for place in range(length)[:: -1 if p["reverse"] else 1]:
        entries = [recorder.picked(x, place) if isinstance(x, JaxValue) else x for x in xs]
        results = walk(recorder, p["jaxpr"], [*consts, *carry, *entries])
        carry = results[:num_carry]
        rows.append(results[num_carry:])
    rows = rows[:: -1 if p["reverse"] else 1]
    avals = [var.aval for var in eqn.outvars[num_carry:]]
    return [*carry, *(_stacked(recorder, [row[at] for row in rows], aval) for at, aval in enumerate(avals))]


def _is_multiplied(jaxpr: Any, place: int) -> bool:
    """Whether a product of matrices takes in what is made of an argument, as of the state of a recurrence."""
    made = {jaxpr.invars[place]}
    for eqn in jaxpr.eqns:
        own = [at for at, atom in enumerate(eqn.invars) if not isinstance(atom, Literal) and atom in made]
        if own and (eqn.primitive.name in _PRODUCTS or _is_multiplied_within(eqn, own)):
            return True
        made |= set(eqn.outvars if own else ())
    return False


def _is_multiplied_within(eqn: Any, places: list[int]) -> bool:
    inner = _called(eqn)
    return inner is not None and any(_is_multiplied(inner.jaxpr, place) for place in places)


_PRODUCTS = ("dot_general", "conv_general_dilated")


def _stacked(recorder: Recorder, parts: list[Argument], aval: Any) -> Argument:
    if not any(isinstance(part, JaxValue) for part in parts) and len(set(parts)) == 1:
        return parts[0]
    one = Shape(aval.shape[1:], str(aval.dtype))
    return recorder.emit("stack", np.stack, ([recorder.full(part, one) for part in parts], 0), aval)


def _while(recorder: Recorder, eqn: Any, args: list[Argument]) -> list[Argument]:
    """Nobody knows how often: its body is written down once."""
    p = eqn.params
    recorder.notes["a while loop is followed through its body once"] = None
    consts = args[p["cond_nconsts"] :][: p["body_nconsts"]]
    return walk(recorder, p["body_jaxpr"], [*consts, *args[p["cond_nconsts"] + p["body_nconsts"] :]])


def _cond(recorder: Recorder, eqn: Any, args: list[Argument]) -> list[Argument]:
    """The branch that is known to be taken, else the last, which is the one of true."""
    which, branches = args[0], eqn.params["branches"]
    if isinstance(which, JaxValue):
        recorder.notes["of a condition that the numbers decide the last branch is followed"] = None
        which = len(branches) - 1
    return walk(recorder, branches[int(which)], args[1:])


_LOOPS = {"scan": _scan, "while": _while, "cond": _cond}


def _constant(recorder: Recorder, const: Any) -> Argument:
    if getattr(const, "ndim", 0) == 0 and not is_key(const):
        return _literal(recorder, const)
    if isinstance(const, Tracer):
        return recorder.declare("constant", const.shape, str(const.dtype))
    return recorder.declare("constant", const.shape, str(const.dtype), const)


def _literal(recorder: Recorder, value: Any) -> Argument:
    if isinstance(value, Tracer):
        return recorder.declare("constant", value.shape, str(value.dtype))
    return value.item() if hasattr(value, "item") else value
