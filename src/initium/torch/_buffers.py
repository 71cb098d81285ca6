"""What a model on meta keeps beside its parameters, computed."""

from collections.abc import Callable, Hashable
from dataclasses import replace
from functools import partial

import torch
from torch import nn

from .. import _stream
from .._decisions import Decisions, starts_anew
from .._errors import ModelError, PlanError, listed
from .._tensor import Tensor, of_buffer
from ._deferred import record_of
from ._fill import drawn
from ._history import RUNNING, norms, statistics_of
from ._path import plain_paths
from ._read import buffers_of, named
from ._torch import NormBase
from ._write import Write

Make = Tensor | Callable[[], torch.Tensor]


def buffer_writes(model: nn.Module, plan: Decisions, seed: int) -> tuple[Write, ...]:
    """Every buffer that is on meta, or that the plan starts anew, with how its numbers are computed.

    Where the plan says it, that is as `plan.write` does.

    Raises:
        ModelError: naming those of which nobody knows.
    """
    found, unknown = [], []
    if next(model.buffers(), None) is None:
        return ()
    planned = _planned(model, plan, seed)
    stale, plain = _stale(model, plan), plain_paths(model)
    for full, value in model.named_buffers():
        owner, _, name = full.rpartition(".")
        module, path = model.get_submodule(owner), plain(full)
        record = record_of(module).get(name)
        is_anew = record is not None and record.is_random and plan.remakes
        is_loaded = isinstance(planned.get(path), Tensor)
        # Another seed draws others.
        if value.is_meta or is_anew or is_loaded or (id(module) in stale and name in RUNNING):
            make = planned.get(path) or _maker(module, name, value, _stream.key(seed, path))
            is_unset = record is not None and record.is_unset
            found += [Write(path, value, make, is_buffer=True, is_unset=is_unset)] if make else []
            unknown += [] if make else [f"  {path}  of {type(module).__name__}"]
    if unknown:
        raise ModelError(
            f"These buffers would stay uninitialised; they are on meta, and nothing says how they are computed:\n"
            f"{listed(sorted(unknown))}\n"
            "Build the model by `initium.torch.deferred(build)`, which remembers it, or give them their values first."
        )
    return tuple(found)


def _stale(model: nn.Module, plan: Decisions) -> set[int]:
    """The normalisations whose running statistics are of weights that the plan replaces."""
    choices = {choice.path: choice for choice in plan.choices}
    pairs = zip(norms(model).values(), statistics_of(model), strict=True)
    return {id(norm) for norm, one in pairs if one.has_counted and starts_anew(one, choices)}


def _planned(model: nn.Module, plan: Decisions, seed: int) -> dict[str, Make]:
    """How the buffers are drawn that a plan knows, by each of their names; and copies that no checkpoint holds."""
    told = {buffer.path: buffer for buffer in plan.buffers}
    found: dict[str, Make] = {}
    for here in buffers_of(model):
        buffer = told.get(here.path)
        if buffer is None and here.made and here.made.origin is not None:
            buffer = replace(here, draws_as=_first(model, here.made.origin))
        if buffer is None:
            continue
        if buffer.shape != here.shape:
            if buffer.is_loaded:
                raise PlanError(
                    f"This plan was made for another model: buffer {here.path} has shape {here.shape}, and the plan "
                    f"loads {buffer.shape}. Plan this model itself."
                )
            continue
        # The model may have been converted since it was planned.
        if tensor := of_buffer(replace(buffer, dtype=here.dtype), plan, seed):
            make = tensor if tensor.law.is_loaded else partial(drawn, tensor)
            found |= dict.fromkeys((here.path, *here.tied), make)
    return found


def _first(model: nn.Module, origin: Hashable) -> str:
    """The parameter that holds a recorded draw first, or else the buffer."""
    records = ((path, record_of(module).get(name)) for path, module, name, _ in named(model))
    params = (path for path, record in records if record and record.origin == origin)
    return next(params, "") or next(b.path for b in buffers_of(model) if b.made and b.made.origin == origin)


def _maker(module: nn.Module, name: str, value: torch.Tensor, key: int) -> Make | None:
    if recorded := record_of(module).get(name):
        return lambda: recorded.value(key)
    if isinstance(module, NormBase) and name in RUNNING:
        return lambda: torch.full(value.shape, RUNNING[name], dtype=value.dtype, device="cpu")
    return None
