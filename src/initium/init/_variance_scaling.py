"""Variance scaling: the std follows the layer's width. One general method and its published names."""

import math
from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from ._gain import gain as gain_of
from ._initialiser import Gain, Initialiser, alias, initialiser
from ._kernels import check_sum, kernels
from ._law import Draw, Law, Normal, TruncatedNormal, Uniform
from ._structure import sparse_kernels
from ._weight import Fans, Weight


@initialiser
def variance_scaling(
    scale: float = 1.0, mode: str = "in", distribution: str = "normal", gain: Gain = 1.0
) -> Initialiser:
    """Zero mean and variance gain^2 scale / fan.

    Formula: std = gain sqrt(scale / n), n the fan of `mode`; `uniform` is on +-sqrt(3) std, the
        `truncated_normal` is cut at two stds and realises the std asked for

    Use: when none of the published names below fits.

    Args:
        scale: of the variance, above 0.
        mode: `in`, `out`, `avg` (arithmetic mean of the two fans) or `geo` (geometric mean).
        distribution: `normal`, `uniform` or `truncated_normal`.
        gain: of the std: a number, the name of the activation that feeds the weight, or that activation.

    Raises:
        ShapeError: when it meets a weight without an input or an output axis.

    Differs: fans come from what each axis does, so grouped, strided and transposed convolutions
        get their true ones; torch, Keras and JAX read them off the axis order.

    Example:
        >>> str(variance_scaling(2.0, mode="avg", distribution="uniform"))
        "variance_scaling(scale=2, mode='avg', distribution='uniform')"
    """
    if scale <= 0:
        raise ValueError(f"scale is above 0, not {scale}")
    Fans(1, 1).of(mode)  # refuses a mode that does not exist before any weight is seen
    draw = _DISTRIBUTIONS.get(distribution)
    if draw is None:
        raise ValueError(f"distribution is one of {', '.join(_DISTRIBUTIONS)}, not {distribution!r}")
    variance = scale * gain_of(gain) ** 2

    def law(weight: Weight) -> Law:
        # An empty weight has fan 0 and nothing to draw.
        return draw(math.sqrt(variance / (weight.fans.of(mode) or 1)))

    return Initialiser(law)


_DISTRIBUTIONS: dict[str, Callable[[float], Law]] = {
    "normal": lambda std: Normal(0.0, std),
    "uniform": lambda std: Uniform(-math.sqrt(3) * std, math.sqrt(3) * std),
    "truncated_normal": lambda std: TruncatedNormal(0.0, std, 2.0),
}


@initialiser
def lecun_normal(mode: str = "in", gain: Gain = 1.0) -> Initialiser:
    """Gaussian that keeps the second moment through a linear layer.

    Formula: std = gain sqrt(1 / fan_in)

    Use: SELU, the first layer, or any activation as `gain`. SELU needs it; the first layer sees data.
    Avoid: deep ReLU stacks without a gain: the second moment halves at each layer.

    Args:
        mode: which fan, as in `variance_scaling`.
        gain: a number, or the activation that feeds the weight.

    Differs: Keras and JAX truncate under this name; that is `lecun_truncated_normal` here.

    Reference: LeCun, Bottou, Orr, Mueller, "Efficient BackProp", 1998, section 4.6 [lecun1998efficient]

    Example:
        >>> str(lecun_normal(gain="gelu"))
        "lecun_normal(gain='gelu')"
    """
    return variance_scaling(1.0, mode, "normal", gain)


@initialiser
def lecun_uniform(mode: str = "in", gain: Gain = 1.0) -> Initialiser:
    """Uniform numbers that keep the second moment through a linear layer.

    Formula: W ~ U[-a, a], a = gain sqrt(3 / fan_in); std = gain sqrt(1 / fan_in)

    Use: as `lecun_normal`, with bounded weights.
    Avoid: taking sqrt(1 / fan_in) for the limit: it is the std.

    Args:
        mode: which fan, as in `variance_scaling`.
        gain: a number, or the activation that feeds the weight.

    Reference: LeCun, Bottou, Orr, Mueller, "Efficient BackProp", 1998, section 4.6 [lecun1998efficient]

    Example:
        >>> str(lecun_uniform())
        'lecun_uniform'
    """
    return variance_scaling(1.0, mode, "uniform", gain)


@initialiser
def lecun_truncated_normal(mode: str = "in", gain: Gain = 1.0) -> Initialiser:
    """`lecun_normal` without tails: what Keras, JAX and Flax call lecun_normal.

    Formula: std = gain sqrt(1 / fan_in), realised; cut at 2 / 0.87963 = 2.27 of it

    Use: as `lecun_normal`; Flax's default.

    Args:
        mode: which fan, as in `variance_scaling`.
        gain: a number, or the activation that feeds the weight.

    Reference: LeCun, Bottou, Orr, Mueller, "Efficient BackProp", 1998, section 4.6 [lecun1998efficient]

    Example:
        >>> str(lecun_truncated_normal())
        'lecun_truncated_normal'
    """
    return variance_scaling(1.0, mode, "truncated_normal", gain)


@initialiser
def glorot_normal(gain: Gain = 1.0) -> Initialiser:
    """Gaussian, a compromise between the forward and the backward signal. Xavier is the same method.

    Formula: std = gain sqrt(2 / (fan_in + fan_out))

    Use: tanh, softsign and linear layers; attention's projections.
    Avoid: deep ReLU stacks: it is derived for activations that are linear near 0, and halves the second
        moment at each ReLU layer of equal width.

    Args:
        gain: a number, or the activation that feeds the weight (not in the paper).

    Differs: Keras and JAX truncate under this name; that is `glorot_truncated_normal` here.

    Reference: Glorot, Bengio, "Understanding the difficulty of training deep feedforward neural
        networks", AISTATS 2010, eq. 12. http://proceedings.mlr.press/v9/glorot10a.html [glorot2010understanding]

    Example:
        >>> str(glorot_normal())
        'glorot_normal'
    """
    return variance_scaling(1.0, "avg", "normal", gain)


@initialiser
def glorot_uniform(gain: Gain = 1.0) -> Initialiser:
    """Uniform, a compromise between the forward and the backward signal. Xavier is the same method.

    Formula: W ~ U[-a, a], a = gain sqrt(6 / (fan_in + fan_out)), whatever the activation

    Use: as `glorot_normal`; Keras's default for kernels.
    Avoid: deep ReLU stacks, as `glorot_normal`.

    Args:
        gain: a number, or the activation that feeds the weight (not in the paper).

    Reference: Glorot, Bengio, "Understanding the difficulty of training deep feedforward neural
        networks", AISTATS 2010, eq. 16. http://proceedings.mlr.press/v9/glorot10a.html [glorot2010understanding]

    Example:
        >>> str(glorot_uniform())
        'glorot_uniform'
    """
    return variance_scaling(1.0, "avg", "uniform", gain)


@initialiser
def glorot_truncated_normal(gain: Gain = 1.0) -> Initialiser:
    """`glorot_normal` without tails: what Keras and JAX call glorot_normal.

    Formula: std = gain sqrt(2 / (fan_in + fan_out)), realised; cut at 2 / 0.87963 = 2.27 of it

    Use: as `glorot_normal`, without tails.

    Args:
        gain: a number, or the activation that feeds the weight (not in the paper).

    Reference: Glorot, Bengio, "Understanding the difficulty of training deep feedforward neural
        networks", AISTATS 2010, eq. 12. http://proceedings.mlr.press/v9/glorot10a.html [glorot2010understanding]

    Example:
        >>> str(glorot_truncated_normal())
        'glorot_truncated_normal'
    """
    return variance_scaling(1.0, "avg", "truncated_normal", gain)


@initialiser
def he_normal(slope: float = 0.0, mode: str = "in") -> Initialiser:
    """Gaussian that keeps the second moment through ReLU layers. Kaiming is the same method.

    Formula: std = sqrt(2 / ((1 + slope^2) fan)): the *variance* is 2 / fan for ReLU

    Use: weights fed by ReLU, leaky ReLU or PReLU. PReLU starts at slope 0.25; mode `out` keeps the gradient instead.
    Avoid: the first layer, whose input is not rectified; GELU and SiLU, which need another gain.

    Args:
        slope: of a leaky ReLU below 0; 0 is ReLU.
        mode: which fan, as in `variance_scaling`.

    Differs: Keras and JAX truncate under this name; that is `he_truncated_normal` here.

    Reference: He, Zhang, Ren, Sun, "Delving Deep into Rectifiers", ICCV 2015, eq. 10 and 15.
        https://arxiv.org/abs/1502.01852 [he2015delving]

    Example:
        >>> str(he_normal(mode="out"))
        "he_normal(mode='out')"
    """
    return variance_scaling(2.0 / (1.0 + slope**2), mode, "normal")


@initialiser
def he_uniform(slope: float = 0.0, mode: str = "in") -> Initialiser:
    """Uniform numbers that keep the second moment through ReLU layers. Kaiming is the same method.

    Formula: W ~ U[-a, a], a = sqrt(6 / ((1 + slope^2) fan))

    Use: as `he_normal`, with bounded weights.
    Avoid: as `he_normal`.

    Args:
        slope: of a leaky ReLU below 0; 0 is ReLU. (torch calls it `a`; it is no gain.)
        mode: which fan, as in `variance_scaling`.

    Reference: He, Zhang, Ren, Sun, "Delving Deep into Rectifiers", ICCV 2015, eq. 10 and 15.
        https://arxiv.org/abs/1502.01852 [he2015delving]

    Example:
        >>> str(he_uniform())
        'he_uniform'
    """
    return variance_scaling(2.0 / (1.0 + slope**2), mode, "uniform")


@initialiser
def he_truncated_normal(slope: float = 0.0, mode: str = "in") -> Initialiser:
    """`he_normal` without tails: what Keras and JAX call he_normal.

    Formula: std = sqrt(2 / ((1 + slope^2) fan)), realised; cut at 2 / 0.87963 = 2.27 of it

    Use: as `he_normal`, without tails.
    Avoid: as `he_normal`.

    Args:
        slope: of a leaky ReLU below 0; 0 is ReLU.
        mode: which fan, as in `variance_scaling`.

    Reference: He, Zhang, Ren, Sun, "Delving Deep into Rectifiers", ICCV 2015, eq. 10 and 15.
        https://arxiv.org/abs/1502.01852 [he2015delving]

    Example:
        >>> str(he_truncated_normal())
        'he_truncated_normal'
    """
    return variance_scaling(2.0 / (1.0 + slope**2), mode, "truncated_normal")


xavier_normal = alias("xavier_normal", glorot_normal)
xavier_uniform = alias("xavier_uniform", glorot_uniform)
kaiming_normal = alias("kaiming_normal", he_normal)
kaiming_uniform = alias("kaiming_uniform", he_uniform)


@initialiser
def torch_default() -> Initialiser:
    """What PyTorch's Linear and Conv draw unless told: kaiming_uniform_ with a = sqrt(5).

    Formula: W ~ U[-a, a], a = sqrt(1 / fan_in); variance 1 / (3 fan_in)

    Use: to repeat a PyTorch model elsewhere.
    Avoid: deep nets without normalisation: the second moment falls to 1/6 at each ReLU layer, to 1/3 at a
        linear one.

    Differs: PyTorch draws biases alike from their weight's fan; here a bias starts by a rule of its own.

    Reference: the historic heuristic that Glorot, Bengio, AISTATS 2010, eq. 1, argue against; torch.nn.Linear,
        reset_parameters. [glorot2010understanding]

    Example:
        >>> str(torch_default())
        'torch_default'
    """
    return variance_scaling(1 / 3, "in", "uniform")


@initialiser
def kumar(value: float = 0.5, slope: float = 0.25) -> Initialiser:
    """Gaussian for an activation that is smooth at 0, from its value and slope there.

    Formula: std = sqrt(1 / (fan_in slope^2 (1 + value^2))), value = f(0), slope = f'(0)

    Use: sigmoid layers; tanh is (0, 1). The default gives std 3.58 / sqrt(fan_in).
    Avoid: ReLU, which has no slope at 0.

    Args:
        value: f(0).
        slope: f'(0), not 0.

    Differs: the author's script passes 3.6, a std, where Keras takes a variance; here as in the paper.

    Reference: Kumar, "On weight initialization in deep neural networks", 2017, eq. 15.
        https://arxiv.org/abs/1704.08863 [kumar2017weight]

    Example:
        >>> str(kumar(value=0, slope=1))
        'kumar(value=0, slope=1)'
    """
    if slope == 0:
        raise ValueError("slope is not 0; an activation that is flat at 0 carries no signal there")
    return variance_scaling(1 / (slope**2 * (1 + value**2)), "in", "normal")


@initialiser
def random_walk(activation: str = "relu") -> Initialiser:
    """Gaussian that keeps the *logarithm* of the signal's norm on average, where He keeps its square.

    Formula: std = g / sqrt(N), N = fan_in; linear g = exp(1 / (2N)),
        relu g = sqrt(2) exp(1.2 / (max(N, 6) - 2.4))

    Use: narrow, very deep nets. There the typical signal dies although its mean square stays.

    Args:
        activation: `relu` or `linear`.

    Reference: Sussillo, Abbott, "Random Walk Initialization for Training Very Deep Feedforward Networks", 2014.
        https://arxiv.org/abs/1412.6558 [sussillo2014random]

    Example:
        >>> str(random_walk("linear"))
        "random_walk(activation='linear')"
    """
    if activation not in ("relu", "linear"):
        raise ValueError(f"activation is 'relu' or 'linear', not {activation!r}")

    def law(weight: Weight) -> Law:
        n = max(1.0, weight.fans.fan_in)
        relu = math.sqrt(2) * math.exp(1.2 / (max(n, 6.0) - 2.4))
        return lecun_normal(gain=relu if activation == "relu" else math.exp(1 / (2 * n))).law(weight)

    return Initialiser(law)


@initialiser
def siren_first() -> Initialiser:
    """The first layer of a sinusoidal network, which sees coordinates in [-1, 1].

    Formula: W ~ U[-1 / fan_in, 1 / fan_in]; the layer computes sin(w0 (W x + b))

    Use: the first layer of a SIREN. `siren` starts the others.

    Reference: Sitzmann, Martel, Bergman, Lindell, Wetzstein, "Implicit Neural Representations with Periodic
        Activation Functions", NeurIPS 2020, section 3.2 and the authors' code. https://arxiv.org/abs/2006.09661
        [sitzmann2020implicit]

    Example:
        >>> str(siren_first())
        'siren_first'
    """

    def law(weight: Weight) -> Law:
        limit = 1 / (weight.fans.fan_in or 1)
        return Uniform(-limit, limit)

    return Initialiser(law)


@initialiser
def siren(w0: float = 30.0) -> Initialiser:
    """The hidden layers of a sinusoidal network.

    Formula: W ~ U[-a, a], a = sqrt(6 / fan_in) / w0; the layer computes sin(w0 (W x + b))

    Use: the hidden layers of a SIREN, after `siren_first`.
    Avoid: expecting unit variance: w0 W x settles at a std of 0.893, not 1.

    Args:
        w0: the frequency inside the sine, above 0.

    Reference: Sitzmann, Martel, Bergman, Lindell, Wetzstein, "Implicit Neural Representations with Periodic
        Activation Functions", NeurIPS 2020, section 3.2 and the authors' code. https://arxiv.org/abs/2006.09661
        [sitzmann2020implicit]

    Example:
        >>> str(siren())
        'siren'
    """
    if w0 <= 0:
        raise ValueError(f"w0 is above 0, not {w0}")
    return variance_scaling(2.0, "in", "uniform", 1 / w0)


@initialiser
def he_sparse(density: float = 0.1) -> Initialiser:
    """He's start for a sparse layer: each unit keeps a share of its weights, and the std counts those alone.

    Formula: each output keeps n = round(density fan_in) weights at random places (1 at least), with
        std = sqrt(2 / n)

    Use: training a randomly pruned ReLU net. For a mask that is there already see `sparsity_aware`.

    Args:
        density: the share of weights that is kept, above 0 and at most 1.

    Reference: Evci, Ioannou, Keskin, Dauphin, "Gradient Flow in Sparse Neural Networks and How Lottery Tickets
        Win", AAAI 2022, section 3. https://arxiv.org/abs/2010.03533 [evci2022gradient]

    Example:
        >>> str(he_sparse(0.05))
        'he_sparse(density=0.05)'
    """
    if not 0 < density <= 1:
        raise ValueError(f"density is above 0 and at most 1, not {density}")

    def make(draw: Draw, stack: Weight) -> NDArray[Any]:
        num_places = math.prod(stack.shape[2:])
        num_kept = max(1, round(density * num_places))
        # A stride parts the places of a transposed kernel among several sums.
        num_summed = stack.fans.fan_in * num_kept / max(1, num_places)
        return sparse_kernels(draw, stack.shape, num_kept, math.sqrt(2 / (num_summed or 1)))

    return kernels(make, check_sum)
