"""Processes: the engine that trains on all processors of this machine, one run at a time on each."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .._require import require
from .._study._run import Run
from .._study._study import Study
from ._contender import Contender, trainer

_EACH = 0.5  # seconds between two looks at whether the parent is there


@dataclass(frozen=True)
class Processes:
    """Loky's processes start clean, take functions from a notebook, and need no `__main__` guard.

    Always in processes of their own, one of them as well: training settles its process for good.

    Attributes:
        jobs: how many.
    """

    jobs: int

    def __call__(self, study: Study, runs: Sequence[tuple[Contender, int]]) -> Iterator[Run]:
        """Each run as it finishes."""
        loky = require("loky", to="Training in parallel")
        with _deaf_children():
            executor = _workers(self.jobs)
            futures = [executor.submit(Contender.run, start, study, index) for start, index in runs]
        try:
            for future in loky.as_completed(futures):
                yield future.result()
        except BaseException:
            executor.shutdown(kill_workers=True)
            raise


@contextlib.contextmanager
def _deaf_children() -> Iterator[None]:
    """Processes started in here do not hear Ctrl-C: we do, and end them without their tracebacks."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set a signal, and only it hears Ctrl-C
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _workers(jobs: int) -> Any:
    loky = require("loky", to="Training in parallel")
    return loky.get_reusable_executor(max_workers=jobs, initializer=_settle, initargs=(os.getpid(),), timeout=60)


def _settle(parent: int) -> None:
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    trainer().settle_process()


def _end_with(parent: int) -> None:
    """End this process after the one that it works for: who is killed tells nobody."""
    while os.getppid() == parent:
        time.sleep(_EACH)
    os._exit(1)
