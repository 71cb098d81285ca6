"""deferred: a constructor run without memory."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn


def deferred(build: Callable[..., nn.Module], *args: Any, **kwargs: Any) -> nn.Module:
    """Build a model without memory, remembering how its constructor makes each number."""
    with torch.device("meta"):
        return build(*args, **kwargs)
