"""asked: what the words of `initium compare` ask for, by the names that `compare` has."""

import ast
import re
from collections.abc import Iterator
from typing import Any

from ._errors import SettingError
from ._recipes import parse_recipe
from ._rule import read_rule_text
from ._study._names import COMMAND, meant
from ._study._study import AXES
from ._study._toml import read_toml

_OPTIONS = (*COMMAND, "rule")  # of the command alone


def asked(words: list[str], given: dict[str, Any]) -> dict[str, Any]:
    """What a study is made of, by the names that `compare` has: from a file, and from the command line, which wins."""
    inits, arguments = _split(words)
    files = [word for word in inits if word.endswith(".toml")]
    if files and len(inits) > 1:
        raise SettingError(f"'{files[0]}' names the starts itself; leave out the others.")
    if not inits and (name := next((one for one in arguments if _near(one)), "")):
        raise SettingError(f"`--{name.replace('_', '-')}` is no option.{_near(name)}")
    base = read_toml(files[0]) if files else {}
    inits = base.pop("inits", []) if files else inits
    rules = dict(read_rule_text(text) for text in given.pop("rules", []))
    own = {name: _values(name, value) if name in AXES else value for name, value in given.items()}
    found = {"model": "mlp", "data": "digits", **base, **own, **arguments}
    found["rules"] = {**base.get("rules", {}), **rules}
    return {"inits": inits, **found}


def _split(words: list[str]) -> tuple[list[str], dict[str, Any]]:
    """Starts, and what no option is: arguments of a model function, each with its values."""
    inits: list[str] = []
    arguments: dict[str, list[str]] = {}
    rest = iter(words)
    for word in rest:
        if not word.startswith("--"):
            inits.append(word)
            continue
        name, equals, value = word[2:].partition("=")
        value = value if equals else next(rest, "")
        if not name.replace("-", "_").isidentifier() or not value or value.startswith("--"):
            raise SettingError(
                f"`{word}` is no option, and an argument of a model function has a value: --hidden 16.{_near(name)}"
            )
        arguments.setdefault(name.replace("-", "_"), []).append(value)
    return inits, {name: _values(name, texts) for name, texts in arguments.items()}


def _near(name: str) -> str:
    """What an option that is none may stand for, as the end of a message."""
    near = meant(name, _OPTIONS)
    return f" The closest is `--{near.replace('_', '-')}`." if near else ""


def _values(name: str, texts: list[str]) -> Any:
    """One value, or a list of several."""
    cells = [cell.strip() for text in texts for cell in _parts(text)]
    if not all(cells):
        raise SettingError(f"--{name.replace('_', '-')} lists nothing between two commas: {', '.join(texts)}.")
    values = [_literal(cell) for cell in cells]
    return values if len(values) > 1 else values[0]


def _parts(text: str) -> list[str]:
    """What commas part that stand in no bracket; one that is never closed is a letter like others."""
    parts, depth = [""], 0
    closed = all(text.count(left) == text.count(right) for left, right in ("()", "[]", "{}"))
    for letter in text:
        depth += closed * ((letter in "([{") - (letter in ")]}"))
        if letter == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _literal(cell: str) -> Any:
    try:
        return ast.literal_eval(cell)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return {"true": True, "false": False}.get(cell.lower(), cell)


def renamed(inits: list[Any]) -> Iterator[tuple[str, str]]:
    """The starts that are reported under another name than they were asked for."""
    for spec in inits:
        if not isinstance(spec, str) or spec.endswith(".json"):
            continue
        asked, name = (re.match(r"\w*", text.strip())[0] for text in (spec, str(parse_recipe(spec))))  # pyright: ignore
        if asked != name:
            yield asked, name
