"""Memory for what was built without any."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch

from .._errors import ModelError, SettingError
from ._shards import is_sharded, local
from ._torch import hooks_of, make_subclass, put_hooks, spec_of
from ._undisturbed import callers_device

Device = torch.device | str | int | None


@contextmanager
def materialised(values: dict[str, torch.Tensor], device: Device) -> Iterator[None]:
    """Give what is on meta memory that nobody has written yet; it goes back to meta if the body fails.

    Each tensor stays the object that it was, so that ties stay ties, and optimisers and FSDP keep what they hold, and
    hooks stay.

    Raises:
        ModelError: if something else holds one of them, so that it cannot stay the same object.
    """
    swapped: list[tuple[torch.Tensor, torch.Tensor]] = []
    plain = place_beside(values, device)
    try:
        for path, value in values.items():
            if value.is_meta:
                swapped.append((value, _empty(value, _place(value, plain, device))))
                _swap_first(path, *swapped[-1])
        yield
    except BaseException:
        for value, other in swapped:
            if not value.is_meta:
                with suppress(RuntimeError):  # one that something took hold of in the body; the others go back
                    _swap(value, other)
        raise


def _swap_first(path: str, value: torch.Tensor, other: torch.Tensor) -> None:
    try:
        _swap(value, other)
    except RuntimeError as error:
        raise ModelError(
            f"`{path}` cannot get memory in place, since something else holds it, such as a result of a forward pass "
            "on meta, a weak reference, or an optimiser in backward. Delete that, and set it up after apply; or build "
            "the model anew."
        ) from error


def _swap(value: torch.Tensor, other: torch.Tensor) -> None:
    hooks = hooks_of(value)  # which swapping leaves with the tensor that is thrown away
    torch.utils.swap_tensors(value, other)
    put_hooks(value, hooks)


def _empty(value: torch.Tensor, place: torch.device) -> torch.Tensor:
    """A tensor of the same class, shape, strides and attributes that has memory."""
    if is_sharded(value):
        sharded: Any = value
        made = type(sharded)(_plain(local(value), place), spec_of(sharded), requires_grad=value.requires_grad)
    else:
        made = make_subclass(type(value), _plain(value, place), value.requires_grad)
    vars(made).update(vars(value))
    return made


def _plain(value: torch.Tensor, place: torch.device) -> torch.Tensor:
    return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device=place)


def place_beside(values: dict[str, torch.Tensor], device: Device) -> torch.device:
    """Where what is not sharded gets its memory: where the caller says, or on the kind of device of what is sharded.

    If there is none, or there are two kinds, it is where torch makes tensors.
    """
    if device is not None:
        return torch.device(device)
    sharded: list[Any] = [value for value in values.values() if is_sharded(value)]
    kinds = {value.device_mesh.device_type for value in sharded}
    return torch.device(kinds.pop()) if len(kinds) == 1 else callers_device()


def _place(value: torch.Tensor, plain: torch.device, device: Device) -> torch.device:
    """That of a tensor, which for a DTensor is its mesh's unless the caller says another."""
    sharded: Any = value
    return torch.device(sharded.device_mesh.device_type) if device is None and is_sharded(value) else plain


def check_device(device: Device, values: dict[str, torch.Tensor]) -> None:
    """Refuse a device that is not there, and one on which nothing has memory if there is something that needs some.

    Raises:
        SettingError: saying which.
    """
    if device is not None:
        _check_there(device)
    plain = place_beside(values, device)
    for place in {_place(value, plain, device) for value in values.values() if value.is_meta}:
        if place.type == "meta":
            raise SettingError("On meta nothing has memory. Say where the weights are to lie, such as device='cpu'.")
        _check_there(place)


def _check_there(device: torch.device | str | int) -> None:
    try:
        torch.empty(0, device=device)
    except (RuntimeError, TypeError, AssertionError) as error:  # the last of a PyTorch without CUDA
        raise SettingError(
            f"There is no device {str(device)!r} here. Say where the weights are to lie, such as device='cpu'."
        ) from error
