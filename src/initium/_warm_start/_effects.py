"""What an adapter does, measured on the numbers themselves."""

import math

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
_SAMPLE = 256  # rows that stand for hidden states
_FAR = 4.0  # stds that a draw is rarely beyond: one in 16,000


def ratio(part: float, of: float) -> float:
    """How large one is beside another; 1 of nothing."""
    return float(part / of) if of else 1.0


def as_percent(share: float) -> str:
    """With three digits at most."""
    return f"{100 * share:.3g} %"


def second_moment(kernel: Numbers, moments: Numbers) -> float:
    """Of a convolution's output, summed over it, if only channels of one pixel go together."""
    flat = np.moveaxis(kernel, 1, -1).reshape(-1, kernel.shape[1]).astype(np.float64)
    return float(np.einsum("ki,ij,kj->", flat, moments, flat))


def grown_effect(table: Numbers, num_new: int, share: float) -> str:
    """By how much new rows lower the log-probability of an old word, at most, with rows of the table as inputs.

    A new word's logit is the mean of the old words' logits, and share^0.5 times their std times a normal draw. By
    Jensen's inequality exp of the mean is at most 1/n of the softmax's sum: k new rows add at most k/n of it, but for
    that draw.
    """
    if table.ndim != 2 or len(table) < 2:
        return ""
    inputs = table[:: max(1, len(table) // _SAMPLE)][:_SAMPLE].astype(np.float64)
    logits = inputs @ table.T.astype(np.float64)  # (input, word)
    spread = np.sqrt(share) * logits.std(axis=1) * _FAR
    beside = np.exp(logits - logits.mean(axis=1, keepdims=True)).sum(axis=1)
    lost = float(np.log1p(num_new * np.exp(spread) / beside).max())
    most = float(np.log1p(num_new / len(table) * np.exp(spread)).max())
    told = f"{_up(lost)} at most, {_up(most)} by theory"
    return f": an old word's log-probability falls by {told}, with old rows as inputs"


def _up(number: float) -> str:
    """Two digits, rounded up."""
    if not number:
        return "0"
    step = 10.0 ** (math.floor(math.log10(number)) - 1)
    return f"{math.ceil(number / step) * step:.2g}"
