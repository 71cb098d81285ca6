"""Random numbers that a run of a model draws, and nobody else notices."""

import pickle
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import wraps
from typing import Any

import numpy as np
import torch

from .._errors import ModelError
from ._torch import TorchDispatchMode, overload_name, schema_of

_here = threading.local()
# The generators that all of a process share.
_PYTHON, _NUMPY = random.random.__self__, np.random.random.__self__  # pyright: ignore


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


def drawn_elsewhere() -> bytes:
    """Where the random numbers of Python and NumPy are."""
    return pickle.dumps((random.getstate(), np.random.get_state()))


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
        if (
            draws(func)
            and not _drops_nothing(func, args, kwargs)
            and kwargs.get("generator") in (None, torch.default_generator)
            and _is_on_cpu(args, kwargs)
        ):
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
    shared = torch.default_generator
    state = shared.get_state()
    shared.set_state(generator.get_state())
    try:
        yield
    finally:
        generator.set_state(shared.get_state())
        shared.set_state(state)


def _drops_nothing(op: Any, args: Any, kwargs: Any) -> bool:
    """Whether what might draw, as a fused attention, is told to drop nothing."""
    names = [argument.name for argument in schema_of(op).arguments]
    if "dropout_p" not in names:
        return False
    place = names.index("dropout_p")
    return not (args[place] if place < len(args) else kwargs.get("dropout_p", 0.0))


def _is_on_cpu(args: Any, kwargs: Any) -> bool:
    tensor = next((arg for arg in args if isinstance(arg, torch.Tensor)), None)
    place = kwargs.get("device") or (tensor.device if tensor is not None else torch.get_default_device())
    return torch.device(place).type == "cpu"


@contextmanager
def nothing_drawn() -> Iterator[None]:
    """Python's, NumPy's and PyTorch's random numbers go on afterwards as if nobody had drawn any here.

    What other threads draw meanwhile is theirs: where there are some, this one has generators of its own. Of PyTorch's
    that is so for what draws within `own_draws`.
    """
    if threading.active_count() > 1:
        with _drawing_apart():
            yield
        return
    python, legacy = random.getstate(), _NUMPY.get_state()
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    try:
        with torch.random.fork_rng(devices):
            yield
    finally:
        random.setstate(python)
        _NUMPY.set_state(legacy)


@contextmanager
def own_draws() -> Iterator[None]:
    """What operations on numbers draw is what they would have drawn if there were no other threads."""
    generator = getattr(_here, "generator", None)
    with DrawsFrom(generator) if generator is not None else nullcontext():
        yield


@contextmanager
def _drawing_apart() -> Iterator[None]:
    """What draws or seeds in this thread reaches generators of its own, which go on as the shared ones."""
    python, legacy, torchs = random.Random(), np.random.RandomState(), torch.Generator()
    python.setstate(random.getstate())
    legacy.set_state(np.random.get_state())
    torchs.set_state(torch.get_rng_state())
    names = {name: getattr(torchs, own) for name, own in _TORCHS.items()}
    before, _here.generator = getattr(_here, "generator", None), torchs
    try:
        with (
            _replaced(random, _bound(random, _PYTHON, python)),
            _replaced(np.random, _bound(np.random, _NUMPY, legacy) | _plain(legacy)),
            _replaced(torch, names),
            _replaced(torch.random, names),
        ):
            yield
    finally:
        _here.generator = before


# The functions of PyTorch that reach the shared generator, and what a generator calls the same.
_TORCHS = {
    "manual_seed": "manual_seed",
    "seed": "seed",
    "initial_seed": "initial_seed",
    "get_rng_state": "get_state",
    "set_rng_state": "set_state",
}


def _bound(namespace: Any, shared: Any, own: Any) -> dict[str, Callable[..., Any]]:
    """Of a module's functions that are a generator's methods, the same of another one."""
    methods = {name: getattr(held, "__wrapped__", held) for name, held in vars(namespace).items()}
    return {name: getattr(own, name) for name, held in methods.items() if getattr(held, "__self__", None) is shared}


def _plain(own: np.random.RandomState) -> dict[str, Callable[..., Any]]:
    """Those of NumPy's functions that are no methods, and reach its shared generator all the same."""
    return {"seed": own.seed, "sample": own.random_sample, "ranf": own.random_sample}


@contextmanager
def _replaced(namespace: Any, functions: dict[str, Callable[..., Any]]) -> Iterator[None]:
    """While it lasts, a module has other functions for this thread."""
    here = threading.local()
    usual = {name: vars(namespace)[name] for name in functions}
    vars(namespace).update({name: _while_it_lasts(here, mine, usual[name]) for name, mine in functions.items()})
    here.lasts = True
    try:
        yield
    finally:
        here.lasts = False
        vars(namespace).update(usual)


def _while_it_lasts(here: Any, mine: Callable[..., Any], usual: Callable[..., Any]) -> Callable[..., Any]:
    # Whoever imports it meanwhile, in any thread, keeps it for good: afterwards it is as the usual one.
    @wraps(usual)
    def function(*args: Any, **kwargs: Any) -> Any:
        return (mine if getattr(here, "lasts", False) else usual)(*args, **kwargs)

    return function
