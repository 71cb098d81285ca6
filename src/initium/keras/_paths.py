"""Which variable has which path: no two that one object starts share theirs, and a rebuilt one keeps its own."""

import re
import sys
import threading
import weakref
from typing import Any

import keras  # pyright: ignore[reportMissingImports]

from ._keras import own_variables, with_layers_within


class _Session(threading.local):
    """Who asked since `keras.utils.clear_session`; Keras's own names are counted by thread as well."""

    def __init__(self) -> None:
        self.started: weakref.WeakKeyDictionary[Any, dict[str, list[Any]]] = weakref.WeakKeyDictionary()


_SESSION = _Session()
_STARTED: dict[int, tuple[Any, str]] = {}  # by the id of a variable that is there: itself, and the path it started from
_COUNT = re.compile(r"#\d+$")


class _Config(dict[str, Any]):
    """A config that is Keras's, with the paths for whoever makes a copy of it in this process, as attention does."""

    told: tuple[str, ...] = ()


class Rebuilt:
    """An initialiser that, saved within a layer, tells the paths under which that layer's variables started.

    A layer that is made again from its config may be built outside of the model in which it was built first, and its
    variables' paths are then shorter: "hidden/kernel" of "net/hidden/kernel". Keras saves what `get_build_config`
    gives beside the config, which stays that of Keras, and hands it to `build_from_config`.
    """

    built = False  # Keras asks it before it hands the saved paths over
    told: tuple[str, ...] = ()

    def get_build_config(self) -> dict[str, Any] | None:
        """Where the variables of the layer that is being saved started; nothing if none is."""
        variables = [variable for one in _saved_layer() for variable in own_variables(one)]
        known = [_STARTED.get(id(variable)) for variable in variables]
        pairs = zip(variables, known, strict=True)
        paths = [found[1] for variable, found in pairs if found and found[0]() is variable]
        return {"paths": paths} if paths else None

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Remember where the variables of the layer that was saved had started."""
        self.told = tuple(config["paths"])

    def get_config(self) -> dict[str, Any]:
        """As Keras's."""
        config = _Config(super().get_config())  # pyright: ignore[reportAttributeAccessIssue]
        config.told = self.told
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """As Keras's."""
        made = super().from_config(config)  # pyright: ignore[reportAttributeAccessIssue]
        made.told = getattr(config, "told", ())
        return made


def _saved_layer() -> list[Any]:
    """The layer whose config is being made, and those within it: Keras does not tell an initialiser which it is."""
    frame = sys._getframe(2)
    while frame is not None:
        if isinstance(layer := frame.f_locals.get("self"), keras.Layer):
            return list(with_layers_within(layer))
        frame = frame.f_back
    return []


def own_path(init: Any, variable: Any) -> str:
    """The variable's path, or "path#2" if the object `init` started another variable under it in this session.

    Of a layer that is rebuilt from a config it is the one that was saved, which may begin with a model's name that is
    now missing. A longer one than was saved is another place: of one config many layers may be made.

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
    saved = [one for one in getattr(init, "told", ()) if f"/{_COUNT.sub('', one)}".endswith(f"/{variable.path}")]
    path = variable.path if place == 1 else f"{variable.path}#{place}"
    path = saved[place - 1] if place <= len(saved) else path
    key = id(variable)
    _STARTED[key] = weakref.ref(variable, lambda _: _STARTED.pop(key, None)), path
    return path
