"""Processes: the engine that trains on all processors of this machine, one run or some replicas at a time on each."""

import contextlib
import queue
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from .._errors import SettingError
from .._study._own_code import own_code
from .._study._prepared import Data
from .._study._run import Run
from .._study._settings import check_whole
from .._study._study import Study
from ._contender import Contender
from ._jobs import Job, Jobs
from ._packed import check_packed, packed

if TYPE_CHECKING:
    from ._process import Process

_LEAST = 600.0  # seconds that any run may take
_TIMES = 20  # and so many times what a trial says
_BEGINS = 300.0  # seconds that a process may take until it trains
_LOOK = 0.5  # seconds between two looks at the clock


@dataclass(frozen=True)
class Processes:
    """Processes of one thread each; they start clean, take functions from a notebook, and need no `__main__` guard.

    Always in processes of their own, one of them as well: training settles its process for good. One that dies,
    raises or takes longer than the limit is replaced, and its run tried once more; replicas then one by one.

    Attributes:
        jobs: how many.
        limit: seconds that a run may take; None is ten minutes, or twenty times what a trial says if that is more.
        chunk: how many runs train together; None is by a rule from the model, 1 is one by one.
        memory: GB that a process may take for runs that train together, and their data.
    """

    jobs: int
    limit: float | None = None
    chunk: int | None = None
    memory: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what is no limit, and what is no number of runs."""
        if self.chunk is not None:
            check_whole("chunk", self.chunk, 1)
        if not self.memory > 0:
            raise SettingError(f"memory is a number of GB above 0, not {self.memory!r}.")
        if self.limit is not None and not self.limit > 0:
            raise SettingError(f"limit is a number of seconds above 0, not {self.limit!r}.")

    @property
    def told(self) -> str:
        """What runs are trained in, in words."""
        return "process"

    def prepare(self, study: Study) -> Self:
        """Begin as many as its runs need, so that they get ready while it is decided what they train.

        Raises:
            SettingError: if what is somebody's own of it cannot be handed to them.
        """
        from ._process import Process

        check_packed(study)
        num_runs = len(study.cells) * len(study.inits) * study.seeds
        Process.prepare(min(self.jobs, num_runs), own_code(study))
        return self

    def limit_of(self, *seconds: float) -> float:
        """Seconds that runs may take together of which a trial says that each takes so many."""
        return len(seconds) * self.limit if self.limit else max(_LEAST, _TIMES * sum(seconds))

    def __call__(self, study: Study, runs: Iterable[tuple[Contender, int]]) -> Iterator[Run]:
        """Each run as it finishes.

        Raises:
            TrainingError: if a run failed twice, with the cause.
        """
        return _Team(self, study.data, runs, own_code(study)).runs()


class _Team:
    """The processes at work on some runs."""

    def __init__(self, engine: Processes, data: Data, runs: Iterable[tuple[Contender, int]], code: str = "") -> None:
        self._engine, self._data, self._jobs, self._code = engine, data, Jobs(runs, data), code
        self._answers: queue.Queue[tuple[Process, str, Any]] = queue.Queue()
        self._processes: list[Process] = []

    def runs(self) -> Iterator[Run]:
        try:
            yield from self._trained()
        except BaseException:
            for process in self._processes:
                process.end()
            raise
        for process in self._processes:
            process.rest()

    def _trained(self) -> Iterator[Run]:
        job = self._jobs.next()
        while job or any(process.job for process in self._processes):
            while job and (process := self._free()):
                self._give(process, job)
                job = self._jobs.next()
            process, kind, value = self._answer()
            if kind == "begun":
                process.until = time.monotonic() + self._limit(process.job)
            elif kind == "runs":
                process.job = None
                yield from value
            else:
                self._lose(process, value)
            job = job or self._jobs.next()

    def _free(self) -> "Process | None":
        """One that has nothing to do, a new one if there may be one more."""
        if free := next((process for process in self._processes if not process.job), None):
            return free
        if len(self._processes) == self._engine.jobs:
            return None
        from ._process import Process

        self._processes.append(process := Process.ready(self._code))
        process.begin(self._answers, self._packed_data)
        return process

    def _give(self, process: "Process", job: Job) -> None:
        for which in dict.fromkeys(which for which, _ in job if which not in process.met):
            process.met.add(which)
            process.say("contender", (which, self._jobs.sent(which, lambda pickled: pickled)))
        process.job, process.until = job, time.monotonic() + _BEGINS
        process.say("runs", (job,))

    @cached_property
    def _packed_data(self) -> bytes:
        return packed(self._data)

    def _limit(self, job: Job) -> float:
        return self._engine.limit_of(*self._jobs.seconds(job))

    def _answer(self) -> "tuple[Process, str, Any]":
        """What one says next; one that takes too long is told to have failed, however much the others say."""
        while True:
            if late := next(filter(self._is_late, self._processes), None):
                limit = self._limit(late.job)
                return late, "hung", f"it took longer than {limit:g} s, which is its limit, and was ended"
            with contextlib.suppress(queue.Empty):
                found = self._answers.get(timeout=_LOOK)
                if found[0] in self._processes:  # and is none that was ended
                    return found

    def _is_late(self, process: "Process") -> bool:
        """Whether its time is over, and it has not said anything that waits to be heard."""
        if not process.job or time.monotonic() <= process.until:
            return False
        with self._answers.mutex:
            return all(one is not process for one, *_ in self._answers.queue)

    def _lose(self, process: "Process", why: str) -> None:
        """End one that failed, whatever state it is in, and try its runs once more, each by itself."""
        self._processes.remove(process)
        process.end()
        if process.job is not None:  # else it had nothing to do, and is not missed
            self._jobs.lose(process.job, why)
