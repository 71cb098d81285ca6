"""channel_moments: how the channels of an example's images go together."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

_IMAGES = (3, 4, 5)  # axes of a batch with channels: sound, images, volumes


def channel_moments(example: Any) -> NDArray[np.float64] | None:
    """E[x x^T] over the channels of the first batch of images that there is, at each pixel; None if there is none."""
    images = next(_images(example), None)
    if images is None or not images.numel() or images.is_meta:
        return None
    pixels = images.detach().double().cpu().movedim(1, -1).flatten(0, -2)  # (pixel, channel)
    found = (pixels.T @ pixels / len(pixels)).numpy()
    return found if np.isfinite(found).all() and np.trace(found) > 0 else None


def _images(example: Any) -> Iterator[torch.Tensor]:
    if isinstance(example, torch.Tensor):
        yield from [example] if example.ndim in _IMAGES and example.is_floating_point() else []
    elif isinstance(example, Mapping):
        yield from (found for one in example.values() for found in _images(one))
    elif isinstance(example, tuple | list):
        yield from (found for one in example for found in _images(one))
