"""undisturbed: a model is looked at in the same surroundings, wherever that is asked for."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import wraps
from threading import local
from typing import Any, ParamSpec, TypeVar

import torch

from .._turn import in_turn
from ._random import nothing_drawn
from ._torch import (
    disable_current_modes,
    function_modes_popped,
    tracing_paused,
    transforms_popped,
    uncompiled_function,
)

Given = ParamSpec("Given")
Result = TypeVar("Result")
_AUTOCAST = ("cpu", "cuda", "xpu", "mps", "hpu")  # the devices that know it
_here = local()


def undisturbed(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """A function that sees nothing of its caller's surroundings, and leaves the random numbers as they were.

    Those are what `apart` names, autocast, and default dtype and device. The default dtype is the whole process's; it
    is changed only where it is not PyTorch's own.
    """

    # All that waits its turn has one code: so `plan` and `initialize` are left alone by torch.compile too.
    @uncompiled_function
    @in_turn
    @wraps(function)
    def wrapped(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        with _defaults_noted(), apart(), _usual_dtype(), default_device("cpu"), _no_autocast():
            return function(*args, **kwargs)

    return wrapped


@contextmanager
def apart() -> Iterator[None]:
    """No inference mode and no gradients; no modes and no transforms, which see each operation."""
    with (
        nothing_drawn(),
        tracing_paused(),
        transforms_popped(),
        disable_current_modes(),
        function_modes_popped(),
        torch.inference_mode(False),
        torch.no_grad(),
    ):
        yield


def where_made(values: Iterable[torch.Tensor]) -> AbstractContextManager[Any]:
    """Inference mode, if one of them was made in it: only there it can be written."""
    return torch.inference_mode() if any(value.is_inference() for value in values) else nullcontext()


def default_device(device: torch.device | str) -> AbstractContextManager[Any]:
    """Where tensors are made, set only if they are made elsewhere: a mode costs time at each call."""
    place = torch.device(device)
    return nullcontext() if torch.get_default_device() == place == torch.device("cpu") else place


def callers_device() -> torch.device:
    """The default device where Initium was called."""
    return getattr(_here, "device", None) or torch.get_default_device()


@contextmanager
def _defaults_noted() -> Iterator[None]:
    before = getattr(_here, "device", None)
    _here.device = callers_device()
    try:
        yield
    finally:
        _here.device = before


@contextmanager
def _usual_dtype() -> Iterator[None]:
    dtype = torch.get_default_dtype()
    if dtype is torch.float32:
        yield
        return
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(dtype)


@contextmanager
def _no_autocast() -> Iterator[None]:
    with ExitStack() as stack:
        for device in _AUTOCAST:
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        yield
