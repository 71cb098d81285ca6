"""What is learnt, from whatever holds it, by which model: trained here, in this process."""

import pickle

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import initium
from initium import DataError, ModelError, SettingError, UnknownNameError
from initium._errors import counted
from initium._study._data import load_data
from initium._study._study import Study
from initium.torch._loss import judge

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(60, 4)).astype("f4")
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
LABELS = np.stack([X[:, 0] > 0, X[:, 1] > 0, X[:, 2] > 0], axis=1).astype(int)
IMAGES = RANDOM.normal(size=(40, 3, 8, 8)).astype("f4")
EVEN = np.arange(40) % 2
TOKENS = np.tile(np.arange(7), 150)


def here(study, runs):
    yield from (contender.run(index) for contender, index in runs)


def compare(model, data, **settings):
    asked = {"inits": ["he_normal", "glorot_uniform"], "seeds": 2, "epochs": 8, "progress": False, "engine": here}
    return initium.compare(model, data, **asked | settings)


def best(found):
    return found.summaries[0].score.mean


def one(end=()):
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1), *end)


@pytest.mark.parametrize("end", [(), (nn.Sigmoid(),)], ids=["logit", "sigmoid"])
@pytest.mark.parametrize("flat", [False, True])
def test_a_single_output_says_which_of_two_classes(end, flat):
    last = (nn.Flatten(0),) if flat else ()
    found = compare(lambda: nn.Sequential(one(), *last, *end), (X, Y), lr=0.5, epochs=40)
    assert best(found) > 0.85
    assert found.study.score == "accuracy"


def test_the_loss_of_a_sigmoid_is_that_of_its_logit():
    logit = compare(one, (X, Y), epochs=2)
    sigmoid = compare(lambda: one((nn.Sigmoid(),)), (X, Y), epochs=2)
    for ours, theirs in zip(logit.runs["he_normal"], sigmoid.runs["he_normal"], strict=True):
        assert ours.train_loss == pytest.approx(theirs.train_loss, rel=1e-4)


class Ending(nn.Module):
    """Its last module in the order of registration is not what its outputs come from."""

    def __init__(self, end):
        super().__init__()
        self.end, self.body, self.other = end, one(), nn.Sigmoid()

    def forward(self, x):
        return self.end(self.body(x))


@pytest.mark.parametrize(
    ("end", "is_probability"),
    [
        (lambda x: x, False),
        (lambda x: 4 * torch.sigmoid(x) - 2, False),
        (lambda x: torch.stack([torch.sigmoid(x), x])[0], False),
        (torch.sigmoid, True),
        (lambda x: torch.special.expit(x).squeeze(-1), True),
        (lambda x: x.sigmoid().flatten()[:, None].contiguous().clone(), True),
        (lambda x: torch.cat([torch.sigmoid(x)]).double().transpose(0, 1).reshape(-1, 1).float(), True),
    ],
)
def test_a_sigmoid_is_known_by_what_the_model_does_and_not_by_its_modules(end, is_probability):
    found = judge(Study("mlp", (X, Y), ["zeros", "ones"]), Ending(end)(torch.from_numpy(X)), len(X))
    assert found.threshold == (0.5 if is_probability else 0.0)


def test_several_labels_hold_or_do_not():
    found = compare("mlp", (X, LABELS), lr=0.3)
    assert found.study.task == "multilabel"
    assert best(found) > 0.85
    share = LABELS[:12].mean(axis=0)
    data = load_data((X, LABELS, X[:12], LABELS[:12]))
    assert data.chance == pytest.approx(np.maximum(share, 1 - share).mean())


def test_a_regression_with_another_loss():
    found = compare("mlp", (X, X[:, 0] * 2 + 1.0), loss="mae")
    assert found.study.score == "R^2"
    assert best(found) > 0.5


@pytest.mark.parametrize("model", ["rnn(width=16)", "transformer(width=16, depth=1)", "rnn(kind='gru', width=16)"])
def test_the_next_token_of_a_text_is_learnt(model):
    found = compare(model, TOKENS, optimizer="adam", lr=0.02, epochs=6)
    assert found.study.task == "next_token"
    assert best(found) > 0.9


def test_a_model_of_texts_does_not_look_ahead():
    noise = np.random.default_rng(1).integers(0, 7, 3000)
    assert best(compare("transformer(width=16, depth=1)", noise, optimizer="adam", lr=0.02, epochs=3)) < 0.3


def test_a_text_that_is_too_short_is_told_once_with_its_name(tmp_path):
    (tmp_path / "a.txt").write_text("ab" * 64)
    with pytest.raises(DataError) as error:
        load_data(str(tmp_path / "a.txt"))
    assert str(error.value) == f"'{tmp_path / 'a.txt'}': A text needs 129 tokens at least, and this has 128."
    (tmp_path / "a.txt").write_text("ab" * 64 + "a")
    assert len(load_data(str(tmp_path / "a.txt")).x_train) == 3


def test_a_text_is_learnt_by_its_characters(tmp_path):
    (tmp_path / "a.txt").write_text("äbc" * 200, encoding="utf-8")
    data = load_data(str(tmp_path / "a.txt"))
    assert (data.num_outputs, data.features, data.x_train.dtype) == (3, (32,), np.int64)
    np.testing.assert_array_equal(data.x_train[0, 1:], data.y_train[0, :-1])


@pytest.mark.parametrize("data", [(IMAGES, EVEN), (IMAGES[:, 0].reshape(40, 64), EVEN), (IMAGES[:, 0], EVEN)])
def test_images_are_seen_by_a_cnn(data):
    assert compare("cnn(width=4)", data, epochs=1, depth=[1, 2])["depth=2"].num_runs == 2


def test_a_channel_of_images_is_one_quantity():
    data = load_data((IMAGES * np.array([1, 10, 100])[:, None, None], EVEN))
    np.testing.assert_allclose(data.x_train.mean(axis=(0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(data.x_train.std(axis=(0, 2, 3)), 1, rtol=1e-5)
    assert data.x_train.std(axis=0).std() > 0.01


class Pairs:
    def __len__(self):
        return 60

    def __getitem__(self, index):
        if index >= 60:
            raise IndexError
        return X[index], Y[index]


@pytest.mark.parametrize("make", [lambda: (X, Y), Pairs, lambda: TensorDataset(torch.tensor(X), torch.tensor(Y))])
def test_what_holds_samples_and_targets_gives_the_same(make):
    theirs, ours = load_data(make()), load_data((X, Y))
    for part in ("x_train", "y_train", "x_test", "y_test"):
        np.testing.assert_array_equal(getattr(theirs, part), getattr(ours, part))
    assert len(ours.x_test) == 12


def test_two_data_sets_are_a_split_of_their_own():
    data = load_data((Pairs(), TensorDataset(torch.tensor(X[:9]), torch.tensor(Y[:9]))))
    assert (len(data.x_train), len(data.x_test), data.source) == (60, 9, None)


def test_a_frame_of_pandas_and_one_of_two_splits():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=["a", "b", "c", "d"]).assign(target=np.array(["no", "yes"])[Y], e=1.0)
    data = load_data(frame)
    assert "target 'target'" in data.preparation
    assert (data.features, data.num_outputs) == ((5,), 2)
    assert load_data(frame.drop(columns="target"), target="a").task == "regression"
    with pytest.raises(
        DataError, match=r"There is no column 'f' in the table; its columns are a, b, c, d, target and 1"
    ):
        load_data(frame, target="f")
    with pytest.raises(DataError, match=r"Column 'target' holds 'no', 'yes', no numbers\. Leave it out or encode it"):
        load_data(frame, target="a")


def test_a_parquet_file_is_its_frame(tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pandas.DataFrame(X, columns=["a", "b", "c", "d"]).assign(y=Y)
    frame.to_parquet(tmp_path / "d.parquet")
    np.testing.assert_array_equal(load_data(str(tmp_path / "d.parquet")).x_train, load_data(frame).x_train)


def test_data_from_a_function_in_a_file(tmp_path):
    (tmp_path / "d.py").write_text(
        "import numpy as np\n\ndef load():\n    return np.arange(40.).reshape(20, 2), np.arange(20) % 2\n"
    )
    assert load_data(f"{tmp_path}/d.py:load").features == (2,)


def test_folds_test_every_sample_once_and_are_dealt_anew():
    data = load_data((np.arange(60.0)[:, None], Y), standardise=False)
    folds = [data.source.fold(number, 5, seed=3) for number in range(10)]
    for dealing in (folds[:5], folds[5:]):
        tested = np.concatenate([fold.x_test[:, 0] for fold in dealing])
        assert sorted(tested) == list(range(60))
    assert any((one.x_test != other.x_test).any() for one, other in zip(folds[:5], folds[5:], strict=True))
    assert all(abs(fold.y_test.mean() - Y.mean()) < 0.1 for fold in folds)


@pytest.mark.parametrize(
    ("y", "settings", "message"),
    [
        (np.arange(9.0), {"splits": 5}, "5 splits need 10 samples, two in each to be tested on; there are 9."),
        (np.arange(12) // 9.0, {"splits": 4}, "A target never varies in fold "),
        # A dealing that only the later runs come to.
        (
            np.arange(40) // 28.0,
            {"splits": 4, "seeds": 36},
            "fold 4 of 4, that of run 35, so R^2 is not defined on it;",
        ),
    ],
)
def test_a_fold_that_would_fail_is_told_before_anything_is_trained(y, settings, message):
    with pytest.raises(DataError) as error:
        Study("mlp", (np.ones((len(y), 2)), y), ["zeros", "ones"], **settings)
    assert message in str(error.value)


def test_a_study_goes_to_another_process_without_its_last_fold():
    study = Study("mlp", "iris", ["zeros", "ones"], splits=5, seeds=5)
    before = len(pickle.dumps(study))
    fold = study.data_of(3)
    assert len(pickle.dumps(study)) == before
    assert study.data_of(3) is fold
    again = pickle.loads(pickle.dumps(study))
    np.testing.assert_array_equal(again.data_of(3).x_test, fold.x_test)


def test_run_r_is_tested_on_fold_r():
    found = compare("mlp", (X, Y), splits=3, seeds=4, epochs=1)
    assert [run.split for run in found.runs["he_normal"]] == [0, 1, 2, 0]
    assert found.study.splits == 3


@pytest.mark.parametrize(
    ("data", "settings", "splits", "notes"),
    [
        ((X, Y), {}, 5, []),
        ((X, Y), {"splits": 1}, 1, []),
        ((X, Y, X, Y), {}, 1, []),
        ((X, Y, X, Y), {"splits": 1}, 1, []),
        (TOKENS, {}, 1, []),
        (
            (X, np.arange(60) < 3),
            {},
            3,
            [
                "arrays has samples for 3 splits of the usual 5: each is tested on two or more, and on some of each "
                "class"
            ],
        ),
        ((X, np.arange(60) < 3), {"splits": 1}, 1, []),
        ((X[:7], np.arange(7.0)), {}, 3, ["arrays has samples for 3 splits of the usual 5: "]),
        (
            (X, Y),
            {"seeds": 4},
            5,
            [
                "4 runs for 5 splits: 1 fold of them will not be tested",
                "4 runs of each start cannot show any difference among 2 starts, however large; 5 or more can",
            ],
        ),
        (
            (X, Y, X, Y),
            {"seeds": 5},
            1,
            ["5 runs of each start cannot show any difference among 2 starts, however large; 6 or more can"],
        ),
    ],
)
def test_data_without_a_split_of_their_own_are_split_five_ways_or_fewer(data, settings, splits, notes):
    study = Study("mlp", data, ["zeros", "ones"], **settings)
    assert study.splits == splits
    assert len(study.notes) == len(notes)
    assert all(found.startswith(note) for found, note in zip(study.notes, notes, strict=True))
    tested = [study.data_of(index).x_test for index in range(splits)]
    assert len({one.tobytes() for one in tested}) == splits


@pytest.mark.parametrize(
    ("model", "data", "settings", "error", "message"),
    [
        ("mlp", "iris", {"loss": "bce_loss"}, UnknownNameError, "No loss is called 'bce_loss'"),
        ("mlp", "iris", {"loss": "mse"}, SettingError, "Loss `mse` is not one of classification; iris is that."),
        ("mlp", "iris", {"metric": "r2"}, SettingError, "Metric `r2` is not one of classification; iris is that."),
        (
            "mlp",
            "iris",
            {"momentum": 0.9, "optimizer": "adam"},
            SettingError,
            "momentum is of sgd, and adam has its own",
        ),
        ("mlp", "iris", {"optimizer": "nesterov"}, SettingError, "along the momentum, which is 0; say momentum=0.9"),
        ("mlp", "iris", {"heads": 3}, SettingError, "`mlp` takes no `heads`; it takes depth, width, activation."),
        ("mlp(4, 8, 3)", "iris", {"depth": 3}, SettingError, "names the width of each layer; `depth` goes with 'mlp'"),
        ("mlp(depth=2)", "iris", {"depth": 3}, SettingError, "'mlp(depth=2)' says `depth`, and the study says it too"),
        ("mlp", "iris", {"depth": [1, 1]}, SettingError, "depth lists 1 twice."),
        ("mlp", "iris", {"depth": []}, SettingError, "depth lists nothing; give it a value or several."),
        ("mlp", "iris", {"depth": [1, 0]}, SettingError, "depth is a whole number of 1 or more, not 0."),
        (one, (X, Y), {"width": [1, 2]}, SettingError, "At width=1: `one` takes no `width`; it takes end."),
        (
            "cnn",
            "wine",
            {},
            ModelError,
            "'cnn' reads images (channel, row, column), or as many numbers as a square has",
        ),
        ("mlp", TOKENS, {}, ModelError, "'mlp' reads numbers, and arrays is a text: take 'rnn' or 'transformer'."),
        ("transformer", "iris", {}, ModelError, "'transformer' reads a text or samples (place, feature); iris has"),
        ("mlp", (X, Y, X, Y), {"splits": 3}, DataError, "arrays comes with a split of its own; leave out `splits`."),
        ("mlp", (X[:1], Y[:1]), {}, DataError, "X holds 1 of the 2 samples that it needs at least."),
        ("mlp", (X, Y * 0), {}, DataError, "y_train holds one class only, 0; there is nothing to learn."),
        ("mlp", (X * np.nan, Y), {}, DataError, "X has NaN or infinite values: 240 in all, the first at [0, 0]."),
        ("mlp", 7, {}, DataError, "Data is (X, y), (x_train"),
        (
            "mlp",
            "iris",
            {"splits": 200},
            DataError,
            "200 splits need as many samples of each class; the smallest class",
        ),
    ],
)
def test_what_does_not_fit_is_told_before_anything_is_trained(model, data, settings, error, message):
    def none(study, runs):
        pytest.fail("trained")

    with pytest.raises(error) as found:
        compare(model, data, engine=none, **settings)
    assert message in str(found.value)


def test_a_metric_of_ones_own_is_the_score():
    found = compare("mlp", (X, Y), metric=lambda outputs, y: -float(nn.functional.cross_entropy(outputs, y)), epochs=2)
    run = found.runs["he_normal"][0]
    assert run.test_score == pytest.approx([-loss for loss in run.test_loss], rel=1e-5)
    assert str(found)


@pytest.mark.parametrize("metric", ["f1", "balanced_accuracy"])
def test_a_metric_by_name_is_scikit_learns(metric):
    found = compare("mlp", "iris", metric=metric, epochs=1)
    assert 0 < best(found) <= 1
    assert found.study.score == metric


@pytest.mark.parametrize(
    ("model", "more", "message"),
    [
        ("mlp", {"epoch": 3}, "`mlp` takes no `epoch`; it takes depth, width, activation. The closest is `epochs`."),
        ("mlp", {"widht": 3}, "`mlp` takes no `widht`; it takes depth, width, activation. The closest is `width`."),
        (one, {"batch": 3, "ends": 1}, "`one` takes no `batch`; it takes end."),
        ("mlp(4, 1000000000000, 3)", {}, "'mlp(4, 1000000000000, 3)' cannot be built: "),
        ("mlp", {"standardise": "no"}, "standardise is True or False, not 'no'."),
        (
            initium.Study("mlp", "iris", ["he_normal", "zeros"]),
            {},
            "A Study says `inits` itself; leave it out, or make ",
        ),
    ],
)
def test_what_a_study_does_not_take_is_said_with_the_nearest(model, more, message):
    data = None if isinstance(model, initium.Study) else "iris"
    with pytest.raises(initium.InitiumError) as error:
        initium.compare(model, data, inits=["he_normal", "zeros"], progress=False, **more)
    assert str(error.value).startswith(message)


def test_a_word_that_ends_in_s_has_its_plural():
    assert [counted(number, "process") for number in (1, 2)] == ["1 process", "2 processes"]
