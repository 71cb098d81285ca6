"""The effective rank of what a layer takes in."""

import numpy as np
import torch

from ..._diagnosis._geometry import effective_rank

_SAMPLES, _FEATURES = 256, 1024  # what it is taken of


def rank(signal: torch.Tensor) -> tuple[float, int] | None:
    """It, and how high it could be; None of what has no numbers, or others than numbers."""
    if not signal.numel():
        return None
    rows = signal.detach().reshape(len(signal), -1)
    values = singular_values(rows[:_SAMPLES, :: max(rows.shape[1] // _FEATURES, 1)])
    return (effective_rank(values), len(values)) if len(values) else None


def singular_values(rows: torch.Tensor) -> np.ndarray:
    """The largest first; none of what holds NaN or infinity.

    By the eigenvalues of the smaller product with itself, which is as exact as a plot or a rank needs.
    """
    rows = rows.double()
    if not rows.isfinite().all():
        return np.empty(0)
    gram = rows @ rows.T if len(rows) <= rows.shape[1] else rows.T @ rows
    return torch.linalg.eigvalsh(gram).clamp_min(0).sqrt().flip(0).cpu().numpy()
