"""Bytes that went by, on stderr."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# What takes less than a second or two needs no bar.
_WORTH_SHOWING = 1 << 30


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], object]]:
    """Yields what to call with each number of bytes; shown for large work, on a terminal."""
    if total < _WORTH_SHOWING or not sys.stderr.isatty():
        yield lambda num_bytes: None
        return
    # Imported here: Rich takes 50 ms that a small model need not wait.
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda num_bytes: bar.advance(task, num_bytes)
