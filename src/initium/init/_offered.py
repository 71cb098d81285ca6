"""offered: the names of the catalogue as functions of an edge."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from .._spec import unknown_name
from ._parse import names


@functools.cache
def offered(name: str, make: Callable[..., Any], *added: inspect.Parameter, drop_in: Any = None) -> Callable[..., Any]:
    """The catalogue's function of a name, giving what an edge makes of the initialiser.

    Args:
        name: of an entry or an alias.
        make: is called with the initialiser, and with those of `added` that were passed.
        added: what the function takes beside the arguments of the entry, by keyword.
        drop_in: the edge's module with the framework's own names, which are often looked for among the catalogue's.

    Raises:
        AttributeError: with the place of a name of the framework's, or with the nearest name there is.
    """
    build = names().get(name)
    if build is None:
        edge, place = make.__module__.partition("._")[0], drop_in.__name__ if drop_in else ""
        if not name.startswith("_") and callable(getattr(drop_in, name, None)):
            raise AttributeError(f"`{name}` is `{place}.{name}`; `{edge}` has the names of `initium list`.")
        raise AttributeError(str(unknown_name("initialiser", name, names(), "`initium list` shows all of them.")))
    own = inspect.signature(build)

    @functools.wraps(build)
    def start(*args: Any, **kwargs: Any) -> Any:
        told = {one.name: kwargs.pop(one.name) for one in added if one.name in kwargs}
        return make(build(*args, **kwargs), **told)

    start.__name__ = start.__qualname__ = name
    start.__module__ = make.__module__.partition("._")[0]
    gives = make if isinstance(make, type) else inspect.signature(make).return_annotation
    signature = own.replace(parameters=[*own.parameters.values(), *added], return_annotation=gives)
    setattr(start, "__signature__", signature)  # noqa: B010  for help()
    return start
