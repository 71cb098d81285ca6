"""Targets: as a tensor, the loss that fits them, and what to do about those that do not fit."""

from typing import Any

import torch

from ..._errors import DataError, with_article

_CLOSE = 1e-4  # to 1, of a sum that was rounded
_IGNORED = -100  # the class number that PyTorch's cross entropy leaves out


def given(targets: Any, place: torch.device) -> torch.Tensor:
    """Targets as a tensor of finite numbers, on a device.

    Raises:
        DataError: if they are none.
    """
    if isinstance(targets, dict) or (
        isinstance(targets, tuple | list) and any(isinstance(one, torch.Tensor) and one.ndim for one in targets)
    ):
        raise DataError(
            f"Several targets, in {with_article(type(targets).__name__)}, fit no loss that has a name: pass "
            "loss=lambda outputs, targets: ..., which makes one number of them."
        )
    try:
        found = torch.as_tensor(targets, device=place)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(
            f"Targets are a tensor, an array or a list of numbers, not {with_article(type(targets).__name__)}: {error}"
        ) from None
    if num_bad := found.numel() - int(found.isfinite().sum()):
        raise DataError(f"The targets hold {num_bad:,} values of {found.numel():,} that are NaN or infinite.")
    return found


def chosen(scores: torch.Tensor, targets: torch.Tensor) -> tuple[str, str]:
    """The loss that fits targets for which none was named, and why it does."""
    is_binary = bool(((targets == 0) | (targets == 1)).all())
    if not targets.is_floating_point():
        if is_binary and targets.numel() == scores.numel() and not _is_one_hot(targets):
            return "bce", "the targets are yes or no, one for each output"
        return "cross_entropy", "the targets are whole numbers"
    if _is_one_hot(targets) and targets.shape == scores.shape:
        return "cross_entropy", "the targets of a sample are probabilities"
    has_both = is_binary and bool((targets == 0).any()) and bool((targets == 1).any())  # zeros alone may be any numbers
    return ("bce", "the targets are 0 and 1") if has_both else ("mse", "the targets are floating-point numbers")


def misfit(name: str, classes: int, scores: torch.Tensor, targets: torch.Tensor) -> str:
    """What to do about targets that do not fit a loss; empty if nobody knows."""
    is_whole = not targets.is_floating_point()
    if name == "cross_entropy" and is_whole and targets.numel():
        if classes == 1:
            return "One output tells no classes apart: loss='bce' for yes or no, 'mse' for numbers, or more outputs."
        if targets.shape == scores.shape:
            return "Targets of one number for each class are probabilities: y.float(); or class numbers, y.argmax(1)."
        used = targets[targets != _IGNORED]
        if used.numel() and (int(used.max()) >= classes or int(used.min()) < 0):
            return f"Classes 0 to {classes - 1} fit; the targets reach from {int(used.min())} to {int(used.max())}."
    if name == "mse" and not is_whole and targets.numel() < scores.numel() and bool((targets == targets.round()).all()):
        return "Class numbers are integers: y.long(), and then loss='cross_entropy'."
    return ""


def _is_one_hot(targets: torch.Tensor) -> bool:
    """Whether each sample's sum to 1, none of them below 0."""
    if targets.ndim < 2 or targets.shape[1] < 2:
        return False
    return bool((targets >= 0).all() and ((targets.double().sum(1) - 1).abs() <= _CLOSE).all())
