"""Processes: the engine that trains on all processors of this machine, one run or some replicas at a time on each."""

import contextlib
import pickle
import queue
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from .._errors import SettingError, TrainingError
from .._require import require
from .._study._own_code import own_code
from .._study._prepared import Data
from .._study._run import Run
from .._study._settings import check_whole
from .._study._study import Study
from ._contender import Contender
from ._replicas import chunks

if TYPE_CHECKING:
    from ._process import Process

_LEAST = 600.0  # seconds that any run may take
_TIMES = 20  # and so many times what a trial says
_BEGINS = 300.0  # seconds that a process may take until it trains
_LOOK = 0.5  # seconds between two looks at the clock

# Runs that train together: the place of a contender among those that were met, and the index of a run.
Job = tuple[tuple[int, int], ...]


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

    def prepare(self, study: Study) -> None:
        """Begin as many as its runs need, so that they get ready while it is decided what they train.

        Raises:
            SettingError: if what is somebody's own of it cannot be handed to them.
        """
        from ._process import Process

        _pickle([study.model, study.loss, study.metric, dict(study.arguments), study.inits], None)
        num_runs = len(study.cells) * len(study.inits) * study.seeds
        Process.prepare(min(self.jobs, num_runs), own_code(study))

    def limit_of(self, *seconds: float) -> float:
        """Seconds that runs may take together of which a trial says that each takes so many."""
        return len(seconds) * self.limit if self.limit else max(_LEAST, _TIMES * sum(seconds))

    def __call__(self, study: Study, runs: Iterable[tuple[Contender, int]]) -> Iterator[Run]:
        """Each run as it finishes.

        Raises:
            TrainingError: if a run failed twice, with the cause.
        """
        return _Team(self, study.data, iter(runs), own_code(study)).runs()


class _Team:
    """The processes at work on some runs."""

    def __init__(self, engine: Processes, data: Data, waiting: Iterator[tuple[Contender, int]], code: str = "") -> None:
        self._engine, self._data, self._waiting, self._code = engine, data, chunks(waiting), code
        self._answers: queue.Queue[tuple[Process, str, Any]] = queue.Queue()
        self._processes: list[Process] = []
        self._contenders: dict[int, tuple[int, Contender]] = {}
        self._by_place: list[Contender] = []
        self._failed: set[tuple[int, int]] = set()
        self._again: list[Job] = []
        self._pickled: dict[Any, bytes] = {}

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
        job = self._next()
        while job or any(process.job for process in self._processes):
            while job and (process := self._free()):
                self._give(process, job)
                job = self._next()
            process, kind, value = self._answer()
            if kind == "begun":
                process.until = time.monotonic() + self._limit(process.job)
            elif kind == "runs":
                process.job = None
                yield from value
            else:
                self._lose(process, value)
            job = job or self._next()

    def _next(self) -> Job | None:
        if self._again:
            return self._again.pop()
        chunk = next(self._waiting, None)
        return tuple((self._place(contender), index) for contender, index in chunk) if chunk else None

    def _place(self, contender: Contender) -> int:
        if id(contender) not in self._contenders:
            self._contenders[id(contender)] = len(self._by_place), contender
            self._by_place.append(contender)
        return self._contenders[id(contender)][0]

    def _free(self) -> "Process | None":
        """One that has nothing to do, a new one if there may be one more."""
        if free := next((process for process in self._processes if not process.job), None):
            return free
        if len(self._processes) == self._engine.jobs:
            return None
        from ._process import Process

        self._processes.append(process := Process.ready(self._code))
        process.begin(self._answers, self._kept("data", lambda: _pickle(self._data, None)))
        return process

    def _give(self, process: "Process", job: Job) -> None:
        for which in dict.fromkeys(which for which, _ in job if which not in process.met):
            process.met.add(which)
            contender = self._by_place[which]
            process.say("contender", (which, self._kept(which, lambda one=contender: _pickle(one, self._data))))
        process.job, process.until = job, time.monotonic() + _BEGINS
        process.say("runs", (job,))

    def _kept(self, what: Any, make: Any) -> bytes:
        if what not in self._pickled:
            self._pickled[what] = make()
        return self._pickled[what]

    def _limit(self, job: Job) -> float:
        return self._engine.limit_of(*(self._by_place[which].seconds for which, _ in job))

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
        if process.job is None:  # it had nothing to do, and is not missed
            return
        for which, index in process.job:
            if (which, index) in self._failed:
                contender = self._by_place[which]
                at = f" at {contender.study.name}" if contender.study.name else ""
                told = f"{why[:1].upper()}{why[1:]}".rstrip(".")
                raise TrainingError(f"Run {index} of {contender.start.name}{at} failed twice. {told}.")
        self._failed.update(process.job)
        self._again += [(run,) for run in reversed(process.job)]


def _pickle(value: Any, data: Data | None) -> bytes:
    """As another process reads it; the data, which it has already, is left out."""
    cloudpickle = require("cloudpickle", to="Training in processes")

    class Pickler(cloudpickle.Pickler):
        def persistent_id(self, obj: Any) -> str | None:
            return "data" if obj is data and data is not None else None

    buffer = BytesIO()
    try:
        Pickler(buffer, protocol=pickle.HIGHEST_PROTOCOL).dump(value)
    except Exception as error:  # whatever somebody's own objects raise
        raise SettingError(
            f"The study cannot be handed to another process: {type(error).__name__}: {error}. Its model function, loss "
            "and metric may hold no lock, open file or the like: make it within the function, or name "
            "'file.py:function'."
        ) from error
    return buffer.getvalue()
