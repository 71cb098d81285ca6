"""A study as TOML: what `initium compare` was asked for, to be read and written by hand."""

import json
import tomllib
from collections.abc import Mapping
from typing import Any

from .._errors import SettingError
from .._files import write_text
from .._reading import contents, path_of

_MARK = "# A study of Initium"
_MOST = 1 << 20
# What a command does with a study is no part of it.
_COMMAND = ("store", "resume", "jobs", "limit", "out", "export", "show", "save_study", "yes")


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
    if others := [name for name in _COMMAND if name in found]:
        option = others[0].replace("_", "-")
        raise SettingError(f"'{path}' says `{others[0]}`, which is the command's: initium compare {path} --{option}.")
    if not isinstance(found.get("inits", []), list):
        raise SettingError(f'\'{path}\': inits is a list of starts, as in inits = ["he_normal", "zeros"].')
    if not isinstance(found.get("rules", {}), dict):
        raise SettingError(
            f'\'{path}\': rules are a table of their own: [rules], and below it lines as "head.*" = "zeros".'
        )
    return found


def write_toml(path: str, asked: Mapping[str, Any]) -> None:
    """Write what was asked for.

    Raises:
        OutputError: if it cannot be written there.
    """
    flat = [f"{_name(key)} = {_value(value)}" for key, value in asked.items() if not isinstance(value, Mapping)]
    tables = [
        "\n".join([f"\n[{_name(key)}]", *(f"{_name(one)} = {_value(each)}" for one, each in value.items())])
        for key, value in asked.items()
        if isinstance(value, Mapping) and value
    ]
    write_text(path, "\n".join([f"{_MARK}: initium compare {path}", *flat, *tables]) + "\n", mark=_MARK)


def _name(key: str) -> str:
    return key if key.replace("_", "").isalnum() and key.isascii() else _value(key)


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, float):
        return repr(value)
    # Of texts, whole numbers and truth values JSON writes what TOML reads; it leaves out no letter that TOML forbids.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
