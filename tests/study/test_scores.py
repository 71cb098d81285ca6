"""Losses and scores of each task are PyTorch's and scikit-learn's, of the outputs of a plain loop."""

from functools import partial

import numpy as np
import pytest
import sklearn.metrics
import torch
from plain_training import plain_run
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.nn import functional

from initium._engine import decided
from initium._study._study import Study

RANDOM = np.random.default_rng(3)
X = RANDOM.normal(size=(70, 4)).astype("f4")
FEW, TWO = np.digitize(X[:, 0], [-0.3, 1.2]), (X[:, 0] > 0.5).astype(int)
# The last label holds nowhere in the test split, and a cautious model guesses so.
LABELS = np.stack([X[:, 0] > 0.5, X[:, 1] > -1, X[:, 2] > X[:40, 2].max() - 0.1], axis=1).astype(int)
LABELS[40:, 2] = 0
# Numbers of two scales, far from 0, and a test split that varies otherwise than the training split.
NUMBERS = 300 + 50 * X[:, :2] @ [[1, 0.02], [0.3, 0.01]] + RANDOM.normal(size=(70, 2)) * [3, 0.1]
TOKENS = RANDOM.integers(0, 4, 20 * 32 + 1).cumsum() % 5


def net(outputs, *end):
    return nn.Sequential(nn.Linear(4, 7), nn.Tanh(), nn.Linear(7, outputs), *end)


def split(y):
    return X[:40], y[:40], X[40:], y[40:]


def text():
    """As a study makes it of tokens: pieces of 32, the last tenth for testing."""
    x, y = TOKENS[:-1].reshape(-1, 32), TOKENS[1:].reshape(-1, 32)
    return x[:-2], y[:-2], x[-2:], y[-2:]


def both(model, data, parts, plain_loss, **settings):
    """Run 1 of a study, and what the plain loop gives."""
    asked = {"seeds": 2, "epochs": 3, "lr": 0.3, "batch_size": 16, "standardise": False}
    run = decided(Study(model, data, ["framework", "zeros"], **asked | settings))[0].run(1)
    torch.manual_seed(1)
    optimizer = partial(torch.optim.SGD, lr=0.3)
    found = plain_run(model(), parts, seed=1, loss=plain_loss, optimizer=optimizer, batch_size=16, epochs=3)
    assert run.train_loss == pytest.approx(found[0], rel=3e-6)
    assert run.test_loss == pytest.approx(found[1], rel=3e-6)
    return run, [outputs.numpy() for outputs in found[2]]


def is_scored(run, outputs, score, guess):
    """The scores from step zero on, and the last as the mean of what each sample is worth."""
    expected = [score(guess(one)) for one in outputs]
    assert len(set(expected)) > 1  # it does not stand still
    assert run.test_score == pytest.approx(expected, rel=1e-5, abs=1e-6)
    assert run.merits.mean() == pytest.approx(expected[-1], rel=1e-5)


def largest(outputs):
    return outputs.argmax(axis=-1)


BY_NAME = {
    None: sklearn.metrics.accuracy_score,
    "accuracy": sklearn.metrics.accuracy_score,
    "balanced_accuracy": sklearn.metrics.balanced_accuracy_score,
    "f1": partial(sklearn.metrics.f1_score, average="macro"),
}


@pytest.mark.parametrize("metric", BY_NAME)
def test_classes_are_scored_as_by_scikit_learn(metric):
    run, outputs = both(partial(net, 3), split(FEW), split(FEW), functional.cross_entropy, metric=metric)
    is_scored(run, outputs, partial(BY_NAME[metric], FEW[40:]), largest)
    if metric is None:
        assert run.merits.tolist() == (largest(outputs[-1]) == FEW[40:]).tolist()


@pytest.mark.parametrize("metric", BY_NAME)
@pytest.mark.parametrize("end", [(), (nn.Sigmoid(),), (nn.Flatten(0),)], ids=["logit", "sigmoid", "flat"])
def test_two_classes_of_one_output_are_scored_as_by_scikit_learn(metric, end):
    is_probability = any(isinstance(one, nn.Sigmoid) for one in end)
    bce = functional.binary_cross_entropy if is_probability else functional.binary_cross_entropy_with_logits
    run, outputs = both(
        partial(net, 1, *end), split(TWO), split(TWO), lambda out, y: bce(out.flatten(), y.float()), metric=metric
    )
    guess = (lambda out: out.ravel() > 0.5) if is_probability else (lambda out: out.ravel() > 0)
    is_scored(run, outputs, partial(BY_NAME[metric], TWO[40:]), guess)


@pytest.mark.parametrize("end", [(), (nn.Sigmoid(),)], ids=["logit", "sigmoid"])
@pytest.mark.parametrize("metric", [None, "f1", "balanced_accuracy"])
def test_labels_are_scored_as_by_scikit_learn(metric, end):
    bce = functional.binary_cross_entropy if end else functional.binary_cross_entropy_with_logits
    run, outputs = both(
        partial(net, 3, *end), split(LABELS), split(LABELS), lambda out, y: bce(out, y.float()), metric=metric
    )
    wanted = LABELS[40:]
    score = {
        None: lambda guessed: 1 - sklearn.metrics.hamming_loss(wanted, guessed),
        "f1": partial(sklearn.metrics.f1_score, wanted, average="macro", zero_division=0),
        "balanced_accuracy": lambda guessed: sklearn.metrics.balanced_accuracy_score(wanted.ravel(), guessed.ravel()),
    }[metric]
    is_scored(run, outputs, score, lambda out: (out > (0.5 if end else 0)).astype(int))


def log_cosh(outputs, y):
    return (outputs - y).cosh().log().mean()


@pytest.mark.parametrize(
    ("loss", "plain"),
    [
        (None, functional.mse_loss),
        ("mse", functional.mse_loss),
        ("mae", functional.l1_loss),
        ("huber", functional.huber_loss),
        (log_cosh, log_cosh),
    ],
)
@pytest.mark.parametrize("num_targets", [1, 2])
def test_numbers_are_scored_in_their_own_units_as_by_scikit_learn(loss, plain, num_targets):
    y = NUMBERS[:, :num_targets]
    scaler = StandardScaler().fit(y[:40])
    x_train, x_test = (StandardScaler().fit(X[:40]).transform(part).astype("f4") for part in (X[:40], X[40:]))
    parts = x_train, scaler.transform(y[:40]).astype("f4"), x_test, scaler.transform(y[40:]).astype("f4")
    run, outputs = both(partial(net, num_targets), split(y), parts, plain, loss=loss, standardise=True)
    is_scored(
        run, outputs, partial(sklearn.metrics.r2_score, y[40:]), lambda out: scaler.inverse_transform(out.astype(float))
    )


@pytest.mark.parametrize("loss", [None, "huber", log_cosh])
def test_one_number_a_sample_is_scored_the_same_without_an_axis_for_it(loss):
    y, plain = NUMBERS[:, 1] - 305, {None: functional.mse_loss, "huber": functional.huber_loss}.get(loss, loss)
    parts = X[:40], y[:40].astype("f4"), X[40:], y[40:].astype("f4")
    run, outputs = both(partial(net, 1, nn.Flatten(0)), split(y), parts, plain, loss=loss)
    is_scored(run, outputs, partial(sklearn.metrics.r2_score, y[40:]), lambda out: out)


@pytest.mark.parametrize("metric", BY_NAME)
def test_tokens_are_scored_at_every_place_as_by_scikit_learn(metric):
    def model():
        return nn.Sequential(nn.Embedding(5, 6), nn.Linear(6, 5))

    loss = lambda out, y: functional.cross_entropy(out.transpose(1, 2), y)  # noqa: E731
    run, outputs = both(model, TOKENS, text(), loss, metric=metric)
    is_scored(run, outputs, partial(BY_NAME[metric], text()[3].ravel()), lambda out: largest(out).ravel())


def test_a_function_scores_all_outputs_of_the_test_split():
    def error(out, y):
        return -float(functional.cross_entropy(out, y)) + len(y)

    run, _ = both(partial(net, 3), split(FEW), split(FEW), functional.cross_entropy, metric=error)
    assert run.test_score == pytest.approx([30 - loss for loss in run.test_loss], rel=1e-6)


def test_a_function_scores_flat_outputs_by_flat_targets():
    y = X[:, 0] + X[:, 1]
    flat = partial(net, 1, nn.Flatten(0))
    run, _ = both(flat, split(y), split(y), functional.mse_loss, metric=lambda out, y: float((out - y).square().mean()))
    assert run.test_score == pytest.approx(run.test_loss, rel=1e-6)
