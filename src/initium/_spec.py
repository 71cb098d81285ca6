"""Calls written as text: `he_normal`, `uniform(-0.1, 0.1)`, `mlp(10, 20, 2)`."""

import ast
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from ._errors import SettingError, SpecError, UnknownNameError
from ._printable import printable

# In letters. What recipe `author` writes has 4,000 at most; reading takes a hundred times the memory of the text.
_LONGEST = 100_000
_NAMED = 500  # letters of a name that is looked for among others
_EXAMPLES = "A spec is a name or a call: `he_normal`, `uniform(-0.1, 0.1)`, `mlp(10, 20, 2)`."

# What other libraries call a name; by its letters alone another would be nearest. In snake case.
_ELSEWHERE = {
    **dict.fromkeys(("random", "random_normal", "rand_normal", "randn", "gaussian", "gauss"), "normal"),
    **dict.fromkeys(("random_uniform", "rand_uniform", "rand"), "uniform"),
    **dict.fromkeys(("msra", "he_init", "kaiming_init"), "he_normal"),
    **dict.fromkeys(("none", "as_built", "unchanged"), "framework"),
    "xavier_init": "glorot_normal",
    "eye": "identity",
}
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
    check_length(text)
    if not text.strip():
        raise SpecError(f"A spec is empty. {_EXAMPLES}")
    text = text.strip()
    if _HYPHENED.fullmatch(text):
        return Call(text)  # no difference of two numbers, but a name that is in no table
    try:
        node = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        _break(text, _begin(text, error.lineno or 1) + (error.offset or 1) - 1, _reason(error.msg))
    except (ValueError, RecursionError, MemoryError):
        _break(text, 0, _reason(""))
    match node:
        case ast.Name(id=name):
            return Call(name)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords):
            _check_keywords(text, keywords)
            return Call(
                name,
                tuple(_literal(text, arg) for arg in args),
                {_keyword(text, word): _literal(text, word.value) for word in keywords},
            )
    return _break(text, _offset(text, node), "this is neither a name nor a call")


def check_length(text: str) -> None:
    """Refuse a text that is too long to be a spec, before anybody looks at it letter by letter."""
    if len(text) > _LONGEST:
        raise SpecError(f"A spec has at most {_LONGEST:,} letters, and this has {len(text):,}. {_EXAMPLES}")


def format_call(call: Call) -> str:
    """The text that `parse_call` reads back as an equal call."""
    words = [_text(value) for value in call.args]
    words += [f"{name}={_text(value)}" for name, value in call.kwargs.items()]
    return f"{call.name}({', '.join(words)})" if words else call.name


def unknown_name(kind: str, name: str, known: Iterable[str], see: str) -> UnknownNameError:
    """The error for a name that is in no table, with the nearest one that is."""
    import difflib  # half of what this file would cost to import

    known = sorted(known)
    name = name if len(name) <= _NAMED else f"{name[:_NAMED]}..."  # no name is so long, and each letter is compared
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])|-", "_", name).lower()  # HeNormal is he_normal in other libraries
    meant = _ELSEWHERE.get(snake.strip("_"))
    near = [meant] if meant in known else difflib.get_close_matches(snake, known, n=1)
    alike = [one for one in known if snake in one] if len(snake) > 1 else []
    hint = f"the closest is '{near[0]}'" if near else f"known: {', '.join(alike or known)}"
    if not near and len(alike or known) > 20:
        hint = "none is called nearly so"
    return UnknownNameError(f"No {kind} is called '{name}'; {hint}.{' ' + see if see else ''}")


def takes_no(what: str, wrong: str, known: Sequence[str], near: str) -> SettingError:
    """The error for an argument that something does not take, with what may be meant, if anything else is."""
    hint = f" The closest is `{near}`." if near not in ("", wrong) else ""
    return SettingError(f"{what} takes no `{wrong}`; it takes {', '.join(known) or 'no argument'}.{hint}")


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
        value = ast.literal_eval(node)
        repr(value)  # of a number in hexadecimal digits so long that Python writes it in no others
    except (ValueError, TypeError, RecursionError, MemoryError):
        return _break(text, _offset(text, node), "an argument is a number or a quoted word")
    return value


def _check_keywords(text: str, keywords: list[ast.keyword]) -> None:
    said: set[str | None] = set()
    for word in keywords:
        if word.arg in said:
            _break(text, _offset(text, word), f"`{word.arg}` is there twice")
        said.add(word.arg)


def _keyword(text: str, word: ast.keyword) -> str:
    return word.arg or _break(text, _offset(text, word), "an argument is a number or a quoted word")


def _begin(text: str, line: int) -> int:
    """Where a line of a text begins, counted as Python's parser does."""
    return len(b"".join(text.encode(errors="replace").splitlines(keepends=True)[: line - 1]).decode(errors="ignore"))


def _offset(text: str, node: ast.expr | ast.keyword) -> int:
    """Where a part of it begins, in letters; the parser counts bytes of UTF-8."""
    begin = _begin(text, node.lineno)
    return begin + len(text[begin:].encode()[: node.col_offset].decode(errors="ignore"))


def _text(value: Any) -> str:
    # 1.0 prints as 1: the shortest text that reads back as an equal number.
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e16
    return repr(int(value)) if is_whole else repr(value)


def _break(text: str, offset: int, reason: str) -> NoReturn:
    offset = min(max(offset, 0), len(text))
    before, shown = printable(text[:offset]), printable(text)
    raise SpecError(
        f"'{shown}' breaks at character {offset + 1}: {reason}.\n    {shown}\n    {' ' * len(before)}^\n{_EXAMPLES}"
    )
