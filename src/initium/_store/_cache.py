"""The folder of the studies that were given no file of their own."""

import contextlib
import os
import secrets
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .._errors import OutputError
from ._file import check_study

ENDING = ".db"


def folder() -> Path:
    """Where such studies lie: `$INITIUM_CACHE`, or where the system keeps what programs may leave."""
    if named := os.environ.get("INITIUM_CACHE"):
        return Path(named)
    if sys.platform == "win32":
        usual = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local")
    elif sys.platform == "darwin":
        usual = Path.home() / "Library/Caches"
    else:
        usual = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return usual / "initium"


def new_path(name: str) -> Path:
    """A path for a new study there, or among the temporary files where that folder cannot be written."""
    for place in (folder(), Path(tempfile.gettempdir()) / "initium"):
        with contextlib.suppress(OSError):
            place.mkdir(parents=True, exist_ok=True)
            if os.access(place, os.W_OK):
                return place / f"{name}-{secrets.token_hex(3)}{ENDING}"
    raise OutputError(
        f"Neither '{folder()}' nor a temporary folder can be written. Name a store, or set INITIUM_CACHE."
    )


def cached(name: str = "") -> Iterator[Path]:
    """The studies there whose name begins so, the latest first."""
    place = folder()
    found = [one for one in place.glob(f"{name}*{ENDING}") if one.is_file()] if place.is_dir() else []
    for path in sorted(found, key=lambda one: one.stat().st_mtime, reverse=True):
        with contextlib.suppress(OutputError):
            check_study(path)
            yield path
