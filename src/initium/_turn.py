"""in_turn: one model is looked at or filled at a time, by whichever thread."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from threading import RLock, Thread, current_thread
from typing import Any, ParamSpec, TypeVar
from weakref import WeakSet

from ._errors import ModelError

Given = ParamSpec("Given")
Result = TypeVar("Result")
_turn = RLock()
# The threads that do the work of whoever has the turn, himself first; it is another set at each turn.
_working = WeakSet[Thread]()

# What hands its first argument to a thread that is there already. Whoever imports one of them later starts its threads.
_HANDS_OVER = (
    ("concurrent.futures.thread", "ThreadPoolExecutor", ("submit",)),
    ("multiprocessing.pool", "ThreadPool", ("apply_async", "_map_async", "imap", "imap_unordered")),
)


def in_turn(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """A function for which other threads wait: two models may share a layer, and a run swaps a layer's weights.

    Raises:
        ModelError: in a thread that a model starts while it is run, or has working for it; it would wait for the model,
            and the model perhaps for it. A task that reaches a thread by a queue of the model's own is not known.
    """

    @wraps(function)
    def waiting(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        if not _turn.acquire(blocking=False):
            _check_apart(function.__name__)
            _turn.acquire()
        try:
            with _begun():
                return function(*args, **kwargs)
        finally:
            _turn.release()

    return waiting


def _check_apart(name: str) -> None:
    """Refuse to wait for a turn that may itself wait for this thread."""
    if current_thread() in _working:
        raise ModelError(
            f"`{name}` is called in a thread of a model that Initium runs at this moment, and each would wait for the "
            "other. Call it where no model runs, or in the thread in which the model's forward was called."
        )


@contextmanager
def _begun() -> Iterator[None]:
    """The outermost call of a turn knows which threads work for it, whether they start now or are there already."""
    global _working
    if current_thread() in _working:
        yield
        return
    mine = _working = WeakSet([current_thread()])
    with ExitStack() as stack:
        stack.enter_context(_wrapped(Thread, "start", lambda start: _starting(start, mine)))
        for module, kind, names in _HANDS_OVER:
            if found := sys.modules.get(module):
                for name in names:
                    wrap = lambda method: _handing(method, mine)  # noqa: E731
                    stack.enter_context(_wrapped(getattr(found, kind), name, wrap))
        try:
            yield
        finally:
            mine.clear()


def _starting(start: Callable[..., Any], mine: WeakSet[Thread]) -> Callable[..., Any]:
    @wraps(start)
    def starting(self: Thread) -> None:
        if current_thread() in mine:
            mine.add(self)
        start(self)

    return starting


def _handing(method: Callable[..., Any], mine: WeakSet[Thread]) -> Callable[..., Any]:
    @wraps(method)
    def handing(self: Any, *args: Any, **kwargs: Any) -> Any:
        if args and current_thread() in mine:
            args = (_worked(args[0], mine), *args[1:])
        return method(self, *args, **kwargs)

    return handing


def _worked(task: Callable[..., Any], mine: WeakSet[Thread]) -> Callable[..., Any]:
    """A task during which its thread works for a turn, if that lasts."""

    def worked(*args: Any, **kwargs: Any) -> Any:
        here = current_thread()
        if not mine or here in mine:
            return task(*args, **kwargs)
        mine.add(here)
        try:
            return task(*args, **kwargs)
        finally:
            mine.discard(here)

    return worked


@contextmanager
def _wrapped(kind: Any, name: str, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Iterator[None]:
    """While it lasts, a class has a method wrapped; what somebody else put there meanwhile stays."""
    usual, is_own = getattr(kind, name), name in vars(kind)
    ours = wrap(usual)
    setattr(kind, name, ours)
    try:
        yield
    finally:
        if vars(kind).get(name) is ours:
            setattr(kind, name, usual) if is_own else delattr(kind, name)


def _renew() -> None:
    """A forked process has one thread, which may not be the one whose turn it was."""
    global _turn, _working
    _turn, _working = RLock(), WeakSet()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
