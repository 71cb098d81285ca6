"""Each run of a study has its fold, and what is measured on splits is judged as Nadeau and Bengio say."""

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import scipy.stats
import torch
from plain_training import plain_run
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.nn import functional
from torch.optim.lr_scheduler import CosineAnnealingLR

import initium
from initium import ModelError
from initium._compare._comparison import Comparison
from initium._engine import decided
from initium._study._facts import facts
from initium._study._run import Run
from initium._study._study import Study

# Of each sample its first feature is its number; classes are uneven, and what each is hangs on the sample.
SIZES = (30, 11, 6)
NUMBER = np.arange(sum(SIZES))
Y = np.repeat(range(3), SIZES)[np.random.default_rng(2).permutation(len(NUMBER))]
X = np.stack([NUMBER, 3 * Y - NUMBER % 2, np.sin(NUMBER)], axis=1).astype(float)
SPLITS = 5


BATCH = 37  # the samples that a run on the first two folds trains on; on the others there is one more


def study(y=Y, **settings):
    asked = {"seeds": 2 * SPLITS, "splits": SPLITS, "standardise": False, "split_seed": 3}
    return Study("mlp", (X, y), ["he_normal", "zeros"], **asked | settings)


def rows(x):
    """The numbers of samples, as they were before any standardising."""
    return x[:, 0].round().astype(int)


def test_the_runs_of_a_dealing_test_every_sample_once_and_train_on_the_others():
    dealings = [[], []]
    asked = study()
    for index in range(2 * SPLITS):
        data = asked.data_of(index)
        train, test = rows(data.x_train), rows(data.x_test)
        assert sorted([*train, *test]) == NUMBER.tolist()
        dealings[index // SPLITS].append(sorted(test))
        np.testing.assert_array_equal(data.x_train, X[train].astype("f4"))
        np.testing.assert_array_equal(data.x_test, X[test].astype("f4"))
        np.testing.assert_array_equal(data.y_train, Y[train])
        np.testing.assert_array_equal(data.y_test, Y[test])
    for folds in dealings:
        assert sorted(number for fold in folds for number in fold) == NUMBER.tolist()
    assert not any(fold in dealings[0] for fold in dealings[1])


@pytest.mark.parametrize("splits", [2, 3, 5, 6])
def test_every_fold_has_its_share_of_every_class(splits):
    asked = study(splits=splits, seeds=splits)
    for index in range(splits):
        found = np.bincount(asked.data_of(index).y_test, minlength=3)
        assert (np.abs(found - np.array(SIZES) / splits) < 1).all()


def test_without_folds_a_fifth_of_every_class_is_tested():
    y = np.arange(150) % 15 // 13  # 130 and 20
    data = Study("mlp", (np.arange(300.0).reshape(150, 2), y), ["he_normal", "zeros"], standardise=False).data
    assert np.bincount(data.y_test).tolist() == [26, 4]
    np.testing.assert_array_equal(y[(data.x_test[:, 0] // 2).astype(int)], data.y_test)
    np.testing.assert_array_equal(y[(data.x_train[:, 0] // 2).astype(int)], data.y_train)


def test_another_split_seed_deals_other_folds_and_another_seed_or_order_does_not():
    first = study().data_of(1)
    assert sorted(rows(study(split_seed=4).data_of(1).x_test)) != sorted(rows(first.x_test))
    np.testing.assert_array_equal(study(seed=4, order_seed=4).data_of(1).x_test, first.x_test)


@pytest.mark.parametrize("index", [0, 3, 7])
def test_a_fold_is_standardised_by_the_rows_it_trains_on_alone(index):
    y = X @ [0.5, 2, 7] + 100
    plain, ours = study(y).data_of(index), study(y, standardise=True).data_of(index)
    for part in ("x", "y"):
        train, test = (getattr(plain, f"{part}_{half}") for half in ("train", "test"))
        scaler = StandardScaler().fit(train)
        np.testing.assert_allclose(getattr(ours, f"{part}_train"), scaler.transform(train), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(getattr(ours, f"{part}_test"), scaler.transform(test), rtol=1e-4, atol=1e-5)


def net():
    """What its second layer is given, and so is calibrated by, differs between folds; the first is given unit std."""
    return nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3))


@pytest.mark.parametrize("recipe", ["framework", "he_normal", "lsuv"])
@pytest.mark.parametrize("index", [2, 6])
def test_a_run_is_calibrated_trained_and_tested_on_its_own_fold(recipe, index):
    asked = {
        "seeds": 10,
        "splits": SPLITS,
        "epochs": 2,
        "batch_size": BATCH,
        "seed": 20,
        "schedule": "cosine",
        "order_seed": 50,
    }
    whole = Study(net, (X, Y), [recipe, "ones"], **asked)
    run = decided(whole)[0].run(index)
    data = whole.data_of(index)
    torch.manual_seed(20 + index)
    model = net()
    if recipe != "framework":
        initium.initialize(model, 20 + index, recipe, example=torch.as_tensor(data.x_train))
    steps = 2 * math.ceil(len(data.x_train) / BATCH)
    how = {"optimizer": partial(torch.optim.SGD, lr=0.1), "schedule": partial(CosineAnnealingLR, T_max=steps)}
    how |= {"loss": functional.cross_entropy, "batch_size": BATCH}
    parts = data.x_train, data.y_train, data.x_test, data.y_test
    train_loss, test_loss, outputs = plain_run(model, parts, seed=50 + index, epochs=2, **how)
    assert run.split == index % SPLITS
    assert run.train_loss == pytest.approx(train_loss, rel=2e-6)
    assert run.test_loss == pytest.approx(test_loss, rel=2e-6)
    assert run.merits.tolist() == (outputs[-1].argmax(dim=1).numpy() == data.y_test).tolist()


def test_what_only_a_later_fold_does_not_fit_is_told_before_anything_is_trained():
    def model():
        return nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Linear(5, 3))  # of one sample it has no statistics

    for splits, seeds, is_refused in ((5, 10, True), (5, 3, True), (5, 2, False), (1, 10, False)):
        asked = Study(model, (X, Y), ["he_normal", "ones"], seeds=seeds, splits=splits, batch_size=BATCH)
        sizes = [len(asked.data_of(index).x_train) % BATCH for index in range(seeds)]
        assert (1 in sizes) == is_refused
        if is_refused:
            with pytest.raises(ModelError, match="The model fails on a training batch of 1 samples of shape"):
                decided(asked)
        else:
            decided(asked)[0].run(seeds - 1)


def test_each_cell_of_a_grid_has_the_same_folds():
    for cell in study(lr=[0.1, 0.2]).cells:
        for index in (4, 8):
            np.testing.assert_array_equal(cell.data_of(index).x_test, study().data_of(index).x_test)


def test_the_cells_of_a_grid_hold_one_fold_between_them():
    """Each start and place would hold the data once more, in every process that trains them."""
    first, second = study(lr=[0.1, 0.2]).cells
    assert first.data_of(4) is second.data_of(4)
    assert first.data_of(4) is not first.data_of(8)


def by_hand(recipe, scores, num_samples=10):
    """Runs of such scores, on splits of two."""
    return [
        Run(
            recipe,
            index,
            (1.0, 0.5),
            (1.0, 0.5),
            (0.0, score),
            np.full(num_samples, score),
            (),
            (),
            (),
            split=index % 2,
        )
        for index, score in enumerate(scores)
    ]


def test_the_p_of_splits_is_that_of_a_t_worked_out_by_hand():
    y = np.arange(30) % 2
    asked = Study("mlp", (np.arange(30.0)[:, None], y, np.arange(10.0)[:, None], y[:10]), ["zeros", "ones"], seeds=4)
    of = replace(facts(asked), splits=2)  # of 30 samples for training and 10 for testing
    found = Comparison(of, {"zeros": by_hand("zeros", [0.6, 0.7, 0.8, 0.9]), "ones": by_hand("ones", [0.5] * 4)})
    # Differences 0.1, 0.2, 0.3, 0.4: mean 1/4, variance 1/60; t = (1/4) / sqrt((1/60) (1/4 + 10/30)) = 2.5355.
    t = 0.25 / math.sqrt((1 / 60) * (1 / 4 + 1 / 3))
    assert t == pytest.approx(2.53546, rel=1e-5)
    # Student's distribution of 3 degrees of freedom has a closed form.
    share = 0.5 + (t / math.sqrt(3) / (1 + t**2 / 3) + math.atan(t / math.sqrt(3))) / math.pi
    assert found.differences[0].p_both == pytest.approx(2 * (1 - share), rel=1e-9)


def test_a_whole_comparison_on_splits_is_judged_by_nadeau_and_bengio():
    x, y = X[:45], np.arange(45) % 3
    x[:, 1] += y

    def here(study, runs):
        yield from (contender.run(index) for contender, index in runs)

    asked = {"seeds": 6, "splits": 3, "epochs": 2, "progress": False, "engine": here}
    found = initium.compare(net, (x, y), inits=["he_normal", "normal(0, 0.01)"], **asked)
    (pair,) = found.differences
    gap = np.array(
        [found.runs[pair.first][run].test_score[-1] - found.runs[pair.second][run].test_score[-1] for run in range(6)]
    )
    assert gap.std() > 0
    # n2 / n1 = 15 / 30 in the paper's words; "corrected resampled t-test".
    t = gap.mean() / math.sqrt((1 / 6 + 15 / 30) * gap.var(ddof=1))
    assert pair.p_both == pytest.approx(2 * scipy.stats.t(5).sf(abs(t)), rel=1e-6)
    assert pair.gap.mean == pytest.approx(gap.mean())


def test_dealings_are_kept_while_they_take_no_more_than_the_samples():
    source = Study("mlp(4, 8, 3)", "iris", ["he_normal", "zeros"], splits=4).data.source
    for seed in range(100):
        first = source.num_rows(0, 4, seed)
        assert first == source.num_rows(0, 4, seed)
        assert 0 < sum(one.nbytes for one in source._dealings.values()) <= source.x.nbytes
