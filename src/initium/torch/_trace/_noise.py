"""gaussian: noise for what is measured."""

import math
from functools import lru_cache

import torch

_FEW = 4096


def gaussian(shape: list[int], generator: torch.Generator) -> torch.Tensor:
    """One number from each of as many equally likely ranges of a Gaussian, in random places: few have its moments."""
    num = math.prod(shape)
    if num > 64 * _FEW:
        return torch.randn(shape, generator=generator)
    order = torch.randperm(num, generator=generator)
    if num > _FEW:
        return _quantiles(num)[order].reshape(shape)
    places = (order + torch.rand(num, generator=generator, dtype=torch.float64)) / num
    return torch.special.ndtri(places.clamp_(1e-12, 1 - 1e-12)).float().reshape(shape)


@lru_cache(16)
def _quantiles(num: int) -> torch.Tensor:
    quantiles = torch.special.ndtri((torch.arange(num, dtype=torch.float64) + 0.5) / num)
    return (quantiles / quantiles.square().mean().sqrt()).float()
