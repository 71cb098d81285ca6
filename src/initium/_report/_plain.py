"""Data as JSON knows it."""

from typing import Any


def plain(value: Any) -> Any:
    """The same data, in which a number that is none, NaN or infinity, is None: JSON has no word for it."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return None if isinstance(value, float) and value - value != 0 else value
