"""stored: a setting as JSON keeps it, so that no two are kept alike and one is kept alike by every process."""

from numbers import Integral, Real
from typing import Any


def stored(value: Any) -> Any:
    """A number, a text, or what holds some; of all else its name and a digest.

    A whole number and the same with a point are one. A tuple is a list of JSON's; a list and a dict say what they are.
    """
    if value is None or isinstance(value, bool):
        return value
    if type(value) is str:
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        number = float(value)
        return int(number) if number.is_integer() else number
    if type(value) is tuple:
        return [stored(one) for one in value]
    if type(value) is list:
        return {"list": [stored(one) for one in value]}
    if type(value) is dict:
        return {"dict": [[stored(key), stored(one)] for key, one in value.items()]}
    return _named(value)


def _named(value: Any) -> dict[str, str]:
    from ._sources import named_digest  # which a study of numbers and words need not wait for

    name, digest = named_digest(value)
    return {"name": name, "digest": digest} if digest else {"name": name}
