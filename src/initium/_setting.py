"""setting: how whoever reads a text gives a setting, in Python or to a command.

Who reads is known where a command begins, and by nothing that a text says. It steers words alone.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

_is_command = False
_FLAGS = {"rules": "--rule"}  # those that are not called as in Python


@contextmanager
def to_a_command() -> Iterator[None]:
    """Meanwhile texts are for somebody who typed a command."""
    global _is_command
    before, _is_command = _is_command, True
    try:
        yield
    finally:
        _is_command = before


def either(python: str, command: str) -> str:
    """What to type, where the two have nothing in common."""
    return command if _is_command else python


def setting(name: str, value: Any = None) -> str:
    """A setting by its name in Python; with a value, as it is given.

    Args:
        name: of it.
        value: True, a text, globs, or a mapping of globs; None if the name alone is meant.

    Example:
        >>> print(setting("skip", ["head.*"]), setting("rename", {"a.*": "b.*"}), setting("trust", True))
        skip=['head.*'] rename={'a.*': 'b.*'} trust=True
        >>> with to_a_command():
        ...     print(setting("skip", ["head.*"]), setting("rename", {"a.*": "b.*"}), setting("trust", True))
        --skip 'head.*' --rename 'a.*=b.*' --trust
    """
    if not _is_command:
        return f"`{name}`" if value is None else f"{name}={value!r}"
    flag = _FLAGS.get(name, f"--{name.replace('_', '-')}")
    if value is None or value is True:
        return f"`{flag}`" if value is None else flag
    items = [f"{key}={one}" for key, one in value.items()] if isinstance(value, Mapping) else value
    items = [items] if isinstance(items, str) else items
    return " ".join(f"{flag} {_quoted(one)}" for one in items)


def _quoted(text: str) -> str:
    """As a shell takes it whole."""
    return "'" + text.replace("'", "'\"'\"'") + "'"
