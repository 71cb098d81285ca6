"""twin: a copy of a model, whatever tensors hang on it."""

import copy
from typing import Any, TypeVar

import torch
from torch import nn

Model = TypeVar("Model", bound=nn.Module)


def twin(model: Model, *others: Any) -> tuple[Model, *tuple[Any, ...]]:
    """The copy, and those of what shares things with it.

    What was computed and hangs on a module, as the weight that `torch.nn.utils.weight_norm` makes, is copied as
    numbers: PyTorch copies no tensor that has a history.
    """
    parts = [part for module in model.modules() for part in vars(module).values()]
    computed = [part for part in parts if isinstance(part, torch.Tensor) and not part.is_leaf]
    return copy.deepcopy((model, *others), {id(part): part.detach().clone() for part in computed})
