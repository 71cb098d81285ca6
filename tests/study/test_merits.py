import numpy as np
import pytest
import scipy.stats
import sklearn.metrics

from initium._study._merits import balanced, merits

OUTPUTS = np.array([[0.1, 0.9, 0.3], [2.0, 1.0, 0.0], [0.0, 0.5, 0.4], [0.2, 0.1, 0.9]], np.float32)


def test_the_mean_merit_of_classes_is_scikit_learns_accuracy():
    y = np.array([1, 0, 2, 2])
    answers = OUTPUTS.argmax(axis=1)
    assert merits(answers, y).mean() == sklearn.metrics.accuracy_score(y, answers) == 0.75


def test_the_mean_merit_of_numbers_is_scikit_learns_r2():
    y = OUTPUTS[::-1] * 2
    assert merits(OUTPUTS, y).mean() == pytest.approx(sklearn.metrics.r2_score(y, OUTPUTS), rel=1e-6)


def test_a_constant_answer_never_beats_an_r2_of_0():
    y = OUTPUTS[:, :1]
    assert merits(np.full_like(y, y.mean()), y).mean() == pytest.approx(0, abs=1e-6)
    assert merits(np.full_like(y, 5), y).mean() < 0


@pytest.mark.parametrize("shape", [(90,), (30, 3)])
def test_the_mean_balanced_merit_is_scikit_learns_balanced_accuracy(shape):
    guessed, y = (scipy.stats.randint.rvs(0, 4, size=shape, random_state=seed) for seed in (0, 1))
    y[y == 2] = 1  # of uneven classes, one of which is guessed and never there
    with pytest.warns(UserWarning, match="y_pred contains classes not in y_true"):
        claimed = sklearn.metrics.balanced_accuracy_score(y.ravel(), guessed.ravel())
    assert balanced(guessed, y).shape == shape[:1]
    assert balanced(guessed, y).mean() == pytest.approx(claimed, rel=1e-12)
