"""All weights equal: each layer is one unit, many times over. IN301 identical units."""

from torch import nn


def build():
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))
    for layer in model[::2]:
        nn.init.constant_(layer.weight, 0.02)
        nn.init.zeros_(layer.bias)
    return model
