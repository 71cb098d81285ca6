"""built: what a parameter of a module was built with, by its numbers, or by the record of what made them."""

import torch
from torch import nn

from .._errors import ModelError
from .._trace._built import EDGE, MOST, Built, Kind, told_of, told_of_part
from ..init import constant, zeros
from ._deferred import Recorded, record_of

_MOST_MADE = 1 << 24  # of a record, to see whether it makes zeros alone
_SAMPLE = 1 << 12  # as many of a large tensor say whether it is zero


def built(module: nn.Module, name: str, value: nn.Parameter, *, padding: int | None = None) -> Built:
    """What a parameter of a module was built with, but for a padding row; on meta that is what its record tells."""
    record = record_of(module).get(name) if value.is_meta else None
    size = value.numel()
    whys: dict[Kind, bool] = {  # the first that holds
        "unrecorded": value.is_meta and record is None,
        "unknown": size == 0 or not value.is_floating_point(),
        "unset": record is not None and record.is_unset,
        "trained": value.grad is not None,
        "draw": size > MOST and record is not None and record.is_random,
        "large": size > _MOST_MADE and record is not None,
    }
    told: list[Kind] = [kind for kind, holds in whys.items() if holds]
    if told:
        return Built(told[0])
    try:
        numbers = record.value(0) if record else value
        if size > MOST:
            return _told_by_corner(numbers.detach())
        if padding is not None:
            numbers = torch.cat([numbers[:padding], numbers[padding + 1 :]])
        return told_of(numbers.detach().to("cpu", torch.float64).numpy())
    except (ModelError, RuntimeError):  # of a record that cannot be repeated, or a tensor without plain numbers
        return Built("unknown")


def is_zero(module: nn.Module, name: str, value: nn.Parameter) -> bool:
    """Whether it was built with zeros alone."""
    if value.is_meta:
        record = record_of(module).get(name)
        return record is not None and _is_made_zero(record, value.numel())
    part: torch.Tensor = value
    while part.ndim > 1 and part.numel() > _SAMPLE:  # a large weight is seldom zero, and a part tells it
        part = part[0]
    return value.numel() > 0 and not part.any().item() and not value.any().item()


def _is_made_zero(record: Recorded, size: int) -> bool:
    init = record.made.init
    if init in (zeros(), constant(0)):
        return True
    # What something was done to, such as `mul_(0)`, is made to be seen.
    if not 0 < size <= _MOST_MADE or not (init is None or init.spec.startswith("through(")):
        return False
    try:
        return not record.value(0).any().item()
    except (ModelError, RuntimeError):  # of a record that cannot be repeated
        return False


def _told_by_corner(numbers: torch.Tensor) -> Built:
    """Of a large tensor, by a part of it; a constant must be one everywhere."""
    part = numbers[tuple(slice(EDGE) for _ in numbers.shape)].to("cpu", torch.float64).numpy()
    is_constant = bool(part.min() == part.max()) and bool((numbers == numbers.flatten()[0]).all())
    return told_of_part(part, numbers.numel(), is_constant=is_constant)
