"""What a network that knows five digits is worth for five others, of which there are few images: two minutes.

The source has seen 0 to 4 in colours. The target is to tell 5 to 9 in grey: `warm_start` sums the colours of the first
kernel and starts a new head. Then either the head alone is trained, on what the frozen network makes of the images,
computed once; or all of it; beside it the same network from its own start. Each ten times, with other training images.

Five digits teach little of five others: the frozen features are worse than none, and to train all from there is
better than from scratch by a point, which is within the intervals. A source is worth what it has seen.
"""

import copy
import statistics

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

from initium import initialize, warm_start

SIZES, DRAWINGS, TESTED, STEPS = (10, 20, 50, 100, 200), 10, 400, 150
T95 = 2.262  # of Student's t with 9 degrees of freedom


def build(channels, classes):
    """A small convolutional network; all but its last layer make features."""
    convolutions = [nn.Conv2d(channels, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU()]
    features = [nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(256, 64), nn.ReLU()]
    return nn.Sequential(*convolutions, *features, nn.Linear(64, classes))


def train(model, x, y, seed):
    """Adam on batches of at most 32."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(STEPS):
        batch = torch.randint(len(x), (min(32, len(x)),), generator=generator)
        optimizer.zero_grad()
        functional.cross_entropy(model(x[batch]), y[batch]).backward()
        optimizer.step()
    return model


def accuracy(model, x, y):
    """Share of images that are told right, in percent."""
    with torch.no_grad():
        return 100 * (model(x).argmax(1) == y).double().mean().item()


def trained_source(x, y):
    """A network for 0 to 4, each image in a colour of its own."""
    model = build(3, 5)
    initialize(model, seed=0, example=torch.zeros(2, 3, 8, 8))
    colours = torch.rand(len(x), 3, 1, 1, generator=torch.Generator().manual_seed(0)) + 0.5
    return train(model, x * colours, y, seed=0).eval()


def interval(values):
    """Mean and 95 % interval."""
    half = T95 * statistics.stdev(values) / len(values) ** 0.5
    return f"{statistics.mean(values):5.1f} +- {half:3.1f}"


def main():
    """Accuracy on images that neither has seen, by the number of training images."""
    images, digits = load_digits(return_X_y=True)
    x, y = torch.tensor(images, dtype=torch.float32).reshape(-1, 1, 8, 8) / 8 - 1, torch.tensor(digits)
    source = trained_source(x[y < 5], y[y < 5])
    x, y = x[y >= 5], y[y >= 5] - 5
    model = build(1, 5)
    # The source has a head for five classes too, which are others: nobody but the user knows that.
    plan = warm_start(model, source, adapt={"8.*": "new"}, example=x)
    print(plan["0.weight"].because)
    plan.apply(model, seed=0)
    with torch.no_grad():
        features = model[:-1](x)  # once for all
    print(f"images  {'warm, head alone':>16}  {'warm, all':>12}  {'from scratch':>12}")
    for size in SIZES:
        frozen, warm, cold = [], [], []
        for seed in range(DRAWINGS):
            order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
            few, rest = order[:size], order[-TESTED:]
            started, fresh = build(1, 5), build(1, 5)
            plan.apply(started, seed=seed)
            initialize(fresh, seed=seed, example=x[:2])
            head = copy.deepcopy(started[-1])
            frozen.append(accuracy(train(head, features[few], y[few], seed), features[rest], y[rest]))
            warm.append(accuracy(train(started, x[few], y[few], seed), x[rest], y[rest]))
            cold.append(accuracy(train(fresh, x[few], y[few], seed), x[rest], y[rest]))
        print(f"{size:6}  {interval(frozen):>16}  {interval(warm):>12}  {interval(cold):>12}", flush=True)


if __name__ == "__main__":
    main()
