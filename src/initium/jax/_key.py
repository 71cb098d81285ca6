"""Keys: JAX's, which have 64 bits or more, and the stream's, which have 64."""

import hashlib
from typing import Any

import numpy as np

from .. import _stream
from .._errors import SettingError
from ._jax import jax

_HAIKU = "Haiku passes none: give it lambda *how: init(haiku.next_rng_key(), *how)."


def key(seed: int, path: str) -> jax.Array:
    """The JAX key under which a weight gets the numbers that `initium.array` gives it.

    Its two words are the stream key of seed and path, high word first.

    Args:
        seed: from 0 to 2^64 - 1.
        path: the weight's dotted name, which makes it independent of all others.

    Raises:
        SettingError: if the seed is out of range.

    Example:
        >>> import initium, initium.jax
        >>> weight = initium.jax.he_normal()(key(0, "hidden.weight"), (400, 300))
        >>> bool((weight == initium.array("he_normal", (300, 400), seed=0, path="hidden.weight").T).all())
        True
    """
    bits = _stream.key(seed, path)
    words = np.array([bits >> 32, bits & 0xFFFFFFFF], np.uint32)
    return jax.random.wrap_key_data(jax.numpy.asarray(words), impl="threefry2x32")


def key_words(key: Any) -> Any:
    """The 32-bit words of one key, typed or old-style."""
    if is_one_key(key):
        return jax.random.key_data(key) if _is_typed(key) else key
    shape = getattr(key, "shape", None)
    if shape is None or not (_is_typed(key) or key.dtype == np.uint32):
        raise SettingError(f"An initialiser needs a key, such as jax.random.key(0), not {key!r}. {_HAIKU}")
    raise SettingError(f"An initialiser needs one key, not an array of them of shape {shape}. Use jax.vmap for many.")


def is_one_key(key: Any) -> bool:
    """Whether it is a key, and not an array of them; an old-style one has two words or, as of `rbg`, four."""
    if _is_typed(key):
        return key.shape == ()
    return getattr(key, "dtype", None) == np.uint32 and key.shape in ((2,), (4,))


def _is_typed(key: Any) -> bool:
    return hasattr(key, "dtype") and jax.numpy.issubdtype(key.dtype, jax.dtypes.prng_key)


def stream_key(words: Any) -> int:
    """The 64 bits of a key that has two words, high word first; the BLAKE2b hash of one that has more."""
    words = np.asarray(words, "<u4")
    if words.size == 2:
        return int(words[0]) << 32 | int(words[1])
    return int.from_bytes(hashlib.blake2b(words.tobytes(), digest_size=8).digest(), "little")
