"""Random numbers that a run of a model draws, and nobody else notices."""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import numpy as np
import torch

from .._errors import ModelError
from ._torch import TorchDispatchMode, overload_name, schema_of

_numpys: Any = np.random
_here = threading.local()
# The generators that all of a process share.
_PYTHON, _NUMPY = random.random.__self__, _numpys.random.__self__  # pyright: ignore[reportFunctionMemberAccess]


def draws(op: Any) -> bool:
    """Whether an operation of PyTorch draws."""
    return torch.Tag.nondeterministic_seeded in getattr(op, "tags", ())


def seeded(op: Any, generator: torch.Generator) -> tuple[Any, dict[str, Any]]:
    """An operation that draws, in the form that takes a generator.

    Raises:
        ModelError: if it has none.
    """
    schema = schema_of(op)
    if schema is None or any(argument.name == "generator" for argument in schema.arguments):
        return op, {"generator": generator}
    packet, name = op.overloadpacket, overload_name(op)
    for other in ("generator" if name == "default" else f"{name}_generator", "low_generator_dtype"):
        if other in packet.overloads():
            return getattr(packet, other), {"generator": generator}
    raise ModelError(f"`{packet.__name__}` takes no generator of its own, so what it draws cannot be repeated.")


class DrawsFrom(TorchDispatchMode):
    """What is drawn on the CPU comes from a generator of its own.

    Args:
        generator: in the place of the one that all threads share.
    """

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self._generator = generator

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operation."""
        kwargs = kwargs or {}
        if draws(func) and kwargs.get("generator") is None and _is_on_cpu(args, kwargs):
            try:
                func, own = seeded(func, self._generator)
            except ModelError:  # it draws from the shared one alone
                with _lent(self._generator):
                    return func(*args, **kwargs)
            return func(*args, **kwargs | own)
        return func(*args, **kwargs)


@contextmanager
def _lent(generator: torch.Generator) -> Iterator[None]:
    """The shared generator stands in for another one."""
    with torch.random.fork_rng(devices=()):
        torch.default_generator.set_state(generator.get_state())
        yield
        generator.set_state(torch.default_generator.get_state())


def _is_on_cpu(args: Any, kwargs: Any) -> bool:
    tensor = next((arg for arg in args if isinstance(arg, torch.Tensor)), None)
    place = kwargs.get("device") or (tensor.device if tensor is not None else torch.get_default_device())
    return torch.device(place).type == "cpu"


@contextmanager
def nothing_drawn() -> Iterator[None]:
    """Python's, NumPy's and PyTorch's random numbers go on afterwards as if nobody had drawn any here.

    What other threads draw meanwhile is theirs: where there are some, this one draws from generators of its own.
    """
    if threading.active_count() > 1:
        with _apart(random, _PYTHON, _python()), _apart(_numpys, _NUMPY, _legacy()), _torchs():
            yield
        return
    python, legacy = random.getstate(), _NUMPY.get_state()
    try:
        devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
        with torch.random.fork_rng(devices):
            yield
    finally:
        random.setstate(python)
        _NUMPY.set_state(legacy)


def _python() -> random.Random:
    own = random.Random()
    own.setstate(random.getstate())
    return own


def _legacy() -> np.random.RandomState:
    own = np.random.RandomState()
    own.set_state(_NUMPY.get_state())
    return own


@contextmanager
def _apart(namespace: Any, shared: Any, own: Any) -> Iterator[None]:
    """While it lasts, a module's functions draw from a generator of its own for this thread, and as ever for others."""
    thread = threading.get_ident()

    def apart(usual: Callable[..., Any], mine: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(usual)
        def function(*args: Any, **kwargs: Any) -> Any:
            return (mine if threading.get_ident() == thread else usual)(*args, **kwargs)

        return function

    usual = {name: held for name, held in vars(namespace).items() if _is_of(held, shared)}
    usual["seed"] = namespace.seed  # which in NumPy is of no generator
    vars(namespace).update({name: apart(held, getattr(own, name)) for name, held in usual.items()})
    try:
        yield
    finally:
        vars(namespace).update(usual)


def _is_of(function: Any, generator: Any) -> bool:
    return getattr(getattr(function, "__wrapped__", function), "__self__", None) is generator


@contextmanager
def _torchs() -> Iterator[None]:
    """As far as the shared generator was seeded anew, it is put back; drawing is `DrawsFrom`'s."""
    shared = torch.default_generator
    state, seed, before = shared.get_state(), shared.initial_seed(), getattr(_here, "state", None)
    _here.state = state if before is None else before
    try:
        yield
    finally:
        _here.state = before
        if shared.initial_seed() != seed:
            shared.set_state(state)


@contextmanager
def own_draws() -> Iterator[None]:
    """What operations on numbers draw is what they would have drawn alone; within `nothing_drawn`."""
    state = getattr(_here, "state", None)
    if state is None:
        yield
        return
    generator = torch.Generator()
    generator.set_state(state)
    with DrawsFrom(generator):
        yield
