"""Train one network once: the loop that a comparison repeats."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from .. import _stream
from .._errors import ModelError
from .._graph import Graph
from .._study._distinct_units import distinct_hidden_units, hidden_widths
from .._study._prepared import Data
from .._study._run import Run
from .._study._start import Start
from .._study._study import Study
from . import _models
from ._deferred import deferred
from ._loss import Judge, check_names, judge
from ._optimizer import Pace, optimizer_of
from ._path import plain_paths
from ._quietly import quietly
from ._random import nothing_drawn, own_draws

_ROWS_AT_ONCE = 4096  # bounds what an evaluation holds in memory
_TRIAL = 5  # steps by which is told how long a run takes
_ROUNDABOUT = 1.6  # times that, with the optimiser's step and what is evaluated after each epoch


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
            kept[shape] = _trial(model(), study)
        return kept[shape] * study.num_steps(len(study.data.x_train))

    state = torch.get_rng_state()
    try:
        for start in study.inits:
            shape = ("new", start.model, study.shape, study.batch_size)
            if shape not in kept:
                model = _models.build(study, start)
                _check_new(model, _models.build(study, start))
                kept[shape] = _trial(model, study)
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


def train(study: Study, model: nn.Module, graph: Graph, recipe: str, index: int) -> Run:
    """One run of a model at step zero: the same model, the same numbers, whatever else runs."""
    course = Course(study, model, graph, recipe, index)
    _seed_training(study, index)
    optimizer, num_samples = optimizer_of(study, model), len(study.data_of(index).x_train)
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
        self._before, self._curve = _values(model), [_evaluate(model, self._data, self.judge)]

    def note(self) -> bool:
        """Evaluate the model as it is after an epoch; whether its losses are finite, or nothing more will come."""
        self._curve.append(_evaluate(self._model, self._data, self.judge))
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
            first_weights=_first(self._graph, self._before, after) if self._index == 0 else None,
            cell=self._study.key,
            split=self._index % self._study.splits if self._study.splits else 0,
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


@torch.no_grad()
def _evaluate(model: nn.Module, data: Data, judge: Judge) -> tuple[float, float, Any]:
    """Training loss and test loss of the whole splits, and the merit of each test sample."""
    model.eval()
    trained, tested = _outputs(model, data.x_train), _outputs(model, data.x_test)
    return (
        judge.function(trained, torch.from_numpy(data.y_train)).item(),
        judge.function(tested, torch.from_numpy(data.y_test)).item(),
        judge.merits(tested, data.y_test),
    )


def _outputs(model: nn.Module, x: Any) -> torch.Tensor:
    return torch.cat([model(rows) for rows in torch.from_numpy(x).split(_ROWS_AT_ONCE)])


def _values(model: nn.Module) -> dict[str, Any]:
    plain = plain_paths(model)
    return {plain(path): value.detach().numpy().copy() for path, value in model.named_parameters()}


def _first(graph: Graph, before: dict[str, Any], after: dict[str, Any]) -> tuple[Any, Any] | None:
    if not graph.weights:
        return None
    path = graph.weights[0].path
    return before[path], after[path]


def _check_new(one: nn.Module, other: nn.Module) -> None:
    if {id(p) for p in one.parameters()} & {id(p) for p in other.parameters()}:
        raise ModelError("The model function returns the same network twice; it must build a new one at each call.")


def _trial(model: nn.Module, study: Study) -> float:
    """Seconds of a step; it goes forward and backward, on as many samples as the smallest batch will have."""
    data = study.data
    model.train()
    rows = _smallest_batch(study)
    x, y = torch.from_numpy(data.x_train[:rows]), torch.from_numpy(data.y_train[:rows])
    try:
        outputs = model(x)
    except (Exception, SystemExit) as error:  # whatever a user's own forward may raise
        raise ModelError(
            f"The model fails on a training batch of {rows} samples of shape {data.features}: "
            f"{type(error).__name__}: {error}"
        ) from error
    found = judge(study, outputs, rows)
    if not outputs.requires_grad:
        raise ModelError("The model has no parameter to train: its outputs require no gradient.")
    try:
        found.function(outputs, y).backward()
    except (Exception, SystemExit) as error:
        raise ModelError(f"The model cannot be trained: {type(error).__name__}: {error}") from error
    return _seconds(model, study, found)


def _smallest_batch(study: Study) -> int:
    """Of any run. Folds have one of two sizes, and the first and the last that is asked for have both of them."""
    last = min(study.seeds, study.splits or 1) - 1
    sizes = [len(study.data_of(index).x_train) for index in (0, last)]
    return min(size % study.batch_size or min(study.batch_size, size) for size in sizes)


def _seconds(model: nn.Module, study: Study, found: Judge) -> float:
    """Of a step on a whole batch; of several the quickest."""
    x = torch.from_numpy(study.data.x_train[: study.batch_size])
    y = torch.from_numpy(study.data.y_train[: study.batch_size])
    threads, taken = torch.get_num_threads(), []
    torch.set_num_threads(1)  # as it will be trained; two that wait for each other tell nothing on a busy machine
    try:
        for _ in range(_TRIAL):
            began = time.perf_counter()
            found.function(model(x), y).backward()
            taken.append(time.perf_counter() - began)
    finally:
        torch.set_num_threads(threads)
    return _ROUNDABOUT * min(taken)
