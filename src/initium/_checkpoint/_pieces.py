"""The numbers of a checkpoint, piece by piece, in the order of its bytes."""

import itertools
import math
import sys
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from .._errors import SpecError, in_bytes
from .._tensor import Tensor
from ._asked import asked

T = TypeVar("T")
Part = tuple[slice, ...]

# Bytes of a piece. With fewer the threads wait for each other, with more a piece leaves the cache before it is used.
_MOST = 4 << 20
# One piece is drawn, one hashed, one written.
_ROOMS = 3


def is_worth_showing(num_bytes: int) -> bool:
    """Whether the work takes more than a second or two, and somebody looks on."""
    return num_bytes >= 1 << 30 and sys.stderr.isatty()


class Piece(NamedTuple):
    """Bytes of a tensor that follow each other; good until the third piece after is asked for."""

    tensor: Tensor
    start: int
    bytes: NDArray[np.uint8]


def pieces(tensors: Iterable[Tensor], most: int = _MOST) -> Iterator[Piece]:
    """Draw tensors one after another, in constant memory.

    A law that is computed as a whole, such as an orthogonal matrix, takes its weight's memory besides.
    """
    rooms = itertools.cycle([np.empty(most, np.uint8) for _ in range(_ROOMS)])
    for tensor in tensors:
        start, whole = 0, None if tensor.comes_in_parts else _computed(tensor)
        for part in parts(tensor.shape, most // tensor.number.itemsize):
            shape = tuple(here.stop - here.start for here in part)
            size = math.prod(shape) * tensor.number.itemsize
            out = next(rooms)[:size].view(tensor.number).reshape(shape)
            if whole is not None:
                out[...] = whole[part]
            else:
                tensor.write(out, part)
            yield Piece(tensor, start, out.reshape(-1).view(np.uint8))
            start += size


def ahead(items: Iterator[T]) -> Generator[T]:
    """The same items, each made by another thread while the one before is used."""
    with ThreadPoolExecutor(1, thread_name_prefix="initium-ahead") as maker:
        waiting = asked(maker, next, items, None)
        while (item := waiting.result()) is not None:
            waiting = asked(maker, next, items, None)
            yield item


def parts(shape: tuple[int, ...], most: int) -> Iterator[Part]:
    """Boxes of at most `most` elements that together are the shape, in the order of memory."""
    if not shape:
        yield ()
        return
    inner = math.prod(shape[1:])
    rows = max(1, most // max(1, inner))
    for first in range(0, shape[0], rows):
        here = slice(first, min(first + rows, shape[0]))
        if inner <= most:
            yield (here, *(slice(0, size) for size in shape[1:]))
        else:
            yield from ((here, *rest) for rest in parts(shape[1:], most))


def _computed(tensor: Tensor) -> NDArray[Any]:
    try:
        return tensor.part()
    except SpecError as error:  # of what is known only once it is computed
        raise SpecError(f"`{tensor.path}`: {error}") from None
    except MemoryError:
        raise SpecError(
            f"`{tensor.path}`: {tensor.start} is computed as a whole, and there is no memory for its "
            f"{in_bytes(tensor.num_bytes)}. Take a start that is drawn number by number."
        ) from None
