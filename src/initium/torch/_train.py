"""Train one network once: the loop that a comparison repeats."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from .. import _stream
from .._decisions import Decisions
from .._errors import ModelError
from .._graph import Graph
from .._study._distinct_units import distinct_hidden_units, hidden_widths
from .._study._prepared import Data
from .._study._run import Run
from .._study._start import Start
from .._study._study import Study
from .._study._weights import Weights
from . import _models
from ._deferred import deferred
from ._evaluate import evaluate
from ._loss import Judge, check_names, judge
from ._optimizer import Pace, optimizer_of
from ._path import plain_paths
from ._quietly import quietly
from ._random import nothing_drawn, own_draws
from ._trial import check_functions, trial


@contextmanager
def checked(study: Study, kept: dict[Any, Any]) -> Iterator[Callable[[Start, Callable[[], nn.Module]], float]]:
    """Yields what finds out before any training whether a model can be trained, and how many seconds a run takes.

    The random state stays as it was.

    Args:
        study: a cell of one.
        kept: what other cells of the same shape have found out.

    Raises:
        InitiumError: what does not fit.
    """
    check_names(study)

    def check(start: Start, model: Callable[[], nn.Module]) -> float:
        shape = ("step", start.name, study.shape, study.batch_size)
        if shape not in kept:
            kept[shape] = trial(model(), study)
        return kept[shape] * study.num_steps(len(study.data.x_train))

    state = torch.get_rng_state()
    try:
        for start in study.inits:
            shape = ("new", start.model, study.shape, study.batch_size)
            if shape not in kept:
                model = _models.build(study, start)
                _check_new(model, _models.build(study, start))
                kept[shape] = trial(model, study)
                check_functions(model, study)
        yield check
    finally:
        torch.set_rng_state(state)


def build(study: Study, start: Start, seed: int, *, is_deferred: bool) -> nn.Module:
    """A new model of the study, what the framework draws by itself seeded; or one without memory, recorded."""
    torch.manual_seed(seed)
    return deferred(lambda: _models.build(study, start)) if is_deferred else _models.build(study, start)


@contextmanager
def first_step(
    study: Study, make: Callable[[], nn.Module], index: int
) -> Iterator[tuple[nn.Module, torch.Tensor, torch.Tensor, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]]]:
    """Yields what a run trains with first: model, inputs, targets, and the function of outputs and targets.

    The random state stays as it was.
    """
    with nothing_drawn(), own_draws():
        model = make()
        yield model, *next(iter(batches(study, index, 0))), judge_of(study, model, index).function


def settle_process() -> None:
    """Make this process one of many that train: one thread, and no denormal numbers.

    Denormals slow a badly scaled start tenfold. They are flushed for the whole process, and only
    before torch starts its threads, so this is never done to a caller's own process.
    """
    torch.set_flush_denormal(True)
    torch.set_num_threads(1)


def train(
    study: Study, model: nn.Module, graph: Graph, recipe: str, index: int, *, plan: Decisions | None = None
) -> Run:
    """One run of a model at step zero: the same model, the same numbers, whatever else runs.

    Args:
        study: a cell of one.
        model: that is trained.
        graph: what is known of it.
        recipe: the start's name.
        index: which run.
        plan: what decided the start, which may multiply the learning rate of some parameters.
    """
    course = Course(study, model, graph, recipe, index)
    _seed_training(study, index)
    optimizer, num_samples = optimizer_of(study, model, plan), study.num_rows(index)
    pace = Pace(study, optimizer, study.num_steps(num_samples))
    for epoch in range(study.num_epochs(num_samples)):
        model.train()
        for inputs, wanted in batches(study, index, epoch):
            if not pace.goes_on():
                break
            optimizer.zero_grad(set_to_none=True)
            course.judge.function(model(inputs), wanted).backward()
            if study.clip is not None:
                nn.utils.clip_grad_norm_(model.parameters(), study.clip)
            optimizer.step()
        if not course.note():
            break
    return course.run()


class Course:
    """What one run shows, from step zero on, noted after every epoch; however it is trained.

    Attributes:
        judge: whose loss is minimised.
    """

    def __init__(
        self, study: Study, model: nn.Module, graph: Graph, recipe: str, index: int, data: Data | None = None
    ) -> None:
        self._began = time.perf_counter()
        self._study, self._model, self._graph = study, model, graph
        self._recipe, self._index, self._data = recipe, index, data or study.data_of(index)
        self.judge = judge_of(study, model, index, self._data)
        self._before, self._curve = _values(model), [evaluate(model, self._data, self.judge)]

    def note(self) -> bool:
        """Evaluate the model as it is after an epoch; whether its losses are finite, or nothing more will come."""
        self._curve.append(evaluate(self._model, self._data, self.judge))
        return bool(np.isfinite(self._curve[-1][:2]).all())

    def run(self) -> Run:
        """What was noted; of the epochs that a diverged run was spared, NaN."""
        spared = self._study.num_epochs(len(self._data.x_train)) + 1 - len(self._curve)
        nothing = np.nan, np.nan, np.full_like(self._curve[-1][2], np.nan)
        train_loss, test_loss, worth = zip(*self._curve, *[nothing] * spared, strict=True)
        after = _values(self._model)
        return Run(
            recipe=self._recipe,
            index=self._index,
            train_loss=train_loss,
            test_loss=test_loss,
            test_score=tuple(float(each.mean()) for each in worth),
            merits=worth[-1],
            units_start=distinct_hidden_units(self._graph, self._before),
            units_end=distinct_hidden_units(self._graph, after),
            widths=hidden_widths(self._graph),
            weights=_weights(self._graph, self._before, after) if self._index == 0 else (),
            cell=self._study.key,
            split=self._index % (self._study.splits or 1),
            seconds=time.perf_counter() - self._began,
        )


def batches(
    study: Study, index: int, epoch: int, data: Data | None = None
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Inputs and targets of each step of an epoch, in the order that all starts of a run share."""
    data = data or study.data_of(index)
    x, y = torch.from_numpy(data.x_train), torch.from_numpy(data.y_train)
    shuffled = torch.from_numpy(_stream.permutation(_stream.key(_order_seed(study, index), f"order.{epoch}"), len(x)))
    return ((x[rows], y[rows]) for rows in shuffled.split(study.batch_size))


def _seed_training(study: Study, index: int) -> None:
    """What a model draws while it is trained, as dropout does."""
    torch.manual_seed(draw_seed(study, index))


def draw_seed(study: Study, index: int) -> int:
    """Under which a run draws while it is trained."""
    return _stream.key(_order_seed(study, index), "dropout")


def _order_seed(study: Study, index: int) -> int:
    return (study.order_seed + index) % 2**64


def judge_of(study: Study, model: nn.Module, index: int, data: Data | None = None) -> Judge:
    """By what it gives as it is trained: with gradients, by which a sigmoid at the end is known; it stays as it was."""
    rows = torch.from_numpy((data or study.data_of(index)).x_train[:2])
    with quietly(model), torch.enable_grad():
        _seed_training(study, index)
        outputs = model.train()(rows)
    return judge(study, outputs, len(rows))


def _values(model: nn.Module) -> dict[str, Any]:
    plain = plain_paths(model)
    return {plain(path): value.detach().numpy().copy() for path, value in model.named_parameters()}


def _weights(graph: Graph, before: dict[str, Any], after: dict[str, Any]) -> tuple[Weights, ...]:
    return tuple(Weights.of(one.path, before[one.path], after[one.path]) for one in graph.weights)


def _check_new(one: nn.Module, other: nn.Module) -> None:
    if {id(p) for p in one.parameters()} & {id(p) for p in other.parameters()}:
        raise ModelError("The model function returns the same network twice; it must build a new one at each call.")
