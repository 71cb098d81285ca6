"""What a model, a loss or an argument is made from, as a digest: the same wherever the same is asked for."""

import hashlib
import importlib.util
import os
from pathlib import Path
from typing import Any

from .._imported import file_of, imported
from ._value_digest import digest_of, is_of_own, known_as


def source_digest(model: Any) -> str:
    """A digest that changes with the source of a model, or of any other function.

    Of a file it is all of it and of the files of somebody's own that it imports; of an object of Python what it is made
    of, as `digest_of` says. A built-in model has none.
    """
    if isinstance(model, tuple):
        return hashlib.sha256(" ".join(map(source_digest, model)).encode()).hexdigest()[:16]
    if not isinstance(model, str):
        return digest_of(model, files_digest)[0]
    file = _file(model)
    return files_digest(file) if file else ""


def _file(model: str) -> Path | None:
    where, colon, _ = model.rpartition(":")
    return (Path(where) if where.endswith(".py") else file_of(where) or _installed(where)) if colon else None


def own_digest(parts: Any) -> str:
    """A digest of whatever is somebody's own among some parts; empty if nothing is.

    Args:
        parts: models, functions, starts and arguments; a text with a colon names a function.
    """
    found = [source_digest(one) if isinstance(one, str) else _own(one) for one in parts]
    return hashlib.sha256(" ".join(found).encode()).hexdigest()[:16] if any(found) else ""


def own_files(parts: Any, *, named: bool = False) -> set[Path]:
    """The files that other processes read some parts from, and those of somebody's own that these import.

    Args:
        parts: as of `own_digest`.
        named: whether with files that are named, each of which is run anew wherever it is asked for.
    """
    found: set[Path] = set()

    def noted(file: Path) -> str:
        found.update(imported(file))
        return ""

    for one in parts:
        if not isinstance(one, str):
            digest_of(one, noted)
        elif file := _file(one):
            is_left_out = ".py:" in one and not named
            found.update(set(imported(file)) - ({Path(os.path.realpath(file))} if is_left_out else set()))
    return found


def _own(part: Any) -> str:
    digest, is_own = digest_of(part, files_digest)
    return digest if is_own else ""


def named_digest(value: Any) -> tuple[str, str]:
    """What a function, a class or an object is called, and its digest; none of what a package holds under that name."""
    if (name := known_as(value)) and not is_of_own(value):
        return name, ""
    kind = value if hasattr(value, "__qualname__") else type(value)
    return f"{getattr(kind, '__module__', 'builtins')}.{kind.__qualname__}", source_digest(value)


def files_digest(file: Path) -> str:
    """Of a file and what it imports of somebody's own, wherever they lie."""
    texts = sorted(hashlib.sha256(_content(path)).hexdigest() for path in imported(file))
    return hashlib.sha256(" ".join(texts).encode()).hexdigest()[:16]


def _installed(module: str) -> Path | None:
    """The file of a module that is found in a way of its own."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # gone a moment ago; told when it is imported
        return b""
