"""Which tensors a checkpoint holds, in one file or in several, and their bytes."""

from collections.abc import Iterator, Mapping
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
    for file in sorted(set(told.values())):
        found, flaw = _held_in(file)
        flaws += [flaw] if flaw else _contradictions(file, told, found)
        held |= {name: place for name, place in found.items() if told.get(name) == file}
    return held, flaws


def _contradictions(file: Path, told: Mapping[str, Path], found: Mapping[str, Place]) -> Iterator[str]:
    """Where an index and a file of it tell unlike tensors: loaders believe one or the other."""
    named = {name for name, one in told.items() if one == file}
    yield from (f"'{file.name}' lacks '{name}', which the index places there" for name in sorted(named - found.keys()))
    yield from (
        f"'{file.name}' holds '{name}', which the index tells otherwise" for name in sorted(found.keys() - named)
    )


def _held_in(file: Path) -> tuple[dict[str, Place], str]:
    """What one of several files holds, and what is wrong with it."""
    try:
        found, flaw = read_header(file)
    except DataError as error:
        return {}, str(error)
    except HeaderError as error:
        found, flaw = {}, str(error)
    return found, f"'{file.name}' {flaw}" if flaw else ""
