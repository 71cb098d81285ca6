"""From a Plan to a torch module's parameters."""

import numpy as np
import torch
from torch import nn

from .. import _stream
from .._errors import ModelError
from .._fill import fill
from .._graph import Graph
from .._plan import Plan
from ..init._law import Keep
from ._path import plain_path


def write(model: nn.Module, graph: Graph, plan: Plan, *, seed: int) -> None:
    """Fill every parameter that the plan does not keep, in place.

    Raises:
        ModelError: if a parameter is not float32 on the CPU.
    """
    values = {plain_path(path): value for path, value in model.named_parameters()}
    for param, choice in zip(graph.params, plan.choices, strict=True):
        if isinstance(choice.law, Keep):
            continue
        value = values[param.path]
        if value.dtype != torch.float32 or value.device.type != "cpu":
            raise ModelError(f"`{param.path}` is {value.dtype} on {value.device}; only float32 on the CPU is filled.")
        out = np.empty(param.shape, np.float32)
        fill(out, choice.law, param, key=_stream.key(seed, param.path))
        with torch.no_grad():
            value.copy_(torch.from_numpy(out))
