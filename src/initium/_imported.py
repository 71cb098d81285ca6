"""imported: the files that somebody's own Python file is made of, and which modules are somebody's own."""

import ast
import os
import sys
import sysconfig
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path

Stamp = tuple[int, int]  # when a file was written, and how long it is


def imported(file: str | Path) -> dict[Path, Stamp]:
    """A file, and those of somebody's own that it imports, and so on, each with its stamp.

    They are looked for as Python does: beside the file, in this folder, and along the path.
    """
    met: dict[Path, Stamp] = {}
    _follow(Path(os.path.realpath(file)), met)
    return met


def file_of(module: str) -> Path | None:
    """The file of a module, looked for in this folder and along the path; None if none is there."""
    return next(reversed(list(_places([Path.cwd()], module))), None)


def is_own(file: str | Path | None) -> bool:
    """Whether a file is somebody's own: not of Python, of an installed package, or ours."""
    if not file or str(file).startswith("<frozen"):
        return False
    place = os.path.realpath(file)
    is_installed = {"site-packages", "dist-packages"} & set(Path(place).parts)
    return not is_installed and not place.startswith(_not_own())


@cache
def _not_own() -> tuple[str, ...]:
    python = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib")]
    return tuple(os.path.join(os.path.realpath(one), "") for one in (*python, os.path.dirname(__file__)))


def _follow(file: Path, met: dict[Path, Stamp]) -> None:
    try:
        found = file.stat()
    except OSError:
        return
    if file in met or not file.is_file():
        return
    met[file] = found.st_mtime_ns, found.st_size
    for level, name in _names(file, *met[file]):
        roots = [file.parents[level - 1]] if 0 < level <= len(file.parents) else [file.parent, Path.cwd()]
        for one in _places(roots, name, along=not level):
            if is_own(one) or file.parent in one.parents:
                _follow(Path(os.path.realpath(one)), met)


@lru_cache(maxsize=1024)
def _names(file: Path, *_: int) -> tuple[tuple[int, str], ...]:
    """What a file imports wherever it says so: by how many dots, and what."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):  # told when it is imported
        return ()
    return tuple(dict.fromkeys(_of(tree)))


def _of(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            yield from [(node.level, base)] if base else []
            yield from ((node.level, f"{base}.{alias.name}".strip(".")) for alias in node.names)


def _places(roots: list[Path], name: str, *, along: bool = True) -> Iterator[Path]:
    """The files that run when a module is imported: its packages', and its own; of the first root that has some."""
    parts = name.split(".")
    for root in [*roots, *(Path(one) for one in sys.path if along and one)]:
        found = [root.joinpath(*parts[:number], "__init__.py") for number in range(1, len(parts) + 1)]
        found = [one for one in (*found, root.joinpath(*parts).with_suffix(".py")) if one.is_file()]
        if found:
            yield from found
            return
