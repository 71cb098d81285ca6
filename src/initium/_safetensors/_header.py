"""The beginning of a safetensors file: which tensor lies where."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._errors import DataError
from .._json import parsed
from .._reading import opened, read

# What Initium writes has this near its beginning, a single file and an index alike.
MARK = '"initium":'

RESERVED = "__metadata__"  # no tensor goes by it

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
# All that safetensors knows, and how many bits a number has.
_BITS = {code: 8 * width for code, width in _DTYPES.values()}
_BITS |= {"C64": 64, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F6_E2M3": 6, "F6_E3M2": 6, "F4": 4}
# As safetensors' own reader; a length that was damaged must not be believed.
_LONGEST = 100_000_000
_LARGEST = 2**64 - 1  # that a size or a place can be


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
    entries: dict[str, Any] = {RESERVED: dict(metadata)}
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
    with opened(file, refuse=DataError) as held:
        size = os.fstat(held.fileno()).st_size
        length = int.from_bytes(read(held, 0, 8).tobytes(), "little")
        if not 2 <= length <= min(_LONGEST, size - 8):
            raise HeaderError("is no safetensors file: it does not begin with the length of a header")
        text = read(held, 8, length).tobytes()
    return _places(file, _parsed(text), 8 + length, size)


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        entries = parsed(text, whole=_whole)
    except (ValueError, RecursionError) as error:
        raise HeaderError(f"has a broken header: {error}") from None
    if not isinstance(entries, dict):
        raise HeaderError("has a broken header: it holds no names")
    metadata = entries.pop(RESERVED, None)
    if metadata is not None and not _are_texts(metadata):
        raise HeaderError(f'has a broken header: "{RESERVED}" is no map of texts')
    return entries


def _whole(digits: str) -> float:
    """A whole number; with a sign it is none to safetensors, not even -0."""
    return float(digits) if digits[0] == "-" else int(digits)


def _are_texts(metadata: Any) -> bool:
    return isinstance(metadata, dict) and all(isinstance(text, str) for text in metadata.values())


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
        case {"dtype": str(code), "shape": [*shape], "data_offsets": [start, end]} if (
            len(entry) == 3 and code in _BITS and all(map(_is_size, (*shape, start, end))) and start <= end
        ):
            if 8 * (end - start) != _num_bits(shape, _BITS[code]):
                raise HeaderError(f"has a broken header: '{path}' is not as long as its shape says")
            return Place(
                path=path, file=file, start=begin + start, num_bytes=end - start, code=code, shape=tuple(shape)
            )
    raise HeaderError(f"has a broken header: '{path}' is not told as safetensors does")


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _LARGEST


def _num_bits(shape: list[int], bits: int) -> int | None:
    """Of all numbers; None if a product on the way to it is none that safetensors can reckon with."""
    found = 1
    for size in (*shape, bits):
        found *= size
        if found > _LARGEST:
            return None
    return found
