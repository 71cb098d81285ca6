"""Small nets whose head is easily wrong: each ends with logits, and names the batch that it takes."""

import itertools

import torch
from torch import nn


class Net(nn.Module):
    """Layers by name, and a forward function of them."""

    def __init__(self, forward, **layers):
        super().__init__()
        self.layers = nn.ModuleDict(layers)
        self.pass_on = forward

    def forward(self, x):
        return self.pass_on(x, **self.layers)


def chain(*widths):
    layers = [layer for a, b in itertools.pairwise(widths) for layer in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


def lenet():
    convolutions = [nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(),
                    nn.Conv2d(64, 128, 3, stride=2, padding=1), nn.ReLU()]  # fmt: skip
    return nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(128 * 8 * 8, 64), nn.ReLU(), nn.Linear(64, 10))


def dense_net():
    def forward(x, head, **layers):
        for layer in layers.values():
            x = torch.cat([x, layer(x).relu()], 1)
        return head(x)

    layers = {f"layer{index}": nn.Linear(64 + 32 * index, 32) for index in range(12)}
    return Net(forward, **layers, head=nn.Linear(64 + 32 * 12, 100))


def bilinear():
    def forward(x, pair, head):
        return head(pair(x, x.flip(0)).relu())

    return Net(forward, pair=nn.Bilinear(64, 64, 128), head=nn.Linear(128, 100))


def residual(*, post=False, normalised=False, depth=10, width=128):
    def forward(x, head, **layers):
        x = layers.pop("stem")(x)
        for index in range(depth):
            inner = layers[f"norm{index}"](x) if normalised else x
            x = x + layers[f"b{index}"](layers[f"a{index}"](inner).relu())
            x = x.relu() if post else x
        return head(x)

    layers = {name + str(index): nn.Linear(width, width) for index in range(depth) for name in "ab"}
    layers |= {f"norm{index}": nn.LayerNorm(width) for index in range(depth) if normalised}
    return Net(forward, stem=nn.Linear(64, width), **layers, head=nn.Linear(width, 100))


def gated_residual():
    class Gated(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.gate = nn.Linear(128, 128), nn.Parameter(torch.zeros(1))

        def forward(self, x):
            return x + self.gate * self.layer(x).relu()

    return nn.Sequential(nn.Linear(64, 128), *(Gated() for _ in range(8)), nn.LayerNorm(128), nn.Linear(128, 100))


def small_branches():
    def forward(x, head, **layers):
        for layer in layers.values():
            x = x + 0.1 * layer(x.relu())
        return head(x)

    return Net(forward, **{f"l{index}": nn.Linear(64, 64) for index in range(10)}, head=nn.Linear(64, 100))


def language_model(kind, num_layers=2, **settings):
    def forward(x, words, body, head):
        return head(body(words(x))[0])

    width = settings.get("proj_size", 128)
    body = kind(64, 128, num_layers=num_layers, batch_first=True, **settings)
    return Net(forward, words=nn.Embedding(500, 64), body=body, head=nn.Linear(width, 500))


def shared():
    def forward(x, stem, layer, head):
        x = stem(x)
        for _ in range(8):
            x = layer(x).relu()
        return head(x)

    return Net(forward, stem=nn.Linear(64, 256), layer=nn.Linear(256, 256), head=nn.Linear(256, 100))


def weight_normed():
    layers = [nn.utils.parametrizations.weight_norm(nn.Linear(128, 128)) for _ in range(10)]
    return nn.Sequential(nn.Linear(64, 128), *(m for layer in layers for m in (nn.ReLU(), layer)), nn.Linear(128, 100))


class Equalised(nn.Module):
    """A weight stored with std 1 and multiplied where it is used."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight, self.constant = nn.Parameter(torch.randn(outputs, inputs)), inputs**-0.5

    def forward(self, x):
        return nn.functional.linear(x, self.weight * self.constant)


def equalised():
    return nn.Sequential(Equalised(64, 256), nn.ReLU(), Equalised(256, 256), nn.ReLU(), Equalised(256, 100))


def rows(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def words():
    return torch.randint(500, (8, 32), generator=torch.Generator().manual_seed(0))


# A builder and a batch of each.
NETS = {
    "wide, then narrow": (lambda: chain(64, 4096, 16, 1000), rows(256, 64)),
    "narrow, then wide": (lambda: chain(64, 16, 4096, 100), rows(256, 64)),
    "flattened": (lenet, rows(32, 3, 16, 16)),
    "concatenated": (dense_net, rows(256, 64)),
    "bilinear": (bilinear, rows(256, 64)),
    "residual": (residual, rows(256, 64)),
    "residual with norms, none at the end": (lambda: residual(normalised=True), rows(256, 64)),
    "residual, relu on the stream": (lambda: residual(post=True), rows(256, 64)),
    "residual, relu on a long stream": (lambda: residual(post=True, depth=50), rows(256, 64)),
    "gated residual": (gated_residual, rows(256, 64)),
    "small branches": (small_branches, rows(256, 64)),
    "LSTM": (lambda: language_model(nn.LSTM), words()),
    "LSTM with projection": (lambda: language_model(nn.LSTM, 1, proj_size=32), words()),
    "GRU": (lambda: language_model(nn.GRU), words()),
    "RNN": (lambda: language_model(nn.RNN), words()),
    "shared": (shared, rows(256, 64)),
    "equalised": (equalised, rows(256, 64)),
    "weight norm": (weight_normed, rows(256, 64)),
}
