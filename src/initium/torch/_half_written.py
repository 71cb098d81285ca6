"""half_written: what a fill that broke off may have left half-way, remembered until it is written again."""

from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from weakref import WeakKeyDictionary

import torch
from torch import nn

from .._decisions import folded
from .._errors import InitiumError, ModelError
from ._path import plain_paths
from ._shards import notice
from ._torch import own_buffers, own_parameters, version_of

# Each tensor that may hold some of two lots of numbers, by the module that owns it: its version since.
_HALF: WeakKeyDictionary[nn.Module, dict[str, int]] = WeakKeyDictionary()
_WAY = "Apply a plan that writes them, or build the model anew."


@contextmanager
def half_written(model: nn.Module, values: Mapping[str, torch.Tensor]) -> Iterator[None]:
    """Remember what was to be written of a model that had numbers, if the body fails; an error of ours says so.

    To keep the old numbers until all is written would take the memory of a second model.
    """
    there = {id(value): path for path, value in values.items() if not value.is_meta}
    try:
        yield
    except BaseException as error:
        for module, name, _, value in _held(model):
            if id(value) in there:
                notice(value)
                _HALF.setdefault(module, {})[name] = 0 if value.is_inference() else version_of(value)
        if there and isinstance(error, InitiumError):
            error.args = (f"{error}\nThe model had numbers, and is half-written now: {folded(there.values())}. {_WAY}",)
        raise
    for module, name, _, value in _held(model) if _HALF else ():
        if id(value) in there and module in _HALF:
            _HALF[module].pop(name, None)


def half_of(model: nn.Module) -> list[str]:
    """What may hold some of two lots of numbers; what was written since by an operation of PyTorch's does not."""
    if not _HALF:
        return []
    plain = plain_paths(model)
    return [plain(path) for module, name, path, value in _held(model) if _is_half(module, name, value)]


def check_whole(model: nn.Module, but: Container[str] = ()) -> None:
    """Refuse a model that is half-written.

    Args:
        model: which may be.
        but: the paths of what is about to be written.

    Raises:
        ModelError: naming what is.
    """
    if found := [path for path in half_of(model) if path not in but]:
        raise ModelError(f"An `apply` broke off, and left these half-written: {folded(found)}. {_WAY}")


def _is_half(module: nn.Module, name: str, value: torch.Tensor) -> bool:
    version = _HALF.get(module, {}).get(name)
    return version is not None and version == (0 if value.is_inference() else version_of(value))


def _held(model: nn.Module) -> Iterator[tuple[nn.Module, str, str, torch.Tensor]]:
    for prefix, module in model.named_modules():
        for name, value in (*own_parameters(module).items(), *own_buffers(module).items()):
            if value is not None:
                yield module, name, f"{prefix}.{name}" if prefix else name, value
