"""Two heads whose seeds are one: they give the same and learn the same. IN302 duplicate layers."""

import torch
from torch import nn


class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Linear(64, 64)
        torch.manual_seed(1)
        self.left = nn.Linear(64, 10)
        torch.manual_seed(1)
        self.right = nn.Linear(64, 10)

    def forward(self, x):
        x = torch.relu(self.trunk(x))
        return self.left(x) + self.right(x)


def build():
    return TwoHeads()
