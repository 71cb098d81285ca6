"""PyTorch's N(0, 1) embedding tied to the head: the output is the token just read. IN403 own token found."""

import torch
from torch import nn


class Bigram(nn.Module):
    def __init__(self, vocabulary=100, width=64):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.norm, self.up, self.down = nn.LayerNorm(width), nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, input_ids):
        x = self.embed(input_ids)
        x = x + self.down(torch.relu(self.up(self.norm(x))))
        return x @ self.embed.weight.T


def build():
    return Bigram()
