"""Weights far too large, in float16, which ends at 65504. IN601 overflow."""

from torch import nn


def build():
    layers = [layer for _ in range(6) for layer in (nn.Linear(64, 64), nn.ReLU())]
    model = nn.Sequential(*layers, nn.Linear(64, 10))
    for layer in model[::2]:
        nn.init.normal_(layer.weight, std=3)
    return model.half()
