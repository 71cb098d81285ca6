"""What a model shows of having been trained before."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from .._graph import Statistics
from ._lengths import spectral_buffers
from ._path import plain_paths
from ._read import buffers_of, named
from ._torch import NormBase, own_parameters

# What `reset_running_stats` of every batch norm writes.
RUNNING = {"running_mean": 0, "running_var": 1, "num_batches_tracked": 0}


def history_of(model: nn.Module) -> dict[str, Any]:
    """Facts of a Graph: running statistics, and what training may have changed if anything shows that there was any.

    That is shown by a gradient, by a normalisation that has counted batches, or by a slope that nobody typed.
    """
    statistics = tuple(statistics_of(model))
    trained = _trained(model, statistics)
    return {"statistics": statistics, "trained": trained, "learned": tuple(_learned(model)) if trained else ()}


def statistics_of(model: nn.Module) -> Iterator[Statistics]:
    """The running statistics of every normalisation that keeps some."""
    paths: dict[int, str] = {}
    for path, _, _, value in named(model):
        paths.setdefault(id(value), path)
    plain = plain_paths(model)
    for path, module in norms(model).items():
        params = [value for value in own_parameters(module).values() if value is not None] or _around(model, path)
        yield Statistics(
            path=plain(path),
            params=tuple(dict.fromkeys(paths[id(value)] for value in params)),
            frozen=tuple(dict.fromkeys(paths[id(value)] for value in params if not value.requires_grad)),
            has_counted=_has_counted(module),
        )


def norms(model: nn.Module) -> dict[str, Any]:
    """The normalisations that keep running statistics, by their path."""
    found = {path: module for path, module in model.named_modules() if isinstance(module, NormBase)}
    return {path: norm for path, norm in found.items() if any(value is not None for value in _running(norm))}


def _running(norm: Any) -> list[torch.Tensor | None]:
    return [getattr(norm, name, None) for name in RUNNING]


def _around(model: nn.Module, path: str) -> list[nn.Parameter]:
    """The parameters of the innermost module around a path that has some."""
    while path:
        path = path.rpartition(".")[0]
        if params := list(model.get_submodule(path).parameters()):
            return params
    return []


def _has_counted(norm: Any) -> bool:
    held = zip(_running(norm), RUNNING.values(), strict=True)
    known = [(value, built) for value, built in held if value is not None and not value.is_meta]
    return any(bool((value != built).any()) for value, built in known)


def _trained(model: nn.Module, statistics: tuple[Statistics, ...]) -> str:
    if any(param.grad is not None for param in model.parameters()):
        return "it has gradients"
    if any(one.has_counted for one in statistics):
        return "its normalisations have counted batches"
    slopes = [module for module in model.modules() if isinstance(module, nn.PReLU) and not module.weight.is_meta]
    if not all(_is_typed(number, slope.weight.dtype) for slope in slopes for number in set(slope.weight.tolist())):
        return "its slopes are not as they are built"
    return ""


def _is_typed(number: float, dtype: torch.dtype) -> bool:
    """Whether a few digits say a number, as they do one that somebody typed; training leaves longer ones."""
    digits = 2 if dtype.itemsize == 2 else 3  # three say almost any number of two bytes
    return torch.tensor(float(f"{number:.{digits}g}"), dtype=dtype).item() == number


def _learned(model: nn.Module) -> Iterator[str]:
    """The parameters that are trained, and the saved buffers but those that a plan resets or renews."""
    yield from dict.fromkeys(path for path, _, _, value in named(model) if value.requires_grad)
    plain = plain_paths(model)
    running = {plain(f"{path}.{name}" if path else name) for path in norms(model) for name in RUNNING}
    renewed = set(spectral_buffers(model))
    for buffer in buffers_of(model):
        if buffer.is_saved and not {buffer.path, *buffer.tied} & (running | renewed):
            yield buffer.path
