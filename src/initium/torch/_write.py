"""From a Plan to a torch module's parameters."""

import torch
from torch import nn

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
        ModelError: if a parameter has a dtype that no fill writes.
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
    threads = torch.get_num_threads()
    fill_all([_job(*each, seed) for each in chosen if has_memory(each[2])], threads=threads)
    for param, law, value in chosen:
        if not has_memory(value):
            drawn = torch.empty(value.shape, dtype=value.dtype)
            fill_all([_job(param, law, drawn, seed)], threads=threads)
            value.copy_(drawn)


def _job(param: Param, law: Law, value: torch.Tensor, seed: int) -> Job:
    return Job(out=memory(value), law=law, weight=param, key=_stream.key(seed, param.path))
