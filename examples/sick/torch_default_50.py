"""50 layers as PyTorch builds them: biases hold the signal up, the gradient vanishes. IN201 vanishing gradient."""

from torch import nn


def build():
    layers = [layer for _ in range(50) for layer in (nn.Linear(64, 64), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(64, 10))
