"""Starts that scale with the layer's width: one general method and its published names."""

import math

from ._elementary import normal, truncated_normal, uniform
from ._initialiser import Initialiser, initialiser
from ._law import Law
from ._weight import Fans, Weight


@initialiser
def variance_scaling(scale: float, mode: str = "in", distribution: str = "normal") -> Initialiser:
    """Zero mean and variance scale / fan.

    std = sqrt(scale / n), with n the fan of `mode`. `uniform` is on +-sqrt(3) std; the
    `truncated_normal` is cut at two stds and realises the std asked for.

    Args:
        scale: of the variance, above 0 (a gain is its square root).
        mode: `in`, `out`, `avg` (arithmetic mean of the two fans) or `geo` (geometric mean).
        distribution: `normal`, `uniform` or `truncated_normal`.

    Raises:
        ShapeError: when it meets a weight without an input or an output axis.

    Differs: fans come from what each axis does, so grouped, strided and transposed convolutions
        get their true ones; torch, Keras and JAX read them off the axis order.

    Example:
        >>> str(variance_scaling(2.0, mode="avg", distribution="uniform"))
        "variance_scaling(2, mode='avg', distribution='uniform')"
    """
    if scale <= 0:
        raise ValueError(f"scale is above 0, not {scale}")
    Fans(1, 1).of(mode)  # refuses a mode that does not exist before any weight is seen
    draw = _DISTRIBUTIONS.get(distribution)
    if draw is None:
        raise ValueError(f"distribution is one of {', '.join(_DISTRIBUTIONS)}, not {distribution!r}")

    def law(weight: Weight) -> Law:
        # An empty weight has fan 0 and nothing to draw.
        return draw(math.sqrt(scale / (weight.fans.of(mode) or 1))).law(weight)

    return Initialiser(law)


_DISTRIBUTIONS = {
    "normal": lambda std: normal(0.0, std),
    "uniform": lambda std: uniform(-math.sqrt(3) * std, math.sqrt(3) * std),
    "truncated_normal": lambda std: truncated_normal(0.0, std),
}


@initialiser
def lecun_normal(mode: str = "in") -> Initialiser:
    """Std = sqrt(1 / fan_in), Gaussian. Keeps the second moment through a linear layer.

    For SELU (where it is obligatory) and for the first layer, which sees data.

    Reference: LeCun, Bottou, Orr, Mueller, "Efficient BackProp", 1998, section 4.6.

    Example:
        >>> str(lecun_normal())
        'lecun_normal'
    """
    return variance_scaling(1.0, mode, "normal")


@initialiser
def lecun_uniform(mode: str = "in") -> Initialiser:
    """Uniform on +-sqrt(3 / fan_in): the std, not the limit, is sqrt(1 / fan_in).

    Reference: LeCun, Bottou, Orr, Mueller, "Efficient BackProp", 1998, section 4.6.

    Example:
        >>> str(lecun_uniform())
        'lecun_uniform'
    """
    return variance_scaling(1.0, mode, "uniform")


@initialiser
def glorot_normal(gain: float = 1.0) -> Initialiser:
    """Std = gain sqrt(2 / (fan_in + fan_out)), Gaussian. Xavier is the same method.

    A compromise between the forward and the backward signal, derived for activations that are
    linear near 0, such as tanh. It halves the second moment at each ReLU layer of equal width.

    Reference: Glorot, Bengio, "Understanding the difficulty of training deep feedforward neural
        networks", AISTATS 2010, eq. 12. http://proceedings.mlr.press/v9/glorot10a.html

    Example:
        >>> str(glorot_normal())
        'glorot_normal'
    """
    return variance_scaling(_square(gain), "avg", "normal")


@initialiser
def glorot_uniform(gain: float = 1.0) -> Initialiser:
    """Uniform on +-gain sqrt(6 / (fan_in + fan_out)). Xavier is the same method.

    A compromise between the forward and the backward signal, derived for activations that are
    linear near 0, such as tanh. It halves the second moment at each ReLU layer of equal width.

    Reference: Glorot, Bengio, "Understanding the difficulty of training deep feedforward neural
        networks", AISTATS 2010, eq. 16. http://proceedings.mlr.press/v9/glorot10a.html

    Example:
        >>> str(glorot_uniform())
        'glorot_uniform'
    """
    return variance_scaling(_square(gain), "avg", "uniform")


@initialiser
def he_normal(slope: float = 0.0, mode: str = "in") -> Initialiser:
    """Std = sqrt(2 / ((1 + slope^2) fan)), Gaussian. Kaiming is the same method.

    Keeps the second moment of the signal through ReLU layers (of the gradient with mode `out`).

    Args:
        slope: of a leaky ReLU below 0; 0 is ReLU.
        mode: which fan, as in `variance_scaling`.

    Reference: He, Zhang, Ren, Sun, "Delving Deep into Rectifiers", ICCV 2015, eq. 10 and 15.
        https://arxiv.org/abs/1502.01852

    Example:
        >>> str(he_normal(mode="out"))
        "he_normal(mode='out')"
    """
    return variance_scaling(2.0 / (1.0 + slope**2), mode, "normal")


@initialiser
def he_uniform(slope: float = 0.0, mode: str = "in") -> Initialiser:
    """Uniform on +-sqrt(6 / ((1 + slope^2) fan)). Kaiming is the same method.

    Keeps the second moment of the signal through ReLU layers (of the gradient with mode `out`).

    Args:
        slope: of a leaky ReLU below 0; 0 is ReLU.
        mode: which fan, as in `variance_scaling`.

    Reference: He, Zhang, Ren, Sun, "Delving Deep into Rectifiers", ICCV 2015, eq. 10 and 15.
        https://arxiv.org/abs/1502.01852

    Example:
        >>> str(he_uniform())
        'he_uniform'
    """
    return variance_scaling(2.0 / (1.0 + slope**2), mode, "uniform")


xavier_normal, xavier_uniform = glorot_normal, glorot_uniform
kaiming_normal, kaiming_uniform = he_normal, he_uniform


def _square(gain: float) -> float:
    if gain <= 0:
        raise ValueError(f"gain is above 0, not {gain}")
    return gain**2
