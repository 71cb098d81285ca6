"""Structure: weights that start as a known map, and weights with places that are zero."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._errors import ShapeError
from ._initialiser import Initialiser, initialiser
from ._kernels import Shape, check_matrix, check_space, check_sum, kernels, start_of
from ._law import Composed, Constant, Draw, Elementwise, Law, Normal, Packed, Rows
from ._weight import Weight


@initialiser
def identity(gain: float = 1.0) -> Initialiser:
    """The identity matrix; where it is not square, its top left.

    Formula: W[o, i] = gain if o = i else 0

    Use: recurrent matrices under ReLU (IRNN). Gain 1, or 0.01 for short memories; and added layers that should
        start as nothing.
    Avoid: more outputs than inputs: the units beyond the inputs are dead.

    Args:
        gain: on the diagonal.

    Raises:
        ShapeError: when it meets a weight with axes of space; see `dirac`.

    Reference: Le, Jaitly, Hinton, "A Simple Way to Initialize Recurrent Networks of Rectified Linear Units",
        2015, section 2. https://arxiv.org/abs/1504.00941 [le2015simple]

    Example:
        >>> str(identity(gain=0.01))
        'identity(gain=0.01)'
    """
    return kernels(lambda draw, stack: gain * _taps(stack.shape), check_matrix)


@initialiser
def dirac(gain: float = 1.0) -> Initialiser:
    """A kernel that passes each channel on unchanged, group by group.

    Formula: W[n, n, k // 2, ...] = gain for n < min(o, i) of each group, else 0

    Use: convolutions that should start as the identity; plain deep nets without skips (DiracNets).
    Avoid: even kernels, which have no middle: the signal is moved by half a pixel.

    Args:
        gain: at the middle.

    Raises:
        ShapeError: when it meets a weight without axes of space.

    Differs: JAX's delta_orthogonal takes (k - 1) // 2 as the middle, torch k // 2 as here.

    Reference: Zagoruyko, Komodakis, "DiracNets", 2017, section 3. https://arxiv.org/abs/1706.00388
        [zagoruyko2017diracnets]

    Example:
        >>> str(dirac())
        'dirac'
    """
    return kernels(lambda draw, stack: gain * _taps(stack.shape), check_space)


@initialiser
def sparse(num_incoming: int = 15, std: float = 1.0) -> Initialiser:
    """Exactly `num_incoming` weights of each unit are Gaussian, the others 0.

    Formula: W[o, S_o] ~ N(0, std^2), S_o a random set of num_incoming places, drawn for each output o

    Use: sigmoid and tanh nets of any width. No unit's input grows with the width. For tanh
        Sutskever et al. take std 0.25 and biases of 0.5.
    Avoid: ReLU nets, in which std 1 enlarges the signal's mean square num_incoming / 2 times a layer, 7.5 times with
        15; `he_sparse` keeps it. Of units with very few inputs some start dead, 1 in 2^num_incoming.

    Args:
        num_incoming: weights that each unit keeps; all of them if it has fewer.
        std: of the weights that are not 0.

    Differs: torch.nn.init.sparse_ zeroes a share of each *column*, which is one input's weights, so the
        number that reaches a unit varies; its std is 0.01; and it ignores its generator for the places.

    Reference: Martens, "Deep learning via Hessian-free optimization", ICML 2010, section 5; std 1 in Sutskever,
        Martens, Dahl, Hinton, "On the importance of initialization and momentum in deep learning", ICML 2013,
        section 3. [martens2010deep] [sutskever2013importance]

    Example:
        >>> str(sparse(num_incoming=4))
        'sparse(num_incoming=4)'
    """
    if std < 0:
        raise ValueError(f"std is 0 or more, not {std}")
    return kernels(lambda draw, stack: sparse_kernels(draw, stack.shape, num_incoming, std), check_sum)


@initialiser
def bilinear() -> Initialiser:
    """A transposed convolution that enlarges each channel by bilinear interpolation.

    Formula: W[n, n, y, x] = (1 - |y/f - c|) (1 - |x/f - c|), f = ceil(k/2), c = (2f - 1 - f mod 2) / (2f),
        0 between channels

    Use: learned upsampling by interpolation, as in FCN. By a factor f with kernel 2f - f mod 2 and stride f.

    Raises:
        ShapeError: when it meets a weight without axes of space.

    Reference: Long, Shelhamer, Darrell, "Fully Convolutional Networks for Semantic Segmentation", CVPR 2015,
        section 3.3; the formula is that of Caffe's BilinearFiller. https://arxiv.org/abs/1411.4038 [long2015fully]

    Example:
        >>> str(bilinear())
        'bilinear'
    """
    return kernels(lambda draw, stack: _triangles(stack.shape), check_space)


@initialiser
def icnr(start: str = "he_normal", factor: int = 2, order: str = "channel") -> Initialiser:
    """Each kernel is repeated for all the pixels that a pixel shuffle will make of it: no checkerboard.

    Formula: W[c r^d + j] = V[c] for j < r^d, d axes of space, V drawn by `start` on o / r^d = C outputs; with
        order `pixel` W[j C + c] = V[c]

    Use: the convolution before a pixel shuffle.

    Args:
        start: the spec of V.
        factor: r, by which the pixel shuffle enlarges each axis of space.
        order: `channel` for a shuffle that takes neighbouring outputs for one channel's pixels, as PyTorch's;
            `pixel` for one that takes a stride of C, as TensorFlow's depth_to_space with channels last.

    Raises:
        ShapeError: when r^d does not divide the outputs.

    Reference: Aitken, Ledig, Theis, Caballero, Wang, Shi, "Checkerboard artifact free sub-pixel convolution",
        2017. https://arxiv.org/abs/1707.02937 [aitken2017checkerboard]

    Example:
        >>> str(icnr("glorot_uniform"))
        "icnr(start='glorot_uniform')"
    """
    init = start_of(start)

    if order not in ("channel", "pixel"):
        raise ValueError(f"order is 'channel' or 'pixel', not {order!r}")

    def copies(shape: Shape) -> int:
        return factor ** (len(shape) - 3)

    def check(weight: Weight) -> None:
        check_space(weight)
        num = copies((1, *weight.kernel_shape))
        if weight.kernel_shape[0] % num:
            raise ShapeError(
                f"enlarges {num} times, which does not divide the {weight.kernel_shape[0]} outputs of {weight}."
            )

    def make(draw: Draw, stack: Weight) -> NDArray[Any]:
        num, outputs, *rest = stack.shape
        few = replace(stack, shape=(num, outputs // copies(stack.shape), *rest))
        drawn = draw(init.law(few), few)
        if order == "channel":
            return np.repeat(drawn, copies(stack.shape), axis=1)
        return np.concatenate([drawn] * copies(stack.shape), axis=1)

    return kernels(make, check)


@initialiser
def packed(starts: tuple) -> Initialiser:
    """A start of its own for each matrix that is packed along the output axis.

    Formula: W = (W_1; ...; W_n), W_j drawn by the j-th start with the fans of its own block

    Use: q, k and v in one matrix of which only v is scaled. Also gates that start unlike each other.

    Args:
        starts: the spec of each block, in order, as many as the weight packs.

    Raises:
        ShapeError: when it meets a weight of another number of blocks.

    Example:
        >>> str(packed(("glorot_normal", "glorot_normal", "deepnorm(12)")))
        "packed(('glorot_normal', 'glorot_normal', 'deepnorm(12)'))"
    """
    if not isinstance(starts, tuple) or not starts or not all(isinstance(start, str) for start in starts):
        raise ValueError(f"starts are quoted specs, one a block, not {starts!r}")
    inits = [start_of(start) for start in starts]

    def law(weight: Weight) -> Law:
        if len(weight.sizes) != len(inits):
            raise ShapeError(f"has {len(inits)} starts, but {weight} packs {len(weight.sizes)} blocks.")
        return Packed(tuple(init.law_of(part) for init, part in zip(inits, weight.parts, strict=True)))

    return Initialiser(law, of_all_blocks=True)


@initialiser
def whole(start: str) -> Initialiser:
    """Packed matrices drawn as if they were one, which is how frameworks see them.

    Formula: W drawn by `start`, with the outputs of all blocks in fan_out and in one orthogonal matrix

    Use: to repeat a framework's packed gates or q, k and v.
    Avoid: new models: each block has a smaller std than it would have by itself.

    Args:
        start: the spec for the whole.

    Example:
        >>> str(whole("glorot_uniform"))
        "whole('glorot_uniform')"
    """
    init = start_of(start)

    def law(weight: Weight) -> Law:
        one = replace(weight, blocks=1)
        found = init.law_of(one)
        # What is drawn element by element is the same whatever the blocks; a matrix must be told.
        return found if found.comes_in_parts(one) else Composed(lambda draw: draw(found, one))

    return Initialiser(law, of_all_blocks=True)


@initialiser
def padded(start: str, row: int = 0) -> Initialiser:
    """An embedding whose padding row is zero.

    Formula: W[v] drawn by `start`, but W[row] = 0

    Use: embeddings with a token that means nothing. Its row gets no gradient and stays as it starts.

    Args:
        start: the spec of the other rows.
        row: of the padding token, counted from 0.

    Raises:
        ShapeError: when it meets a weight without such a row.

    Example:
        >>> str(padded("normal(std=0.02)", 1))
        "padded('normal(std=0.02)', row=1)"
    """
    init = start_of(start)

    def law(weight: Weight) -> Law:
        if "v" not in weight.axes or 0 < weight.size("v") <= row:
            raise ShapeError(f'needs row {row} of a vocabulary, but {weight} has shape {weight.shape} with axes '
                             f'"{weight.axes}".')  # fmt: skip
        found, at = init.law_of(weight), (slice(None),) * weight.axes.index("v") + (slice(row, row + 1),)
        behind = weight.shape[0] - row - 1
        if isinstance(found, Elementwise) and weight.axes[0] == "v" and behind >= 0:
            return Rows(tuple(part for part in ((row, found), (1, Constant(0)), (behind, found)) if part[0]))

        def make(draw: Draw) -> NDArray[Any]:
            out = draw(found, weight)
            out[at] = 0
            return out

        return Composed(make)

    return Initialiser(law)


@initialiser
def rows(starts: tuple, sizes: tuple) -> Initialiser:
    """A start of its own for each run of rows.

    Formula: W = (W_1; ...; W_n) along the first axis as it is stored, W_j of the j-th size drawn by the j-th start

    Use: what is written piece by piece: an embedding of which some rows are zero, a bias with one value a gate.
    Avoid: packed matrices with fans of their own; see `packed`.

    Args:
        starts: the spec of each run, in order. They draw element by element and need no fans.
        sizes: how many rows each of them has.

    Raises:
        ShapeError: when the sizes do not add up to the first axis, or a start does not draw element by element.

    Example:
        >>> str(rows(("normal(std=0.02)", "zeros"), (50256, 1)))
        "rows(('normal(std=0.02)', 'zeros'), (50256, 1))"
    """
    if not isinstance(starts, tuple) or not starts or not all(isinstance(start, str) for start in starts):
        raise ValueError(f"starts are quoted specs, one a run, not {starts!r}")
    if not isinstance(sizes, tuple) or not all(type(size) is int and size > 0 for size in sizes):
        raise ValueError(f"sizes are whole numbers, 1 or more, one a run, not {sizes!r}")
    if len(starts) != len(sizes):
        raise ValueError(f"starts and sizes go in pairs, but there are {len(starts)} and {len(sizes)}")
    inits = [start_of(start) for start in starts]

    def law(weight: Weight) -> Law:
        if not weight.shape or weight.shape[0] != sum(sizes):
            raise ShapeError(f"has {sum(sizes)} rows, but {weight} has shape {weight.shape}.")
        return Rows(tuple((size, _elementwise(init, weight)) for init, size in zip(inits, sizes, strict=True)))

    return Initialiser(law, has_roles=False)


def _elementwise(init: Initialiser, weight: Weight) -> Elementwise:
    found = init.law_of(weight)
    if not isinstance(found, Elementwise):
        raise ShapeError(f"draws its rows element by element, and `{init}` computes {weight} as a whole.")
    return found


def sparse_kernels(draw: Draw, shape: Shape, num_incoming: int, std: float) -> NDArray[Any]:
    """Gaussian where one of the `num_incoming` least of a unit's words stands."""
    units = Weight(shape=(shape[0], shape[1], math.prod(shape[2:])), axes="boi")
    words = draw.words(math.prod(shape), "places").reshape(units.shape)
    places = np.argsort(words, axis=-1, kind="stable")[..., :num_incoming]
    values, out = draw(Normal(0, std), units), np.zeros(units.shape)
    np.put_along_axis(out, places, np.take_along_axis(values, places, axis=-1), axis=-1)
    return out.reshape(shape)


def _taps(shape: Shape) -> NDArray[Any]:
    """The identity at the middle of each kernel."""
    out = np.zeros(shape)
    out[middle(shape)] = np.eye(shape[1], shape[2])
    return out


def middle(shape: Shape) -> Any:
    """Index of the middle tap of kernels `(num_kernels, output, input, *space)`."""
    return (..., *(size // 2 for size in shape[3:]))


def _triangles(shape: Shape) -> NDArray[Any]:
    kernel = np.ones(())
    for size in shape[3:]:
        f = max(1, (size + 1) // 2)
        kernel = np.multiply.outer(kernel, 1 - np.abs(np.arange(size) / f - (2 * f - 1 - f % 2) / (2 * f)))
    return np.broadcast_to(np.multiply.outer(np.eye(shape[1], shape[2]), kernel), shape)
