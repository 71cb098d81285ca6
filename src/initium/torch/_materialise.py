"""Memory for what was built without any."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from .._errors import ModelError, SettingError
from ._shards import is_sharded, local

Device = torch.device | str | int | None


@contextmanager
def materialised(values: dict[str, torch.Tensor], device: Device) -> Iterator[None]:
    """Give what is on meta memory that nobody has written yet; it goes back to meta if the body fails.

    Each tensor stays the object that it was, so that ties stay ties, and optimisers and FSDP keep what they hold.

    Raises:
        ModelError: if something else holds one of them, so that it cannot stay the same object.
    """
    swapped: list[tuple[torch.Tensor, torch.Tensor]] = []
    try:
        for path, value in values.items():
            if value.is_meta:
                swapped.append((value, _empty(value, device)))
                _swap(path, *swapped[-1])
        yield
    except BaseException:
        for value, other in swapped:
            if not value.is_meta:
                torch.utils.swap_tensors(value, other)
        raise


def _swap(path: str, value: torch.Tensor, other: torch.Tensor) -> None:
    try:
        torch.utils.swap_tensors(value, other)
    except RuntimeError:
        raise ModelError(
            f"`{path}` cannot get memory in place, since something else holds it, such as a result of a forward pass "
            "on meta. Delete that, or build the model anew."
        ) from None


def _empty(value: torch.Tensor, device: Device) -> torch.Tensor:
    """A tensor of the same class, shape, strides and attributes that has memory."""
    if is_sharded(value):
        sharded: Any = value
        place = sharded.device_mesh.device_type if device is None else device
        made = type(sharded)(_plain(local(value), place), sharded._spec, requires_grad=value.requires_grad)
    else:
        plain = _plain(value, torch.get_default_device() if device is None else device)
        made = torch.Tensor._make_subclass(type(value), plain, value.requires_grad)
    vars(made).update(vars(value))
    return made


def _plain(value: torch.Tensor, device: torch.device | str | int) -> torch.Tensor:
    return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device=device)


def check_device(device: Device, values: dict[str, torch.Tensor]) -> None:
    """Refuse a device on which nothing has memory, if there is something that needs some.

    Raises:
        SettingError: if it is meta.
    """
    place = torch.device(torch.get_default_device() if device is None else device)
    if place.type == "meta" and any(value.is_meta for value in values.values()):
        raise SettingError("On meta nothing has memory. Say where the weights are to lie, such as device='cpu'.")
