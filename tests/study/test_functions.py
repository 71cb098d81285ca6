"""Losses and metrics that do not fit, told before anything is trained."""

import numpy as np
import pytest
import torch
from torch import nn

import initium
from initium import ModelError, SettingError

X = np.random.default_rng(0).normal(size=(60, 4)).astype("f4")
Y = (X[:, 0] > 0).astype(int)
LOSS = "; it has to return one number as a tensor, the mean over the samples."
FINITE = " for an untrained model; it has to return a finite number, whatever finite outputs it is given."
METRIC = "; it has to return one number, the larger the better."


def compare(model, data, **settings):
    def none(study, runs):
        pytest.fail("trained")

    return initium.compare(model, data, inits=["zeros", "ones"], seeds=2, progress=False, engine=none, **settings)


def named(value):
    def own(outputs, y):
        return value(outputs, y) if callable(value) else value

    return own


def fail(outputs, y):
    raise IndexError("of mine")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("good", "The metric `own` returns a str" + METRIC),
        (None, "The metric `own` returns None" + METRIC),
        (float("nan"), "The metric `own` returns nan" + FINITE),
        (torch.tensor(-float("inf")), "The metric `own` returns -inf" + FINITE),
        (lambda outputs, y: outputs[:, 0], "The metric `own` returns a Tensor of shape (12,)" + METRIC),
        (fail, "The metric `own` fails: IndexError: of mine"),
    ],
)
def test_a_metric_that_gives_no_number(value, message):
    with pytest.raises(SettingError) as error:
        compare("mlp", (X, Y), metric=named(value))
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("good", "The loss `own` returns a str" + LOSS),
        (None, "The loss `own` returns None" + LOSS),
        (1.0, "The loss `own` returns a float" + LOSS),
        (lambda outputs, y: outputs[:, 0], "The loss `own` returns a Tensor of shape (16,)" + LOSS),
        (lambda outputs, y: outputs.mean().detach(), "The loss `own` returns what has no gradient" + LOSS[:-1]),
        (fail, "The loss `own` fails: IndexError: of mine"),
    ],
)
def test_a_loss_that_nothing_can_be_learnt_from(value, message):
    with pytest.raises(SettingError) as error:
        compare("mlp", (X, Y), loss=named(value))
    assert str(error.value).startswith(message)


def one():
    return nn.Linear(4, 1)


@pytest.mark.parametrize(
    ("model", "data", "loss", "message"),
    [
        (
            "mlp",
            (X, Y),
            "bce",
            "Loss `bce` is of one output that says which of two classes it is, and the model gives 2 a sample. Take "
            "`cross_entropy`, or let it give 1.",
        ),
        (
            "mlp",
            "iris",
            "bce",
            "Loss `bce` is of one output that says which of two classes it is, and the model gives 3 a sample. Take "
            "`cross_entropy`: iris has 3 classes.",
        ),
        (
            one,
            (X, Y),
            "cross_entropy",
            "Loss `cross_entropy` needs an output a class, 2 of them, and the model gives 1 a sample. Take `bce`, or "
            "let it give 2.",
        ),
    ],
)
def test_a_loss_that_is_of_another_number_of_outputs_says_which_is(model, data, loss, message):
    with pytest.raises(ModelError) as error:
        compare(model, data, loss=loss)
    assert str(error.value) == message


def test_a_metric_is_asked_of_the_split_that_it_will_be_given():
    sizes = []

    def metric(outputs, y):
        assert len(torch.unique(y)) == 2  # as the area under a curve needs
        sizes.append(len(y))
        return 0.5

    with pytest.raises(pytest.fail.Exception, match="trained"):
        compare("mlp", (X, Y), metric=metric, batch_size=47)  # its last batch is of one sample
    assert sizes == [12]
