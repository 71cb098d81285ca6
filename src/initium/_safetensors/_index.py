"""The index of a checkpoint in several files, as Hugging Face's libraries write and read it."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import _files
from .._errors import DataError
from ._header import MARK, HeaderError

SUFFIX = ".index.json"
_LONGEST = 100_000_000  # as of a header


def index(files: Mapping[str, Path], num_bytes: int, mark: str) -> str:
    """The text of an index.

    Args:
        files: that hold each tensor, by its path.
        num_bytes: of all tensors.
        mark: that Initium knows it by.
    """
    names = {path: file.name for path, file in files.items()}
    said = {"metadata": {"initium": mark, "total_size": num_bytes}, "weight_map": names}
    return json.dumps(said, indent=2, ensure_ascii=False) + "\n"


def read_index(path: Path) -> dict[str, Path]:
    """The file that holds each tensor.

    Raises:
        DataError: if there is no such index or it cannot be read.
        HeaderError: if it is none.
    """
    try:
        too_long = path.stat().st_size > _LONGEST
        said: Any = None if too_long else json.loads(path.read_bytes())
    except FileNotFoundError:
        raise DataError(f"There is no file '{path}'.") from None
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        raise HeaderError(f"is a broken index: {error}") from None
    names = said.get("weight_map") if isinstance(said, dict) else None
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise HeaderError('is no index: it has no "weight_map" of names')
    # A file elsewhere is none of this checkpoint's, whatever an index says.
    if strange := [name for name in names.values() if Path(name).name != name]:
        raise HeaderError(f"is a broken index: '{strange[0]}' is no name of a file beside it")
    return {tensor: path.with_name(name) for tensor, name in names.items()}


def shards_of(path: Path) -> set[Path]:
    """The files of an index that Initium wrote; none if there is no such index."""
    if not os.path.isfile(path) or not _files.bears(path, MARK):
        return set()
    try:
        return {file for file in read_index(path).values() if file.exists() and _files.bears(file, MARK)}
    except HeaderError:  # somebody edited it: its files are left alone
        return set()
