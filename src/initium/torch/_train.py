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
from ._path import plain_path

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
    before = _values(model)
    order_seed = (study.order_seed + index) % 2**64
    x, y = torch.from_numpy(study.data.x_train), torch.from_numpy(study.data.y_train)
    torch.manual_seed(_stream.key(order_seed, "dropout"))  # what the model draws while training
    optimizer = _optimizer(study, model)
    curve = [_evaluate(model, study.data)]
    for epoch in range(study.epochs):
        key = _stream.key(order_seed, f"order.{epoch}")
        _epoch(model, optimizer, x, y, _stream.permutation(key, len(x)), study.batch_size)
        curve.append(_evaluate(model, study.data))
        if not np.isfinite(curve[-1][:2]).all():
            curve += [(np.nan, np.nan, np.full(len(study.data.y_test), np.nan))] * (study.epochs - epoch - 1)
            break
    after = _values(model)
    train_loss, test_loss, worth = zip(*curve, strict=True)
    return Run(
        recipe=recipe,
        index=index,
        train_loss=train_loss,
        test_loss=test_loss,
        test_score=tuple(float(each.mean()) for each in worth),
        merits=worth[-1],
        units_start=distinct_hidden_units(graph, before),
        units_end=distinct_hidden_units(graph, after),
        widths=hidden_widths(graph),
        first_weights=_first(graph, before, after) if index == 0 else None,
    )


def _epoch(
    model: nn.Module, optimizer: torch.optim.Optimizer, x: torch.Tensor, y: torch.Tensor, order: Any, size: int
) -> None:
    model.train()
    shuffled = torch.from_numpy(order)
    for inputs, wanted in zip(x[shuffled].split(size), y[shuffled].split(size), strict=True):
        optimizer.zero_grad(set_to_none=True)
        _loss(model(inputs), wanted).backward()
        optimizer.step()


def _loss(outputs: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    if y.ndim == 1:
        return functional.cross_entropy(outputs, y)
    return functional.mse_loss(outputs.reshape(y.shape), y)


@torch.no_grad()
def _evaluate(model: nn.Module, data: Data) -> tuple[float, float, Any]:
    """Training loss and test loss of the whole splits, and the merit of each test sample."""
    model.eval()
    trained, tested = _outputs(model, data.x_train), _outputs(model, data.x_test)
    return (
        _loss(trained, torch.from_numpy(data.y_train)).item(),
        _loss(tested, torch.from_numpy(data.y_test)).item(),
        merits(tested.reshape(len(tested), -1).numpy(), data.y_test),
    )


def _outputs(model: nn.Module, x: Any) -> torch.Tensor:
    return torch.cat([model(rows) for rows in torch.from_numpy(x).split(_ROWS_AT_ONCE)])


def _optimizer(study: Study, model: nn.Module) -> torch.optim.Optimizer:
    made = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[study.optimizer]
    return made(model.parameters(), lr=study.lr, fused=True)


def _values(model: nn.Module) -> dict[str, Any]:
    return {plain_path(path): value.detach().numpy().copy() for path, value in model.named_parameters()}


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
        _loss(outputs, torch.from_numpy(data.y_train[:rows])).backward()
    except Exception as error:
        raise ModelError(f"The model cannot be trained: {type(error).__name__}: {error}") from error
