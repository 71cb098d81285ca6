"""What a model shows of having been trained or loaded before."""

from collections.abc import Iterable, Iterator
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from .._decisions import folded
from .._graph import Statistics
from ._as_drawn import as_drawn
from ._deferred import is_replaced
from ._half_written import half_of
from ._lengths import spectral_buffers
from ._path import plain_paths
from ._read import NORMS, buffers_of, named
from ._shards import is_sharded
from ._torch import NormBase, OutProjection, own_parameters, version_of

# What `reset_running_stats` of every batch norm writes.
RUNNING = {"running_mean": 0, "running_var": 1, "num_batches_tracked": 0}
# Each parameter as Initium left it, by the module that owns it: its version, and its first numbers.
_LEFT: WeakKeyDictionary[nn.Module, dict[str, tuple[int, list[float]]]] = WeakKeyDictionary()
# What Initium copied from a checkpoint, likewise.
_LOADED: WeakKeyDictionary[nn.Module, set[str]] = WeakKeyDictionary()
_FIRST = 4  # numbers that tell what raises no version: `.data`, a fused optimiser


def history_of(model: nn.Module) -> dict[str, Any]:
    """Facts of a Graph: running statistics, and what training may have changed if anything shows that there was any.

    That is shown by a gradient, by a normalisation that has counted batches, by a slope that nobody typed,
    and by what was written since Initium filled it.
    """
    statistics = tuple(statistics_of(model))
    trained = _trained(model, statistics)
    found: dict[str, Any] = {"statistics": statistics, "trained": trained}
    return found | ({"learned": tuple(_learned(model))} if trained else {"written": tuple(_written(model))})


def note_left(model: nn.Module, values: Iterable[torch.Tensor]) -> None:
    """Remember how Initium leaves parameters, to know later whether somebody has written one."""
    filled = {id(value) for value in values}
    for _, module, name, value in named(model):
        if id(value) in filled and not value.is_inference():
            _LEFT.setdefault(module, {})[name] = (version_of(value), _first(value))


def note_loaded(model: nn.Module, values: Iterable[torch.Tensor]) -> None:
    """Remember what a checkpoint gave, which to start anew is to lose."""
    loaded = {id(value) for value in values}
    for _, module, name, value in named(model):
        if id(value) in loaded:
            _LEFT.get(module, {}).pop(name, None)
            _LOADED.setdefault(module, set()).add(name)
        elif name in _LOADED.get(module, ()) and name in _LEFT.get(module, {}):
            _LOADED[module].discard(name)  # filled since


def _first(value: torch.Tensor) -> list[float]:
    """The first numbers of a parameter that has all of them here."""
    if value.is_meta or is_sharded(value) or not value.is_floating_point():
        return []
    line = value.detach()
    while line.ndim > 1 and len(line):
        line = line[0]
    return line.flatten()[:_FIRST].tolist()


def _since(module: nn.Module, name: str, value: torch.Tensor) -> bool | None:
    """Whether something has written a parameter since Initium filled it; None if it did not."""
    left = _LEFT.get(module, {}).get(name)
    if left is None or value.is_inference():
        return None
    version, numbers = left
    here = _first(value)
    coarse = torch.finfo(value.dtype).eps if value.is_floating_point() else 0.0  # of a model converted since
    is_same = len(here) != len(numbers) or all(
        abs(one - other) <= coarse * abs(other) for one, other in zip(here, numbers, strict=True)
    )
    return version_of(value) != version or not is_same


def _written(model: nn.Module) -> Iterator[str]:
    """The parameters of PyTorch's layers that were written after their layers had drawn them, and are no constants.

    If all biases and scales are constants, it was an initialisation of the model's own that wrote the others, save
    where those are still about what their layers drew.
    """
    held = list(named(model))
    own = {path: (module, name, value) for path, module, name, value in held if _is_known(module, value)}
    found = [path for path, one in own.items() if _is_written(*one)]
    vectors = {path for path, (_, _, value) in own.items() if value.ndim == 1}
    modules = {id(module): module for _, module, _, _ in held}  # each asked once, however many it holds
    alike = {key for key, module in modules.items() if _is_norm(module)}
    scales = {path: value for path, module, _, value in held if path not in own and id(module) in alike}
    scales = {path: value for path, value in scales.items() if _has_numbers(value) and value.is_floating_point()}
    tells = bool(vectors & set(found)) or not all(map(_is_constant, scales.values()))
    if tells or not (vectors or scales) or any(as_drawn(*own[path]) == "moved" for path in found):
        yield from found


def _is_norm(module: nn.Module) -> bool:
    """Whether somebody's own module is a normalisation, as it seems: it holds vectors alone, and no modules."""
    params = [param for param in own_parameters(module).values() if param is not None]
    return not any(module.children()) and all(param.ndim == 1 for param in params)


def _has_numbers(value: torch.Tensor) -> bool:
    return not (value.is_meta or value.is_inference() or is_lazy(value) or is_sharded(value))


def _is_known(module: nn.Module, value: nn.Parameter) -> bool:
    """Whether it is known how often the constructor of a layer of PyTorch's own writes a parameter."""
    kind = type(module).__module__
    is_layer = kind.startswith("torch.nn.modules.") and not kind.endswith(".container")
    return is_layer and _has_numbers(value) and not isinstance(module, nn.PReLU)


def _is_written(module: nn.Module, name: str, value: nn.Parameter) -> bool:
    """Whether something has written it since; where no version tells, its numbers do, and a scale that varies."""
    if _since(module, name, value) is not None or _is_constant(value):
        return False
    is_more = version_of(value) > _num_writes(module) or isinstance(module, NORMS)
    return is_more or as_drawn(module, name, value) in ("moved", "otherwise")


def _num_writes(module: nn.Module) -> int:
    """How often such a constructor writes what it holds."""
    is_padded = isinstance(module, nn.Embedding | nn.EmbeddingBag) and module.padding_idx is not None
    return 2 if is_padded or isinstance(module, OutProjection) else 1


def _is_constant(value: torch.Tensor) -> bool:
    numbers = value.detach().flatten()
    return not len(numbers) or bool((numbers == numbers[0]).all())


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
    if half := half_of(model):
        return f"half-written, since an `apply` broke off: {folded(half)}"
    if any(param.grad is not None for param in model.parameters()):
        return "it has gradients"
    if any(one.has_counted for one in statistics):
        return "its normalisations have counted batches"
    slopes = [module for module in model.modules() if isinstance(module, nn.PReLU) and not module.weight.is_meta]
    if not all(_is_typed(number, slope.weight.dtype) for slope in slopes for number in set(slope.weight.tolist())):
        return "its slopes are not as they are built"
    if loaded := [path for path, module, name, _ in named(model) if name in _LOADED.get(module, ())]:
        return f"copied from a checkpoint: {folded(loaded)}"
    since = {path: _since(module, name, value) for path, module, name, value in named(model)}
    if changed := [path for path, is_written in since.items() if is_written]:
        return f"written since Initium filled it: {folded(changed)}"
    if changed := [path for path, module, name, value in named(model) if is_replaced(module, name, value)]:
        return f"put in the place of what its constructor made: {folded(changed)}"
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
