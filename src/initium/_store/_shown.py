"""shown: a setting as it is kept, for people to read; no two are written alike."""

import re
from typing import Any

_WORD = re.compile(r"[^\W\d]\w*(-\w+)*")
_OTHERS = {"true", "false", "none", "nan", "inf", "infinity"}  # words that would pass for something else


def shown(kept: Any) -> str:
    """A word as it is, other text in quotes, what has a name by that, and what holds others with brackets."""
    if isinstance(kept, str):
        return kept if _WORD.fullmatch(kept) and kept.lower() not in _OTHERS else repr(kept)
    if isinstance(kept, list):
        return f"({', '.join(map(shown, kept))}{',' * (len(kept) == 1)})"
    if not isinstance(kept, dict):
        return str(kept)
    if "list" in kept:
        return f"[{', '.join(map(shown, kept['list']))}]"
    if "dict" in kept:
        return f"{{{', '.join(f'{shown(key)}: {shown(value)}' for key, value in kept['dict'])}}}"
    return " ".join(str(kept[name]) for name in ("name", "digest") if name in kept)


def plainly(kept: Any) -> Any:
    """For a table: numbers and texts as they are."""
    return shown(kept) if isinstance(kept, list | dict) else kept
