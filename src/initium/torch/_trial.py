"""trial: whether a model can be trained, and how long a step takes, before any run begins."""

import math
import time
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from .._errors import InitiumError, ModelError, SettingError, with_article
from .._study._study import Study
from ._evaluate import evaluate
from ._loss import Judge, judge

_TRIAL = 5  # steps by which is told how long a run takes
_ROUNDABOUT = 1.6  # times that, with the optimiser's step and what is evaluated after each epoch


def trial(model: nn.Module, study: Study) -> float:
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
        _loss(found, study.loss, outputs, y).backward()
    except InitiumError:
        raise
    except (Exception, SystemExit) as error:
        raise ModelError(f"The model cannot be trained: {type(error).__name__}: {error}") from error
    return _seconds(model, study, found)


def _smallest_batch(study: Study) -> int:
    """Of any run. Folds have one of two sizes, and the first and the last that is asked for have both of them."""
    last = min(study.seeds, study.splits or 1) - 1
    sizes = [study.num_rows(index) for index in (0, last)]
    return min(size % study.batch_size or min(study.batch_size, size) for size in sizes)


def _loss(found: Judge, own: Any, outputs: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The loss of a batch; of somebody's own function it is looked at what that is."""
    if found.name:
        return found.function(outputs, y)
    try:
        loss = found.function(outputs, y)
    except (Exception, SystemExit) as error:
        raise SettingError(f"{_named('loss', own)} fails: {type(error).__name__}: {error}") from error
    wanted = "it has to return one number as a tensor, the mean over the samples"
    if not isinstance(loss, torch.Tensor) or loss.numel() != 1 or not loss.is_floating_point():
        raise SettingError(f"{_named('loss', own)} returns {_what(loss)}; {wanted}.")
    if not loss.requires_grad:
        raise SettingError(f"{_named('loss', own)} returns what has no gradient; {wanted}, not detached.")
    return loss


def check_functions(model: nn.Module, study: Study) -> None:
    """Refuse a metric of somebody's own that gives no number, by the split and the outputs that it is for.

    Raises:
        SettingError: saying what it returns.
    """
    metric = study.metric
    if not callable(metric):
        return
    said: list[Any] = []

    def heard(outputs: torch.Tensor, y: torch.Tensor) -> Any:
        try:
            said.append(metric(outputs, y))
        except (Exception, SystemExit) as error:
            raise SettingError(f"{_named('metric', metric)} fails: {type(error).__name__}: {error}") from error
        return 0.0

    found = judge(study, model(torch.from_numpy(study.data.x_train[:2])), 2)
    evaluate(model, study.data, replace(found, metric=heard))
    if not _is_number(said[0]):
        raise SettingError(
            f"{_named('metric', metric)} returns {_what(said[0])}; it has to return one number, the larger the better."
        )
    if not math.isfinite(score := float(said[0])):
        raise SettingError(
            f"{_named('metric', metric)} returns {score} for an untrained model; it has to return a finite number, "
            "whatever finite outputs it is given."
        )


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError, RuntimeError):  # of a tensor of several
        return False
    return not isinstance(value, str)


def _named(what: str, function: Any) -> str:
    name = getattr(function, "__name__", "")
    return f"The {what} `{name}`" if name.isidentifier() else f"The {what}"


def _what(value: Any) -> str:
    if hasattr(value, "shape") and tuple(value.shape):
        return f"{with_article(type(value).__name__)} of shape {tuple(value.shape)}"
    return "None" if value is None else with_article(type(value).__name__)


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
