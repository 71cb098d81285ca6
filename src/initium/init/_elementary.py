"""Constants and plain random numbers: they look at no fan."""

from ._initialiser import Initialiser, alias, initialiser
from ._law import Constant, Keep, Normal, TruncatedNormal, Uniform


@initialiser
def zeros() -> Initialiser:
    """Every element is 0.

    Formula: W = 0

    Use: biases and last layers. The last layer of a residual branch, a classifier's head.
    Avoid: hidden weights. No gradient passes through a matrix of zeros, and only the output bias learns.

    Example:
        >>> str(zeros())
        'zeros'
    """
    return constant(0.0)


@initialiser
def ones() -> Initialiser:
    """Every element is 1.

    Formula: W = 1

    Use: scales of normalisation layers.
    Avoid: weights; see `constant`.

    Example:
        >>> str(ones())
        'ones'
    """
    return constant(1.0)


@initialiser
def constant(value: float) -> Initialiser:
    """Every element is `value`.

    Formula: W = value

    Use: biases and scales. A small constant bias is harmless.
    Avoid: hidden weights. All units of a layer then compute the same thing, receive the same gradient and
        stay one unit for ever.

    Args:
        value: a finite number.

    Example:
        >>> str(constant(0.1))
        'constant(0.1)'
    """
    return Initialiser(lambda weight: Constant(value))


@initialiser
def uniform(low: float, high: float) -> Initialiser:
    """Uniform on the closed interval [low, high], the same for every layer.

    Formula: W ~ U[low, high]; std = (high - low) / sqrt(12)

    Use: to repeat what somebody did with fixed ends.
    Avoid: deep nets. A layer of n inputs multiplies the second moment of its signal by
        n (high - low)^2 / 12, so depth makes it vanish or explode unless n happens to fit.

    Args:
        low: the least value.
        high: the greatest value, not below `low`.

    Differs: torch.nn.init.uniform_ defaults to [0, 1), Keras to +-0.05; here both ends are asked for.

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

    Formula: W ~ N(mean, std^2)

    Use: embeddings and layers of known width. BERT and GPT take std 0.02, with a normalisation after it.
    Avoid: one std for layers of many widths.

    Args:
        mean: of the distribution.
        std: its standard deviation, 0 or more.

    Differs: JAX's `normal` takes the std first; here, as in torch and Keras, it is the mean.

    Example:
        >>> str(normal(0, 0.02))
        'normal(std=0.02)'
    """
    _check_std(std)
    return Initialiser(lambda weight: Normal(mean, std))


@initialiser
def truncated_normal(mean: float = 0.0, std: float = 1.0, cut: float = 2.0) -> Initialiser:
    """Gaussian without its tails, of exactly the std asked for.

    Formula: W = mean + std z / s(cut), where z is N(0, 1) conditioned on |z| <= cut, whose std is
        s(cut) = sqrt(1 - 2 cut phi(cut) / P), phi the density, P = P(|z| <= cut); s(2) = 0.87963

    Use: where one extreme weight hurts. Narrow layers, embeddings, low precision.

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
    """Whatever the framework put there by itself; numbers that are there stay, also those of training or a checkpoint.

    Formula: none; PyTorch's Linear and Conv draw weight and bias as `torch_default`

    Use: as the yardstick in a comparison of new models; in a rule, where it is also called `keep`, for what is to stay.
    Avoid: to start a trained model anew as the framework would; that is recipe `torch` or `keras`.

    Example:
        >>> str(framework())
        'framework'
    """
    return Initialiser(lambda weight: Keep())


keep = alias("keep", framework)


def _check_std(std: float) -> None:
    if std < 0:
        raise ValueError(f"std is 0 or more, not {std}")
