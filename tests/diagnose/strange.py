"""A model whose inputs nobody can make up."""

from torch import nn


class Strange(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, weird, other):
        return self.fc(weird) + other


def build():
    return Strange()
