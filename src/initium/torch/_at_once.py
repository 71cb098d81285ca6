"""at_once: many small pieces of work on several threads."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from .._checkpoint import asked

_AHEAD = 4  # pieces that wait for each thread


def at_once(function: Callable[..., Any], work: Iterable[tuple[Any, ...]], *, threads: int) -> Generator[Any]:
    """What a function gives of each piece, in their order; after an error no other piece is begun."""
    waiting: deque[Future[Any]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="initium-at-once") as pool:
        try:
            for one in work:
                if len(waiting) == _AHEAD * threads:
                    yield waiting.popleft().result()
                waiting.append(asked(pool, function, *one))
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
