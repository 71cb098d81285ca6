"""Code: the files of somebody's own that a study runs, as they go to another machine."""

import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .._study._own_code import own_parts
from .._study._sources import own_files
from .._study._study import Study
from ._contender import Contender


@dataclass(frozen=True)
class Code:
    """Files by their places below a folder, in which they lie to each other as they do here.

    Attributes:
        files: what each holds.
        folder: where this process is.
        path: where Python looks for modules.
        name: nobody else knows it, and so has put nothing there.
    """

    files: dict[str, bytes]
    folder: str
    path: tuple[str, ...]
    name: str = field(default_factory=lambda: f"initium-{secrets.token_hex(16)}")

    @classmethod
    def of(cls, study: Study) -> "Code":
        """What a study runs of somebody's own, and what that imports."""
        found = own_files(own_parts(study), named=True)
        return cls({_place(one): one.read_bytes() for one in found}, _place("."), tuple(map(_place, sys.path)))

    def lay_out(self) -> tuple[list[str], str]:
        """Write the files, once on each machine; where Python finds modules among them, and where to be."""
        if not self.files:
            return [], os.getcwd()
        root = _root(self.name)
        if not root.exists():
            made = Path(tempfile.mkdtemp(prefix="initium-"))
            for place, content in [*self.files.items(), (f"{self.folder}/.initium", b"")]:
                (made / place).parent.mkdir(parents=True, exist_ok=True)
                (made / place).write_bytes(content)
            try:
                made.rename(root)
            except OSError:  # another process was faster
                shutil.rmtree(made)
        return [str(root / one) for one in self.path if (root / one).is_dir()], str(root / self.folder)


def forget(name: str) -> None:
    """Remove what was laid out."""
    shutil.rmtree(_root(name), ignore_errors=True)


def _root(name: str) -> Path:
    return Path(tempfile.gettempdir()) / name


def _place(path: str | Path) -> str:
    found = Path(os.path.realpath(path))
    return found.relative_to(found.anchor).as_posix()


def portable(runs: Any) -> Iterator[tuple[Contender, int]]:
    """Runs whose model, where a file is named, is named from the folder in which this process is."""
    known: dict[int, tuple[Contender, Contender]] = {}
    for one, index in runs:
        if id(one) not in known:
            known[id(one)] = one, replace(one, study=_portable(one.study))
        yield known[id(one)][1], index


def _portable(study: Study) -> Study:
    where, _, name = study.model.rpartition(":") if isinstance(study.model, str) else ("", "", "")
    if not where.endswith(".py"):
        return study
    found = copy(study)
    object.__setattr__(found, "model", f"{os.path.relpath(os.path.realpath(where))}:{name}")
    return found
