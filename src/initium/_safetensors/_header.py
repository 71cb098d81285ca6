"""The beginning of a safetensors file: which tensor lies where."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._errors import DataError

# What Initium writes has this near its beginning, a single file and an index alike.
MARK = '"initium":'

# How safetensors calls each dtype, and how many bytes a number has.
_DTYPES = {
    "float64": ("F64", 8),
    "float32": ("F32", 4),
    "float16": ("F16", 2),
    "bfloat16": ("BF16", 2),
    "int64": ("I64", 8),
    "int32": ("I32", 4),
    "int16": ("I16", 2),
    "int8": ("I8", 1),
    "uint64": ("U64", 8),
    "uint32": ("U32", 4),
    "uint16": ("U16", 2),
    "uint8": ("U8", 1),
    "bool": ("BOOL", 1),
}
CODES = {dtype: code for dtype, (code, _) in _DTYPES.items()}
_WIDTHS = dict(_DTYPES.values()) | {"C64": 8, "F8_E4M3": 1, "F8_E5M2": 1}
# As safetensors' own reader; a length that was damaged must not be believed.
_LONGEST = 100_000_000


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the bytes of a tensor lie.

    Attributes:
        path: the tensor's name.
        file: that holds them.
        start: where they begin in it.
        num_bytes: of them.
        code: of its dtype.
        shape: of it.
    """

    path: str
    file: Path
    start: int
    num_bytes: int
    code: str
    shape: tuple[int, ...]


class HeaderError(Exception):
    """What is wrong with a file, as the end of a sentence."""


def header(tensors: Iterable[tuple[str, str, tuple[int, ...], int]], metadata: Mapping[str, str]) -> bytes:
    """Everything before the first number.

    Args:
        tensors: path, dtype, shape and number of bytes of each; they lie one after another, in this order.
        metadata: texts by name.
    """
    entries: dict[str, Any] = {"__metadata__": dict(metadata)}
    end = 0
    for path, dtype, shape, num_bytes in tensors:
        start, end = end, end + num_bytes
        entries[path] = {"dtype": CODES[dtype], "shape": shape, "data_offsets": (start, end)}
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def read_header(file: Path) -> tuple[dict[str, Place], str]:
    """Where the tensors of a file lie or should lie, and what is wrong with its length, if anything is.

    Raises:
        DataError: if there is no such file or it cannot be read.
        HeaderError: if it is no safetensors file.
    """
    try:
        size = file.stat().st_size
        with file.open("rb") as opened:
            length = int.from_bytes(opened.read(8), "little")
            if not 2 <= length <= min(_LONGEST, size - 8):
                raise HeaderError("is no safetensors file: it does not begin with the length of a header")
            text = opened.read(length)
    except FileNotFoundError:
        raise DataError(f"There is no file '{file}'.") from None
    except OSError as error:
        raise DataError(f"'{file}' cannot be read: {error.strerror}.") from None
    return _places(file, _parsed(text), 8 + length, size)


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        entries = json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise HeaderError(f"has a broken header: {error}") from None
    if not isinstance(entries, dict):
        raise HeaderError("has a broken header: it holds no names")
    return {path: entry for path, entry in entries.items() if path != "__metadata__"}


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is there twice")
    return found


def _places(file: Path, entries: dict[str, Any], begin: int, size: int) -> tuple[dict[str, Place], str]:
    places = {path: _place(file, path, entry, begin) for path, entry in entries.items()}
    end = begin
    for path, place in sorted(places.items(), key=lambda item: (item[1].start, item[1].num_bytes)):
        if place.start != end:
            raise HeaderError(f"has a broken header: '{path}' does not begin where the tensor before it ends")
        end += place.num_bytes
    what = f"ends after {size:,} of {end:,} bytes" if size < end else f"has {size - end:,} bytes too many"
    return places, "" if size == end else what


def _place(file: Path, path: str, entry: Any, begin: int) -> Place:
    match entry:
        case {"dtype": str(code), "shape": [*shape], "data_offsets": [int(start), int(end)]} if (
            0 <= start <= end and all(type(size) is int and size >= 0 for size in shape)
        ):
            if code in _WIDTHS and end - start != math.prod(shape) * _WIDTHS[code]:
                raise HeaderError(f"has a broken header: '{path}' is not as long as its shape says")
            return Place(
                path=path, file=file, start=begin + start, num_bytes=end - start, code=code, shape=tuple(shape)
            )
    raise HeaderError(f"has a broken header: '{path}' is not told as safetensors does")
