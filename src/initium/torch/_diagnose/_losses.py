"""The loss that is differentiated, by name, by function, or the model's own."""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from ..._diagnosis import Loss
from ..._errors import DataError, ModelError, with_article
from ..._spec import unknown_name
from .._inputs import Inputs
from .._torch import tree_leaves
from .._trace import said
from ._batch import tensors
from ._fit import chosen, given, misfit
from ._layers import as_real

LOSSES = ("cross_entropy", "mse", "bce", "next_token")


@dataclass(frozen=True)
class Judged:
    """A loss that can be differentiated, what is told of it, and which leaves behind it nobody knows.

    Attributes:
        value: the loss.
        told: of it.
        strays: where the leaves are.
        is_projection: whether its slope by the outputs is the same whatever they are.
    """

    value: torch.Tensor
    told: Loss
    strays: tuple[str, ...] = ()
    is_projection: bool = False


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
    told = partial(_told, outputs, inputs)
    if loss is None and targets is None:
        return Judged(own, told("the model's own", own)) if own is not None else _projected(outputs, told)
    if callable(loss):
        value = _called(loss, outputs, targets)
        return Judged(value, told(getattr(loss, "__name__", type(loss).__name__), value, **_as_named(loss, outputs)))
    scores = main_output(outputs)
    if loss == "next_token":
        ids = _tokens(scores, inputs) if targets is None else given(targets, scores.device)
        value = _next_token(scores, ids)
        return Judged(value, told(loss, value, classes=scores.shape[-1]))
    if targets is None:
        raise DataError(f"Loss `{loss}` needs targets: initium.diagnose(model, inputs, targets, loss='{loss}').")
    targets = given(targets, scores.device)
    name, why = (loss, "") if loss else chosen(scores, targets)
    return _named(name, why, scores, targets, told)


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


def _named(name: str, why: str, scores: torch.Tensor, targets: torch.Tensor, told: Callable[..., Loss]) -> Judged:
    classes = scores.movedim(-1, 1) if scores.ndim > 2 and scores.shape[:-1] == targets.shape else scores
    num_classes = classes.shape[1] if classes.ndim > 1 else 1
    try:
        if name == "cross_entropy" and num_classes > 1:
            wanted = targets if targets.is_floating_point() else targets.long()
            value = functional.cross_entropy(classes.float(), wanted)
            return Judged(value, told(name, value, classes=num_classes, why=why, **_of_classes(classes, wanted)))
        if name != "cross_entropy":
            wanted = targets.to(scores.dtype).reshape(scores.shape).float()
            return (_bce if name == "bce" else _mse)(scores.float(), wanted, why, told)
        said = ""
    except (RuntimeError, ValueError, IndexError) as error:
        said = next(iter(str(error).splitlines()), "")
    guessed = f" Nobody named the loss; `{name}` was chosen, as {why}." if why else ""
    raise DataError(
        f"Outputs {tuple(scores.shape)} and targets {tuple(targets.shape)} do not fit loss `{name}`: "
        f"{misfit(name, num_classes, scores, targets) or said}{guessed}"
    )


def _as_named(loss: Callable[..., Any], outputs: Any) -> dict[str, Any]:
    """What is known of PyTorch's own losses that take logits, whoever calls them."""
    if loss is functional.cross_entropy or isinstance(loss, nn.CrossEntropyLoss):
        return {"takes_logits": True, "is_normalised": _sums_to_one(main_output(outputs))}
    is_binary = loss is functional.binary_cross_entropy_with_logits or isinstance(loss, nn.BCEWithLogitsLoss)
    return {"takes_logits": is_binary}


def _sums_to_one(scores: torch.Tensor) -> bool:
    """Whether they are probabilities of classes."""
    if scores.ndim < 2 or scores.shape[1] < 2:
        return False
    sums = scores.detach().float().sum(1)
    return bool((scores >= 0).all()) and torch.allclose(sums, torch.ones_like(sums), atol=1e-3)


def _of_classes(classes: torch.Tensor, wanted: torch.Tensor) -> dict[str, Any]:
    is_one = wanted.numel() > 1 and not wanted.is_floating_point() and bool((wanted == wanted.reshape(-1)[0]).all())
    return {
        "takes_logits": True,
        "is_normalised": _sums_to_one(classes),
        "remark": f"all targets are class {int(wanted.reshape(-1)[0])}: nothing can be learned of this batch"
        if is_one
        else "",
    }


def _bce(scores: torch.Tensor, wanted: torch.Tensor, why: str, told: Callable[..., Loss]) -> Judged:
    value = functional.binary_cross_entropy_with_logits(scores, wanted)
    facts = {"chance": math.log(2), "chance_is": "log 2", "takes_logits": True, "remark": _constant(wanted)}
    return Judged(value, told("bce", value, why=why, **facts))


def _mse(scores: torch.Tensor, wanted: torch.Tensor, why: str, told: Callable[..., Loss]) -> Judged:
    value, mean = functional.mse_loss(scores, wanted), wanted.mean(0)
    chance = (wanted - mean).square().mean().item()
    gap = (mean - scores.detach().mean(0)).square().mean().item()
    is_known = len(wanted) > 1 and chance > 0
    facts = {"chance": chance if is_known else None, "chance_is": "the targets' variance", "remark": _constant(wanted)}
    return Judged(value, told("mse", value, why=why, gap=gap, target_mean=wanted.mean().item(), **facts))


def _constant(wanted: torch.Tensor) -> str:
    is_one = len(wanted) > 1 and bool((wanted == wanted[:1]).all())
    return "all targets are the same: nothing can be learned of this batch" if is_one else ""


def main_output(outputs: Any) -> torch.Tensor:
    """The one among the outputs that a loss is of: the logits, or the first of real numbers, or of pairs of them.

    Raises:
        ModelError: if there is none.
    """
    named = _field(outputs, "logits")
    found = _numbers(outputs if named is None else named)
    if not found:
        raise ModelError("The model returns no real numbers that a loss could be of.")
    return found[0]


def _projected(outputs: Any, told: Callable[..., Loss]) -> Judged:
    """A random direction of all outputs: every one counts, none more than others."""
    leaves = [leaf for leaf in _numbers(outputs) if leaf.requires_grad]
    if not leaves:
        raise ModelError(
            "Nothing that the model returns can be differentiated: no gradient can be measured. It has no parameters "
            "that are trained, an empty batch, or works without gradients: `torch.no_grad`, `detach`, NumPy."
        )
    generator = torch.Generator("cpu").manual_seed(0)
    noise = [torch.randn(leaf.shape, generator=generator, device="cpu").to(leaf.device) for leaf in leaves]
    value = sum((leaf.float() * n).sum() / math.sqrt(leaf.numel()) for leaf, n in zip(leaves, noise, strict=True))
    assert isinstance(value, torch.Tensor)
    return Judged(value, told("a random projection of the outputs", value), is_projection=True)


def _called(loss: Callable[..., Any], outputs: Any, targets: Any) -> torch.Tensor:
    _check_takes(loss, targets)
    try:
        value = loss(outputs) if targets is None else loss(outputs, targets)
    except Exception as error:  # whatever a user's own code may raise
        raise ModelError(f"The loss raises {said(error)}.") from error
    if not isinstance(value, torch.Tensor):
        raise ModelError(f"The loss gives {with_article(type(value).__name__)}, not a tensor of one number.")
    if value.numel() != 1:
        raise ModelError(f"The loss gives a tensor of shape {tuple(value.shape)}, not of one number.")
    return value


def _check_takes(loss: Callable[..., Any], targets: Any) -> None:
    """Refuse a loss of targets where there are none, and one without where there are some."""
    try:
        takes = inspect.signature(loss.forward if isinstance(loss, nn.Module) else loss)
    except (TypeError, ValueError):  # a function in C says nothing
        return
    try:
        takes.bind(*[None] * (1 if targets is None else 2))
    except TypeError:
        if targets is None:
            raise DataError(
                "The loss takes more than outputs, and no targets were passed: "
                "initium.diagnose(model, inputs, targets, loss=...)."
            ) from None
        raise DataError(f"A loss is called with outputs and targets; this one is {takes}.") from None


def _told(
    outputs: Any,
    inputs: Inputs,
    name: str,
    value: torch.Tensor,
    *,
    classes: int | None = None,
    chance: float | None = None,
    chance_is: str = "",
    **facts: Any,
) -> Loss:
    scores = main_output(outputs).detach().float()
    return Loss(
        name=name,
        value=value.item(),
        chance=math.log(classes) if classes else chance,
        chance_is=f"log {classes}" if classes else chance_is,
        classes=classes,
        logits=scores.std(correction=0).item(),
        own=_own(scores, tensors(inputs)),
        **facts,
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


def _numbers(outputs: Any) -> list[torch.Tensor]:
    """What of the outputs can be differentiated; of complex numbers both parts."""
    found = [as_real(leaf) for leaf in tree_leaves(outputs) if isinstance(leaf, torch.Tensor)]
    return [leaf for leaf in found if leaf.is_floating_point() and leaf.numel()]
