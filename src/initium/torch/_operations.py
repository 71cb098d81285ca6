"""split: an operation of PyTorch's that takes a weight, apart from its bias."""

from typing import Any

import torch

from .._trace._operations import WeightOperation


def split(row: WeightOperation, function: Any, args: Any, kwargs: Any) -> tuple[torch.Tensor, torch.Tensor | None]:
    """What the weight gives, and what is added to it."""
    if row.bias is None or len(args) <= row.bias or args[row.bias] is None:
        return function(*args, **kwargs), None
    bias = args[row.bias]
    if row.plain:
        given = getattr(torch, row.plain)(*row.factors(args))
        return given * kwargs.get("alpha", 1), bias * kwargs.get("beta", 1)
    given = function(*args[: row.bias], None, *args[row.bias + 1 :], **kwargs)
    return given, bias.reshape(-1, *[1] * (given.ndim - 2)) if row.word == "convolution" else bias
