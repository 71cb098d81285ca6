"""Forty models as people write them, each with a batch: what bench/unseen.py measures beside libraries' own."""

# Written as people do who do not check types.
# pyright: reportIndexIssue=false, reportIncompatibleMethodOverride=false, reportOperatorIssue=false
# pyright: reportArgumentType=false, reportCallIssue=false

import itertools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812
from torch.nn.utils import prune

# Of each a builder, what makes a batch, and whether the output are logits over classes.
WRITTEN: dict[str, tuple[Callable[[], nn.Module], Callable[[], Any], bool]] = {}


def enter(batch: Callable[[], Any], *, classes: bool = False) -> Callable[[Any], Any]:
    """Enter a class or a function under its own name."""

    def entered(builder: Any) -> Any:
        WRITTEN[builder.__name__] = (builder, batch, classes)
        return builder

    return entered


def _numbers() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=_numbers())


def tokens(*shape: int, below: int = 100) -> torch.Tensor:
    return torch.randint(1, below, shape, generator=_numbers())


def smooth_images(num: int, channels: int, side: int) -> torch.Tensor:
    """Mean 0 and variance 1 as after the usual preprocessing, neighbours alike as in photographs."""
    numbers = _numbers()
    coarse = torch.randn(num, channels, max(side // 8, 2), max(side // 8, 2), generator=numbers)
    images = F.interpolate(coarse, size=(side, side), mode="bicubic")
    images = images + 0.2 * torch.randn(images.shape, generator=numbers)
    return (images - images.mean()) / images.std()


def pixels(num: int, channels: int, side: int) -> torch.Tensor:
    """The same between 0 and 1, as `ToTensor` gives them."""
    return (0.5 + 0.25 * smooth_images(num, channels, side)).clamp(0, 1)


def chain(*widths: int, activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """Dense layers with an activation between each two."""
    pairs = [(nn.Linear(before, after), activation()) for before, after in itertools.pairwise(widths)]
    return nn.Sequential(*[layer for pair in pairs for layer in pair][:-1])


# Images


class StyledConv(nn.Module):
    def __init__(self, channels, out, style):
        super().__init__()
        self.conv = nn.Conv2d(channels, out, 3, padding=1)
        self.style = nn.Linear(style, 2 * out)
        self.noise = nn.Parameter(torch.zeros(1, out, 1, 1))

    def forward(self, x, w):
        x = self.conv(x)
        x = F.leaky_relu(x + self.noise * torch.randn_like(x[:, :1]), 0.2)
        x = (x - x.mean((2, 3), keepdim=True)) / (x.std((2, 3), keepdim=True) + 1e-6)
        scale, shift = self.style(w)[..., None, None].chunk(2, dim=1)
        return x * (1 + scale) + shift


@enter(lambda: normal(4, 32))
class StyleGenerator(nn.Module):
    def __init__(self, latent=32, width=32):
        super().__init__()
        layers = []
        for _ in range(4):
            layers += [nn.Linear(latent, latent), nn.LeakyReLU(0.2)]
        self.mapping = nn.Sequential(*layers)
        self.constant = nn.Parameter(torch.randn(1, width, 4, 4))
        self.blocks = nn.ModuleList(StyledConv(width, width, latent) for _ in range(3))
        self.to_rgb = nn.Conv2d(width, 3, 1)

    def forward(self, z):
        w = self.mapping(z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8))
        x = self.constant.expand(len(z), -1, -1, -1)
        for index, block in enumerate(self.blocks):
            if index:
                x = F.interpolate(x, scale_factor=2, mode="bilinear")
            x = block(x, w)
        return self.to_rgb(x)


class TimeBlock(nn.Module):
    def __init__(self, channels, out, time):
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(4, channels), nn.GroupNorm(4, out)
        self.conv1 = nn.Conv2d(channels, out, 3, padding=1)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1)
        self.time = nn.Linear(time, out)
        self.skip = nn.Conv2d(channels, out, 1) if channels != out else nn.Identity()

    def forward(self, x, t):
        h = self.conv1(F.silu(self.norm1(x)))
        h = h + self.time(F.silu(t))[:, :, None, None]
        return self.conv2(F.silu(self.norm2(h))) + self.skip(x)


@enter(lambda: (normal(2, 3, 16, 16), tokens(2, below=1000)))
class DDPM(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.width, time = width, 4 * width
        self.time = chain(width, time, time, activation=nn.SiLU)
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.down1, self.down2 = TimeBlock(width, width, time), TimeBlock(width, 2 * width, time)
        self.middle = TimeBlock(2 * width, 2 * width, time)
        self.up2, self.up1 = TimeBlock(4 * width, width, time), TimeBlock(2 * width, width, time)
        self.norm, self.out = nn.GroupNorm(4, width), nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, x, t):
        half = self.width // 2
        frequencies = torch.exp(-math.log(10000) * torch.arange(half) / half)
        angles = t[:, None].float() * frequencies[None]
        t = self.time(torch.cat([angles.sin(), angles.cos()], dim=-1))
        one = self.down1(self.stem(x), t)
        two = self.down2(F.avg_pool2d(one, 2), t)
        middle = self.middle(two, t)
        up = F.interpolate(self.up2(torch.cat([middle, two], 1), t), scale_factor=2)
        return self.out(F.silu(self.norm(self.up1(torch.cat([up, one], 1), t))))


@enter(lambda: pixels(8, 1, 28))
class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(784, 400)
        self.fc21, self.fc22 = nn.Linear(400, 20), nn.Linear(400, 20)
        self.fc3, self.fc4 = nn.Linear(20, 400), nn.Linear(400, 784)

    def forward(self, x):
        h = F.relu(self.fc1(x.flatten(1)))
        mu, logvar = self.fc21(h), self.fc22(h)
        z = mu + torch.randn_like(mu) * torch.exp(0.5 * logvar)
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z)))), mu, logvar


@enter(lambda: pixels(4, 3, 32))
class VQVAE(nn.Module):
    def __init__(self, width=32, num_codes=64):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(3, width, 4, 2, 1),
            nn.ReLU(),
            nn.Conv2d(width, width, 4, 2, 1),
            nn.ReLU(),
            nn.Conv2d(width, 16, 1),
        )
        self.codebook = nn.Embedding(num_codes, 16)
        self.codebook.weight.data.uniform_(-1 / num_codes, 1 / num_codes)
        self.decoder = nn.Sequential(
            nn.Conv2d(16, width, 3, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(width, width, 4, 2, 1),
            nn.ReLU(),
            nn.ConvTranspose2d(width, 3, 4, 2, 1),
        )

    def forward(self, x):
        z = self.encoder(x).permute(0, 2, 3, 1)
        flat = z.reshape(-1, 16)
        book = self.codebook.weight
        distances = flat.pow(2).sum(1, keepdim=True) - 2 * flat @ book.t() + book.pow(2).sum(1)
        codes = self.codebook(distances.argmin(1)).view_as(z)
        loss = F.mse_loss(codes, z.detach()) + 0.25 * F.mse_loss(codes.detach(), z)
        quantised = z + (codes - z).detach()
        return self.decoder(quantised.permute(0, 3, 1, 2)), loss


class MaskedConv(nn.Conv2d):
    def __init__(self, kind, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.register_buffer("mask", torch.ones_like(self.weight))
        height, width = self.kernel_size
        self.mask[:, :, height // 2, width // 2 + (kind == "B") :] = 0
        self.mask[:, :, height // 2 + 1 :] = 0

    def forward(self, x):
        self.weight.data *= self.mask
        return super().forward(x)


@enter(lambda: pixels(4, 1, 16))
def pixel_cnn(width=32):
    layers: list[nn.Module] = [MaskedConv("A", 1, width, 7, padding=3), nn.ReLU()]
    for _ in range(5):
        layers += [MaskedConv("B", width, width, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(width, 16, 1))


class DenseLayer(nn.Module):
    def __init__(self, channels, growth):
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(channels), nn.Conv2d(channels, growth, 3, padding=1, bias=False)

    def forward(self, x):
        return torch.cat([x, self.conv(F.relu(self.norm(x)))], 1)


@enter(lambda: smooth_images(8, 3, 32), classes=True)
def densenet(growth=12, layers=6):
    channels, parts = 24, [nn.Conv2d(3, 24, 3, padding=1, bias=False)]
    for stage in range(2):
        for _ in range(layers):
            parts.append(DenseLayer(channels, growth))
            channels += growth
        if not stage:
            parts += [nn.BatchNorm2d(channels), nn.ReLU(), nn.Conv2d(channels, channels // 2, 1), nn.AvgPool2d(2)]
            channels //= 2
    return nn.Sequential(
        *parts, nn.BatchNorm2d(channels), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10)
    )


class SEBlock(nn.Module):
    def __init__(self, width, reduction=8):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.fc = nn.Sequential(
            nn.Linear(width, width // reduction), nn.ReLU(), nn.Linear(width // reduction, width), nn.Sigmoid()
        )

    def forward(self, x):
        y = self.body(x)
        return F.relu(x + y * self.fc(y.mean((2, 3)))[:, :, None, None])


@enter(lambda: smooth_images(8, 3, 32), classes=True)
def se_resnet(width=32):
    stem = [nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    return nn.Sequential(
        *stem, *(SEBlock(width) for _ in range(4)), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10)
    )


class WSConv(nn.Conv2d):
    def forward(self, x):
        w = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        w = w / (w.std((1, 2, 3), keepdim=True) * math.sqrt(w[0].numel()) + 1e-5)
        return F.conv2d(x, w, self.bias, self.stride, self.padding)


class NFBlock(nn.Module):
    def __init__(self, width, beta, alpha=0.2):
        super().__init__()
        self.conv1, self.conv2 = WSConv(width, width, 3, padding=1), WSConv(width, width, 3, padding=1)
        self.alpha, self.beta = alpha, beta

    def forward(self, x):
        y = F.relu(x / self.beta) * 1.7139588594436646
        y = self.conv2(F.relu(self.conv1(y)) * 1.7139588594436646)
        return x + self.alpha * y


@enter(lambda: smooth_images(4, 3, 32), classes=True)
def nf_net(width=32, depth=6):
    blocks = [NFBlock(width, math.sqrt(1 + 0.04 * index)) for index in range(depth)]
    return nn.Sequential(
        WSConv(3, width, 3, padding=1), *blocks, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10)
    )


class MixerBlock(nn.Module):
    def __init__(self, width, num_patches):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.tokens = chain(num_patches, 32, num_patches, activation=nn.GELU)
        self.channels = chain(width, 128, width, activation=nn.GELU)

    def forward(self, x):
        x = x + self.tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.channels(self.norm2(x))


@enter(lambda: smooth_images(4, 3, 32), classes=True)
class Mixer(nn.Module):
    def __init__(self, width=64, patch=8, side=32, depth=4):
        super().__init__()
        self.stem = nn.Conv2d(3, width, patch, patch)
        self.blocks = nn.Sequential(*(MixerBlock(width, (side // patch) ** 2) for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 10)

    def forward(self, x):
        return self.head(self.norm(self.blocks(self.stem(x).flatten(2).transpose(1, 2))).mean(1))


@enter(lambda: (pixels(4, 3, 32), tokens(4, 8, below=50)), classes=True)
class FiLM(nn.Module):
    def __init__(self, width=32, vocabulary=50):
        super().__init__()
        self.words = nn.Embedding(vocabulary, 32)
        self.question = nn.GRU(32, 32, batch_first=True)
        self.stem = nn.Conv2d(3, width, 3, 2, 1)
        self.convs = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(3))
        self.norms = nn.ModuleList(nn.BatchNorm2d(width, affine=False) for _ in range(3))
        self.film = nn.Linear(32, 3 * 2 * width)
        self.head = chain(width, 64, 10)

    def forward(self, image, question):
        _, state = self.question(self.words(question))
        x = F.relu(self.stem(image))
        for conv, norm, film in zip(self.convs, self.norms, self.film(state[0]).chunk(3, 1), strict=True):
            gamma, beta = film[:, :, None, None].chunk(2, 1)
            x = x + F.relu((1 + gamma) * norm(conv(x)) + beta)
        return self.head(x.amax((2, 3)))


@enter(lambda: (pixels(8, 1, 28) - 0.1307) / 0.3081, classes=True)
class SpatialTransformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.localisation = nn.Sequential(
            nn.Conv2d(1, 8, 7), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(8, 10, 5), nn.MaxPool2d(2), nn.ReLU()
        )
        self.theta = chain(90, 32, 6)
        self.theta[2].weight.data.zero_()
        self.theta[2].bias.data.copy_(torch.tensor([1, 0, 0, 0, 1, 0], dtype=torch.float))
        self.conv1, self.conv2 = nn.Conv2d(1, 10, 5), nn.Conv2d(10, 20, 5)
        self.fc1, self.fc2 = nn.Linear(320, 50), nn.Linear(50, 10)

    def forward(self, x):
        theta = self.theta(self.localisation(x).view(-1, 90)).view(-1, 2, 3)
        x = F.grid_sample(x, F.affine_grid(theta, list(x.shape), align_corners=False), align_corners=False)
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(F.dropout2d(self.conv2(x), training=self.training), 2))
        return F.log_softmax(self.fc2(F.dropout(F.relu(self.fc1(x.view(-1, 320))), training=self.training)), dim=1)


@enter(lambda: pixels(2, 1, 32).repeat(1, 1, 1, 3), classes=True)
class CRNN(nn.Module):
    def __init__(self, num_classes=37):
        super().__init__()
        self.cnn = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(),
            nn.MaxPool2d(2), nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d((8, 1)),
        )  # fmt: skip
        self.rnn = nn.LSTM(64, 64, 2, bidirectional=True)
        self.fc = nn.Linear(128, num_classes)

    def forward(self, x):
        x = self.cnn(x).squeeze(2).permute(2, 0, 1)
        return self.fc(self.rnn(x)[0]).log_softmax(2)


# Sound and time


@enter(lambda: normal(2, 1, 300).cumsum(-1) / 18, classes=True)
class WaveNet(nn.Module):
    def __init__(self, width=32, skip=64, depth=8):
        super().__init__()
        self.first = nn.Conv1d(1, width, 1)
        self.filters = nn.ModuleList(nn.Conv1d(width, width, 2, dilation=2**i) for i in range(depth))
        self.gates = nn.ModuleList(nn.Conv1d(width, width, 2, dilation=2**i) for i in range(depth))
        self.residuals = nn.ModuleList(nn.Conv1d(width, width, 1) for _ in range(depth))
        self.skips = nn.ModuleList(nn.Conv1d(width, skip, 1) for _ in range(depth))
        self.out1, self.out2 = nn.Conv1d(skip, skip, 1), nn.Conv1d(skip, 64, 1)

    def forward(self, x):
        x, skips = self.first(x), 0
        for index, (f, g, r, s) in enumerate(zip(self.filters, self.gates, self.residuals, self.skips, strict=True)):
            padded = F.pad(x, (2**index, 0))
            y = torch.tanh(f(padded)) * torch.sigmoid(g(padded))
            skips = skips + s(y)
            x = x + r(y)
        return self.out2(F.relu(self.out1(F.relu(skips)))).transpose(1, 2)


@enter(lambda: 0.1 * normal(4, 1, 4000), classes=True)
def audio_cnn(width=32):
    layers: list[nn.Module] = [nn.Conv1d(1, width, 80, 16), nn.BatchNorm1d(width), nn.ReLU(), nn.MaxPool1d(4)]
    layers += [nn.Conv1d(width, width, 3), nn.BatchNorm1d(width), nn.ReLU(), nn.MaxPool1d(4)]
    layers += [nn.Conv1d(width, 2 * width, 3), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(2 * width, 35))


# Sets and graphs


@enter(lambda: F.normalize(normal(4, 3, 128), dim=1), classes=True)
class PointNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2, self.conv3 = nn.Conv1d(3, 64, 1), nn.Conv1d(64, 128, 1), nn.Conv1d(128, 256, 1)
        self.fc1, self.fc2, self.fc3 = nn.Linear(256, 128), nn.Linear(128, 64), nn.Linear(64, 40)

    def forward(self, x):
        x = F.relu(self.conv2(F.relu(self.conv1(x))))
        x = self.conv3(x).max(2)[0]
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


@enter(lambda: normal(16, 20, 8))
class DeepSets(nn.Module):
    def __init__(self, width=64):
        super().__init__()
        self.phi = nn.Sequential(nn.Linear(8, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.rho = chain(width, width, 1)

    def forward(self, x):
        return self.rho(self.phi(x).sum(1))


def graph(nodes: int = 40, edges: int = 160) -> tuple[torch.Tensor, torch.Tensor]:
    return normal(nodes, 16), torch.randint(nodes, (2, edges), generator=_numbers())


@enter(graph, classes=True)
class GCN(nn.Module):
    def __init__(self, width=32, depth=3):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width if i else 16, width) for i in range(depth))
        self.head = nn.Linear(width, 7)

    def forward(self, x, edges):
        source, target = edges
        for layer in self.layers:
            x = layer(x)
            x = F.relu(torch.zeros_like(x).index_add_(0, target, x[source]))
        return self.head(x)


class GATLayer(nn.Module):
    def __init__(self, channels, out, heads=4):
        super().__init__()
        self.heads = heads
        self.weight = nn.Parameter(torch.empty(channels, heads * out))
        self.source, self.target = (nn.Parameter(torch.empty(1, heads, out)) for _ in range(2))
        for each in (self.weight, self.source, self.target):
            nn.init.xavier_uniform_(each)

    def forward(self, x, edges):
        source, target = edges
        h = (x @ self.weight).view(len(x), self.heads, -1)
        score = (h * self.source).sum(-1)[source] + (h * self.target).sum(-1)[target]
        score = F.leaky_relu(score, 0.2)
        score = torch.exp(score - score.max())
        total = torch.zeros(len(x), self.heads).index_add(0, target, score)
        messages = h[source] * (score / (total[target] + 1e-16))[..., None]
        index = target[:, None, None].expand_as(messages)
        return torch.zeros_like(h).scatter_add(0, index, messages).flatten(1)


@enter(graph, classes=True)
class GAT(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two, self.head = GATLayer(16, 8), GATLayer(32, 8), nn.Linear(32, 7)

    def forward(self, x, edges):
        x = F.elu(self.one(x, edges))
        return self.head(F.elu(self.two(x, edges)))


# Text and tables


@enter(lambda: (tokens(160, below=1000), torch.arange(0, 160, 20)), classes=True)
class BagClassifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.EmbeddingBag(1000, 32, mode="sum")
        self.fc1, self.fc2 = nn.Linear(32, 64), nn.Linear(64, 4)

    def forward(self, text, offsets):
        return self.fc2(F.relu(self.fc1(self.embedding(text, offsets))))


@enter(lambda: tokens(4, 10), classes=True)
class HandGRU(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.embedding = nn.Embedding(100, width)
        self.x2h, self.h2h = nn.Linear(width, 3 * width), nn.Linear(width, 3 * width)
        self.head, self.width = nn.Linear(width, 100), width

    def forward(self, x):
        h, outputs = torch.zeros(len(x), self.width), []
        for step in self.embedding(x).unbind(1):
            xr, xz, xn = self.x2h(step).chunk(3, 1)
            hr, hz, hn = self.h2h(h).chunk(3, 1)
            z = torch.sigmoid(xz + hz)
            n = torch.tanh(xn + torch.sigmoid(xr + hr) * hn)
            h = (1 - z) * n + z * h
            outputs.append(self.head(h))
        return torch.stack(outputs, 1)


@enter(lambda: (tokens(4, 9), tokens(4, 6)), classes=True)
class Seq2Seq(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.source, self.target = nn.Embedding(100, width), nn.Embedding(100, width)
        self.encoder, self.decoder = nn.GRU(width, width, batch_first=True), nn.GRUCell(2 * width, width)
        self.wa, self.ua, self.va = nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, 1)
        self.out = nn.Linear(2 * width, 100)

    def forward(self, source, target):
        memory, state = self.encoder(self.source(source))
        state, outputs = state[0], []
        for step in self.target(target).unbind(1):
            scores = self.va(torch.tanh(self.wa(state)[:, None] + self.ua(memory)))
            context = (scores.softmax(1) * memory).sum(1)
            state = self.decoder(torch.cat([step, context], 1), state)
            outputs.append(self.out(torch.cat([state, context], 1)))
        return torch.stack(outputs, 1)


class Attention(nn.Module):
    def __init__(self, width, heads=4):
        super().__init__()
        self.heads, self.qkv, self.out = heads, nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, -1))
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
        hidden = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
        weights = scores.masked_fill(hidden, -1e9).softmax(-1)
        return self.out((weights @ v).transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Post-norm, or two scaled sums and no normalisation."""

    def __init__(self, width, normed):
        super().__init__()
        self.attention = Attention(width)
        self.mlp = chain(width, 4 * width, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2)) if normed else None

    def forward(self, x):
        if self.norms is None:
            x = (x + self.attention(x)) / math.sqrt(2)
            return (x + self.mlp(x)) / math.sqrt(2)
        x = self.norms[0](x + self.attention(x))
        return self.norms[1](x + self.mlp(x))


@enter(lambda: tokens(4, 16), classes=True)
class LanguageModel(nn.Module):
    def __init__(self, width=64, depth=4, normed=True):
        super().__init__()
        self.embedding, self.positions = nn.Embedding(100, width), nn.Parameter(torch.zeros(1, 32, width))
        self.blocks = nn.Sequential(*(Block(width, normed) for _ in range(depth)))
        self.head = nn.Linear(width, 100)

    def forward(self, x):
        return self.head(self.blocks(self.embedding(x) + self.positions[:, : x.shape[1]]))


@enter(lambda: tokens(4, 16), classes=True)
def scaled_transformer():
    return LanguageModel(normed=False)


class MoE(nn.Module):
    def __init__(self, width=32, num_experts=4):
        super().__init__()
        self.gate = nn.Linear(width, num_experts)
        self.experts = nn.ModuleList(chain(width, 64, width) for _ in range(num_experts))

    def forward(self, x):
        weights, chosen = self.gate(x).softmax(-1).topk(2)
        out = torch.zeros_like(x)
        for index, expert in enumerate(self.experts):
            rows, place = torch.where(chosen == index)
            out[rows] += weights[rows, place, None] * expert(x[rows])
        return out


@enter(lambda: normal(32, 16), classes=True)
def mixture_of_experts():
    return nn.Sequential(nn.Linear(16, 32), nn.ReLU(), MoE(), MoE(), nn.Linear(32, 10))


@enter(lambda: tokens(16, 6, below=50))
class DeepFM(nn.Module):
    def __init__(self, fields=6, rows=50, width=8):
        super().__init__()
        self.first, self.tables = nn.Embedding(fields * rows, 1), nn.Embedding(fields * rows, width)
        self.register_buffer("offsets", torch.arange(fields) * rows)
        self.deep = nn.Sequential(
            nn.Linear(fields * width, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1)
        )

    def forward(self, x):
        x = x + self.offsets
        v = self.tables(x)
        pairs = 0.5 * (v.sum(1).square() - v.square().sum(1)).sum(1, keepdim=True)
        return torch.sigmoid(self.first(x).sum(1) + pairs + self.deep(v.flatten(1)))


@enter(lambda: (tokens(16, below=200), tokens(16, below=300)), classes=True)
class TwoTowers(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.users, self.items = nn.Embedding(200, width), nn.Embedding(300, width)
        self.user = chain(width, 64, width)
        self.item = chain(width, 64, width)

    def forward(self, users, items):
        return self.user(self.users(users)) @ self.item(self.items(items)).T


# Fields, flows and policies


@enter(lambda: (2 * torch.rand(256, 3, generator=_numbers()) - 1, F.normalize(normal(256, 3), dim=1)))
class NeRF(nn.Module):
    def __init__(self, width=64, places=10, directions=4):
        super().__init__()
        self.places, self.directions = places, directions
        size, view = 3 + 6 * places, 3 + 6 * directions
        self.layers = nn.ModuleList(nn.Linear(size if not i else width + size * (i == 4), width) for i in range(8))
        self.sigma, self.feature = nn.Linear(width, 1), nn.Linear(width, width)
        self.view, self.rgb = nn.Linear(width + view, width // 2), nn.Linear(width // 2, 3)

    @staticmethod
    def encode(x, num):
        return torch.cat([x, *(f(2.0**i * x) for i in range(num) for f in (torch.sin, torch.cos))], -1)

    def forward(self, x, d):
        x, d = self.encode(x, self.places), self.encode(d, self.directions)
        h = x
        for index, layer in enumerate(self.layers):
            h = F.relu(layer(torch.cat([x, h], -1) if index == 4 else h))
        return torch.sigmoid(self.rgb(F.relu(self.view(torch.cat([self.feature(h), d], -1))))), F.relu(self.sigma(h))


class Sine(nn.Module):
    def __init__(self, channels, out, omega=30.0, is_first=False):
        super().__init__()
        self.linear, self.omega = nn.Linear(channels, out), omega
        bound = 1 / channels if is_first else math.sqrt(6 / channels) / omega
        nn.init.uniform_(self.linear.weight, -bound, bound)

    def forward(self, x):
        return torch.sin(self.omega * self.linear(x))


@enter(lambda: 2 * torch.rand(256, 2, generator=_numbers()) - 1)
def siren(width=64):
    return nn.Sequential(
        Sine(2, width, is_first=True), Sine(width, width), Sine(width, width), Sine(width, width), nn.Linear(width, 3)
    )


class Kan(nn.Module):
    """A sum of Gaussian bumps on each edge, and a SiLU beside."""

    def __init__(self, channels, out, num=8):
        super().__init__()
        self.register_buffer("grid", torch.linspace(-2, 2, num))
        self.base = nn.Linear(channels, out, bias=False)
        self.spline = nn.Parameter(0.1 * torch.randn(out, channels, num))

    def forward(self, x):
        bumps = torch.exp(-(((x[..., None] - self.grid) / 0.5) ** 2))
        return self.base(F.silu(x)) + torch.einsum("bin,oin->bo", bumps, self.spline)


@enter(lambda: normal(64, 4))
def kan():
    return nn.Sequential(Kan(4, 32), Kan(32, 32), Kan(32, 1))


@enter(lambda: normal(32, 8), classes=True)
class ODE(nn.Module):
    def __init__(self, width=32, steps=20):
        super().__init__()
        self.first = nn.Linear(8, width)
        self.field = chain(width, 64, width, activation=nn.Tanh)
        self.head, self.steps = nn.Linear(width, 3), steps

    def forward(self, x):
        x = self.first(x)
        for _ in range(self.steps):
            x = x + self.field(x) / self.steps
        return self.head(x)


class Coupling(nn.Module):
    def __init__(self, width, hidden, mask):
        super().__init__()
        self.register_buffer("mask", mask)
        self.s = nn.Sequential(*chain(width, hidden, hidden, width, activation=nn.LeakyReLU), nn.Tanh())
        self.t = chain(width, hidden, hidden, width, activation=nn.LeakyReLU)

    def forward(self, x):
        kept = x * self.mask
        s, t = self.s(kept) * (1 - self.mask), self.t(kept) * (1 - self.mask)
        return kept + (1 - self.mask) * (x * torch.exp(s) + t), s.sum(1)


@enter(lambda: normal(64, 4))
class RealNVP(nn.Module):
    def __init__(self, width=4, depth=6):
        super().__init__()
        masks = [torch.arange(width).add(index).remainder(2).float() for index in range(depth)]
        self.layers = nn.ModuleList(Coupling(width, 64, mask) for mask in masks)

    def forward(self, x):
        total = 0
        for layer in self.layers:
            x, determinant = layer(x)
            total = total + determinant
        return -0.5 * x.square().sum(1) + total


class MaskedLinear(nn.Linear):
    def __init__(self, channels, out, mask):
        super().__init__(channels, out)
        self.register_buffer("mask", mask)

    def forward(self, x):
        return F.linear(x, self.mask * self.weight, self.bias)


@enter(lambda: pixels(8, 1, 8).flatten(1).round())
def made(width=64, hidden=128):
    degrees = [torch.arange(width), *(torch.arange(hidden) % (width - 1) for _ in range(2))]
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(degrees):
        layers += [MaskedLinear(len(before), hidden, (after[:, None] >= before).float()), nn.ReLU()]
    return nn.Sequential(*layers, MaskedLinear(hidden, width, (degrees[0][:, None] > degrees[-1]).float()))


@enter(lambda: normal(32, 64), classes=True)
def pruned_mlp(width=256):
    model = chain(64, width, width, width, 10)
    for index in (0, 2, 4):
        prune.random_unstructured(model[index], "weight", amount=0.9)
    return model


@enter(lambda: (255 * pixels(2, 4, 84)).to(torch.uint8))
class DQN(nn.Module):
    def __init__(self, num_actions=6):
        super().__init__()
        self.network = nn.Sequential(
            nn.Conv2d(4, 32, 8, stride=4), nn.ReLU(), nn.Conv2d(32, 64, 4, stride=2), nn.ReLU(),
            nn.Conv2d(64, 64, 3, stride=1), nn.ReLU(), nn.Flatten(), nn.Linear(3136, 512), nn.ReLU(),
            nn.Linear(512, num_actions),
        )  # fmt: skip

    def forward(self, x):
        return self.network(x / 255.0)


@enter(lambda: normal(64, 17))
class ActorCritic(nn.Module):
    def __init__(self, num_features=17, num_actions=6):
        super().__init__()
        self.critic = chain(num_features, 64, 64, 1, activation=nn.Tanh)
        self.actor = chain(num_features, 64, 64, num_actions, activation=nn.Tanh)
        self.log_std = nn.Parameter(torch.zeros(1, num_actions))

    def forward(self, x):
        mean = self.actor(x)
        return mean, self.log_std.expand_as(mean).exp(), self.critic(x)


@enter(lambda: normal(32, 8), classes=True)
class HyperNetwork(nn.Module):
    """Makes the weights of two dense layers from a learned z each."""

    def __init__(self, width=32, latent=16):
        super().__init__()
        self.first, self.width = nn.Linear(8, width), width
        self.z = nn.Parameter(torch.randn(2, latent))
        self.body, self.out = nn.Linear(latent, 64), nn.Linear(64, width * width)
        self.head = nn.Linear(width, 5)

    def forward(self, x):
        x = F.relu(self.first(x))
        for weight in self.out(F.relu(self.body(self.z))).view(2, self.width, self.width):
            x = F.relu(F.linear(x, weight))
        return self.head(x)


# Depth


class Scaled(nn.Module):
    def __init__(self, width, depth):
        super().__init__()
        self.depth = depth
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x):
        return (x + self.down(F.relu(self.up(x)))) / math.sqrt(2)


@enter(lambda: normal(32, 20), classes=True)
def scaled_residual(width=64, depth=24):
    return nn.Sequential(nn.Linear(20, width), *(Scaled(width, depth) for _ in range(depth)), nn.Linear(width, 10))


class Highway(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.plain, self.gate = nn.Linear(width, width), nn.Linear(width, width)
        self.gate.bias.data.fill_(-2)

    def forward(self, x):
        gate = torch.sigmoid(self.gate(x))
        return gate * F.relu(self.plain(x)) + (1 - gate) * x


@enter(lambda: normal(32, 20), classes=True)
def highway(width=50, depth=20):
    return nn.Sequential(nn.Linear(20, width), *(Highway(width) for _ in range(depth)), nn.Linear(width, 10))


@enter(lambda: pixels(16, 1, 28).flatten(1))
def tanh_autoencoder():
    return nn.Sequential(*chain(784, 1000, 500, 250, 2, 250, 500, 1000, 784, activation=nn.Tanh), nn.Sigmoid())


@enter(lambda: normal(32, 64), classes=True)
def deep_sigmoid(width=64, depth=50):
    return chain(*[width] * (depth + 1), 10, activation=nn.Sigmoid)
