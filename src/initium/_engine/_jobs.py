"""Jobs: the runs that an engine was given, as they are handed out, and once more where that failed."""

from collections.abc import Callable, Iterable
from typing import Any

from .._errors import TrainingError
from .._study._prepared import Data
from ._contender import Contender
from ._packed import packed
from ._replicas import chunks

# Runs that train together: the place of a contender among those that were met, and the index of a run.
Job = tuple[tuple[int, int], ...]


class Jobs:
    """What is left to do of a study's runs.

    Attributes:
        contenders: those that were met, by their place.
    """

    def __init__(self, runs: Iterable[tuple[Contender, int]], data: Data) -> None:
        self.contenders: list[Contender] = []
        self._waiting, self._data = chunks(runs), data
        self._places: dict[int, int] = {}
        self._failed: set[tuple[int, int]] = set()
        self._again: list[Job] = []
        self._sent: dict[int, Any] = {}

    def next(self) -> Job | None:
        """What to train next; None if nothing is left."""
        if self._again:
            return self._again.pop()
        chunk = next(self._waiting, None)
        return tuple((self._place(contender), index) for contender, index in chunk) if chunk else None

    def _place(self, contender: Contender) -> int:
        if id(contender) not in self._places:
            self._places[id(contender)] = len(self.contenders)
            self.contenders.append(contender)
        return self._places[id(contender)]

    def seconds(self, job: Job) -> list[float]:
        """That a trial says of each run."""
        return [self.contenders[which].seconds for which, _ in job]

    def sent(self, which: int, send: Callable[[bytes], Any]) -> Any:
        """A contender as another process is given it, packed and sent once; the data, which that has, is left out."""
        if which not in self._sent:
            self._sent[which] = send(packed(self.contenders[which], self._data))
        return self._sent[which]

    def lose(self, job: Job, why: str, *, whole: bool = False) -> None:
        """Have the runs of a job that failed tried once more, each by itself, or as they were.

        Raises:
            TrainingError: if one of them failed before.
        """
        for which, index in job:
            if (which, index) in self._failed:
                contender = self.contenders[which]
                at = f" at {contender.study.name}" if contender.study.name else ""
                told = f"{why[:1].upper()}{why[1:]}".rstrip(".")
                raise TrainingError(f"Run {index} of {contender.start.name}{at} failed twice. {told}.")
        self._failed.update(job)
        self._again += [job] if whole else [(run,) for run in reversed(job)]
