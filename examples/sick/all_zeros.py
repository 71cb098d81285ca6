"""All weights zero: no signal, no gradient, for ever. IN103 zeros that never move."""

from torch import nn


def build():
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))
    for value in model.parameters():
        nn.init.zeros_(value)
    return model
