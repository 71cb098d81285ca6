"""paused: Python's collector of cycles left out while many small objects are made that stay."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused() -> Iterator[None]:
    """Nothing is looked through for cycles in here.

    The collector looks at all that a process holds, again and again as more is made: half of the time that a model of
    200,000 parameters takes. Of threads that meet in here, the first to come lets it go on.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
