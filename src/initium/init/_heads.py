"""Heads and priors: the last layer, so that the first loss is what knowing nothing costs."""

import math
from typing import Any

import numpy as np

from .._errors import ShapeError
from ._elementary import constant, zeros
from ._initialiser import Initialiser, initialiser
from ._isometry import orthogonal
from ._law import Law, Rounded
from ._weight import Weight


@initialiser
def log_prior(counts: tuple) -> Initialiser:
    """A classifier's bias that predicts each class as often as it occurs.

    Formula: b_c = log(n_c / n), n_c the count of class c and n their sum; under softmax the first loss is the
        entropy of the classes

    Use: unbalanced classes. With `zero_head` or small weights.

    Args:
        counts: of each class, above 0, in the order of the outputs.

    Raises:
        ShapeError: when the bias has another number of classes.

    Reference: Karpathy, "A Recipe for Training Neural Networks", 2019, "init well" [karpathy2019recipe]

    Example:
        >>> str(log_prior((90, 10)))
        'log_prior((90, 10))'
    """
    if not isinstance(counts, tuple) or not counts or not all(_is_count(count) for count in counts):
        raise ValueError(f"counts are numbers above 0, one a class, not {counts!r}")
    values = np.log(np.array(counts, float) / np.sum(counts))

    def law(weight: Weight) -> Law:
        if weight.shape != values.shape:
            raise ShapeError(f"has {len(values)} classes, but {weight} has shape {weight.shape}.")
        return Rounded(lambda draw: values)

    return Initialiser(law)


@initialiser
def focal_prior(probability: float = 0.01) -> Initialiser:
    """A detector's bias under which everything is background with probability 1 - `probability`.

    Formula: b = -log((1 - p) / p); -4.595 for p = 0.01

    Use: sigmoid classifiers of rare things. The many negatives do not swamp the first steps.

    Args:
        probability: p, between 0 and 1.

    Reference: Lin, Goyal, Girshick, He, Dollar, "Focal Loss for Dense Object Detection", ICCV 2017, section 3.3
        and 4.1. https://arxiv.org/abs/1708.02002 [lin2017focal]

    Example:
        >>> str(focal_prior())
        'focal_prior'
    """
    if not 0 < probability < 1:
        raise ValueError(f"probability is between 0 and 1, not {probability}")
    return constant(-math.log((1 - probability) / probability))


@initialiser
def zero_head() -> Initialiser:
    """The last layer's weight is 0: no class is preferred, and the first loss is log(classes).

    Formula: W = 0

    Use: classifiers; the last layer of diffusion models. All layers below start to learn at the second step.

    Example:
        >>> str(zero_head())
        'zero_head'
    """
    return zeros()


@initialiser
def ppo_hidden() -> Initialiser:
    """Hidden layers of actor and critic.

    Formula: orthogonal with gain sqrt(2)

    Use: hidden layers in policy-gradient methods. Small tanh or ReLU nets; biases are 0.

    Reference: Huang, Dossa, Raffin, Kanervisto, Wang, "The 37 Implementation Details of Proximal Policy
        Optimization", ICLR Blog Track 2022, detail 2 [huang2022ppo37]

    Example:
        >>> str(ppo_hidden())
        'ppo_hidden'
    """
    return orthogonal(math.sqrt(2))


@initialiser
def ppo_policy() -> Initialiser:
    """The actor's last layer: all actions are nearly alike at first.

    Formula: orthogonal with gain 0.01

    Use: the actor's last layer in policy-gradient methods.

    Reference: Huang, Dossa, Raffin, Kanervisto, Wang, "The 37 Implementation Details of Proximal Policy
        Optimization", ICLR Blog Track 2022, detail 2 [huang2022ppo37]

    Example:
        >>> str(ppo_policy())
        'ppo_policy'
    """
    return orthogonal(0.01)


@initialiser
def ppo_value() -> Initialiser:
    """The critic's last layer.

    Formula: orthogonal with gain 1

    Use: the critic's last layer in policy-gradient methods.

    Reference: Huang, Dossa, Raffin, Kanervisto, Wang, "The 37 Implementation Details of Proximal Policy
        Optimization", ICLR Blog Track 2022, detail 2 [huang2022ppo37]

    Example:
        >>> str(ppo_value())
        'ppo_value'
    """
    return orthogonal(1.0)


def _is_count(count: Any) -> bool:
    return isinstance(count, int | float) and not isinstance(count, bool) and 0 < count < math.inf
