"""A model evaluated in pieces, as if at once."""

import numpy as np
import pytest
import torch
from torch import nn

from initium._study._data import load_data
from initium._study._study import Study
from initium.torch import _evaluate
from initium.torch._loss import judge

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(100, 4)).astype("f4")
CLASSES = RANDOM.integers(0, 3, 100)
LABELS = RANDOM.integers(0, 2, (100, 3))
NUMBERS = RANDOM.normal(size=(100, 2))
TOKENS = RANDOM.integers(0, 9, 3300)


class Counting(nn.Module):
    """A straight line, or an embedding of tokens, that knows how many rows it was given at most."""

    def __init__(self, num_outputs, tokens=0):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Embedding(tokens, num_outputs) if tokens else nn.Linear(4, num_outputs)
        self.most = 0

    def forward(self, x):
        self.most = max(self.most, len(x))
        return self.layer(x)


def evaluated(data, monkeypatch, rows, **settings):
    study = Study("mlp", data, ["zeros", "ones"], **settings)
    num = study.data.num_outputs
    model = Counting(num, num if study.data.task == "next_token" else 0)
    outputs = model(torch.from_numpy(study.data.x_train[:2]))
    monkeypatch.setattr(_evaluate, "_ROWS", rows)
    model.most = 0
    return _evaluate.evaluate(model, study.data, judge(study, outputs, 2)), model.most


@pytest.mark.parametrize(
    ("data", "settings"),
    [
        ((X, CLASSES), {}),
        ((X, CLASSES), {"metric": "f1"}),
        ((X, CLASSES), {"metric": "balanced_accuracy"}),
        ((X, LABELS), {}),
        ((X, NUMBERS), {}),
        ((X, NUMBERS), {"loss": "huber"}),
        (TOKENS, {}),
    ],
)
def test_pieces_of_any_size_come_to_what_the_whole_does(data, settings, monkeypatch):
    whole, most = evaluated(data, monkeypatch, 4096, **settings)
    assert most >= 80
    for rows in (1, 7, 79):
        pieces, most = evaluated(data, monkeypatch, rows, **settings)
        assert most == rows
        assert pieces[:2] == pytest.approx(whole[:2], rel=1e-6)
        np.testing.assert_array_equal(pieces[2], whole[2])


def test_a_function_of_somebodys_own_is_given_a_whole_split_at_once(monkeypatch):
    seen = []

    def metric(outputs, y):
        seen.append(len(y))
        return 0.5

    def loss(outputs, y):
        seen.append(len(y))
        return nn.functional.cross_entropy(outputs, y)

    evaluated((X, CLASSES), monkeypatch, 7, metric=metric)
    assert seen == [20]
    evaluated((X, CLASSES), monkeypatch, 7, loss=loss)
    assert seen == [20, 80, 20]


def test_a_large_vocabulary_is_seen_a_few_pieces_at_once():
    data = load_data(np.append(RANDOM.integers(0, 50_000, 32 * 300), 49_999))
    rows = _evaluate._rows(data)
    assert rows >= 1
    assert rows * 32 * 50_000 * 4 <= 300e6  # bytes; all pieces at once would be 1.9 GB, of 10,000 64 GB


def test_what_is_small_goes_through_at_once():
    assert _evaluate._rows(load_data("digits")) == 4096
    assert _evaluate._rows(load_data(TOKENS)) == 4096
