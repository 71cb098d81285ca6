"""Bytes on their way to the disk while more are drawn."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import BinaryIO

from ._asked import asked

# So much is written before it is sent on; a disk takes a large stretch faster than many small ones.
_STRIDE = 256 << 20


@contextmanager
def synced(file: BinaryIO) -> Iterator[Callable[[], None]]:
    """Yields what to call after each write: now and then another thread sends on what has come together.

    Else all of it would wait for the last byte, and fill the memory that the system keeps files in.
    """
    start, sending = 0, Future[None]()
    sending.set_result(None)

    def written() -> None:
        nonlocal start, sending
        end = file.tell()
        if end - start >= _STRIDE:
            sending.result()  # one at a time; a disk that fails is told here
            file.flush()
            start, sending = end, asked(sender, _send, file.fileno(), start, end)

    with ThreadPoolExecutor(1, thread_name_prefix="initium-sync") as sender:
        yield written
        sending.result()


def _send(number: int, start: int, end: int) -> None:
    os.fsync(number)
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(number, start, end - start, os.POSIX_FADV_DONTNEED)
