"""What a model is made from, as a digest: its source and that of what it imports beside it."""

import ast
import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any


def source_digest(model: Any) -> str:
    """A digest that changes with the source of a model.

    Of a file it is all of it and of the files beside it that it imports; of a function or a class of Python its own
    source and that of the functions and classes of the same module that it names. A built-in model has none.
    """
    if isinstance(model, tuple):
        return _digest(source_digest(one) for one in model)
    if not isinstance(model, str):
        return _digest(_of_object(model, set()))
    where, colon, _ = model.rpartition(":")
    if not colon:
        return ""
    file = Path(where) if where.endswith(".py") else _file_of(where)
    return _digest(path.read_text(errors="replace") for path in sorted(_beside(file, set()))) if file else ""


def _digest(texts: Any) -> str:
    found = hashlib.sha256()
    for text in texts:
        found.update(text.encode(errors="replace") + b"\0")
    return found.hexdigest()[:16]


def _file_of(module: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


def _beside(file: Path, met: set[Path]) -> set[Path]:
    """A file and what it imports of its folder, and so on."""
    file = file.resolve()
    if file in met or not file.is_file():
        return met
    met.add(file)
    try:
        tree = ast.parse(file.read_text(errors="replace"))
    except (SyntaxError, ValueError):  # told when it is imported
        return met
    for name in _imported(tree):
        place = file.parent.joinpath(*name.split("."))
        for one in (place.with_suffix(".py"), place / "__init__.py"):
            _beside(one, met)
    return met


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            yield from [base] if base else []
            yield from (f"{base}.{alias.name}".strip(".") for alias in node.names)


def _of_object(found: Any, met: set[int]) -> Iterator[str]:
    """The source of a function or a class, and of what it names of its own module."""
    if id(found) in met:
        return
    met.add(id(found))
    if isinstance(found, partial):
        yield repr((found.args, sorted(found.keywords.items())))
        yield from _of_object(found.func, met)
        return
    try:
        yield inspect.getsource(found)
    except (OSError, TypeError):  # typed at a prompt, or not written in Python
        yield _bytecode(found)
    for name, value in _named(found):
        if isinstance(value, int | float | str | tuple):
            yield f"{name}={value!r}"
        elif getattr(value, "__module__", None) == getattr(found, "__module__", ""):
            yield from _of_object(value, met)


def _bytecode(found: Any) -> str:
    code = getattr(found, "__code__", None)
    return (
        repr((code.co_code, code.co_consts, code.co_names))
        if code
        else getattr(found, "__qualname__", repr(type(found)))
    )


def _named(found: Any) -> Iterator[tuple[str, Any]]:
    """What a function or the methods of a class name outside of themselves, if it is known."""
    for function in _functions(found):
        names = function.__code__.co_names
        for name in names:
            if name in function.__globals__:
                yield name, function.__globals__[name]
        cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=False)
        for name, cell in cells:
            try:
                yield name, cell.cell_contents
            except ValueError:  # not given yet
                continue
    if isinstance(found, type):
        module = sys.modules.get(found.__module__)
        yield from ((base.__name__, base) for base in found.__bases__ if module and base.__module__ == module.__name__)


def _functions(found: Any) -> Iterator[Callable[..., Any]]:
    members = vars(found).values() if isinstance(found, type) else [found]
    for member in members:
        if hasattr(member, "__code__") and hasattr(member, "__globals__"):
            yield member
