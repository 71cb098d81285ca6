"""Run r of every start, spread over processes, as they finish."""

import contextlib
import signal
import threading
from collections.abc import Callable, Generator, Sequence

from .._require import require
from .._study._run import Run
from .._study._study import Study
from ._starts import Start, engine


def run_all(
    study: Study, starts: Sequence[Start], *, jobs: int, on_run: Callable[[int], object]
) -> tuple[dict[str, list[Run]], bool]:
    """The runs of each start that finished, as whole pairs, and whether Ctrl-C ended them early."""
    done: dict[int, dict[str, Run]] = {index: {} for index in range(study.seeds)}
    interrupted = False
    try:
        for run in _results(study, starts, jobs):
            done[run.index][run.recipe] = run
            on_run(1)
    except KeyboardInterrupt:
        interrupted = True
    whole = [done[index] for index in done if len(done[index]) == len(study.recipes)]
    return {str(recipe): [runs[str(recipe)] for runs in whole] for recipe in study.recipes}, interrupted


def _results(study: Study, starts: Sequence[Start], jobs: int) -> Generator[Run]:
    """Loky's processes start clean, take functions from a notebook, and need no `__main__` guard."""
    loky = require("loky", to="Training in parallel")
    # Runs of one index stay together, so that what an interruption leaves is mostly whole pairs.
    tasks = [(start, study, index) for index in range(study.seeds) for start in starts]
    # Always in processes of their own, one of them as well: training settles its process for good.
    with _deaf_children():
        executor = loky.get_reusable_executor(max_workers=jobs, initializer=_settle, timeout=60)
        futures = [executor.submit(Start.run, *task) for task in tasks]
    try:
        for future in loky.as_completed(futures):
            yield future.result()
    except BaseException:
        executor.shutdown(kill_workers=True)
        raise


@contextlib.contextmanager
def _deaf_children() -> Generator[None]:
    """Processes started in here do not hear Ctrl-C: we do, and end them without their tracebacks."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set a signal, and only it hears Ctrl-C
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _settle() -> None:
    engine().settle_process()
