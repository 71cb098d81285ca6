import numpy as np
import pytest
import sklearn.metrics

from initium._study._merits import merits

OUTPUTS = np.array([[0.1, 0.9, 0.3], [2.0, 1.0, 0.0], [0.0, 0.5, 0.4], [0.2, 0.1, 0.9]], np.float32)


def test_the_mean_merit_of_classes_is_scikit_learns_accuracy():
    y = np.array([1, 0, 2, 2])
    assert merits(OUTPUTS, y).mean() == sklearn.metrics.accuracy_score(y, OUTPUTS.argmax(axis=1)) == 0.75


def test_the_mean_merit_of_numbers_is_scikit_learns_r2():
    y = OUTPUTS[::-1] * 2
    assert merits(OUTPUTS, y).mean() == pytest.approx(sklearn.metrics.r2_score(y, OUTPUTS), rel=1e-6)


def test_a_constant_answer_never_beats_an_r2_of_0():
    y = OUTPUTS[:, :1]
    assert merits(np.full_like(y, y.mean()), y).mean() == pytest.approx(0, abs=1e-6)
    assert merits(np.full_like(y, 5), y).mean() < 0
