"""Engine: the door through which a study's runs are trained."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from .._study._run import Run
from .._study._study import Study
from ._contender import Contender


class Engine(Protocol):
    """Trains some runs of a study, wherever and however many at once."""

    def __call__(self, study: Study, runs: Sequence[tuple[Contender, int]]) -> Iterator[Run]:
        """Yield each run as it is finished, in any order; on Ctrl-C end what was begun, and let it through.

        Args:
            study: what is trained, on which data.
            runs: the start and the index of each. `start.run(study, index)` trains one here and now; an engine that
                trains otherwise gives the same numbers, and says where they differ by rounding.
        """
        ...


def trained(
    study: Study, starts: Sequence[Contender], engine: Engine, *, on_run: Callable[[int], object]
) -> tuple[dict[str, list[Run]], bool]:
    """The runs of each start that finished, as whole pairs, and whether Ctrl-C ended them early."""
    done: dict[int, dict[str, Run]] = {index: {} for index in range(study.seeds)}
    interrupted = False
    try:
        # Runs of one index stay together, so that what an interruption leaves is mostly whole pairs.
        for run in engine(study, [(start, index) for index in range(study.seeds) for start in starts]):
            done[run.index][run.recipe] = run
            on_run(1)
    except KeyboardInterrupt:
        interrupted = True
    whole = [done[index] for index in done if len(done[index]) == len(study.recipes)]
    return {str(recipe): [runs[str(recipe)] for runs in whole] for recipe in study.recipes}, interrupted
