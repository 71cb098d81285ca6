"""named: a model's variables, under the paths that its user sees and those under which they are drawn."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import keras  # pyright: ignore[reportMissingImports]

from .._errors import ModelError, listed
from .._stream_path import stream_path
from ._keras import auto_name_of, own_variables, trained_variables, within


@dataclass(frozen=True)
class Named:
    """A variable of a model.

    Attributes:
        path: the names of the layers around it and its own, as in `encoder/dense/kernel`; the model's is left out.
        variable: itself.
        layer: that made it.
        stream: under which its numbers are drawn.
        is_weight: whether its layer means it to be trained; it may be frozen.
        tied: its other paths, where a layer is part of several.
    """

    path: str
    variable: Any
    layer: Any
    stream: str
    is_weight: bool
    tied: tuple[str, ...] = ()

    @property
    def owner(self) -> str:
        """The path of its layer."""
        return self.path.rpartition("/")[0]


def named(model: Any) -> list[Named]:
    """Every variable of a model that is saved with it, in the order of its layers; a shared one once.

    Raises:
        ModelError: if the model is not built, or two variables have one path.
    """
    check_built(model)
    places = dict(_places(model))
    found: dict[int, list[tuple[str, Any, Any]]] = defaultdict(list)
    for path, layer in _layers(model):
        for variable in own_variables(layer):
            found[id(variable)].append((_joined(path, variable.name), variable, layer))
    made = [_named(owned, places) for owned in found.values()]
    _check_apart([path for one in made for path in (one.path, *one.tied)])
    return made


def is_built(model: Any) -> bool:
    """Whether a model and all layers within it have their variables, as far as it is known."""
    return all(layer.built for _, layer in _layers(model))


def check_built(model: Any) -> None:
    """Refuse a model whose variables are not there yet.

    Raises:
        ModelError: saying how it is built.
    """
    if not model.built:
        raise ModelError(
            f"{model_name(model)} {model.name!r} is not built, so that it has no weights yet. Begin it with "
            "keras.Input(...), call it once, or pass inputs that it takes: example=batch."
        )


def _named(owned: list[tuple[str, Any, Any]], places: dict[int, str]) -> Named:
    # A layer may hold what another has made, as one that ties its kernel to a table does.
    path, variable, layer = max(owned, key=lambda one: _num_alike(one[0], one[1].path))
    seat = _joined(places[id(layer)], _place_of(variable.name, layer))
    tied = tuple(dict.fromkeys(other for other, _, _ in owned if other != path))
    is_weight = any(one is variable for one in trained_variables(layer))
    return Named(path, variable, layer, stream_path(seat), is_weight, tied)


def _layers(model: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The model and all layers within it, each with its path; a shared one at each of its places."""
    yield path, model
    for layer in within(model):
        yield from _layers(layer, _joined(path, layer.name))


def _places(model: Any) -> Iterator[tuple[int, str]]:
    """Each layer by the path that it has if those without a name of their own are counted through this model alone.

    Keras counts them through the process, so that a model that is built a second time has others.
    """
    counts: dict[str, int] = defaultdict(int)
    seen = set[int]()

    def walk(layer: Any, path: str) -> Iterator[tuple[int, str]]:
        yield id(layer), path
        for one in within(layer):
            if id(one) in seen:
                continue
            seen.add(id(one))
            name, stem = one.name, auto_name_of(one)
            if stem:
                name = f"{stem}_{counts[stem]}" if counts[stem] else stem
                counts[stem] += 1
            yield from walk(one, _joined(path, name))

    yield from walk(model, "")


def _place_of(name: str, layer: Any) -> str:
    """A variable's name; those that Keras has counted through the process, through its layer."""
    names = [one.name for one in own_variables(layer) if re.fullmatch(r"variable(_\d+)?", one.name)]
    if name not in names:
        return name
    number = names.index(name)
    return f"variable_{number}" if number else "variable"


def _num_alike(path: str, other: str) -> int:
    """How many names two paths have in common at their end."""
    pairs = zip(reversed(path.split("/")), reversed(other.split("/")), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _joined(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def _check_apart(paths: list[str]) -> None:
    if twice := sorted({path for path in paths if paths.count(path) > 1}):
        lines = [f"  {path}" for path in twice]
        raise ModelError(
            f"Several weights of this model have one path, so that no rule and no draw could tell them apart:\n"
            f"{listed(lines)}\nGive their layers names of their own: Dense(64, name='query')."
        )


def model_name(model: Any) -> str:
    """The type of a model, as messages call it."""
    return "Model" if type(model) is keras.Model else type(model).__name__
