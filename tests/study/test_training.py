"""A run of a study is a plain loop of PyTorch, to the last bits of a loss: `tests/plain_training.py`."""

from functools import partial

import numpy as np
import pytest
import torch
from plain_training import plain_run
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.nn import functional
from torch.optim import SGD, Adam, AdamW
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, MultiStepLR, SequentialLR

import initium
from initium._engine import decided
from initium._study._study import Study

RANDOM = np.random.default_rng(7)
X = RANDOM.normal(size=(45, 5)) * [1, 5, 0.2, 1, 3] + [0, 7, 0, -2, 1]
Y = (X[:, 0] > 0.4).astype(int) + (X[:, 3] > -2)
# 23 samples for training: three batches of 8, the last of 7.
TRAIN, TEST, BATCH = slice(23), slice(23, None), 8
SEED, ORDER_SEED = 40, 90
STEPS = 12  # of four epochs


def net():
    """With all that tells training from evaluation; a bias before a normalisation has rounding alone for a gradient."""
    return nn.Sequential(nn.Linear(5, 6, bias=False), nn.BatchNorm1d(6), nn.Tanh(), nn.Dropout(0.3), nn.Linear(6, 3))


def plain(outputs=3):
    return nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, outputs))


def scaled():
    """The four parts as a study makes them of X and Y, by scikit-learn."""
    scaler = StandardScaler().fit(X[TRAIN])
    x_train, x_test = (scaler.transform(X[part]).astype("f4") for part in (TRAIN, TEST))
    return x_train, Y[TRAIN], x_test, Y[TEST]


def contender(model, *, starts=("framework", "zeros"), **settings):
    """The first start of a study."""
    asked = {"seeds": 4, "batch_size": BATCH, "lr": 0.1, "seed": SEED, "order_seed": ORDER_SEED}
    asked |= {} if "steps" in settings else {"epochs": 4}
    return decided(Study(model, (X[TRAIN], Y[TRAIN], X[TEST], Y[TEST]), list(starts), **asked | settings))[0]


def built(index, model=net):
    """What `framework` is in a run."""
    torch.manual_seed(SEED + index)
    return model()


def rising(optimizer, steps, then=None):
    """In equal parts, so that step number `steps`, counted from 0, is the first that has the whole rate."""
    warm = LinearLR(optimizer, start_factor=1 / (steps + 1), total_iters=steps)
    return SequentialLR(optimizer, [warm, then], milestones=[steps]) if then else warm


def check(run, model, **how):
    """A run against the plain loop."""
    asked = {"loss": functional.cross_entropy, "optimizer": partial(SGD, lr=0.1), "batch_size": BATCH, "epochs": 4}
    train_loss, test_loss, _ = plain_run(model, scaled(), seed=ORDER_SEED + run.index, **asked | how)
    assert run.train_loss == pytest.approx(train_loss, rel=2e-6)
    assert run.test_loss == pytest.approx(test_loss, rel=2e-6)


@pytest.mark.parametrize("index", [0, 1, 3])
def test_a_run_is_a_plain_loop_with_weights_and_order_of_its_own(index):
    check(contender(net).run(index), built(index))


class Masked(nn.Module):
    """It draws what no recipe does."""

    def __init__(self):
        super().__init__()
        self.body = plain()
        self.register_buffer("mask", torch.rand(5))

    def forward(self, x):
        return self.body(x * self.mask)


@pytest.mark.parametrize("recipe", ["he_normal", "lsuv"])
def test_run_r_starts_as_initialize_makes_it_under_seed_plus_r(recipe):
    run = contender(Masked, starts=(recipe, "zeros")).run(2)
    model = built(2, Masked)
    initium.initialize(model, SEED + 2, recipe, example=torch.as_tensor(scaled()[0]))
    check(run, model)


@pytest.mark.parametrize(
    ("settings", "how"),
    [
        ({"lr": 0.03}, {"optimizer": partial(SGD, lr=0.03)}),
        ({"momentum": 0.9}, {"optimizer": partial(SGD, lr=0.1, momentum=0.9)}),
        (
            {"optimizer": "nesterov", "momentum": 0.8, "weight_decay": 0.1},
            {"optimizer": partial(SGD, lr=0.1, momentum=0.8, weight_decay=0.1, nesterov=True)},
        ),
        ({"weight_decay": 0.2}, {"optimizer": partial(SGD, lr=0.1, weight_decay=0.2)}),
        (
            {"momentum": 0.5, "weight_decay": 0.1},
            {"optimizer": partial(SGD, lr=0.1, momentum=0.5, weight_decay=0.1)},
        ),
        ({"optimizer": "adam", "lr": 0.02}, {"optimizer": partial(Adam, lr=0.02)}),
        (
            {"optimizer": "adam", "lr": 0.02, "weight_decay": 0.3},
            {"optimizer": partial(Adam, lr=0.02, weight_decay=0.3)},
        ),
        # Its own decay, 0.01, is not that of a study, which has none unless asked.
        ({"optimizer": "adamw", "lr": 0.02}, {"optimizer": partial(AdamW, lr=0.02, weight_decay=0)}),
        (
            {"optimizer": "adamw", "lr": 0.02, "weight_decay": 0.3},
            {"optimizer": partial(AdamW, lr=0.02, weight_decay=0.3)},
        ),
        ({"clip": 0.05}, {"clip": 0.05}),
        ({"batch_size": 5}, {"batch_size": 5}),
        ({"batch_size": 100}, {"batch_size": 100}),
        ({"epochs": 1}, {"epochs": 1}),
    ],
    ids=lambda one: str(one) if isinstance(one, dict) else "torch",
)
def test_a_setting_is_torchs(settings, how):
    check(contender(net, **settings).run(1), built(1), **how)


def cosine(optimizer, passed=0):
    return CosineAnnealingLR(optimizer, T_max=STEPS - passed)


def stepwise(optimizer, passed=0):
    return MultiStepLR(optimizer, milestones=[STEPS // 2 - passed, 3 * STEPS // 4 - passed])


@pytest.mark.parametrize(
    ("settings", "schedule"),
    [
        ({"schedule": "cosine"}, cosine),
        ({"schedule": "step"}, stepwise),
        ({"warmup": 1}, lambda made: rising(made, 1)),
        ({"warmup": 4}, lambda made: rising(made, 4)),
        ({"warmup": 4, "schedule": "cosine"}, lambda made: rising(made, 4, cosine(made, 4))),
        ({"warmup": 4, "schedule": "step"}, lambda made: rising(made, 4, stepwise(made, 4))),
        ({"warmup": 6, "schedule": "step"}, lambda made: rising(made, 6, stepwise(made, 6))),  # it has risen and falls
        ({"warmup": 30}, lambda made: rising(made, 30)),  # it ends while it rises
    ],
    ids=lambda one: str(one) if isinstance(one, dict) else "torch",
)
@pytest.mark.parametrize(
    ("optimizer", "make"), [("sgd", partial(SGD, lr=0.3)), ("adam", partial(Adam, lr=0.3))], ids=["sgd", "adam"]
)
def test_a_schedule_is_torchs(settings, schedule, optimizer, make):
    run = contender(net, optimizer=optimizer, lr=0.3, **settings).run(1)
    check(run, built(1), optimizer=make, schedule=schedule)


@pytest.mark.parametrize("steps", [1, 3, 7, STEPS])
def test_steps_end_wherever_in_an_epoch_that_is(steps):
    run = contender(net, steps=steps, schedule="cosine").run(1)
    epochs = -(-steps // 3)
    assert len(run.train_loss) == epochs + 1
    schedule = partial(CosineAnnealingLR, T_max=steps)
    check(run, built(1), steps=steps, epochs=epochs, schedule=schedule)


def test_a_run_leaves_no_trace_in_the_next():
    one = contender(net)
    alone = one.run(2)
    one.run(0)
    assert one.run(2).train_loss == alone.train_loss


def test_an_evaluation_in_parts_is_one_of_all_rows():
    x = RANDOM.normal(size=(9001, 5)).astype("f4")
    y = (x[:, 0] * np.linspace(-1, 1, 9001) > 0).astype(int)  # the parts differ, and the last has 809 rows
    parts, two = (x[:30], y[:30], x, y), partial(plain, 2)
    study = Study(two, parts, ["framework", "zeros"], seeds=2, epochs=1, seed=SEED, standardise=False)
    run, optimizer = decided(study)[0].run(1), partial(SGD, lr=0.1)
    model, loss = built(1, two), functional.cross_entropy
    _, test_loss, outputs = plain_run(model, parts, seed=1, loss=loss, optimizer=optimizer, batch_size=32, epochs=1)
    assert run.test_loss == pytest.approx(test_loss, rel=2e-6)
    assert run.test_score == pytest.approx([(found.argmax(1).numpy() == y).mean() for found in outputs])
    assert len(run.merits) == 9001
