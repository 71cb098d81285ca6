"""Which variable has which path: no two that one object starts share theirs."""

import threading
import weakref
from typing import Any

import keras  # pyright: ignore[reportMissingImports]


class _Session(threading.local):
    """Who asked since `keras.utils.clear_session`; Keras's own names are counted by thread as well."""

    def __init__(self) -> None:
        self.started: weakref.WeakKeyDictionary[Any, dict[str, list[Any]]] = weakref.WeakKeyDictionary()


_SESSION = _Session()


def own_path(init: Any, variable: Any) -> str:
    """The variable's path, or "path#2" if the object `init` started another variable under it in this session.

    Variables are counted and not forgotten with their layer: a layer lives until Python collects cycles, and numbers
    must not hang on when that is.
    """
    if keras.backend.get_uid("initium.keras") == 1:  # Keras counts anew: the session was cleared
        _SESSION.started.clear()
    started = _SESSION.started.setdefault(init, {}).setdefault(variable.path, [])
    place = next((place for place, one in enumerate(started, 1) if one() is variable), None)
    if place is None:
        started.append(weakref.ref(variable))
        place = len(started)
    return variable.path if place == 1 else f"{variable.path}#{place}"
