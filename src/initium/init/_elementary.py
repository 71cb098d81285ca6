"""Starts that look at no fan: constants, plain random numbers, and the framework's own."""

from ._initialiser import Initialiser, initialiser
from ._law import Constant, Keep, Normal, TruncatedNormal, Uniform


@initialiser
def zeros() -> Initialiser:
    """Every element is 0.

    Right for biases and for the last layer of a residual branch. Wrong for hidden weights: no
    gradient passes through a matrix of zeros, and only the output bias learns.

    Example:
        >>> str(zeros())
        'zeros'
    """
    return constant(0.0)


@initialiser
def ones() -> Initialiser:
    """Every element is 1. Right for normalisation scales; for weights see `constant`.

    Example:
        >>> str(ones())
        'ones'
    """
    return constant(1.0)


@initialiser
def constant(value: float) -> Initialiser:
    """Every element is `value`.

    Wrong for hidden weights: all units of a layer then compute the same thing, receive the same
    gradient and stay one unit for ever. A small constant bias is harmless.

    Args:
        value: a finite number.

    Example:
        >>> str(constant(0.1))
        'constant(0.1)'
    """
    return Initialiser(lambda weight: Constant(value))


@initialiser
def uniform(low: float, high: float) -> Initialiser:
    """Uniform on the closed interval [low, high]; std = (high - low) / sqrt(12).

    The same interval for every layer: a layer of n inputs multiplies the second moment of its
    signal by n (high - low)^2 / 12, so depth makes it vanish or explode unless n happens to fit.

    Args:
        low: the least value.
        high: the greatest value, not below `low`.

    Differs: torch.nn.init.uniform_ defaults to [0, 1); here both ends are asked for.

    Example:
        >>> str(uniform(-0.1, 0.1))
        'uniform(-0.1, 0.1)'
    """
    if high < low:
        raise ValueError(f"high ({high}) is below low ({low})")
    return Initialiser(lambda weight: Uniform(low, high))


@initialiser
def normal(mean: float = 0.0, std: float = 1.0) -> Initialiser:
    """Gaussian with that mean and std (not variance), the same for every layer.

    Args:
        mean: of the distribution.
        std: its standard deviation, 0 or more.

    Example:
        >>> str(normal(0, 0.02))
        'normal(std=0.02)'
    """
    _check_std(std)
    return Initialiser(lambda weight: Normal(mean, std))


@initialiser
def truncated_normal(mean: float = 0.0, std: float = 1.0, cut: float = 2.0) -> Initialiser:
    """Gaussian without its tails, of exactly the std asked for.

    A N(0, 1) variate conditioned on |z| <= cut has std s(cut) = sqrt(1 - 2 cut phi(cut) / P), with
    phi the density and P = P(|z| <= cut); s(2) = 0.87963. Drawn is mean + std z / s(cut).

    Args:
        mean: of the distribution.
        std: the realised standard deviation, 0 or more.
        cut: where the tails end, in units of std before the division by s; `inf` for `normal`.

    Differs: torch.nn.init.trunc_normal_ takes absolute bounds, and it and Keras's and JAX's plain
        truncated normals realise 0.880 of the std they are given at two stds.

    Example:
        >>> str(truncated_normal(std=0.02))
        'truncated_normal(std=0.02)'
    """
    _check_std(std)
    if cut <= 0:
        raise ValueError(f"cut is above 0, not {cut}")
    return Initialiser(lambda weight: TruncatedNormal(mean, std, cut))


@initialiser
def framework() -> Initialiser:
    """Whatever the framework put there by itself.

    In PyTorch a Linear or Conv weight and its bias are uniform on +-1/sqrt(fan_in), which multiplies
    the second moment by 1/6 for each ReLU layer.

    Example:
        >>> str(framework())
        'framework'
    """
    return Initialiser(lambda weight: Keep())


def _check_std(std: float) -> None:
    if std < 0:
        raise ValueError(f"std is 0 or more, not {std}")
