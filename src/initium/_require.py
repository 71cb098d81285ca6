"""Optional packages, with an error that says how to get them."""

import contextlib
import importlib
from collections.abc import Iterable
from types import ModuleType

from ._errors import MissingExtraError


def require(module: str, *, to: str, install: str = "initium[compare]") -> ModuleType:
    """Import a package that is not always there, or say what is missing, for what, and how to get it.

    Raises:
        MissingExtraError: if it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if install == error.name:
            raise MissingExtraError(f"{to} needs {install}, which is not installed: pip install {install}") from None
        raise MissingExtraError(
            f"{to} needs packages that are not installed, such as '{error.name}'. Install them all with: "
            f"pip install '{install}'"
        ) from None


def versions(packages: Iterable[str]) -> dict[str, str]:
    """The version of each package that is installed."""
    from importlib import metadata  # costs half of what `import initium` does

    found = {}
    for package in packages:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found
