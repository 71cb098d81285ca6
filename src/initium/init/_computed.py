"""Computed from other arrays: starts that need a weight, a mask or noise, and give several weights at once."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._errors import DataError, SettingError, ShapeError
from ._initialiser import computed

Array = NDArray[Any]


class Adapter(NamedTuple):
    """Two factors, and what is left of the weight they were taken from.

    Attributes:
        a: `(rank, in)`.
        b: `(out, rank)`.
        base: `(out, in)`, to be frozen; base + scale b a is the old weight.
    """

    a: Array
    b: Array
    base: Array


@computed
def pissa(weight: Array, rank: int, *, scale: float = 1.0) -> Adapter:
    """An adapter of a weight's largest singular values; the rest stays frozen.

    Formula: W = U S V'; B = U_r sqrt(S_r / scale), A = sqrt(S_r / scale) V_r', base = W - scale B A

    Use: fine-tuning along a weight's main directions. From the first step on.
    Avoid: keeping the old base: it has changed, and must be saved with the adapter or converted back.

    Args:
        weight: `(out, in)`.
        rank: r, at most the smaller side.
        scale: alpha / r of the adapter, above 0.

    Raises:
        ShapeError: if the weight is no matrix or the rank is out of range.
        SettingError: if the scale is out of range.
        DataError: if the weight is not of finite floating-point numbers.

    Reference: Meng, Wang, Zhang, "PiSSA: Principal Singular Values and Singular Vectors Adaptation of Large
        Language Models", NeurIPS 2024, eq. 2 to 4. https://arxiv.org/abs/2404.02948 [meng2024pissa]

    Example:
        >>> weight = np.arange(12.0).reshape(4, 3)
        >>> a, b, base = pissa(weight, 2)
        >>> bool(np.allclose(base + b @ a, weight)), a.shape, b.shape
        (True, (2, 3), (4, 2))
    """
    matrix = _matrix(weight, rank, scale)
    u, s, vt = np.linalg.svd(matrix, full_matrices=False)
    root = np.sqrt(s[:rank] / scale)
    return _adapter(weight, root[:, None] * vt[:rank], u[:, :rank] * root, scale)


@computed
def olora(weight: Array, rank: int, *, scale: float = 1.0) -> Adapter:
    """An adapter from the QR decomposition of a weight; the rest stays frozen.

    Formula: W = Q R; B = Q[:, :r], A = R[:r], base = W - scale B A

    Use: fine-tuning, cheaper than `pissa`. One factor is orthonormal.
    Avoid: keeping the old base, as in `pissa`.

    Args:
        weight: `(out, in)`.
        rank: r, at most the smaller side.
        scale: alpha / r of the adapter, above 0. (Other than 1 the base keeps 1 - scale of the part.)

    Raises:
        ShapeError: if the weight is no matrix or the rank is out of range.
        SettingError: if the scale is out of range.
        DataError: if the weight is not of finite floating-point numbers.

    Reference: Buyukakyuz, "OLoRA: Orthonormal Low-Rank Adaptation of Large Language Models", 2024, and peft's
        code. https://arxiv.org/abs/2406.01775 [buyukakyuz2024olora]

    Example:
        >>> weight = np.arange(12.0).reshape(4, 3)
        >>> a, b, base = olora(weight, 2)
        >>> bool(np.allclose(base + b @ a, weight)), bool(np.allclose(b.T @ b, np.eye(2)))
        (True, True)
    """
    q, r = np.linalg.qr(_matrix(weight, rank, scale))
    return _adapter(weight, r[:rank], q[:, :rank], scale)


class Mimetic(NamedTuple):
    """The four weights of an attention layer, each `(width, width)` as (output, input)."""

    query: Array
    key: Array
    value: Array
    out: Array


@computed
def mimetic(
    query_key_noise: Array, value_out_noise: Array, *, query_key: float = 0.7, value_out: float = 0.4
) -> Mimetic:
    """Attention that starts like trained attention: tokens attend to their like, and values are subtracted.

    Formula: for each head W_q' W_k is the best approximation of rank width / heads of query_key (Z + I); and
        W_out W_v = value_out (Z - I); Z the noise / sqrt(width). Both are split evenly by their singular values

    Use: vision transformers on small data sets.
    Avoid: language models, for which other signs are reported.

    Args:
        query_key_noise: `(heads, width, width)` standard normals.
        value_out_noise: `(width, width)` standard normals.
        query_key: size of noise and identity in the first product.
        value_out: size of noise and negative identity in the second.

    Raises:
        ShapeError: if the shapes do not fit each other.

    Differs: the two sizes are those of published reproductions; no code of the authors was found.

    Reference: Trockman, Kolter, "Mimetic Initialization of Self-Attention Layers", ICML 2023, section 3.
        https://arxiv.org/abs/2305.09828 [trockman2023mimetic]

    Example:
        >>> from initium import array
        >>> heads = array("normal", (4, 64, 64), seed=0, path="attn.qk", axes="boi")
        >>> query, key, value, out = mimetic(heads, array("normal", (64, 64), seed=0, path="attn.vo"))
        >>> query.shape, bool(np.trace(query.T @ key) > 0), bool(np.trace(out @ value) < 0)
        ((64, 64), True, True)
    """
    heads, width = query_key_noise.shape[0], query_key_noise.shape[-1]
    shapes = query_key_noise.shape, value_out_noise.shape
    if shapes != ((heads, width, width), (width, width)) or not heads or width % heads:
        raise ShapeError(
            f"`mimetic` needs noise of shapes (heads, width, width) and (width, width), heads dividing width, not "
            f"{shapes[0]} and {shapes[1]}."
        )
    query, key = query_and_key(query_key_noise, query_key)
    value, out = value_and_out(value_out_noise, value_out)
    return Mimetic(*(weight.astype(value_out_noise.dtype) for weight in (query, key, value, out)))


def query_and_key(noise: Array, size: float) -> tuple[Array, Array]:
    """W_q and W_k of which W_q' W_k is nearest to size (Z + I), head by head; noise `(heads, width, width)`."""
    heads, width = noise.shape[:2]
    left, right = _halves(size * (noise / math.sqrt(width) + np.eye(width)))
    kept = width // heads
    return left[..., :kept].swapaxes(1, 2).reshape(width, width), right[:, :kept].reshape(width, width)


def value_and_out(noise: Array, size: float) -> tuple[Array, Array]:
    """W_v and W_out of which W_out W_v = size (Z - I); noise `(width, width)`."""
    out, value = _halves(size * (noise / math.sqrt(len(noise)) - np.eye(len(noise))))
    return value, out


@computed
def sparsity_aware(weight: Array, mask: Array) -> Array:
    """A dense start under a mask, scaled unit by unit as if it had been drawn for the weights that remain.

    Formula: W[o] <- W[o] mask[o] sqrt(n / n_o), n weights of a unit of which n_o remain

    Use: a mask that is there already. Nets that were pruned at random or by a lottery ticket, after `he_normal` or
        any start that follows fan_in.

    Args:
        weight: `(out, ...)`.
        mask: of the same shape; what is not 0 remains.

    Raises:
        ShapeError: if the shapes differ.
        DataError: if the weight is not of finite floating-point numbers.

    Reference: Evci, Ioannou, Keskin, Dauphin, "Gradient Flow in Sparse Neural Networks and How Lottery Tickets
        Win", AAAI 2022, section 3. https://arxiv.org/abs/2010.03533 [evci2022gradient]

    Example:
        >>> sparsity_aware(np.ones((2, 4)), np.array([[1, 0, 0, 0], [1, 1, 1, 1]]))
        array([[2., 0., 0., 0.],
               [1., 1., 1., 1.]])
    """
    if weight.shape != mask.shape:
        raise ShapeError(f"`sparsity_aware` needs a mask of the weight's shape {weight.shape}, not {mask.shape}.")
    _check_numbers(weight)
    kept = (mask != 0).reshape(len(mask), -1)
    scale = np.sqrt(kept.shape[1] / np.maximum(1, kept.sum(1)))
    return weight * (kept * scale[:, None]).reshape(weight.shape).astype(weight.dtype)


def _matrix(weight: Array, rank: int, scale: float) -> Array:
    if weight.ndim != 2 or not isinstance(rank, int) or not 1 <= rank <= min(weight.shape):
        raise ShapeError(f"an adapter of rank {rank} needs a matrix with sides of {rank} or more, not {weight.shape}.")
    if not 0 < scale < math.inf:
        raise SettingError(f"The scale of an adapter, alpha / rank, is a finite number above 0, not {scale}.")
    _check_numbers(weight)
    return weight.astype(np.float64)


def _check_numbers(weight: Array) -> None:
    if weight.dtype.kind != "f" or not np.isfinite(weight).all():
        what = weight.dtype if weight.dtype.kind != "f" else "numbers that are not finite"
        raise DataError(f"A start is computed from finite floating-point weights; these are {what}.")


def _adapter(weight: Array, a: Array, b: Array, scale: float) -> Adapter:
    """The factors in the weight's own precision, and the base that they leave after that rounding."""
    a, b = a.astype(weight.dtype), b.astype(weight.dtype)
    base = weight - scale * (b.astype(np.float64) @ a.astype(np.float64))
    return Adapter(a, b, base.astype(weight.dtype))


def _halves(matrix: Array) -> tuple[Array, Array]:
    """Two factors of equal singular values, largest first."""
    u, s, vt = np.linalg.svd(matrix)
    root = np.sqrt(s)
    return u * root[..., None, :], root[..., :, None] * vt
