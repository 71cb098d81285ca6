"""evaluate: the losses and the score of a model as it is, in pieces that memory holds."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from .._study._prepared import Data
from ._loss import Judge

_ROWS = 4096  # that go through a model at once
_NUMBERS = 1 << 26  # outputs at once, 256 MB in single precision: of a large vocabulary 4,096 rows would be far more


@torch.no_grad()
def evaluate(model: nn.Module, data: Data, judge: Judge) -> tuple[float, float, Any]:
    """Training loss and test loss of the whole splits, and the merit of each test sample.

    A loss by name is the mean of its pieces', and of outputs is kept what the score is made of; a function of
    somebody's own is given all outputs of a split at once, whatever memory that takes.
    """
    model.eval()
    train_loss, _ = _judged(model, data.x_train, data.y_train, judge, _rows(data), scored=False)
    test_loss, merits = _judged(model, data.x_test, data.y_test, judge, _rows(data), scored=True)
    return train_loss, test_loss, merits


def _rows(data: Data) -> int:
    places = math.prod(data.features) if data.task == "next_token" else 1
    return min(_ROWS, max(1, _NUMBERS // (places * data.num_outputs)))


def _judged(model: nn.Module, x: Any, y: Any, judge: Judge, rows: int, *, scored: bool) -> tuple[float, Any]:
    pieces = _pieces(model, x, y, rows)
    if not judge.name or (scored and callable(judge.metric)):
        outputs = torch.cat([piece for piece, _ in pieces])
        loss = judge.function(outputs, torch.from_numpy(y)).item()
        return loss, judge.merits(outputs, y) if scored else None
    loss, found = 0.0, []
    for outputs, wanted in pieces:
        loss += judge.function(outputs, wanted).item() * (len(wanted) / len(y))
        if scored:
            found.append(judge.answers(outputs, wanted.numpy()))
    return loss, judge.worth(np.concatenate(found), y) if scored else None


def _pieces(model: nn.Module, x: Any, y: Any, rows: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    for inputs, wanted in zip(torch.from_numpy(x).split(rows), torch.from_numpy(y).split(rows), strict=True):
        yield model(inputs), wanted
