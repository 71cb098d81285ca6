"""JSON from a file: what no reader agrees on is refused."""

import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def parsed(data: bytes, *, encoding: str = "utf-8", whole: Callable[[str], Any] = int) -> Any:
    """The value that some bytes hold.

    Args:
        data: the text.
        encoding: of it; `utf-8-sig` for what somebody edits, since editors put a mark of byte order first.
        whole: what reads a whole number.

    Raises:
        ValueError: saying where it breaks; a `JSONDecodeError` or a `UnicodeDecodeError` if it is no JSON.
        RecursionError: if it is nested too deeply.
    """
    text = data.decode(encoding)
    found = json.loads(text, object_pairs_hook=_object, parse_int=whole)
    if _SURROGATE.search(text):
        _check_letters(found)
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object without one key twice, of which every reader takes another."""
    found = dict(pairs)
    if len(found) < len(pairs):
        (key, count), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f'one object has "{key}" {count} times')
    return found


def _check_letters(found: Any) -> None:
    """Refuse half a letter, which no file and no name can hold."""
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = ascii(error.object[error.start])[1:-1]
        raise ValueError(f"it has {half}, which is half a letter and none by itself") from None
