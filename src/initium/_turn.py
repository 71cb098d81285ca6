"""in_turn: one model is looked at or filled at a time, by whichever thread."""

import os
from collections.abc import Callable
from functools import wraps
from threading import RLock
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")
_turn = RLock()


def in_turn(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """A function for which other threads wait: two models may share a layer, and a run swaps a layer's weights."""

    @wraps(function)
    def waiting(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        with _turn:
            return function(*args, **kwargs)

    return waiting


def _renew() -> None:
    """A forked process has one thread, which may not be the one whose turn it was."""
    global _turn
    _turn = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
