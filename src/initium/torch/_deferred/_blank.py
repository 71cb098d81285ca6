"""Blank: a tensor that says it is on the CPU and has no memory."""

import math
from typing import Any, NamedTuple

import torch

from ..._errors import ModelError
from .._torch import has_compatible_type, make_subclass, no_torch_function

CPU, META = torch.device("cpu"), torch.device("meta")
DEVICE: Any = torch.ops.prim.device.default


class Blank(torch.Tensor):
    """A tensor on meta that claims another device, since constructors skip their draws when they see meta.

    PyTorch's own FakeTensor does the same, but its mode takes two seconds to import what it never uses here.
    """

    claimed: torch.device

    @staticmethod
    def __new__(cls, meta: torch.Tensor, device: torch.device = CPU) -> "Blank":
        """A tensor over the same storage as one on meta."""
        made = make_subclass(cls, meta, False, dispatch_device=True, device_for_backend_keys=device)
        made.claimed = device
        return made

    __torch_function__: Any = no_torch_function

    @property
    def device(self) -> torch.device:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The one that it claims."""
        return self.claimed

    def __repr__(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        return f"tensor(..., size={tuple(self.shape)}, dtype={self.dtype})"

    @classmethod
    def __torch_dispatch__(cls, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Reached where no recorder is at work, and by calls that pass over it."""
        if op is DEVICE:
            return args[0].claimed
        if op is has_compatible_type:
            return True
        raise ModelError(
            f"`{op}` asks for numbers of a tensor that a deferred constructor made, and it has none. "
            "Build the model for real."
        )


class View(NamedTuple):
    """Where the elements of a tensor lie: of which storage, from where and with which strides."""

    storage: int
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype

    def on(self, storage: torch.UntypedStorage) -> torch.Tensor:
        """The tensor itself, on a storage that has memory or on one that has none."""
        made = torch.empty(0, dtype=self.dtype, device=storage.device)
        return made.set_(storage, self.offset, self.size, self.stride)

    @property
    def numel(self) -> int:
        """How many elements it has."""
        return math.prod(self.size)

    @property
    def is_contiguous(self) -> bool:
        """Whether its elements lie in order and without gaps."""
        expected = 1
        for size, stride in zip(reversed(self.size), reversed(self.stride), strict=True):
            if size != 1 and stride != expected:
                return False
            expected *= size
        return True

    @property
    def repeats(self) -> bool:
        """Whether two of its elements may lie in one place."""
        reach = 0
        for stride, size in sorted(zip(self.stride, self.size, strict=True)):
            if size > 1 and stride <= reach:
                return True
            reach += (size - 1) * stride
        return False

    @property
    def is_dense(self) -> bool:
        """Whether its elements lie without gaps, in whatever order of the axes."""
        expected = 1
        for stride, size in sorted(zip(self.stride, self.size, strict=True)):
            if size != 1 and stride != expected:
                return False
            expected *= size
        return True
