"""Isometries: weights that keep the length of what passes through them."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._errors import ShapeError
from ._gain import gain as gain_of
from ._initialiser import Gain, Initialiser, initialiser
from ._kernels import check_space, check_sum, kernels, stacked, start_of
from ._law import Draw, Law
from ._law import Orthogonal as OrthogonalLaw
from ._structure import middle
from ._weight import Weight


@initialiser
def orthogonal(gain: Gain = 1.0) -> Initialiser:
    """Gain times a random matrix with orthonormal rows or columns, whichever are fewer.

    Formula: W W' = gain^2 I or W' W = gain^2 I, uniform over all such matrices (Haar). A kernel is flattened
        to (output, input x positions); each group, packed block and stacked matrix is one of its own

    Use: deep linear and tanh nets, recurrent matrices. All singular values are `gain`, so a deep linear net neither
        shrinks nor stretches any signal.
    Avoid: expecting an isometry of a convolution (see `delta_orthogonal`). Norms are kept where a layer does not
        narrow; but where it widens, the mean square of a unit falls by fan_in / fan_out.

    Args:
        gain: every singular value, above 0; or the activation that feeds the weight.

    Raises:
        ShapeError: when it meets a weight without an input or an output axis.

    Differs: torch and Keras make one matrix of packed q, k, v or gates, whose blocks are not orthogonal.

    Reference: Saxe, McClelland, Ganguli, "Exact solutions to the nonlinear dynamics of learning in
        deep linear neural networks", ICLR 2014. https://arxiv.org/abs/1312.6120 [saxe2014exact]. Uniform over all
        such matrices as a product of reflections: Stewart, SIAM J. Numer. Anal. 17 (1980) [stewart1980efficient].

    Example:
        >>> str(orthogonal(gain=2**0.5))
        'orthogonal(gain=1.4142135623730951)'
    """
    number = gain_of(gain)

    def law(weight: Weight) -> Law:
        _ = weight.fans  # refuses a weight that is not a matrix
        return OrthogonalLaw(number)

    return Initialiser(law)


@initialiser
def delta_orthogonal(gain: Gain = 1.0) -> Initialiser:
    """A convolution that keeps norms exactly, zero padding included.

    Formula: W[:, :, k // 2, ...] = gain Q with Q (o, i) of orthonormal columns, all other taps 0

    Use: deep plain tanh CNNs near the critical gain. They need neither skips nor normalisation then.
    Avoid: more inputs than outputs, of which no isometry exists; strides, which drop what they step over.

    Args:
        gain: the factor on every norm, above 0; or the activation that feeds the weight.

    Raises:
        ShapeError: when it meets a weight without axes of space, or with more inputs than outputs.

    Differs: JAX puts the tap of an even kernel at (k - 1) // 2.

    Reference: Xiao, Bahri, Sohl-Dickstein, Schoenholz, Pennington, "Dynamical Isometry and a Mean Field Theory of
        CNNs", ICML 2018, algorithm 2. https://arxiv.org/abs/1806.05393 [xiao2018dynamical]

    Example:
        >>> str(delta_orthogonal())
        'delta_orthogonal'
    """
    number = gain_of(gain)

    def make(draw: Draw, stack: Weight) -> NDArray[Any]:
        out = np.zeros(stack.shape)
        out[middle(stack.shape)] = draw(OrthogonalLaw(number), stacked(stack.shape[:3]))
        return out

    return kernels(make, _check_isometry)


@initialiser
def conv_orthogonal(gain: Gain = 1.0) -> Initialiser:
    """A convolution of which every tap is random, and that keeps norms with circular (or full) padding.

    Formula: W = gain (P, I - P) * ... * Q, one random projection P of rank o // 2 for each further tap of each
        axis of space, * the convolution of kernels, Q (o, i) of orthonormal columns

    Use: as `delta_orthogonal`, on every tap. The kernel sees its neighbours from the start.
    Avoid: zero padding of the same size, which loses what leaves the image; more inputs than outputs.

    Args:
        gain: the factor on every norm, above 0; or the activation that feeds the weight.

    Raises:
        ShapeError: when it meets a weight without axes of space, or with more inputs than outputs.

    Differs: the paper's projections have random ranks, and its taps take turns between the axes; here each has
        half the rank, and one axis is done after the other.

    Reference: Xiao, Bahri, Sohl-Dickstein, Schoenholz, Pennington, "Dynamical Isometry and a Mean Field Theory of
        CNNs", ICML 2018, algorithm 1. https://arxiv.org/abs/1806.05393 [xiao2018dynamical]

    Example:
        >>> str(conv_orthogonal())
        'conv_orthogonal'
    """
    number = gain_of(gain)

    def make(draw: Draw, stack: Weight) -> NDArray[Any]:
        num, outputs, inputs, *space = stack.shape
        kernel = draw(OrthogonalLaw(number), stacked(stack.shape[:3])).reshape(
            num, outputs, inputs, *(1 for _ in space)
        )
        for axis, size in enumerate(space, start=3):
            for tap in range(1, size):
                basis = draw(OrthogonalLaw(1), stacked((num, outputs // 2, outputs)), f"axis {axis - 3} tap {tap}")
                kernel = _longer(kernel, basis.swapaxes(1, 2) @ basis, axis)
        return kernel

    def check(weight: Weight) -> None:
        _check_isometry(weight)
        if weight.kernel_shape[0] == 1 and max(weight.kernel_shape[2:]) > 1:
            raise ShapeError(f"spreads over its taps what two outputs or more hold, but {weight} has one.")

    return kernels(make, check)


@initialiser
def looks_linear(start: str = "orthogonal", mirror: str = "in") -> Initialiser:
    """Mirrored weights, with which a rectified net computes a linear function at first.

    Formula: mirror `in`: W = [V, -V]; `out`: W = [V; -V]; `both`: W = [[V, -V], [-V, V]]

    Use: very deep rectified nets without skips. Gradients do not shatter. Units are concatenated rectifiers,
        (relu(x), relu(-x)): the first layer is V alone, all others mirror `in`. Or they are plain ReLUs: the
        first layer mirrors `out`, hidden ones `both`, the last `in`. With V square and orthogonal every layer keeps
        norms.
    Avoid: biases other than 0, which end the exact linearity; grouped convolutions, which are refused.

    Args:
        start: the spec of V.
        mirror: `in`, `out` or `both`.

    Raises:
        ShapeError: when an axis that is mirrored has an odd size, or the weight has groups.

    Reference: Balduzzi, Frean, Leary, Lewis, Ma, McWilliams, "The Shattered Gradients Problem", ICML 2017,
        section 4. https://arxiv.org/abs/1702.08591 [balduzzi2017shattered]. For plain ReLUs: Burkholz, Dubatovka,
        "Initialization of ReLUs for Dynamical Isometry", NeurIPS 2019 [burkholz2019initialization]

    Example:
        >>> str(looks_linear(mirror="both"))
        "looks_linear(mirror='both')"
    """
    init = start_of(start)
    halves = {"in": (1, 2), "out": (2, 1), "both": (2, 2)}.get(mirror)
    if halves is None:
        raise ValueError(f"mirror is 'in', 'out' or 'both', not {mirror!r}")

    def check(weight: Weight) -> None:
        check_sum(weight)
        outputs, inputs, *_ = shape = weight.kernel_shape
        if weight.groups > 1 or "g" in weight.axes:
            raise ShapeError("mirrors all channels, and groups would part a channel from its mirror image.")
        if outputs % halves[0] or inputs % halves[1]:
            raise ShapeError(f"mirrors even numbers of units, but {weight} has a kernel of shape {shape}.")

    def make(draw: Draw, stack: Weight) -> NDArray[Any]:
        num, outputs, inputs, *space = stack.shape
        half = replace(stack, shape=(num, outputs // halves[0], inputs // halves[1], *space))
        v = draw(init.law(half), half)
        row = np.concatenate([v, -v], axis=2) if halves[1] == 2 else v
        return np.concatenate([row, -row], axis=1) if halves[0] == 2 else row

    return kernels(make, check)


@initialiser
def hadamard() -> Initialiser:
    """ZerO: the identity, or where a layer widens the identity through a Hadamard matrix. Nothing is random.

    Formula: o <= i: W = I (o, i); o > i: W = I (o, p) H I (p, i) / 2^(c/2), c = ceil(log2 o), p = 2^c, H the
        Sylvester Hadamard matrix. A kernel has it at its middle, k // 2, and 0 elsewhere

    Use: residual nets that must start alike everywhere. The last layer of each branch is zero then.
    Avoid: expecting an isometry where a widening layer's o is no power of 2: some singular values are below 1.

    Reference: Zhao, Schaefer, Anandkumar, "ZerO Initialization", TMLR 2022, algorithm 1 and 2.
        https://arxiv.org/abs/2110.12661 [zhao2022zero]

    Example:
        >>> str(hadamard())
        'hadamard'
    """

    def make(draw: Draw, stack: Weight) -> NDArray[Any]:
        shape = stack.shape
        out = np.zeros(shape)
        outputs, inputs = shape[1:3]
        if outputs > inputs:
            out[middle(shape)] = _hadamard(math.ceil(math.log2(outputs)))[:outputs, :inputs]
        else:
            out[middle(shape)] = np.eye(outputs, inputs)
        return out

    return kernels(make)


@initialiser
def idinit(tau: float = 1.0) -> Initialiser:
    """IDInit: the identity, repeated where a layer widens. Nothing is random.

    Formula: W[o, j] = tau if o mod n = j else 0, n inputs; a kernel is such a matrix (outputs, k k inputs) with
        the input channel fastest

    Use: inner layers of residual branches. Every run starts alike; with momentum. More outputs than
        inputs repeat the inputs.
    Avoid: fewer outputs than inputs, where all other inputs are dropped: most of a kernel is 0.

    Args:
        tau: on the diagonals.

    Differs: without the noise on the ones ("loose" condition) and the start of each branch's last layer (IDIZ),
        whose exact places could not be checked.

    Reference: Pan et al., "IDInit: A Universal and Stable Initialization Method for Neural Network Training",
        ICLR 2025, eq. 3. https://arxiv.org/abs/2503.04626 [pan2025idinit]

    Example:
        >>> str(idinit())
        'idinit'
    """

    def make(draw: Draw, stack: Weight) -> NDArray[Any]:
        _, outputs, inputs, *space = stack.shape
        patches = math.prod(space) * inputs
        matrix = tau * (np.arange(outputs)[:, None] % max(1, patches) == np.arange(patches))
        kernel = np.moveaxis(matrix.reshape(outputs, *space, inputs), -1, 1)
        return np.broadcast_to(kernel, stack.shape)

    return kernels(make)


def _longer(kernel: NDArray[Any], projection: NDArray[Any], axis: int) -> NDArray[Any]:
    """The kernel convolved with the two taps (P, I - P) along one axis of space."""
    first = np.einsum("npo,noi...->npi...", projection, kernel)
    pad: list[tuple[int, int]] = [(0, 0)] * kernel.ndim
    before, after = pad.copy(), pad.copy()
    before[axis], after[axis] = (0, 1), (1, 0)
    return np.pad(first, before) + np.pad(kernel - first, after)


def _hadamard(order: int) -> NDArray[Any]:
    """Sylvester's matrix of size 2^order, with columns of norm 1."""
    matrix = np.ones((1, 1))
    for _ in range(order):
        matrix = np.block([[matrix, matrix], [matrix, -matrix]]) / math.sqrt(2)
    return matrix


def _check_isometry(weight: Weight) -> None:
    check_space(weight)
    outputs, inputs, *_ = weight.kernel_shape
    if inputs > outputs:
        raise ShapeError(
            f"keeps norms only where outputs are no fewer than inputs; {weight} has {outputs} for {inputs}."
        )
