"""Glorot's start on 30 layers of ReLU: each halves the signal. First finding: IN101 vanishing signal."""

from torch import nn


def build():
    layers = [layer for _ in range(30) for layer in (nn.Linear(64, 64), nn.ReLU())]
    model = nn.Sequential(*layers, nn.Linear(64, 10))
    for layer in model[::2]:
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
    return model
