"""From what JSON holds to a value of a type, or what is wrong with it."""

import json
import sys
import types
from collections.abc import Iterable
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from .._errors import InitiumError
from .._printable import printable
from .._spec import unknown_name
from ..init import Initialiser, parse

_LONGEST = 60
_ONE = {
    str: "a text in quotes",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    types.NoneType: "null",
}
_MANY = {str: "texts", int: "whole numbers"}


class JsonError(Exception):
    """What is wrong at one place, as the end of a sentence that begins with the place."""


def from_json(kind: Any, value: Any) -> Any:
    """A value of the type: a number, text, tuple, dataclass, initialiser, or a word of a `Literal`.

    Raises:
        JsonError: if it is another one.
    """
    origin, parts = get_origin(kind), get_args(kind)
    if kind is Initialiser:
        return parse(from_json(str, value))
    if is_dataclass(kind):
        return kind(**values(value, kind))  # pyright: ignore[reportCallIssue]
    if origin in (Union, types.UnionType):
        return from_json(_meant(parts, value), value)
    if origin is tuple:
        return _tuple(parts[0], value)
    if origin is Literal:
        return _word(parts, value)
    if kind is float:
        return _number(value)
    if type(value) is not kind:
        raise JsonError(f"is {_ONE[kind]}, not {shown(value)}")
    return value


def values(
    entry: Any, *kinds: Any, without: Iterable[str] = (), besides: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The fields of dataclasses, from an object of JSON.

    Args:
        entry: what JSON holds.
        kinds: the dataclasses.
        without: names of fields that it does not have.
        besides: further keys that it has, and their types.
    """
    if not isinstance(entry, dict):
        raise JsonError(f"is an object in braces, not {shown(entry)}")
    known = {
        field.name: (_hints(kind)[field.name], field.default)
        for kind in kinds
        for field in fields(kind)
        if field.compare
    }
    known = {name: known[name] for name in known if name not in without}
    known |= {name: (hint, MISSING) for name, hint in (besides or {}).items()}
    for key in entry:
        if key not in known:
            raise JsonError(f"cannot be read. {unknown_name('key', key, known, '')}".removesuffix("."))
    if missing := [key for key, (_, default) in known.items() if default is MISSING and key not in entry]:
        raise JsonError(f'lacks "{missing[0]}"')
    said = {key: at(f'"{key}"', known[key][0], value) for key, value in entry.items()}
    if (said.get("moment") or 0) < 0:
        raise JsonError(f'"moment" is a number from 0, not {shown(entry["moment"])}')
    return said


def at(place: str, kind: Any, value: Any) -> Any:
    """The value at a place; what is wrong with it is told with the place."""
    try:
        return from_json(kind, value)
    except JsonError as error:
        raise JsonError(f"{place} {error}") from None
    except InitiumError as error:
        raise JsonError(f"{place}: {error}") from None


def shown(value: Any) -> str:
    """What JSON holds, cut where it is long."""
    text = printable(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _number(value: Any) -> float:
    if type(value) not in (int, float):
        raise JsonError(f"is {_ONE[float]}, not {shown(value)}")
    if not abs(value) <= sys.float_info.max:
        raise JsonError(f"is a finite number, not {shown(value)}")
    return float(value)


def _meant(parts: tuple[Any, ...], value: Any) -> Any:
    """Which of several types a value is of, if it is of one."""
    if value is None and types.NoneType in parts:
        return types.NoneType
    given = [part for part in parts if part is not types.NoneType]
    return next((part for part in given if isinstance(value, list) == (get_origin(part) is tuple)), given[0])


def _tuple(kind: Any, value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list) or (kind in _MANY and any(type(one) is not kind for one in value)):
        raise JsonError(f"is a list of {_MANY.get(kind, 'objects')}, not {shown(value)}")
    return tuple(at(f"number {number}", kind, one) for number, one in enumerate(value, start=1))


def _word(words: tuple[str, ...], value: Any) -> str:
    if from_json(str, value) not in words:
        raise unknown_name("word", value, words, "")
    return value
