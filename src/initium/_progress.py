"""progress: a bar on stderr while something long is under way."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(what: str, total: int, *, shown: bool, in_bytes: bool = False) -> Iterator[Callable[[int], object]]:
    """Yields what to call with each number of steps, or of bytes, that went by."""
    if not shown:
        yield lambda num: None
        return
    # Imported here: Rich takes 50 ms that a small model need not wait.
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    counted = DownloadColumn() if in_bytes else MofNCompleteColumn()
    columns = (TextColumn(what), BarColumn(), counted, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda num: bar.advance(task, num)
