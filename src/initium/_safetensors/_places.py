"""Which tensors a checkpoint holds, in one file or in several, and their bytes."""

from collections.abc import Iterator, Set
from pathlib import Path

from .._errors import DataError
from ._header import HeaderError, Place, read_header
from ._index import SUFFIX, read_index


def places(path: Path) -> tuple[dict[str, Place], list[str]]:
    """Where each tensor of a checkpoint lies, and what is wrong with its files.

    Raises:
        DataError: if there is no such file or it cannot be read.
        HeaderError: if it is no checkpoint.
    """
    if not path.name.endswith(SUFFIX):
        found, flaw = read_header(path)
        return found, [f"the file {flaw}"] if flaw else []
    told, flaws = read_index(path), []
    held: dict[str, Place] = {}
    by_file: dict[Path, set[str]] = {}
    for name, file in told.items():
        by_file.setdefault(file, set()).add(name)
    for file, named in sorted(by_file.items()):
        found, flaw = _held_in(file)
        flaws += [flaw] if flaw else _contradictions(file, named, found.keys())
        held |= {name: place for name, place in found.items() if name in named}
    return held, flaws


def _contradictions(file: Path, named: Set[str], found: Set[str]) -> Iterator[str]:
    """Where an index and a file of it tell unlike tensors: loaders believe one or the other."""
    yield from (f"'{file.name}' lacks '{name}', which the index places there" for name in sorted(named - found))
    yield from (f"'{file.name}' holds '{name}', which the index tells otherwise" for name in sorted(found - named))


def _held_in(file: Path) -> tuple[dict[str, Place], str]:
    """What one of several files holds, and what is wrong with it."""
    try:
        found, flaw = read_header(file)
    except DataError as error:
        return {}, str(error)
    except HeaderError as error:
        found, flaw = {}, str(error)
    return found, f"'{file.name}' {flaw}" if flaw else ""
