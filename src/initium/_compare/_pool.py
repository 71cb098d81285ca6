"""Run r of every start, spread over processes, as they finish."""

import contextlib
import os
from collections.abc import Callable, Generator
from importlib import import_module
from types import ModuleType

from .._recipe import Recipe
from .._require import require
from ._run import Run
from ._study import Study

# The edge that trains, by name: the core imports no framework.
_ENGINE = "initium.torch._train"


def engine() -> ModuleType:
    """What checks and trains: a module with `check(study)` and `train(study, recipe, index)`."""
    require("torch", to="Training")
    return import_module(_ENGINE)


def run_all(study: Study, *, jobs: int, on_run: Callable[[], None]) -> tuple[dict[str, list[Run]], bool]:
    """The runs of each start that finished, as whole pairs, and whether Ctrl-C ended them early."""
    done: dict[int, dict[str, Run]] = {index: {} for index in range(study.seeds)}
    interrupted = False
    with contextlib.closing(_results(study, jobs)) as results:
        try:
            for run in results:
                done[run.index][run.recipe] = run
                on_run()
        except KeyboardInterrupt:
            interrupted = True
    whole = [done[index] for index in done if len(done[index]) == len(study.recipes)]
    return {str(recipe): [runs[str(recipe)] for runs in whole] for recipe in study.recipes}, interrupted


def _results(study: Study, jobs: int) -> Generator[Run]:
    """Loky's processes: they start clean, take functions from a notebook, and keep to one thread each."""
    joblib = require("joblib", to="Running in parallel")
    # Runs of one index stay together, so that what an interruption leaves is mostly whole pairs.
    tasks = (joblib.delayed(_train)(study, recipe, i) for i in range(study.seeds) for recipe in study.recipes)
    with joblib.parallel_config("loky", inner_max_num_threads=1):
        return joblib.Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)(tasks)


def _train(study: Study, recipe: Recipe, index: int) -> Run:
    return engine().train(study, recipe, index)


def num_processors() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
