"""Models that take rows of four numbers and give three classes: what layers a start must treat alike everywhere."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional


class Own(nn.Module):
    """A layer that computes x @ W, so that its axes are (input, output)."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(inputs, outputs) * 0.02)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x):
        return x @ self.weight + self.bias


class Conv1D(Own):
    """GPT-2's dense layer."""

    def forward(self, x):
        return torch.addmm(self.bias, x, self.weight)


class Einsum(Own):
    def forward(self, x):
        return torch.einsum("bi,io->bo", x, self.weight) + self.bias


class Packed(nn.Module):
    """Queries, keys and values in one matrix."""

    def __init__(self):
        super().__init__()
        self.embed, self.qkv, self.out = nn.Linear(1, 12), nn.Linear(12, 36), nn.Linear(12, 12)
        self.head = nn.Linear(12, 3)

    def forward(self, x):
        x = self.embed(x[..., None])
        q, k, v = (part.unflatten(-1, (2, 6)).transpose(1, 2) for part in self.qkv(x).chunk(3, -1))
        mixed = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(-2)
        return self.head(self.out(mixed).mean(1))


class Tied(nn.Module):
    """One matrix used twice, under two names."""

    def __init__(self):
        super().__init__()
        self.first, self.one, self.two = nn.Linear(4, 16), nn.Linear(16, 16), nn.Linear(16, 16)
        self.head = nn.Linear(16, 3)
        self.two.weight = self.one.weight

    def forward(self, x):
        return self.head(self.two(self.one(self.first(x).relu()).relu()).relu())


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.head = nn.Linear(4, 16), nn.Linear(16, 3)
        self.up, self.down = nn.Linear(16, 32), nn.Linear(32, 16)

    def forward(self, x):
        x = self.first(x)
        return self.head(x + self.down(self.up(x).relu()))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(1, 8, batch_first=True), nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.lstm(x[..., None])[0][:, -1])


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.pair, self.head = nn.Bilinear(4, 4, 16), nn.Linear(16, 3)

    def forward(self, x):
        return self.head(self.pair(x, x).relu())


def net(*layers):
    return lambda: nn.Sequential(*(layer() for layer in layers))


def layer(kind, *args, **kwargs):
    return lambda: kind(*args, **kwargs)


MODELS = {
    "dense": net(layer(nn.Linear, 4, 16), nn.ReLU, layer(nn.Linear, 16, 3)),
    "own": net(layer(Own, 4, 16), nn.ReLU, layer(Own, 16, 3)),
    "conv1d": net(layer(Conv1D, 4, 16), nn.GELU, layer(Conv1D, 16, 3)),
    "einsum": net(layer(Einsum, 4, 16), nn.Tanh, layer(Einsum, 16, 3)),
    "packed": Packed,
    "grouped": net(
        layer(nn.Unflatten, 1, (4, 1)), layer(nn.Conv1d, 4, 8, 1, groups=4), nn.ReLU, nn.Flatten, layer(nn.Linear, 8, 3)
    ),
    "strided": net(
        layer(nn.Unflatten, 1, (1, 4)),
        layer(nn.Conv1d, 1, 8, 2, stride=2),
        nn.ReLU,
        nn.Flatten,
        layer(nn.Linear, 16, 3),
    ),
    "transposed": net(
        layer(nn.Unflatten, 1, (4, 1)),
        layer(nn.ConvTranspose1d, 4, 8, 2, stride=2),
        nn.ReLU,
        nn.Flatten,
        layer(nn.Linear, 16, 3),
    ),
    "tied": Tied,
    "residual": Residual,
    "recurrent": Recurrent,
    "normalised": net(layer(nn.Linear, 4, 16), layer(nn.BatchNorm1d, 16), nn.ReLU, layer(nn.Linear, 16, 3)),
    "bilinear": Twice,
    "slope": net(layer(nn.Linear, 4, 16), nn.PReLU, layer(nn.Linear, 16, 3)),
}
globals().update(MODELS)


def batch():
    return np.load("batch.npy")
