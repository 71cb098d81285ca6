"""The names of the catalogue as functions of this edge."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from .._spec import unknown_name
from ..init._parse import names
from ._start import Start, parse

# What `parse` takes beside the initialiser.
_WEIGHT = [each for each in inspect.signature(parse).parameters.values() if each.kind is each.KEYWORD_ONLY]


@functools.cache
def named(name: str) -> Callable[..., Start]:
    """The function of that name: the arguments of the catalogue's entry, then those of `parse`.

    Raises:
        AttributeError: with the nearest name there is.
    """
    entry = names().get(name)
    if entry is None:
        raise AttributeError(str(unknown_name("initialiser", name, names(), "")))

    def build(*args: Any, **kwargs: Any) -> Start:
        weight = {each.name: kwargs.pop(each.name) for each in _WEIGHT if each.name in kwargs}
        return parse(entry(*args, **kwargs), **weight)

    signature = inspect.signature(entry)
    build.__name__ = build.__qualname__ = name
    build.__doc__ = entry.__doc__
    build.__signature__ = signature.replace(  # pyright: ignore[reportFunctionMemberAccess]
        parameters=[*signature.parameters.values(), *_WEIGHT], return_annotation=Start
    )
    return build
