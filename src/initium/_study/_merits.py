"""How good each prediction is, so that the mean is the score."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def merits(answers: Array, y: Array) -> Array:
    """One number a sample whose mean is the accuracy, or R^2; more is better.

    Of classes and labels the share of a sample's places that are answered rightly. Of numbers `(sample, target)`
    1 - (y - f)^2 / mean (y - mean y)^2, averaged over targets: its mean is R^2.
    """
    if y.dtype.kind in "biu":
        return (answers == y).reshape(len(y), -1).mean(axis=1)
    error = np.square(y.astype(np.float64) - answers)
    return (1 - error / y.var(axis=0, dtype=np.float64)).mean(axis=1)


def balanced(guessed: Array, y: Array) -> Array:
    """One number a sample whose mean is the balanced accuracy, the mean over classes of the share that is right.

    N / (K N_c) where the guess is right, with N samples, N_c of class c and K classes; 0 where it is wrong.
    """
    classes, which, counts = np.unique(y, return_inverse=True, return_counts=True)
    worth = y.size / (len(classes) * counts[which.reshape(y.shape)])
    return ((guessed == y) * worth).reshape(len(y), -1).mean(axis=1)
