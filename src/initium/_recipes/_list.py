"""All recipes at a glance."""

import inspect
import re
from typing import NamedTuple

from ._parse import by_name


class Listed(NamedTuple):
    """One recipe, as a list shows it.

    Attributes:
        name: by which it is called.
        use: what it is for, one clause.
        version: raised whenever it decides otherwise than before.
    """

    name: str
    use: str
    version: int


def recipes() -> tuple[Listed, ...]:
    """Every recipe by name, with what it is for.

    Example:
        >>> [listed.use for listed in recipes() if listed.name == "siren"]
        ['implicit neural representations']
    """
    return tuple(Listed(name, _use(build), build().version or 0) for name, build in sorted(by_name().items()))


def _use(build: object) -> str:
    """The first clause of a docstring's `Use`, or its first line."""
    text = inspect.getdoc(build) or ""
    found = re.search(r"^Use: *(.*?)(?=\n\n|\Z)", text, re.MULTILINE | re.DOTALL)
    clause = " ".join(found[1].split()) if found else text.partition("\n")[0]
    return re.split(r"[.;:] |[.]$", clause)[0]
