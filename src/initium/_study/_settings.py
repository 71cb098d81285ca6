"""What each setting of training may be."""

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

from .._errors import SettingError

# The words that a setting may be.
CHOICES = {"optimizer": ("sgd", "nesterov", "adam", "adamw"), "schedule": ("constant", "cosine", "step")}
_WHOLE = {"batch_size": 1, "warmup": 0, "depth": 1, "width": 1}
_ABOVE = ("lr", "clip", "margin")


def check_setting(name: str, value: Any) -> None:
    """Refuse a word or a number that a setting cannot be.

    Raises:
        SettingError: saying what it can be.
    """
    if name in CHOICES:
        if value not in CHOICES[name]:
            raise SettingError(f"{name} is {either(CHOICES[name])}, not {value!r}.")
    elif value is not None or name in ("lr", "batch_size", "momentum", "weight_decay", "warmup"):
        check_number(name, value)


def check_number(name: str, value: Any) -> None:
    """Refuse a number that a setting cannot be.

    Raises:
        SettingError: saying what it can be.
    """
    if name in _WHOLE:
        check_whole(name, value, _WHOLE[name])
    elif name in _ABOVE:
        if not _is_number(value) or not 0 < value < float("inf"):
            raise SettingError(f"{name} is a number above 0, not {value!r}.")
    elif name == "momentum":
        if not _is_number(value) or not 0 <= value < 1:
            raise SettingError(f"momentum is a number from 0 to below 1, not {value!r}.")
    elif name == "weight_decay" and (not _is_number(value) or not 0 <= value < float("inf")):
        raise SettingError(f"weight_decay is a number of 0 or more, not {value!r}.")


def either(words: Sequence[str]) -> str:
    """`constant, cosine or step`."""
    return f"{', '.join(words[:-1])} or {words[-1]}"


def check_whole(name: str, value: Any, least: int) -> None:
    """Refuse what is no whole number, or too small a one."""
    if isinstance(value, bool) or not isinstance(value, Integral) or not least <= int(value) < 2**64:
        raise SettingError(f"{name} is a whole number of {least} or more, not {value!r}.")


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
