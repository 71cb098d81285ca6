"""The loss and the score of a study, by name or by function."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.func import vmap
from torch.nn import functional

from .._errors import ModelError, SettingError
from .._require import require
from .._spec import unknown_name
from .._study._merits import balanced, merits
from .._study._study import Study

LOSSES = ("cross_entropy", "bce", "mse", "mae", "huber")
METRICS = ("accuracy", "r2", "balanced_accuracy", "f1")
_USUAL = {"classification": "cross_entropy", "next_token": "cross_entropy", "multilabel": "bce", "regression": "mse"}
_OF = {"cross_entropy": ("classification", "next_token"), "bce": ("classification", "multilabel")}
# What autograd calls the steps that give the same numbers another shape, place or type.
_SHAPED = (
    *("ViewBackward", "UnsafeViewBackward", "ReshapeAliasBackward", "SqueezeBackward", "UnsqueezeBackward"),
    *("SelectBackward", "SliceBackward", "CatBackward", "StackBackward", "TBackward", "TransposeBackward"),
    *("PermuteBackward", "CloneBackward", "AliasBackward", "ToCopyBackward"),
)
_A = {"classification": "class", "multilabel": "label", "next_token": "token at each place", "regression": "target"}


@dataclass(frozen=True)
class Judge:
    """How a model's outputs are judged, found out once from the first of them.

    Attributes:
        name: of the loss; empty for a function.
        function: outputs and targets to the mean loss.
        metric: that was asked for; None is the accuracy or R^2.
        threshold: what an output is compared with where it alone says whether something holds; None for others.
    """

    name: str
    function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    metric: str | Callable[..., Any] | None
    threshold: float | None

    def of_replicas(self, outputs: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The mean loss of each replica: `(replica, sample, ...)` to `(replica,)`."""
        if not self.name:
            return vmap(self.function)(outputs, y)
        each = self.function(outputs.flatten(0, 1), y.flatten(0, 1), reduction="none")  # pyright: ignore[reportCallIssue]
        return each.view(len(y), -1).mean(1)

    def merits(self, outputs: torch.Tensor, y: Any) -> Any:
        """One number a sample, whose mean is the score; of F1 and of a function the score alone."""
        if callable(self.metric):
            return np.array([float(_own(self.metric)(outputs, torch.from_numpy(y)))])
        return self.worth(self.answers(outputs, y), y)

    def answers(self, outputs: torch.Tensor, y: Any) -> Any:
        """What is scored of some outputs: which class or label they say; of a regression the outputs themselves."""
        found = _as_scores(outputs.numpy(), y, self.threshold)
        if y.dtype.kind == "f":
            return found
        return found.argmax(axis=-1) if found.ndim > y.ndim else found > 0

    def worth(self, answers: Any, y: Any) -> Any:
        """The merits of all answers together, by a metric that has a name."""
        if self.metric is None or self.metric in ("accuracy", "r2"):
            return merits(answers, y)
        if self.metric == "balanced_accuracy":
            return balanced(answers, y)
        f1_score = require("sklearn.metrics", to="A metric").f1_score
        # Each label has an F1 of its own, as every class has; of one that nobody says it is 0, as usual.
        pair = (y, answers) if answers.dtype == bool else (y.ravel(), answers.ravel())
        return np.array([f1_score(*pair, average="macro", zero_division=0)])


def check_names(study: Study) -> None:
    """Refuse a loss or a metric that the task has no use for.

    Raises:
        UnknownNameError: with the nearest name there is.
        SettingError: saying which task it is of.
    """
    loss, metric, task = study.loss, study.metric, study.data.task
    if isinstance(loss, str):
        if loss not in LOSSES:
            raise unknown_name("loss", loss, LOSSES, "A function (outputs, targets) -> loss will do as well.")
        if task not in _OF.get(loss, ("regression",)):
            raise SettingError(f"Loss `{loss}` is not one of {task}; {study.data.name} is that. Usual: {_USUAL[task]}.")
    if isinstance(metric, str):
        if metric not in METRICS:
            raise unknown_name("metric", metric, METRICS, "A function (outputs, targets) -> score will do as well.")
        if (metric == "r2") != (task == "regression"):
            raise SettingError(f"Metric `{metric}` is not one of {task}; {study.data.name} is that.")


def judge(study: Study, outputs: Any, rows: int) -> Judge:
    """How the outputs of a model for so many rows are judged; they know how they were made.

    Raises:
        ModelError: if they do not fit the targets.
    """
    data = study.data
    one = _is_one(study, outputs)
    if not callable(study.loss):
        _check_shape(study, outputs, rows, one)
        _check_loss(study, outputs, one)
    name = "" if callable(study.loss) else study.loss or ("bce" if one else _USUAL[data.task])
    ends = _are_probabilities(outputs)
    threshold = None
    if data.task == "multilabel" or one:
        threshold = 0.5 if ends else 0.0
    function = _own(study.loss) if callable(study.loss) else _function(name, ends)
    return Judge(name, function, study.metric, threshold)


def _is_one(study: Study, outputs: Any) -> bool:
    """Whether a single output says which of two classes it is."""
    shape = tuple(getattr(outputs, "shape", ()))
    return study.data.task == "classification" and study.data.num_outputs == 2 and shape[1:] in ((), (1,))


def _check_shape(study: Study, outputs: Any, rows: int, one: bool) -> None:
    data = study.data
    found = tuple(outputs.shape) if isinstance(outputs, torch.Tensor) else type(outputs).__name__
    wanted, what = (rows, data.num_outputs), f"one output a {_A[data.task]}"
    if data.task == "next_token":
        wanted = (rows, *data.features, data.num_outputs)
    is_flat = not data.is_classification and data.num_outputs == 1 and found == (rows,)
    if found == wanted or is_flat or (one and found in ((rows,), (rows, 1))):
        return
    raise ModelError(f"The model turns {rows} samples into {found}; {data.name} needs {wanted}, {what}.")


def _check_loss(study: Study, outputs: torch.Tensor, one: bool) -> None:
    """Refuse a loss that is of as many outputs as the model does not have."""
    if study.data.task != "classification" or study.loss not in _OF or (study.loss == "bce") == one:
        return
    gives = f"the model gives {1 if one else outputs.shape[-1]} a sample"
    num = study.data.num_outputs
    if one:
        raise ModelError(
            f"Loss `cross_entropy` needs an output a class, {num} of them, and {gives}. Take `bce`, or let it give "
            f"{num}."
        )
    way = "let it give 1" if num == 2 else f"{study.data.name} has {num} classes"
    raise ModelError(
        f"Loss `bce` is of one output that says which of two classes it is, and {gives}. Take `cross_entropy`"
        f"{', or ' if num == 2 else ': '}{way}."
    )


def _are_probabilities(outputs: Any) -> bool:
    """Whether a sigmoid made them, and they are no longer the numbers that it was given."""
    return _is_sigmoid(getattr(outputs, "grad_fn", None))


def _is_sigmoid(step: Any) -> bool:
    if step is None:
        return False
    if step.name().startswith(_SHAPED):
        return all(_is_sigmoid(one) for one, _ in step.next_functions)
    return step.name().startswith("SigmoidBackward")


def _function(name: str, is_probability: bool) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    if name == "cross_entropy":
        return _cross_entropy
    if name == "bce":
        return _bce if is_probability else _bce_of_logits
    return {"mse": _mse, "mae": _mae, "huber": _huber}[name]


def _own(function: Callable[..., Any]) -> Callable[[Any, torch.Tensor], Any]:
    """Somebody's own, with one target a sample flat where the outputs are: else all would be taken from all."""

    def of(outputs: Any, y: torch.Tensor) -> Any:
        is_flat = y.ndim == 2 and y.shape[1] == 1 and getattr(outputs, "ndim", 0) == 1
        return function(outputs, y[:, 0] if is_flat else y)

    return of


def _cross_entropy(outputs: torch.Tensor, y: torch.Tensor, reduction: str = "mean") -> torch.Tensor:
    if outputs.ndim > 2:
        return functional.cross_entropy(outputs.flatten(0, -2), y.flatten(), reduction=reduction)
    return functional.cross_entropy(outputs, y, reduction=reduction)


def _bce(outputs: torch.Tensor, y: torch.Tensor, reduction: str = "mean") -> torch.Tensor:
    return functional.binary_cross_entropy(outputs.reshape(y.shape), y.to(outputs.dtype), reduction=reduction)


def _bce_of_logits(outputs: torch.Tensor, y: torch.Tensor, reduction: str = "mean") -> torch.Tensor:
    wanted = y.to(outputs.dtype)
    return functional.binary_cross_entropy_with_logits(outputs.reshape(y.shape), wanted, reduction=reduction)


def _mse(outputs: torch.Tensor, y: torch.Tensor, reduction: str = "mean") -> torch.Tensor:
    return functional.mse_loss(outputs.reshape(y.shape), y, reduction=reduction)


def _mae(outputs: torch.Tensor, y: torch.Tensor, reduction: str = "mean") -> torch.Tensor:
    return functional.l1_loss(outputs.reshape(y.shape), y, reduction=reduction)


def _huber(outputs: torch.Tensor, y: torch.Tensor, reduction: str = "mean") -> torch.Tensor:
    return functional.huber_loss(outputs.reshape(y.shape), y, reduction=reduction)


def _as_scores(outputs: Any, y: Any, threshold: float | None) -> Any:
    """Outputs of which the largest, or one above 0, is the answer."""
    if threshold is None:
        return outputs.reshape(len(outputs), -1) if y.ndim == 2 and y.dtype.kind == "f" else outputs
    against = outputs.reshape(y.shape) - threshold
    return np.stack([-against, against], axis=-1) if y.ndim == 1 else against
