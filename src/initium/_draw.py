"""Draw: a law into an array, or into any box of it, over a pool of threads.

Numbers depend on an element's place alone, so spans, chunks and threads are free to be what is fast.
"""

import functools
import itertools
import math
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._huge_pages import advise
from ._kernel import Kernel

Task = Callable[[], None]
Box = Sequence[slice]

# Elements of a task: with fewer a second thread costs more than it brings; with more a chunk leaves the
# cache and the last thread to finish is waited for longer.
_ALONE = 1 << 16
_CHUNK = 1 << 19
_FROM_THE_FIRST = np.zeros(1, np.uint64)


@functools.cache
def num_threads() -> int:
    """How many threads a fill uses unless told: the processors this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def draw(out: NDArray[Any], kernel: Kernel, *, key: int, threads: int | None = None) -> None:
    """Fill a whole tensor."""
    if out.size <= _ALONE:
        kernel.fill(out, _FROM_THE_FIRST, key)
    else:
        advise(out)
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
    flat = out.reshape(-1)
    starts, length = spans(shape, box)
    chunk = min(_CHUNK, max(_ALONE, -(-out.size // (threads or num_threads()))))
    return [
        functools.partial(kernel.fill, flat[first:last], part, key)
        for first, last, part in _chunks(starts, length, chunk)
    ]


def spans(shape: Sequence[int], box: Box | None = None) -> tuple[NDArray[np.uint64], int]:
    """A box of a row-major tensor as runs of one length: where each starts, and how long they are."""
    if box is None:
        return _FROM_THE_FIRST, math.prod(shape)
    bounds = [part.indices(size) for part, size in zip(box, shape, strict=True)]
    first, length = len(shape), 1
    # Axes join the run from the last one on, as long as all behind them are whole.
    while first > 0 and length == math.prod(shape[first:]):
        first -= 1
        length *= max(0, bounds[first][1] - bounds[first][0])
    starts = np.zeros((), np.uint64)
    for axis, (low, high, _) in enumerate(bounds):
        stride = math.prod(shape[axis + 1 :])
        index = np.arange(low, high if axis < first else low + 1, dtype=np.uint64)
        starts = np.add.outer(starts, index * np.uint64(stride))
    return starts.reshape(-1), length


def _chunks(starts: NDArray[np.uint64], length: int, chunk: int) -> Iterator[tuple[int, int, NDArray[np.uint64]]]:
    """Pieces of the flat output with the spans that fill them."""
    if length <= chunk:
        num = max(1, chunk // max(1, length))
        for i in range(0, len(starts), num):
            part = starts[i : i + num]
            yield i * length, (i + len(part)) * length, part
        return
    for i, first in itertools.product(range(len(starts)), range(0, length, chunk)):
        last = min(first + chunk, length)
        yield i * length + first, i * length + last, starts[i : i + 1] + np.uint64(first)


def run(tasks: Sequence[Task], *, threads: int | None = None) -> None:
    """Do all tasks, this thread and others taking the next one as they become free."""
    others = min(threads or num_threads(), len(tasks)) - 1
    waiting = iter(tasks)
    futures = [_pool(others).submit(_work, waiting) for _ in range(others)]
    try:
        _work(waiting)
    finally:
        deque(waiting, maxlen=0)  # after an error, such as Ctrl-C, nobody starts another
        for future in futures:
            future.result()


def _work(waiting: Iterator[Task]) -> None:
    for task in waiting:
        task()


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="initium")


# Threads do not survive a fork; the child makes its own.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)
