"""Train one network once: the loop that a comparison repeats."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from .. import _stream
from .._errors import ModelError
from .._graph import Graph
from .._study._data import Data
from .._study._distinct_units import distinct_hidden_units, hidden_widths
from .._study._merits import merits
from .._study._run import Run
from .._study._study import Study
from . import _models
from ._deferred import deferred
from ._path import plain_paths

_ROWS_AT_ONCE = 4096  # bounds what an evaluation holds in memory


@contextmanager
def checked(study: Study) -> Iterator[Callable[[nn.Module], None]]:
    """Yields what finds out before any training whether a model can be trained; the random state stays as it was.

    Raises:
        InitiumError: what does not fit.
    """
    state = torch.get_rng_state()
    try:
        model = _models.build(study)
        _check_new(model, _models.build(study))
        _check_outputs(model, study)
        yield lambda model: _check_outputs(model, study)
    finally:
        torch.set_rng_state(state)


def build(study: Study, seed: int, *, is_deferred: bool) -> nn.Module:
    """A new model of the study, what the framework draws by itself seeded; or one without memory, recorded."""
    torch.manual_seed(seed)
    return deferred(lambda: _models.build(study)) if is_deferred else _models.build(study)


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
    torch.manual_seed(_stream.key(_order_seed(study, index), "dropout"))  # what the model draws while training
    optimizer = _optimizer(study, model)
    for epoch in range(study.epochs):
        model.train()
        for inputs, wanted in batches(study, index, epoch):
            optimizer.zero_grad(set_to_none=True)
            loss(model(inputs), wanted).backward()
            optimizer.step()
        if not course.note():
            break
    return course.run()


class Course:
    """What one run shows, from step zero on, noted after every epoch; however it is trained."""

    def __init__(self, study: Study, model: nn.Module, graph: Graph, recipe: str, index: int) -> None:
        self._study, self._model, self._graph = study, model, graph
        self._recipe, self._index = recipe, index
        self._before, self._curve = _values(model), [_evaluate(model, study.data)]

    def note(self) -> bool:
        """Evaluate the model as it is after an epoch; whether its losses are finite, or nothing more will come."""
        self._curve.append(_evaluate(self._model, self._study.data))
        return bool(np.isfinite(self._curve[-1][:2]).all())

    def run(self) -> Run:
        """What was noted; of the epochs that a diverged run was spared, NaN."""
        spared = self._study.epochs + 1 - len(self._curve)
        nothing = np.nan, np.nan, np.full(len(self._study.data.y_test), np.nan)
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
        )


def batches(study: Study, index: int, epoch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Inputs and targets of each step of an epoch, in the order that all starts of a run share."""
    x, y = torch.from_numpy(study.data.x_train), torch.from_numpy(study.data.y_train)
    shuffled = torch.from_numpy(_stream.permutation(_stream.key(_order_seed(study, index), f"order.{epoch}"), len(x)))
    return zip(x[shuffled].split(study.batch_size), y[shuffled].split(study.batch_size), strict=True)


def _order_seed(study: Study, index: int) -> int:
    return (study.order_seed + index) % 2**64


def loss(outputs: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Cross entropy of classes, squared error of targets, both averaged over samples."""
    if y.ndim == 1:
        return functional.cross_entropy(outputs, y)
    return functional.mse_loss(outputs.reshape(y.shape), y)


@torch.no_grad()
def _evaluate(model: nn.Module, data: Data) -> tuple[float, float, Any]:
    """Training loss and test loss of the whole splits, and the merit of each test sample."""
    model.eval()
    trained, tested = _outputs(model, data.x_train), _outputs(model, data.x_test)
    return (
        loss(trained, torch.from_numpy(data.y_train)).item(),
        loss(tested, torch.from_numpy(data.y_test)).item(),
        merits(tested.reshape(len(tested), -1).numpy(), data.y_test),
    )


def _outputs(model: nn.Module, x: Any) -> torch.Tensor:
    return torch.cat([model(rows) for rows in torch.from_numpy(x).split(_ROWS_AT_ONCE)])


def _optimizer(study: Study, model: nn.Module) -> torch.optim.Optimizer:
    made = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[study.optimizer]
    return made(model.parameters(), lr=study.lr, fused=True)


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


def _check_outputs(model: nn.Module, study: Study) -> None:
    """Go forward and backward once, on as many samples as the smallest batch will have."""
    data = study.data
    model.train()
    rows = len(data.x_train) % study.batch_size or min(study.batch_size, len(data.x_train))
    try:
        outputs = model(torch.from_numpy(data.x_train[:rows]))
    except Exception as error:  # whatever a user's own forward may raise
        raise ModelError(
            f"The model fails on a training batch of {rows} samples of shape {data.features}: "
            f"{type(error).__name__}: {error}"
        ) from error
    wanted = {(rows, data.num_outputs)} | ({(rows,)} if not data.is_classification and data.num_outputs == 1 else set())
    found = tuple(outputs.shape) if isinstance(outputs, torch.Tensor) else type(outputs).__name__
    if found not in wanted:
        what = "one output a class" if data.is_classification else "one output a target"
        raise ModelError(
            f"The model turns {rows} samples into {found}; {data.name} needs ({rows}, {data.num_outputs}), {what}."
        )
    if not outputs.requires_grad:
        raise ModelError("The model has no parameter to train: its outputs require no gradient.")
    try:
        loss(outputs, torch.from_numpy(data.y_train[:rows])).backward()
    except Exception as error:
        raise ModelError(f"The model cannot be trained: {type(error).__name__}: {error}") from error
