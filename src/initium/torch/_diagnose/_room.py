"""How many samples of made-up inputs there is memory for, before any of it is taken."""

import warnings
from typing import Any

import torch
from torch import nn

from .._inputs import Inputs
from .._torch import tree_leaves
from .._trace._run import NoOutputError, RunError, run
from .._undisturbed import undisturbed

MOST = 2 * 10**9  # bytes, of all that a pass makes: what a laptop has left


@undisturbed
def bytes_per_sample(model: nn.Module, inputs: Inputs) -> float:
    """What a pass makes of one sample, and a way back may keep; 0 if it cannot be told without numbers.

    Views count as if they were copies: it is an upper bound, and of convolutions not far from what is kept.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what nobody passed
            values = run(model, inputs.args, inputs.kwargs).values
    except (RunError, NoOutputError):
        return 0.0
    made = sum(_size(value.tensor) for value in values if value.is_signal)
    count = max((leaf.shape[0] for leaf in tree_leaves((inputs.args, inputs.kwargs)) if _is_batch(leaf)), default=1)
    return made / max(count, 1)


def _size(tensor: torch.Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _is_batch(leaf: Any) -> bool:
    return isinstance(leaf, torch.Tensor) and leaf.ndim > 0
