"""How good each prediction is, so that the mean is the score."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def merits(outputs: Array, y: Array) -> Array:
    """One number a sample whose mean is the accuracy, or R^2; more is better.

    For `(sample, class)` outputs, 1 where the largest is the right class; for `(sample, place, token)` ones
    the share of places where it is. For `(sample, label)` ones and targets of 0 and 1 the share of labels
    that are above 0 where they should be. For `(sample, target)` ones 1 - (y - f)^2 / mean (y - mean y)^2,
    averaged over targets: its mean is R^2.
    """
    if y.dtype.kind in "biu":
        right = outputs.argmax(axis=-1) == y if outputs.ndim > y.ndim else (outputs > 0) == y
        return right.reshape(len(y), -1).mean(axis=1)
    error = np.square(y.astype(np.float64) - outputs)
    return (1 - error / y.var(axis=0, dtype=np.float64)).mean(axis=1)


def balanced(guessed: Array, y: Array) -> Array:
    """One number a sample whose mean is the balanced accuracy, the mean over classes of the share that is right.

    N / (K N_c) where the guess is right, with N samples, N_c of class c and K classes; 0 where it is wrong.
    """
    classes, which, counts = np.unique(y, return_inverse=True, return_counts=True)
    worth = y.size / (len(classes) * counts[which.reshape(y.shape)])
    return ((guessed == y) * worth).reshape(len(y), -1).mean(axis=1)
