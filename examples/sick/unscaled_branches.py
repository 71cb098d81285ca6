"""30 branches on one stream, full size and no normalisation: it grows with each. IN102 exploding signal."""

import torch
from torch import nn


class Residual(nn.Module):
    def __init__(self, depth=30, width=64):
        super().__init__()
        self.stem, self.head = nn.Linear(width, width), nn.Linear(width, 10)
        self.up = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.down = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        for layer in (self.stem, *self.up, *self.down):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def forward(self, x):
        x = self.stem(x)
        for up, down in zip(self.up, self.down, strict=True):
            x = x + down(torch.relu(up(x)))
        return self.head(x)


def build():
    return Residual()
