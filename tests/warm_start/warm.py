"""What the tests of warm starts share."""

import safetensors.torch
import torch
from torch import nn


def net(num_classes=3, channels=3):
    """A small convolutional network, with running statistics."""
    return nn.Sequential(
        nn.Conv2d(channels, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 16, num_classes)
    )


IMAGES = torch.zeros(2, 3, 6, 6)


def trained(model, inputs=None, seed=0):
    """A model whose numbers are no constructor's, and whose normalisations have counted batches."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in model.parameters():
            value.copy_(0.3 * torch.randn(value.shape, generator=generator))
    if inputs is not None:
        model(torch.randn(inputs.shape, generator=generator))
    return model.eval()


def saved(path, model, rename=lambda name: name):
    """A file of what a model holds, under other names."""
    held = {rename(name): value.contiguous().clone() for name, value in model.state_dict().items()}
    safetensors.torch.save_file(held, path)
    return path


def same(model, other):
    """Whether two models hold the same bits under the same names."""
    here, there = model.state_dict(), other.state_dict()
    return here.keys() == there.keys() and all(torch.equal(value, there[name]) for name, value in here.items())


class Block(nn.Module):
    """A block of a transformer, with q, k and v apart."""

    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.q, self.k, self.v, self.out = (nn.Linear(width, width) for _ in range(4))
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x):
        y = self.norm(x)
        score = torch.softmax(self.q(y) @ self.k(y).transpose(1, 2), -1)
        x = x + self.out(score @ self.v(y))
        return x + self.down(torch.relu(self.up(x)))


class Encoder(nn.Module):
    """Tokens to signals."""

    def __init__(self, vocabulary=11, width=8, depth=2):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.layers = nn.ModuleList(Block(width) for _ in range(depth))

    def forward(self, tokens):
        x = self.embed(tokens)
        for layer in self.layers:
            x = layer(x)
        return x


class Classifier(nn.Module):
    """An encoder with a head."""

    def __init__(self, num_classes=2):
        super().__init__()
        self.bert, self.classifier = Encoder(), nn.Linear(8, num_classes)

    def forward(self, tokens):
        return self.classifier(self.bert(tokens).mean(1))


TOKENS = torch.zeros(2, 5, dtype=torch.long)
