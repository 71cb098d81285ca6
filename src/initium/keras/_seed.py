"""What Keras calls a seed, as a number."""

from typing import Any


def number(seed: Any) -> int:
    """A whole number as it is, modulo 2^64; of a SeedGenerator its next two words."""
    if isinstance(seed, int):
        return seed % (1 << 64)
    first, second = (int(word) & 0xFFFFFFFF for word in seed.next())
    return first | second << 32
