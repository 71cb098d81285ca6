"""Engine: the door through which a study's runs are trained."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from .._errors import TrainingError
from .._store import Key
from .._study._run import Run
from .._study._study import Study
from ._contender import Contender

if TYPE_CHECKING:
    from .._store._store import Store

_WAIT = 0.5  # seconds between two looks at what others have finished


class Engine(Protocol):
    """Trains some runs of a study, wherever and however many at once."""

    def __call__(self, study: Study, runs: Iterable[tuple[Contender, int]]) -> Iterator[Run]:
        """Yield each run as it is finished, in any order; on Ctrl-C end what was begun, and let it through.

        Args:
            study: what is trained, on which data.
            runs: the contender and the index of each. What is taken from it is ours to train, and nobody else's: take
                no more than is trained soon. `contender.run(index)` trains one here and now; an engine that trains
                otherwise gives the same numbers, and says where they differ by rounding.
        """
        ...


def train(
    study: Study, contenders: Sequence[Contender], engine: Engine, store: "Store", *, on_run: Callable[[int], object]
) -> None:
    """Train what the store has not, and keep each run as it finishes; other processes may do the same meanwhile.

    Args:
        study: what is trained.
        contenders: each start in each cell.
        engine: what trains.
        store: where runs are kept.
        on_run: called with the number of runs that have finished since.
    """
    from .._store._store import beating

    # Runs of one index stay together, so that what an interruption leaves is mostly whole pairs.
    wanted = {
        Key(one.start.name, one.study.key, index): (one, index) for index in range(study.seeds) for one in contenders
    }
    num_known = _num_finished(store, wanted, 0, on_run)
    with beating(store):
        while num_known < len(wanted):
            offered = _Offered(wanted[key] for key in store.claims(wanted))
            for run in engine(study, offered):
                store.finish(run.row)
                num_known += 1
                on_run(1)
            if lost := store.num_claimed:
                raise TrainingError(f"The engine took {lost} runs more than it gave back, or gave them other names.")
            if not offered.is_asked:
                raise TrainingError("The engine ended and had asked for no run.")
            num_known = _num_finished(store, wanted, num_known, on_run)
            if num_known < len(wanted):  # others are at work on what is left
                time.sleep(_WAIT)


class _Offered:
    """Runs, and whether anybody asked for one."""

    def __init__(self, runs: Iterator[tuple[Contender, int]]) -> None:
        self._runs, self.is_asked = runs, False

    def __iter__(self) -> Iterator[tuple[Contender, int]]:
        return self

    def __next__(self) -> tuple[Contender, int]:
        self.is_asked = True
        return next(self._runs)


def _num_finished(
    store: "Store", wanted: dict[Key, tuple[Contender, int]], known: int, on_run: Callable[[int], object]
) -> int:
    found = len(store.finished() & wanted.keys())
    on_run(found - known)
    return found
