"""From a spec to an initialiser."""

import copyreg
import re
from collections.abc import Callable
from typing import Any

from .._errors import InitiumError, SpecError
from .._spec import parse_call, unknown_name
from ._initialiser import ALIASES, CATALOGUE, FROM_FILES, Initialiser


def names() -> dict[str, Callable[..., Initialiser]]:
    """Every name of the catalogue, aliases too, and what it calls."""
    return CATALOGUE | ALIASES


def parse(spec: str) -> Initialiser:
    """Read an initialiser from its spec; `str()` of the result reads back as an equal one.

    Args:
        spec: a name or a call with literal arguments.

    Raises:
        SpecError: where the text breaks, or which argument does not fit.
        UnknownNameError: with the nearest name there is.

    Example:
        >>> parse("kaiming_uniform(slope=0.2)") == parse("he_uniform(0.2)")
        True
    """
    call = parse_call(spec)
    known = names() | FROM_FILES
    if call.name not in known:
        raise unknown_name("initialiser", call.name, names(), "`initium list` shows all of them.")
    try:
        return known[call.name](*call.args, **call.kwargs)
    except SpecError as error:
        raise SpecError(f"'{spec}' does not fit. {error}") from None


def uncalled(start: Any) -> str:
    """The name of a catalogue's function that was given without its brackets."""
    meant = (start, getattr(start, "__wrapped__", start))  # an edge's function wraps that of the catalogue
    return next((name for name, build in CATALOGUE.items() if any(build is one for one in meant)), "")


def of_another_library(start: Any) -> str:
    """What to say of an initialiser that PyTorch, Keras or JAX made; nothing of all else."""
    kind = start if hasattr(start, "__name__") else type(start)
    module = str(getattr(kind, "__module__", ""))
    if not module.startswith(_THEIRS):
        return ""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__).lower().strip("_")
    says = f"write the text '{name}'" if name in names() else "take one of `initium list`"
    return f"`{kind.__qualname__.partition('.')[0]}` is of {module} and makes numbers of its own; {says}."


_THEIRS = ("torch.nn.init", "keras.initializers", "keras.src.initializers", "jax._src.nn.initializers", "jax.nn")


def reads_back(init: Initialiser) -> bool:
    """Whether its spec says all of it, so that a text can stand for it."""
    try:
        return parse(init.spec) == init
    except InitiumError:
        return False


def _reduced(init: Initialiser) -> Any:
    return (parse, (init.spec,)) if reads_back(init) else init.__reduce_ex__(4)


copyreg.pickle(Initialiser, _reduced)  # the functions that it is made of cannot be pickled, and its spec can
