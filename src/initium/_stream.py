"""The stream, version 1: value = f(seed, path, index).

Every element consumes one 32-bit Philox word and nothing else (a float64 two), so any slice of a
weight costs what it holds and equals its part of the whole. The native part draws; here is what
names the numbers.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

from ._errors import SettingError
from ._native import best as native

Words = NDArray[np.uint32]

VERSION = 1  # of every drawn bit: the same seed and path give the same numbers as long as it stays


def key(seed: int, path: str) -> int:
    """The 64-bit Philox key of one parameter: BLAKE2b over version, seed and path.

    Raises:
        SettingError: if the seed is no whole number of 64 bits, or the path is no text of whole letters.
    """
    is_whole = isinstance(seed, int | np.integer) and not isinstance(seed, bool)
    if not is_whole or not 0 <= seed < 1 << 64:
        raise SettingError(f"A seed is a whole number from 0 to 2^64 - 1, not {seed!r}.")
    if not isinstance(path, str):
        raise SettingError(f"A path is a weight's dotted name such as 'fc1.weight', not {path!r}.")
    try:
        name = path.encode()
    except UnicodeEncodeError:
        raise SettingError(f"A name is of whole letters, and {path!a} has half of one. Rename it.") from None
    message = b"initium/%d\0" % VERSION + int(seed).to_bytes(8, "little") + name
    return int.from_bytes(hashlib.blake2b(message, digest_size=8).digest(), "little")


def child(key: int, name: str) -> int:
    """The key of a further draw that one parameter needs, such as the places of its zeros."""
    return int.from_bytes(hashlib.blake2b(key.to_bytes(8, "little") + name.encode(), digest_size=8).digest(), "little")


def words(key: int, start: int, length: int, *, stream: int = 0) -> Words:
    """The words of elements `start` to `start + length` of the whole, flattened tensor."""
    out = np.empty(length, np.uint32)
    native.words(out, np.array([start], np.uint64), key, stream=stream)
    return out


def permutation(key: int, length: int) -> NDArray[np.int64]:
    """An order of `length` things, by sorting their words."""
    return np.argsort(words(key, 0, length), kind="stable")
