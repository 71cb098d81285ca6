"""diagnose: what is wrong with a model at step zero, where, and why."""

import math
from collections.abc import Callable, Iterable
from typing import Any

from ._diagnosis import Diagnosis, Step
from ._edge import edge_for
from ._errors import SettingError
from ._initialize import begin, plan
from ._plan import Plan
from ._recipes import Recipe, parse_recipe
from ._rule import Rules
from .init import Initialiser

_OPTIMIZERS = ("sgd", "adam", "adamw")


def diagnose(
    model: Any,
    inputs: Any = None,
    targets: Any = None,
    *,
    loss: str | Callable[..., Any] | None = None,
    recipe: str | Initialiser | Recipe | None = None,
    ignore: str | Iterable[str] = (),
    optimizer: str | None = None,
    lr: float | None = None,
    micro_batch: int | None = None,
    quick: bool = False,
    thorough: bool = False,
) -> Diagnosis:
    """Run one batch forward and backward, and say what is wrong, in which layer, from what cause.

    The model is left as it was found, bit for bit: weights, buffers, gradients, random state and mode.

    Args:
        model: a torch.nn.Module with numbers; on meta only with a recipe.
        inputs: a tensor, a tuple of arguments, or a dict of keyword arguments; None makes Gaussian noise or random
            tokens of the shapes that the model takes.
        targets: what the loss compares with; None differentiates a random projection of the outputs.
        loss: `cross_entropy`, `mse`, `bce`, `next_token`, a function (outputs, targets) -> loss; None is the model's
            own, where it returns one, else what fits the targets.
        recipe: diagnose a copy of the model that is started by it, not the model as it stands.
        ignore: findings to leave out, one or several, by id or by id and paths: `IN201:head.*`.
        optimizer: `sgd`, `adam` or `adamw`, to judge the first step.
        lr: its learning rate.
        micro_batch: run so many samples of the batch at most, where memory is short.
        quick: measure second moments and gradients alone.
        thorough: measure the geometry besides: singular values of every weight, effective ranks, and what the
            input-output Jacobian does to lengths. It takes the time of 25 more passes, and of each weight of m times n
            numbers m n min(m, n) multiplications.

    Returns:
        The findings, the root cause first, and what was measured by layer. It prints.

    Raises:
        ModelError: if the model raises, with what and where, or nothing can be differentiated.
        DataError: if the targets do not fit.
        SettingError: if an optimiser comes without a learning rate, no sample is to be run, or it is to be quick and
            thorough.
        UnknownNameError: if a loss, an optimiser or an ignored finding goes by no name.

    Example:
        >>> from torch import nn
        >>> model = nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 2))
        >>> for value in model.parameters():
        ...     _ = nn.init.constant_(value, 0.1)
        >>> found = diagnose(model)
        >>> found.findings[0].id, found.findings[0].path
        ('IN301', '0.weight')
    """
    start = None if recipe is None else parse_recipe(recipe)
    if micro_batch is not None and (not isinstance(micro_batch, int) or micro_batch < 1):
        raise SettingError(f"`micro_batch` is a number of samples, 1 or more, not {micro_batch!r}.")
    if quick and thorough:
        raise SettingError("A diagnosis is quick or thorough, not both: leave one of them out.")
    return edge_for(model, "diagnose").diagnose(
        model,
        inputs,
        targets,
        loss=loss,
        recipe=start,
        start=_begun,
        ignore=ignore,
        step=_step(optimizer, lr),
        micro_batch=micro_batch,
        quick=quick,
        thorough=thorough,
    )


def _step(optimizer: str | None, lr: float | None) -> Step | None:
    if optimizer is None and lr is None:
        return None
    if optimizer not in _OPTIMIZERS or lr is None or not 0 < lr < math.inf:
        raise SettingError(
            f"The first step is judged for an optimiser, {', '.join(_OPTIMIZERS)}, and a learning rate above 0; "
            f"got {optimizer!r} and {lr!r}."
        )
    return Step(optimizer=optimizer, lr=lr)


def _begun(model: Any, recipe: Recipe, rules: Rules, example: Any) -> Plan:
    """Start a copy of a model."""
    return begin(plan(model, recipe, rules=rules, example=example), recipe, model, 0, example)
