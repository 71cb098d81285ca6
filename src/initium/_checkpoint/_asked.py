"""asked: work for another thread, as long as there are any."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")


def asked(
    pool: ThreadPoolExecutor, task: Callable[Given, Result], *args: Given.args, **kwargs: Given.kwargs
) -> Future[Result]:
    """What a pool is asked for. Once Python has begun to end it starts no threads, and this one does it at once."""
    try:
        return pool.submit(task, *args, **kwargs)
    except RuntimeError:
        done: Future[Result] = Future()
        try:
            done.set_result(task(*args, **kwargs))
        except BaseException as error:  # for whoever asks for the result
            done.set_exception(error)
        return done
