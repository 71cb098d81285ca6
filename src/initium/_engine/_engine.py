"""Engine: the door through which a study's runs are trained."""

import contextlib
import math
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from .._errors import InitiumError, SettingError, TrainingError, counted, few, with_article
from .._store import Key, Row
from .._study._run import Run
from .._study._study import Study
from ._contender import Contender
from ._replicas import in_order

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

    Raises:
        TrainingError: if the engine fails, or gives something else than the runs that it took.
    """
    wanted = {
        Key(one.start.name, one.study.key, index): (one, index) for one, index in in_order(contenders, study.seeds)
    }
    num_known = _num_finished(store, wanted, 0, on_run)
    while num_known < len(wanted):
        with contextlib.closing(_rows(study, engine, _Offered(store.claims(wanted), wanted))) as rows:
            for row in rows:
                store.finish(row)
                num_known += 1
                on_run(1)
        num_known = _num_finished(store, wanted, num_known, on_run)
        if num_known < len(wanted):  # others are at work on what is left
            time.sleep(_WAIT)


def check_engine(engine: Any, names: Sequence[str]) -> None:
    """Refuse what can be no engine, before anything is trained.

    Args:
        engine: whatever was asked for.
        names: of those that there are.

    Raises:
        SettingError: saying what one is.
    """
    if not callable(engine) or isinstance(engine, type):
        known = ", ".join(map(repr, names))
        raise SettingError(
            f"engine is {known}, or a function that is given the study and its runs and yields them as they finish, "
            f"not {engine!r}."
        )


class _Offered:
    """Runs, whether anybody asked for one, and those that were taken and not given back."""

    def __init__(self, keys: Iterator[Key], runs: dict[Key, tuple[Contender, int]]) -> None:
        self._keys, self._runs = keys, runs
        self.is_asked, self.out = False, dict[Key, None]()

    def __iter__(self) -> Iterator[tuple[Contender, int]]:
        return self

    def __next__(self) -> tuple[Contender, int]:
        self.is_asked = True
        key = next(self._keys)
        self.out[key] = None
        return self._runs[key]

    def contender(self, key: Key) -> Contender:
        """Whose run it is."""
        return self._runs[key][0]

    def told(self, key: Key) -> str:
        """A run in words."""
        place = self._runs[key][0].study.name if key in self._runs else ""
        return f"run {key.number} of {key.start}{place and f' at {place}'}"


def _rows(study: Study, engine: Engine, offered: _Offered) -> Generator[Row]:
    """What an engine gives, as it is kept; whatever somebody's own engine does wrong is one message that names it."""
    name = _name(engine)
    with _told(name):
        made = engine(study, offered)
    if not hasattr(made, "__iter__"):
        raise TrainingError(f"{name} returned {_what(made)}; it has to yield each run as it finishes.")
    given: Any = iter(made)
    with contextlib.closing(given) if hasattr(given, "close") else contextlib.nullcontext():
        while True:
            with _told(name):
                run = next(given, _END)
            if run is _END:
                break
            yield _row(name, run, offered)
    if offered.out:
        lost = few([offered.told(key) for key in offered.out])
        raise TrainingError(f"{name} took {counted(len(offered.out), 'run')} that it never gave back: {lost}.")
    if not offered.is_asked:
        raise TrainingError(f"{name} ended and had asked for no run.")


def _row(name: str, run: Any, offered: _Offered) -> Row:
    if not isinstance(run, Run):
        raise TrainingError(f"{name} yielded {_what(run)}, not a Run, which `contender.run(index)` makes.")
    try:
        row = run.row
    except Exception as error:  # of figures that somebody has put together wrongly
        raise TrainingError(f"{name} yielded a Run that cannot be kept: {type(error).__name__}: {error}.") from error
    if row.key not in offered.out:
        raise TrainingError(
            f"{name} yielded {offered.told(row.key)}, which it was not given, or had given back already."
        )
    if wrong := _wrong(run, offered.contender(row.key)):
        raise TrainingError(f"{name} yielded {offered.told(row.key)} with {wrong}; `contender.run(index)` makes one.")
    del offered.out[row.key]
    return row


def _wrong(run: Run, contender: Contender) -> str:
    """What no run of a contender can have, in words; empty if nothing."""
    study, rows = contender.study, contender.study.num_rows(run.index)
    length, split = study.num_epochs(rows) + 1, run.index % (study.splits or 1)
    if len(run.train_loss) != length:
        return f"curves of {len(run.train_loss)} points, not {length}, one before training and one after each epoch"
    if run.split != split:
        return f"split {run.split!r}, not {split}"
    if not (isinstance(run.seconds, Real) and math.isfinite(run.seconds) and run.seconds >= 0):
        return f"{run.seconds!r} seconds, which are no length of time"
    is_whole = callable(study.metric) or study.metric == "f1"
    num = 1 if is_whole else len(study.data.x_train) + len(study.data.x_test) - rows
    if np.shape(run.merits) != (num,):
        return f"merits of shape {np.shape(run.merits)}, not ({num},)"
    return ""


_END: Any = object()


@contextlib.contextmanager
def _told(name: str) -> Iterator[None]:
    try:
        yield
    except InitiumError:
        raise
    except (Exception, SystemExit) as error:  # whatever somebody's own engine may raise
        text = str(error).rstrip(".")
        raise TrainingError(f"{name} failed. {type(error).__name__}{text and f': {text}'}.") from error


def _name(engine: Any) -> str:
    name = getattr(engine, "__name__", type(engine).__name__)
    return f"The engine `{name}`" if name.isidentifier() else "The engine"  # a lambda has no name of its own


def _what(value: Any) -> str:
    return "None" if value is None else with_article(type(value).__name__)


def _num_finished(
    store: "Store", wanted: dict[Key, tuple[Contender, int]], known: int, on_run: Callable[[int], object]
) -> int:
    found = len(store.finished() & wanted.keys())
    on_run(found - known)
    return found
