"""Draw: a law into an array, or into any box of it, over a pool of threads.

Numbers depend on an element's place alone, so spans, chunks and threads are free to be what is fast.
"""

import functools
import math
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ._kernel import Kernel
from ._populate import populate

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

Task = Callable[[], None]
Box = Sequence[slice]
Axes = tuple[tuple[int, int, int], ...]  # size, start and end of each

# Elements of a task: with fewer a second thread costs more than it brings; with more a chunk leaves the
# cache and the last thread to finish is waited for longer.
_ALONE = 1 << 16
_CHUNK = 1 << 19
_FROM_THE_FIRST = np.zeros(1, np.uint64)

_here = threading.local()


@functools.cache
def num_threads() -> int:
    """How many threads a fill uses unless told: the processors this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def draw(out: NDArray[Any], kernel: Kernel, *, key: int, threads: int | None = None) -> None:
    """Fill a whole tensor."""
    if out.size <= _ALONE:
        kernel.fill(out, _FROM_THE_FIRST, key)
    else:
        run(tasks(out, kernel, key=key, shape=out.shape, threads=threads), threads=threads)


def tasks(
    out: NDArray[Any],
    kernel: Kernel,
    *,
    key: int,
    shape: Sequence[int],
    box: Box | None = None,
    threads: int | None = None,
) -> list[Task]:
    """Independent calls that together fill an array with a box of the whole tensor.

    Args:
        out: contiguous, of the box's size; bfloat16 as uint16.
        kernel: what to draw.
        key: of the whole tensor.
        shape: of the whole tensor.
        box: one slice of step 1 an axis; None is everything.
        threads: for how many threads to cut it, if it is long enough.
    """
    if not out.flags.c_contiguous:
        raise TypeError("only a contiguous array is filled in place.")
    if box is None and out.size <= _ALONE:
        return [functools.partial(kernel.fill, out.reshape(-1), _FROM_THE_FIRST, key)]
    flat, first, made = out.reshape(-1), 0, []
    chunk = min(_CHUNK, max(_ALONE, -(-out.size // (threads or num_threads()))))
    for piece in _pieces(_axes(shape, box), chunk):
        last = first + math.prod(high - low for _, low, high in piece)
        made.append(functools.partial(_fill_piece, kernel, flat[first:last], piece, key))
        first = last
    return made


def _fill_piece(kernel: Kernel, out: NDArray[Any], piece: Axes, key: int) -> None:
    populate(out)
    kernel.fill(out, spans(piece), key)


def _axes(shape: Sequence[int], box: Box | None) -> Axes:
    """Size, start and end of each axis; an axis that is whole is joined to the one before it."""
    if box is None:
        return ((math.prod(shape), 0, math.prod(shape)),)
    axes = [(1, 0, 1)]
    for size, part in zip(shape, box, strict=True):
        axes.append((size, *part.indices(size)[:2]))
    while len(axes) > 1 and axes[-1][1:] == (0, axes[-1][0]):
        size, (before, low, high) = axes.pop()[0], axes.pop()
        axes.append((before * size, low * size, high * size))
    return tuple((size, low, max(low, high)) for size, low, high in axes)


def _pieces(axes: Axes, chunk: int) -> Iterator[Axes]:
    """The box in parts of at most `chunk` elements, in the order of memory."""
    (size, low, high), rest = axes[0], axes[1:]
    inner = math.prod(end - start for _, start, end in rest)
    step = max(1, chunk // max(1, inner))
    for first in range(low, high, step):
        axis = (size, first, min(first + step, high))
        if inner <= chunk:
            yield (axis, *rest)
        else:
            yield from ((axis, *piece) for piece in _pieces(rest, chunk))


def spans(axes: Axes) -> NDArray[np.uint64]:
    """Where each run of the last axis starts in the flattened tensor."""
    *outer, (size, low, _) = axes
    starts = np.zeros((), np.uint64)
    for length, first, last in outer:
        # Not `np.add.outer`, for which NumPy imports: a fill may run while Python ends.
        starts = (starts * np.uint64(length))[..., None] + np.arange(first, last, dtype=np.uint64)
    return (starts * np.uint64(size) + np.uint64(low)).reshape(-1)


def run(tasks: Sequence[Task], *, threads: int | None = None) -> None:
    """Do all tasks, this thread and others taking the next one as they become free."""
    futures, waiting = _helped(tasks, min(threads or num_threads(), len(tasks)) - 1)
    try:
        _work(waiting)
    finally:
        deque(waiting, maxlen=0)  # after an error, such as Ctrl-C, nobody starts another
        for future in futures:
            # One that has not begun, since the pool works for others, is not waited for: its tasks are done.
            if not future.cancel():
                future.result()


def _helped(tasks: Sequence[Task], others: int) -> "tuple[list[Future[None]], Iterator[Task]]":
    """Threads that take tasks, and what is left to take; there are none where Python starts none.

    That is so once it has begun to end, and in a `__del__` that interrupts this very function, which holds locks.
    """
    futures: list[Future[None]] = []
    waiting = iter(tasks)
    if others <= 0 or getattr(_here, "is_asking", False):
        return futures, waiting
    _here.is_asking = True
    try:
        for _ in range(others):
            futures.append(_pool(others).submit(_work, waiting))
    except (RuntimeError, ImportError):
        waiting = iter(list(waiting))  # what was asked for in vain may run yet, and finds nothing
    finally:
        _here.is_asking = False
    return futures, waiting


def _work(waiting: Iterator[Task]) -> None:
    for task in waiting:
        task()


@functools.cache
def _pool(threads: int) -> "ThreadPoolExecutor":
    from concurrent.futures import ThreadPoolExecutor  # a tenth of what importing Initium would cost

    return ThreadPoolExecutor(threads, thread_name_prefix="initium")


# Threads do not survive a fork; the child makes its own.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)
