"""The loss that is differentiated, by name, by function, or the model's own."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from ..._diagnosis import Loss
from ..._errors import DataError, ModelError, with_article
from ..._spec import unknown_name
from .._inputs import Inputs
from .._torch import tree_leaves
from .._trace import said
from ._batch import tensors

LOSSES = ("cross_entropy", "mse", "bce", "next_token")


@dataclass(frozen=True)
class Judged:
    """A loss that can be differentiated, and what is told of it."""

    value: torch.Tensor
    told: Loss


def loss_of(outputs: Any, inputs: Inputs, targets: Any, loss: str | Callable[..., Any] | None) -> Judged:
    """What is differentiated: the loss that was asked for, the model's own, or a random projection of its outputs.

    Raises:
        DataError: if the targets do not fit.
        ModelError: if nothing of the outputs can be differentiated.
        UnknownNameError: if the loss goes by no name.
    """
    if loss is not None and not callable(loss) and loss not in LOSSES:
        raise unknown_name("loss", str(loss), LOSSES, "A function (outputs, targets) -> loss will do as well.")
    own = _field(outputs, "loss")
    if loss is None and targets is None:
        return (
            Judged(own, _told("the model's own", own, outputs, inputs))
            if own is not None
            else _projected(outputs, inputs)
        )
    if callable(loss):
        value = _called(loss, outputs, targets)
        return Judged(value, _told(getattr(loss, "__name__", type(loss).__name__), value, outputs, inputs))
    scores = main_output(outputs)
    if loss == "next_token":
        ids = _tokens(scores, inputs) if targets is None else _given(targets)
        value = _next_token(scores, ids)
        return Judged(value, _told(loss, value, outputs, inputs, classes=scores.shape[-1]))
    if targets is None:
        raise DataError(f"Loss `{loss}` needs targets: initium.diagnose(model, inputs, targets, loss='{loss}').")
    targets = _given(targets)
    name = loss or ("mse" if targets.is_floating_point() else "cross_entropy")
    return _named(name, scores, targets, outputs, inputs)


def _given(targets: Any) -> torch.Tensor:
    """Targets as a tensor of finite numbers.

    Raises:
        DataError: if they are none.
    """
    try:
        given = torch.as_tensor(targets)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(
            f"Targets are a tensor, an array or a list of numbers, not {with_article(type(targets).__name__)}: {error}"
        ) from None
    if num_bad := given.numel() - int(given.isfinite().sum()):
        raise DataError(f"The targets hold {num_bad:,} values of {given.numel():,} that are NaN or infinite.")
    return given


def _tokens(scores: torch.Tensor, inputs: Inputs) -> torch.Tensor:
    """Those among the inputs to which the outputs belong."""
    found = [value for value in tensors(inputs) if value.dtype == torch.long and value.shape == scores.shape[:-1]]
    if not found:
        raise DataError(
            f"Loss `next_token` needs tokens (sample, place) among the inputs or as targets, and outputs (sample, "
            f"place, token); got outputs {tuple(scores.shape)}."
        )
    return found[0]


def _next_token(scores: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    if scores.ndim != 3 or ids.shape != scores.shape[:-1]:
        raise DataError(
            f"Outputs {tuple(scores.shape)} and tokens {tuple(ids.shape)} do not fit loss `next_token`: the outputs "
            "are (sample, place, token)."
        )
    try:
        return functional.cross_entropy(scores[:, :-1].flatten(0, 1).float(), ids[:, 1:].flatten().long())
    except (RuntimeError, IndexError) as error:
        raise DataError(f"The tokens do not fit loss `next_token`: {error}") from None


def _named(name: str, scores: torch.Tensor, targets: torch.Tensor, outputs: Any, inputs: Inputs) -> Judged:
    try:
        if name == "cross_entropy":
            classes = scores.movedim(-1, 1) if scores.ndim > 2 and scores.shape[:-1] == targets.shape else scores
            wanted = targets if targets.is_floating_point() else targets.long()
            value = functional.cross_entropy(classes.float(), wanted)
            return Judged(value, _told(name, value, outputs, inputs, classes=classes.shape[1]))
        wanted = targets.to(scores.dtype).reshape(scores.shape)
        if name == "bce":
            value = functional.binary_cross_entropy_with_logits(scores.float(), wanted.float())
            return Judged(value, _told(name, value, outputs, inputs, chance=math.log(2)))
        value = functional.mse_loss(scores.float(), wanted.float())
        chance = (wanted.float() - wanted.float().mean(0)).square().mean().item()
        return Judged(value, _told(name, value, outputs, inputs, chance=chance or None))
    except (RuntimeError, ValueError, IndexError) as error:
        raise DataError(
            f"Outputs {tuple(scores.shape)} and targets {tuple(targets.shape)} do not fit loss `{name}`: "
            f"{next(iter(str(error).splitlines()), '')}"
        ) from None


def main_output(outputs: Any) -> torch.Tensor:
    """The one among the outputs that a loss is of: the logits, or the first of real numbers.

    Raises:
        ModelError: if there is none.
    """
    named = _field(outputs, "logits")
    found = [leaf for leaf in tree_leaves(outputs if named is None else named) if _is_real(leaf)]
    if not found:
        raise ModelError("The model returns no real numbers that a loss could be of.")
    return found[0]


def _projected(outputs: Any, inputs: Inputs) -> Judged:
    """A random direction of all outputs: every one counts, none more than others."""
    leaves = [leaf for leaf in tree_leaves(outputs) if _is_real(leaf) and leaf.requires_grad]
    if not leaves:
        raise ModelError(
            "Nothing that the model returns can be differentiated: no gradient can be measured. It has no parameters "
            "that are trained, an empty batch, or works without gradients: `torch.no_grad`, `detach`, NumPy."
        )
    generator = torch.Generator().manual_seed(0)
    noise = [torch.randn(leaf.shape, generator=generator).to(leaf.device) for leaf in leaves]
    value = sum((leaf.float() * n).sum() / math.sqrt(leaf.numel()) for leaf, n in zip(leaves, noise, strict=True))
    assert isinstance(value, torch.Tensor)
    return Judged(value, _told("a random projection of the outputs", value, outputs, inputs))


def _called(loss: Callable[..., Any], outputs: Any, targets: Any) -> torch.Tensor:
    try:
        value = loss(outputs) if targets is None else loss(outputs, targets)
    except Exception as error:  # whatever a user's own code may raise
        raise ModelError(f"The loss raises {said(error)}.") from error
    if not isinstance(value, torch.Tensor):
        raise ModelError(f"The loss gives {with_article(type(value).__name__)}, not a tensor of one number.")
    if value.numel() != 1:
        raise ModelError(f"The loss gives a tensor of shape {tuple(value.shape)}, not of one number.")
    return value


def _told(
    name: str,
    value: torch.Tensor,
    outputs: Any,
    inputs: Inputs,
    *,
    classes: int | None = None,
    chance: float | None = None,
) -> Loss:
    scores = main_output(outputs).detach().float()
    return Loss(
        name=name,
        value=value.item(),
        chance=math.log(classes) if classes else chance,
        classes=classes,
        logits=scores.std(correction=0).item(),
        own=_own(scores, tensors(inputs)),
    )


def _own(scores: torch.Tensor, given: list[torch.Tensor]) -> float | None:
    """How sure the outputs are of the token that was fed in at their place; None if no tokens were."""
    ids = next((value for value in given if value.dtype == torch.long and value.shape == scores.shape[:-1]), None)
    if ids is None or scores.ndim != 3 or int(ids.max()) >= scores.shape[-1]:
        return None
    return scores.softmax(-1).gather(-1, ids[..., None]).mean().item()


def _field(outputs: Any, name: str) -> torch.Tensor | None:
    found = outputs.get(name) if isinstance(outputs, Mapping) else getattr(outputs, name, None)
    return found if isinstance(found, torch.Tensor) else None


def _is_real(leaf: Any) -> bool:
    return isinstance(leaf, torch.Tensor) and leaf.is_floating_point() and leaf.numel() > 0
