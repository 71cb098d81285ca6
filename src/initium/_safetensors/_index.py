"""The index of a checkpoint in several files, as Hugging Face's libraries write and read it."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import _files
from .._errors import DataError
from .._json import parsed
from .._reading import contents
from ._header import MARK, HeaderError

SUFFIX = ".index.json"
ENDING = ".safetensors"
# How the name of a shard goes on behind its stem.
_SHARD = r"-[0-9a-f]{8}-\d{5,}-of-\d{5,}\.safetensors"
_APART = frozenset("/\\\0:")
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
    data = contents(path, refuse=DataError, most=_LONGEST)
    try:
        said: Any = parsed(data)
    except (ValueError, RecursionError) as error:
        raise HeaderError(f"is a broken index: {error}") from None
    names = said.get("weight_map") if isinstance(said, dict) else None
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise HeaderError('is no index: it has no "weight_map" of names')
    # A file elsewhere is none of this checkpoint's, whatever an index says.
    if strange := [name for name in names.values() if not _is_beside(name)]:
        raise HeaderError(f"is a broken index: '{strange[0]}' is no name of a file beside it")
    return {tensor: path.with_name(name) for tensor, name in names.items()}


def _is_beside(name: str) -> bool:
    """Whether it names a file of the same folder, on every system."""
    return name not in ("", ".", "..") and not _APART & set(name)


def shards_of(path: Path) -> set[Path]:
    """The files that an index names and Initium wrote for it; none if there is no such index.

    They bear its stem: whatever else it names is another checkpoint, or none.
    """
    if not os.path.isfile(path) or not _files.bears(path, MARK):
        return set()
    shard = re.compile(re.escape(path.name.removesuffix(f"{ENDING}{SUFFIX}")) + _SHARD)
    try:
        named = [file for file in set(read_index(path).values()) if shard.fullmatch(file.name)]
    except HeaderError:  # somebody edited it: its files are left alone
        return set()
    return {file for file in named if os.path.isfile(file) and _files.bears(file, MARK)}
