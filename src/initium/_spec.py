"""Calls written as text: `he_normal`, `uniform(-0.1, 0.1)`, `mlp(10, 20, 2)`."""

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NoReturn

from ._errors import SpecError, UnknownNameError

_EXAMPLES = "A spec is a name or a call: `he_normal`, `uniform(-0.1, 0.1)`, `mlp(10, 20, 2)`."


_HYPHENED = re.compile(r"[A-Za-z]\w*(-\w+)+")


@dataclass(frozen=True)
class Call:
    """A name and its literal arguments."""

    name: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)


def parse_call(text: str) -> Call:
    """Read a name or a call whose arguments are literals; nothing is evaluated.

    Raises:
        SpecError: with the place where the text stops making sense.
    """
    if not text.strip():
        raise SpecError(f"A spec is empty. {_EXAMPLES}")
    if _HYPHENED.fullmatch(text.strip()):
        return Call(text.strip())  # no difference of two numbers, but a name that is in no table
    try:
        node = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        _break(text, (error.offset or 1) - 1, _reason(error.msg))
    except (ValueError, RecursionError, MemoryError):
        _break(text, 0, _reason(""))
    match node:
        case ast.Name(id=name):
            return Call(name)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords):
            return Call(
                name,
                tuple(_literal(text, arg) for arg in args),
                {_keyword(text, word): _literal(text, word.value) for word in keywords},
            )
    return _break(text, node.col_offset, "this is neither a name nor a call")


def format_call(call: Call) -> str:
    """The text that `parse_call` reads back as an equal call."""
    words = [_text(value) for value in call.args]
    words += [f"{name}={_text(value)}" for name, value in call.kwargs.items()]
    return f"{call.name}({', '.join(words)})" if words else call.name


def unknown_name(kind: str, name: str, known: Iterable[str], see: str) -> UnknownNameError:
    """The error for a name that is in no table, with the nearest one that is."""
    import difflib  # half of what this file would cost to import

    known = sorted(known)
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])|-", "_", name).lower()  # HeNormal is he_normal in other libraries
    near = difflib.get_close_matches(snake, known, n=1)
    alike = [one for one in known if snake in one] if len(snake) > 1 else []
    hint = f"the closest is '{near[0]}'" if near else f"known: {', '.join(alike or known)}"
    if not near and len(alike or known) > 20:
        hint = f"there are {len(known)} others"
    return UnknownNameError(f"No {kind} is called '{name}'; {hint}.{' ' + see if see else ''}")


def _reason(message: str) -> str:
    """What Python's parser found, in the words of someone who writes no Python."""
    if "never closed" in message:
        return "this bracket is never closed"
    if "forgot a comma" in message:
        return "a comma is missing from here on"
    return "from here on it cannot be read"


def _literal(text: str, node: ast.expr) -> Any:
    if isinstance(node, ast.Name) and node.id == "inf":
        return float("inf")
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        return _break(text, node.col_offset, "an argument is a number or a quoted word")


def _keyword(text: str, word: ast.keyword) -> str:
    return word.arg or _break(text, word.col_offset, "an argument is a number or a quoted word")


def _text(value: Any) -> str:
    # 1.0 prints as 1: the shortest text that reads back as an equal number.
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e16
    return repr(int(value)) if is_whole else repr(value)


def _break(text: str, offset: int, reason: str) -> NoReturn:
    offset = min(max(offset, 0), len(text))
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    raise SpecError(
        f"'{text}' breaks at character {offset + 1}: {reason}.\n    {text}\n    {' ' * offset}^\n{_EXAMPLES}"
    )
