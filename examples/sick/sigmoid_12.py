"""12 layers of sigmoids: a sigmoid's slope is at most 1/4. IN201 vanishing gradient."""

from torch import nn


def build():
    layers = [layer for _ in range(12) for layer in (nn.Linear(64, 64), nn.Sigmoid())]
    model = nn.Sequential(*layers, nn.Linear(64, 10))
    for layer in model[::2]:
        nn.init.xavier_uniform_(layer.weight)
    return model
