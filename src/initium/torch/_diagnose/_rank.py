"""The effective rank of what a layer takes in."""

import numpy as np
import torch

from ..._diagnosis._geometry import effective_rank

_SAMPLES, _FEATURES = 256, 1024  # what it is taken of


def rank(signal: torch.Tensor) -> tuple[float, int]:
    """It, and how high it could be."""
    rows = signal.detach().reshape(len(signal), -1)
    rows = rows[:_SAMPLES, :: max(rows.shape[1] // _FEATURES, 1)].double()
    return effective_rank(singular_values(rows)), min(rows.shape)


def singular_values(rows: torch.Tensor) -> np.ndarray:
    """The largest first; by the eigenvalues of the smaller product with itself, as exact as a plot or a rank needs."""
    gram = rows @ rows.T if len(rows) <= rows.shape[1] else rows.T @ rows
    return torch.linalg.eigvalsh(gram).clamp_min(0).sqrt().flip(0).cpu().numpy()
