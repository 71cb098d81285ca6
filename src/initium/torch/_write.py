"""From a Plan to a torch module's parameters."""

from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn
from torch.autograd.graph import increment_version

from .. import _stream
from .._errors import ModelError
from .._fill import Job, fill_all
from .._graph import Graph, Param
from .._plan import Plan
from ..init._law import Keep, Law
from ._memory import DTYPES, has_memory, memory
from ._path import plain_path


@torch.no_grad()
def write(model: nn.Module, graph: Graph, plan: Plan, *, seed: int) -> None:
    """Fill every parameter that the plan does not keep, in place where it lies in this machine's memory.

    Raises:
        ModelError: if a parameter has a dtype that no fill writes, or no memory.
    """
    values = {plain_path(path): value for path, value in model.named_parameters()}
    chosen = [
        (param, choice.law, values[param.path])
        for param, choice in zip(graph.params, plan.choices, strict=True)
        if not isinstance(choice.law, Keep)
    ]
    for param, _, value in chosen:
        if value.dtype not in DTYPES:
            raise ModelError(f"`{param.path}` is {value.dtype}; a fill writes float32, float64, float16 and bfloat16.")
        if value.is_meta:
            raise ModelError(f"`{param.path}` has no memory yet. Call `model.to_empty(device=...)` first.")
    threads = torch.get_num_threads()
    fill_all(
        [_job(param, law, memory(value), seed) for param, law, value in chosen if has_memory(value)], threads=threads
    )
    for param, law, value in chosen:
        if has_memory(value):
            increment_version(value)  # autograd must notice, as if an operation of its own had written
        else:
            drawn = torch.empty(value.shape, dtype=value.dtype, device="cpu")
            fill_all([_job(param, law, memory(drawn), seed)], threads=threads)
            value.copy_(drawn)


def _job(param: Param, law: Law, out: NDArray[Any], seed: int) -> Job:
    return Job(out=out, law=law, weight=param, key=_stream.key(seed, param.path))
