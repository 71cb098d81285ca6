"""A study as TOML: what `initium compare` was asked for, to be read and written by hand."""

import ast
import json
import tomllib
from collections.abc import Mapping
from typing import Any

from .._errors import SettingError
from .._files import write_text
from .._printable import printable
from .._reading import contents, path_of
from ._names import BESIDE, COMMAND
from ._study import Study

_MARK = "# A study of Initium"
_MOST = 1 << 20
_OTHERS = (*BESIDE, *COMMAND)  # what a command does with a study is no part of it
# What is text by itself; any other text that is a tuple of Python's stands for that, since a list is a grid.
_TEXTS = ("inits", "model", "data", "target", "loss", "metric", "rules")


def read_toml(path: str) -> dict[str, Any]:
    """What a file asks for, by the names that `compare` has.

    Raises:
        SettingError: if it is no such file.
    """
    raw = contents(path_of(path), refuse=SettingError, most=_MOST)
    try:
        found = tomllib.loads(raw.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"'{path}' is no TOML: {error}.") from None
    if others := [name for name in _OTHERS if name in found]:
        option = others[0].replace("_", "-")
        raise SettingError(f"'{path}' says `{others[0]}`, which is the command's: initium compare {path} --{option}.")
    if not isinstance(found.get("inits", []), list):
        raise SettingError(f'\'{path}\': inits is a list of starts, as in inits = ["he_normal", "zeros"].')
    if not isinstance(found.get("rules", {}), dict):
        raise SettingError(
            f'\'{path}\': rules are a table of their own: [rules], and below it lines as "head.*" = "zeros".'
        )
    return {name: value if name in _TEXTS else _with_tuples(value) for name, value in found.items()}


def write_toml(path: str, asked: Mapping[str, Any]) -> None:
    """Write what was asked for.

    Raises:
        SettingError: if a value would not be read as what it is.
        OutputError: if it cannot be written there.
    """
    flat: list[str] = []
    tables: list[str] = []
    for key, value in asked.items():
        if (value is None and getattr(Study, key, key) is None) or (key == "rules" and not value):
            continue  # as where nobody says anything
        try:
            if key not in _TEXTS:
                _check_texts(value)
            if isinstance(value, Mapping) and value:
                lines = (f"{_name(one)} = {_value(each)}" for one, each in value.items())
                tables.append("\n".join([f"\n[{_name(key)}]", *lines]))
            else:
                flat.append(f"{_name(key)} = {_value(value)}")
        except _UnwritableError as error:
            raise SettingError(
                f"{key} cannot be written to '{path}': {error}. Leave out --save-study, or give another value."
            ) from None
    header = f"{_MARK}: initium compare {printable(path)}"
    write_text(path, "\n".join([header, *flat, *tables]) + "\n", mark=_MARK)


class _UnwritableError(Exception):
    """Why TOML cannot hold a value."""


def _name(key: Any) -> str:
    if not isinstance(key, str):
        raise _UnwritableError(f"the names of a table in TOML are texts, not {key!r}")
    return key if key and key.replace("_", "").isalnum() and key.isascii() else _value(key)


def _value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_name(key)} = {_value(one)}' for key, one in value.items())}}}"
    if isinstance(value, tuple):
        if _tuple(text := repr(value)) != value:
            raise _UnwritableError(f"{value!r} cannot be read again from its text")
        return _value(text)
    if isinstance(value, float):
        return repr(value)
    if not isinstance(value, str | int):
        raise _UnwritableError("TOML has no None" if value is None else f"TOML has no value as {value!r}")
    if isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise _UnwritableError(f"{value!r} is no text in UTF-8")
    # Of texts, whole numbers and truth values JSON writes what TOML reads; it leaves out no letter that TOML forbids.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")


def _tuple(text: str) -> tuple[Any, ...] | None:
    """What a text stands for, if that is a tuple."""
    if not text.strip().startswith("("):
        return None
    try:
        found = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return found if isinstance(found, tuple) else None


def _with_tuples(value: Any) -> Any:
    """The tuples that texts stand for, in lists as well."""
    if isinstance(value, list):
        return list(map(_with_tuples, value))
    if isinstance(value, dict):
        return {name: _with_tuples(one) for name, one in value.items()}
    found = _tuple(value) if isinstance(value, str) else None
    return value if found is None else found


def _check_texts(value: Any) -> None:
    """Refuse a text that would be read as a tuple."""
    parts = [*value.values()] if isinstance(value, Mapping) else value if isinstance(value, list) else []
    for one in parts:
        _check_texts(one)
    if isinstance(value, str) and _tuple(value) is not None:
        raise _UnwritableError(f"the text {value!r} would be read as a tuple")
