"""as_meant: what an author built on purpose is kept, where the graph does not know better."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import nn

from ..._graph import Param
from .._built import Built, built, is_zero
from .._read import is_layers, named
from .._torch import own_parameters
from ._flow import Flow
from ._tracer import Value
from ._uses import Found
from ._zeros import on_purpose

# What is used as this hands a signal on: it says nothing that a recipe would not.
_NEUTRAL = {"scale": 1.0, "shift": 0.0, "bias": 0.0, "position": 0.0, "token": 0.0}

Owned = tuple[nn.Module, str, nn.Parameter]


def as_meant(
    model: nn.Module,
    flow: Flow,
    values: Sequence[Value],
    params: Mapping[int, Param],
    uses: Mapping[int, Sequence[Found]],
) -> dict[int, Param]:
    """Each parameter, with the role `kept` where its numbers were chosen by its author."""
    owned: dict[int, Owned] = {}
    for _, module, name, value in named(model):
        owned.setdefault(id(value), (module, name, value))
    used = {key: param for key, param in params.items() if uses[key] and owned[key][2].requires_grad}
    told = dict(params) | {key: _told(param, uses[key], *owned[key]) for key, param in used.items()}
    return _with_zeros(flow, values, told, owned, used)


def _told(param: Param, uses: Sequence[Found], module: nn.Module, name: str, value: nn.Parameter) -> Param:
    if is_layers(module, name):
        return replace(param, built=_otherwise(module, name, value)) if param.role == "bias" else param
    if param.role == "weight":
        found = built(module, name, value)
        # A constant matrix alone makes all units alike; beside another in one weight, as a size of noise, it does not.
        is_beside = any(len(use.operand.params) > 1 for use in uses)
        is_meant = (found.kind == "table" and not found.is_aside) or (
            found.kind == "constant" and found.value and is_beside
        )
        return _kept(param, found) if is_meant else param
    if param.role not in _NEUTRAL or _knows_better(param):
        return param
    found = built(module, name, value)
    if param.role in ("position", "token") and found.is_aside:
        return param
    if found.is_meant:
        used_as = param.use.offset + param.use.factor * found.value
        return param if math.isclose(used_as, _NEUTRAL[param.role], abs_tol=1e-5) else _kept(param, found)
    why = {"trained": "; trained since it was built", "unset": "; its constructor never wrote it"}.get(found.kind, "")
    return replace(param, because=f"{param.because}{why}")


def _knows_better(param: Param) -> bool:
    """Whether what is done with it says how it starts, whatever it holds: in a normalisation, at a branch's end."""
    branch = param.use.branch
    return param.use.operation == "normalisation" or bool(param.role == "scale" and branch and branch.is_last)


def _kept(param: Param, found: Built) -> Param:
    return replace(param, role="kept", because=f"its author's, built as {found.words}: {param.because}")


def _otherwise(module: nn.Module, name: str, value: nn.Parameter) -> str:
    """What a layer's bias was built with, if not with what PyTorch's layers draw, which is small and around zero."""
    found = built(module, name, value)
    weight = own_parameters(module).get("weight")  # what makes a weight anew is not asked: a spectral norm would step
    fan_in = weight[0].numel() if weight is not None and len(weight) else 1
    is_small = found.highest <= fan_in**-0.5
    return found.words if found.is_meant and not is_small else ""


def _with_zeros(
    flow: Flow, values: Sequence[Value], params: dict[int, Param], owned: Mapping[int, Owned], used: Mapping[int, Param]
) -> dict[int, Param]:
    """What was built as zeros and may stay so does; where it would hold a signal or a gradient at zero, it is drawn."""
    zeros = {key for key in owned if params[key].role != "embedding" and is_zero(*owned[key])}
    candidates = [key for key in used if key in zeros and params[key].role in ("weight", "scale")]
    candidates = [key for key in candidates if not params[key].use.offset]
    if all(key in zeros for key, (_, _, value) in owned.items() if value.ndim > 1):
        return params  # nothing on purpose: somebody set all of them to zero
    always = {key for key in zeros if params[key].role in ("bias", "shift", "kept")}
    stay = on_purpose(flow, values, candidates, always)
    paths = {params[key].path for key in stay}
    for key in candidates:
        if key in stay:
            params[key] = replace(params[key], role="kept", because="zero on purpose: training moves it")
        elif params[key].role == "weight":
            params[key] = replace(params[key], built="0, where nothing could be trained")
    for key in always:
        if params[key].bias_of in paths and params[key].role == "bias":
            params[key] = replace(params[key], role="kept", because="zero on purpose, as the weight before it")
    return params
